"""Signs that a video was not generated: still images, copies, other audio, duplicates, overlays.

They are findings for the organizers to review and never change a score: whatever severity a challenge gives them, the
video stays as valid as it was. What a challenge declares to follow is applied where runs are ranked
(`evalkit.scoring.consequences`). The thresholds and the data behind them are in design/009-gaming.md and
design/034-detectors-of-tricks.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from evalkit.metrics.gaming.audio_match import SIMILAR
from evalkit.metrics.gaming.signature import SAME_SHARE
from evalkit.metrics.gaming.stillness import FEW_IMAGES, SINGLE_IMAGE
from evalkit.text import count
from evalkit.validators.findings import Rule, Violation
from evalkit.validators.gaming_case import GamingCase, VideoCopy
from evalkit.validators.tricks import FOUND_AGAIN, TRICK_RULES

REFERENCE_PICTURE = 11.0  # unit of `evalkit.metrics.gaming.stillness.residual`
SHIFTED = 0.08  # seconds: two frames at 25 a second, and more than any encoder's delay
NAMED = 3


@dataclass(frozen=True)
class RunPair:
    """What the runs of two teams of a board have in common.

    Args:
        teams: both, by name.
        runs: the run of each.
        copies: for every sample of the first run, the sample of the second whose video has the same content.
    """

    teams: tuple[str, str]
    runs: tuple[str, str]
    copies: tuple[tuple[str, VideoCopy], ...]


def _nearly_frozen(case: GamingCase) -> Iterable[Violation]:
    if not case.is_still:  # `content.frozen` says the same of many, and a challenge may declare a consequence of either
        return
    if case.distinct <= FEW_IMAGES:
        yield Violation(
            "The video is nearly frozen: it shows only a few different frames.",
            found=f"{case.distinct} different among {count(case.ticks, 'frame')}",
            expected=f"more than {FEW_IMAGES}",
        )
    else:
        yield Violation(
            "The video is one image that is moved, zoomed or sheared.",
            found=f"one frame explains the others except for {case.warped:.1f} %",
            expected=f"at least {SINGLE_IMAGE:g} % that it does not explain",
        )


def _reference_image(case: GamingCase) -> Iterable[Violation]:
    if case.reference_picture is not None and case.reference_picture < REFERENCE_PICTURE:
        yield Violation(
            "The video is the reference image, still or moved.",
            found=f"the image explains the frames except for {case.reference_picture:.1f} %",
            expected="a video made from the image",
        )


def _reference_video(case: GamingCase) -> Iterable[Violation]:
    own = next((copy for copy in case.references if copy.sample == case.sample), None)
    if own is not None:
        yield Violation(
            "The video has the content of its own reference video.",
            found=likeness(own),
            expected=f"less than {SAME_SHARE:.0%} equal",
        )
    elif case.references:
        first = case.references[0]
        yield Violation(
            "The video has the content of another sample's reference video.",
            found=f"sample {first.sample}: {likeness(first)}",
            expected=f"less than {SAME_SHARE:.0%} equal",
        )


def _duplicate(case: GamingCase) -> Iterable[Violation]:
    if case.duplicates:
        named = "; ".join(f"sample {duplicate.sample}: {likeness(duplicate)}" for duplicate in case.duplicates[:NAMED])
        more = len(case.duplicates) - NAMED
        yield Violation(
            "Another video of the submission has the same content.",
            found=f"{named}{f'; and {more} more' if more > 0 else ''}",
            expected="a video of its own for every sample",
        )


def likeness(copy: VideoCopy) -> str:
    """Describe how similar two videos are."""
    if copy.match is None:
        return "equal files"
    words = f"{copy.match.share:.1%} of the signature equal"
    if abs(copy.match.shift) > 1e-9:
        words += f", {abs(copy.match.shift):.1f} s apart"
    return f"{words}, {copy.match.view}" if copy.match.view else words


def _across_teams(shared: RunPair) -> Iterable[Violation]:
    if not shared.copies:
        return
    named = "; ".join(
        f"sample {sample}{'' if copy.sample == sample else f' as {copy.sample}'}: {likeness(copy)}"
        for sample, copy in shared.copies[:NAMED]
    )
    count, more = len(shared.copies), len(shared.copies) - NAMED
    yield Violation(
        f"Two teams submitted the same content in {count} video{'s' if count != 1 else ''}.",
        found=f"{named}{f'; and {more} more' if more > 0 else ''}",
        expected="videos of each team's own",
    )


def _other_audio(case: GamingCase) -> Iterable[Violation]:
    audio = case.audio
    if audio.state == "silent":
        yield Violation(
            "The official speech is missing: the audio is silent.", found="silence", expected="the official speech"
        )
    elif audio.state == "compared" and (audio.match < SIMILAR or audio.share < FOUND_AGAIN):
        yield Violation(
            "The audio is not the official speech."
            if audio.match < SIMILAR
            else "Parts of the audio are not the official speech.",
            found=f"correlation {audio.match:.2f}, {audio.share:.0%} of the seconds recognized",
            expected=f"correlation at least {SIMILAR:g}, {FOUND_AGAIN:.0%} of the seconds",
        )


def _shifted_audio(case: GamingCase) -> Iterable[Violation]:
    audio = case.audio
    if audio.state == "compared" and audio.match >= SIMILAR and abs(audio.offset) > SHIFTED:
        yield Violation(
            f"The audio is {'later' if audio.offset > 0 else 'earlier'} than the official speech.",
            found=f"{1000 * audio.offset:+.0f} ms, correlation {audio.match:.2f}",
            expected=f"at most {1000 * SHIFTED:.0f} ms apart",
        )


def _overlay(case: GamingCase) -> Iterable[Violation]:
    if case.islands and not case.is_still:
        places = "; ".join(
            f"{one.width:.0%} by {one.height:.0%} at {one.left:.0%} from the left, {one.top:.0%} from the top"
            for one in case.islands[:NAMED]
        )
        yield Violation(
            "Something with sharp edges stays fixed while its surroundings move: a logo, a caption or a pasted image.",
            found=places,
            expected="nothing pasted over the video",
        )


CASE_RULES: tuple[Rule[GamingCase], ...] = (
    Rule("gaming.nearly-frozen", "gaming", "warning", "one image or a few, still or moved", _nearly_frozen),
    Rule("gaming.reference-image", "gaming", "warning", "the reference image, still or moved", _reference_image),
    Rule("gaming.reference-video", "gaming", "warning", "a copy of a reference video", _reference_video),
    Rule("gaming.duplicate", "gaming", "warning", "one video for two samples", _duplicate),
    Rule("gaming.audio-replaced", "gaming", "warning", "not the official speech", _other_audio),
    Rule("gaming.audio-shifted", "gaming", "warning", "official speech, earlier or later", _shifted_audio),
    Rule("gaming.overlay", "gaming", "info", "something pasted over the video", _overlay),
    *TRICK_RULES,
)

BOARD_RULES: tuple[Rule[RunPair], ...] = (
    Rule("gaming.across-teams", "board", "warning", "one video of two teams", _across_teams),
)

RULES: tuple[Rule[Any], ...] = (*CASE_RULES, *BOARD_RULES)


def all_off(severities: Mapping[str, str]) -> bool:
    """Return whether a challenge switches all of these rules off."""
    return all(severities.get(rule.id) == "off" for rule in CASE_RULES)
