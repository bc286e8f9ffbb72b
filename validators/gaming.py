"""Signs that a submission was not made by generating: stills, copies, other sound, duplicates, pasted things.

They are findings for the organizers to look at, and never take a score or a place away: whatever severity a challenge
gives them, the video stays as valid as it was. The thresholds and what they were measured on stand in
design/009-gaming.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from evalkit.metrics.gaming.overlay import Island
from evalkit.metrics.gaming.signature import SAME, Match
from evalkit.metrics.gaming.sound_match import ALIKE, SoundMatch
from evalkit.metrics.gaming.stillness import FEW, ONE_PICTURE
from evalkit.validators.findings import Rule, Violation

LEAST_PICTURES = 15  # tenths of a second
REFERENCE_PICTURE = 11.0  # unit of `evalkit.metrics.gaming.stillness.residual`
SHIFTED = 0.08  # seconds: two frames at 25 a second, and more than any encoder's delay
FOUND_AGAIN = 0.8
NAMED = 3
NO_SOUND = SoundMatch("no_official_sound")


@dataclass(frozen=True)
class Copy:
    """A video that shows what another one shows.

    Args:
        sample: what the other one belongs to.
        match: how the moving pictures fit; ``None`` when the files are equal byte by byte.
    """

    sample: str
    match: Match | None


@dataclass(frozen=True)
class Case:
    """What is known of one video of a submission.

    Args:
        sample: what it answers.
        ticks: pictures that were looked at, ten a second.
        distinct: how many of them differ.
        warped: what one picture, moved and zoomed, leaves unexplained of the others.
        frozen: whether nearly every frame equals the one before, which is another rule's finding.
        reference_picture: what the best of the reference images leaves unexplained; ``None`` when there is none, or
            when the video is not made of one picture or a few.
        references: reference videos that it shows, the best first.
        twins: other videos of the submission that show the same, the best first.
        sound: how its sound fits the official speech.
        islands: what looks pasted.
    """

    sample: str
    ticks: int = 0
    distinct: int = 0
    warped: float = 100.0
    frozen: bool = False
    reference_picture: float | None = None
    references: tuple[Copy, ...] = ()
    twins: tuple[Copy, ...] = ()
    sound: SoundMatch = NO_SOUND
    islands: tuple[Island, ...] = ()


@dataclass(frozen=True)
class Shared:
    """What the runs of two teams of a board have in common.

    Args:
        teams: both, by name.
        runs: the run of each.
        copies: for every sample of the first run, the sample of the second whose video shows the same.
    """

    teams: tuple[str, str]
    runs: tuple[str, str]
    copies: tuple[tuple[str, Copy], ...]


def made_of_few(ticks: int, distinct: int, warped: float) -> bool:
    """Return whether a video is one picture or a few, as they are or moved."""
    return ticks >= LEAST_PICTURES and (distinct <= FEW or warped < ONE_PICTURE)


def _nearly_frozen(case: Case) -> Iterable[Violation]:
    if case.frozen or not made_of_few(case.ticks, case.distinct, case.warped):
        return
    if case.distinct <= FEW:
        yield Violation(
            "The video is nearly frozen: it shows only a few different pictures.",
            found=f"{case.distinct} different among {case.ticks} pictures",
            expected=f"more than {FEW}",
        )
    else:
        yield Violation(
            "The video is one picture that is moved, zoomed or sheared.",
            found=f"one picture explains the others but for {case.warped:.1f} %",
            expected=f"at least {ONE_PICTURE:g} % that it does not explain",
        )


def _reference_image(case: Case) -> Iterable[Violation]:
    if case.reference_picture is not None and case.reference_picture < REFERENCE_PICTURE:
        yield Violation(
            "The video is the reference image, still or moved.",
            found=f"the image explains its picture but for {case.reference_picture:.1f} %",
            expected="a video made from the image",
        )


def _reference_video(case: Case) -> Iterable[Violation]:
    own = next((copy for copy in case.references if copy.sample == case.sample), None)
    if own is not None:
        yield Violation(
            "The video shows the moving pictures of its own reference video.",
            found=likeness(own),
            expected=f"less than {SAME:.0%} equal",
        )
    elif case.references:
        first = case.references[0]
        yield Violation(
            "The video shows the moving pictures of another sample's reference video.",
            found=f"sample {first.sample}: {likeness(first)}",
            expected=f"less than {SAME:.0%} equal",
        )


def _duplicate(case: Case) -> Iterable[Violation]:
    if case.twins:
        named = "; ".join(f"sample {twin.sample}: {likeness(twin)}" for twin in case.twins[:NAMED])
        more = len(case.twins) - NAMED
        yield Violation(
            "Another video of the submission shows the same moving pictures.",
            found=f"{named}{f'; and {more} more' if more > 0 else ''}",
            expected="a video of its own for every sample",
        )


def likeness(copy: Copy) -> str:
    """Return in words how two videos are alike."""
    if copy.match is None:
        return "equal files"
    words = f"{copy.match.share:.1%} of the signature equal"
    if abs(copy.match.shift) > 1e-9:
        words += f", {abs(copy.match.shift):.1f} s apart"
    return f"{words}, mirrored" if copy.match.mirrored else words


def _across_teams(shared: Shared) -> Iterable[Violation]:
    if not shared.copies:
        return
    named = "; ".join(
        f"sample {sample}{'' if copy.sample == sample else f' as {copy.sample}'}: {likeness(copy)}"
        for sample, copy in shared.copies[:NAMED]
    )
    count, more = len(shared.copies), len(shared.copies) - NAMED
    yield Violation(
        f"Two teams show the same moving pictures in {count} video{'s' if count != 1 else ''}.",
        found=f"{named}{f'; and {more} more' if more > 0 else ''}",
        expected="videos of each team's own",
    )


def _other_sound(case: Case) -> Iterable[Violation]:
    sound = case.sound
    if sound.state == "silent":
        yield Violation(
            "The official speech is missing: the sound is silent.", found="silence", expected="the official speech"
        )
    elif sound.state == "compared" and (sound.match < ALIKE or sound.share < FOUND_AGAIN):
        yield Violation(
            "The sound is not the official speech." if sound.match < ALIKE else "Parts of the sound are another one.",
            found=f"correlation {sound.match:.2f}, {sound.share:.0%} of the seconds found again",
            expected=f"correlation at least {ALIKE:g}, {FOUND_AGAIN:.0%} of the seconds",
        )


def _shifted_sound(case: Case) -> Iterable[Violation]:
    sound = case.sound
    if sound.state == "compared" and sound.match >= ALIKE and abs(sound.offset) > SHIFTED:
        yield Violation(
            f"The sound is {'later' if sound.offset > 0 else 'earlier'} than the official speech.",
            found=f"{1000 * sound.offset:+.0f} ms, correlation {sound.match:.2f}",
            expected=f"at most {1000 * SHIFTED:.0f} ms apart",
        )


def _overlay(case: Case) -> Iterable[Violation]:
    if case.islands and not made_of_few(case.ticks, case.distinct, case.warped):
        places = "; ".join(
            f"{one.width:.0%} by {one.height:.0%} at {one.left:.0%} from the left, {one.top:.0%} from the top"
            for one in case.islands[:NAMED]
        )
        yield Violation(
            "Something with sharp edges stands still amid what moves: a logo, a caption or a pasted picture.",
            found=places,
            expected="nothing pasted over the video",
        )


CASE_RULES: tuple[Rule[Case], ...] = (
    Rule("gaming.nearly-frozen", "gaming", "warning", "one picture or a few, moved or not", _nearly_frozen),
    Rule("gaming.reference-image", "gaming", "warning", "the reference image, still or moved", _reference_image),
    Rule("gaming.reference-video", "gaming", "warning", "a copy of a reference video", _reference_video),
    Rule("gaming.duplicate", "gaming", "warning", "two samples, one video", _duplicate),
    Rule("gaming.audio-replaced", "gaming", "warning", "not the official speech", _other_sound),
    Rule("gaming.audio-shifted", "gaming", "warning", "official speech, earlier or later", _shifted_sound),
    Rule("gaming.overlay", "gaming", "info", "something pasted over the video", _overlay),
)

BOARD_RULES: tuple[Rule[Shared], ...] = (
    Rule("gaming.across-teams", "board", "warning", "two teams, one video", _across_teams),
)

RULES: tuple[Rule[Any], ...] = (*CASE_RULES, *BOARD_RULES)


def all_off(severities: Mapping[str, str]) -> bool:
    """Return whether a challenge switches every one of these rules off."""
    return all(severities.get(rule.id) == "off" for rule in CASE_RULES)
