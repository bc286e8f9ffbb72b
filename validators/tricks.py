"""Rules about tricks with one image, with time and with sound, as far as one video shows them.

Limits, and what they were measured on: design/034-detectors-of-tricks.md.
"""

from __future__ import annotations

from collections.abc import Iterable

from evalkit.metrics.gaming.audio_match import SIMILAR
from evalkit.metrics.gaming.repetition import INSERTED, PART_REPEATED, REPEATED
from evalkit.metrics.gaming.waves import WAVING
from evalkit.text import count
from evalkit.validators.findings import Rule, Violation
from evalkit.validators.gaming_case import GamingCase

FACE_REST = 12.0  # per cent, see `evalkit.metrics.gaming.face_stillness`
FACE_BENT = 17.0
RESTING, LIVELY = 0.05, 0.5  # points of 96
RESTING_SHARE = 0.025
LEFT_OVER = 0.1  # of the audio's power
FOUND_AGAIN = 0.8  # of the seconds of the official speech


def _one_face(case: GamingCase) -> bool:
    return case.bent is not None and case.bent < FACE_BENT and not case.is_still


def _face_still(case: GamingCase) -> Iterable[Violation]:
    if _one_face(case):
        yield Violation(
            "The face is one image that is lit, moved or bent.",
            found=f"one frame explains the face in the others except for {case.bent:.1f} %",
            expected=f"at least {FACE_BENT:g} % that it does not explain",
        )


def _mouth_only(case: GamingCase) -> Iterable[Violation]:
    moves = case.rest is None or case.rest >= FACE_REST
    if moves or case.is_still or _one_face(case):
        return
    yield Violation(
        "Nothing of the face moves but the mouth.",
        found=f"one frame explains the upper half of the face in the others except for {case.rest:.1f} %",
        expected=f"at least {FACE_REST:g} % that it does not explain",
    )


def _mouth_pasted(case: GamingCase) -> Iterable[Violation]:
    if case.moves is None or case.is_still:
        return
    still, lively = case.moves
    if 0 <= still < RESTING and lively >= LIVELY and still < RESTING_SHARE * lively:
        yield Violation(
            "A part of the face moves, and the rest is exactly still.",
            found=f"a quarter of the face moves by {still / lively:.1%} of what its liveliest parts do",
            expected=f"at least {RESTING_SHARE:.1%}",
        )


def _waves(case: GamingCase) -> Iterable[Violation]:
    if case.waves >= WAVING and not case.is_still:
        yield Violation(
            "Waves run through the picture: bands of it slide to and fro.",
            found=f"they explain {case.waves:.0%} of all change",
            expected=f"less than {WAVING:.0%}",
        )


def _looped(case: GamingCase) -> Iterable[Violation]:
    if case.frozen or case.is_still:
        return
    if case.loop.ratio < REPEATED:
        yield Violation(
            "A part of the video is there more than once.",
            found=f"again after {case.loop.seconds:.1f} s, with {case.loop.ratio:.1%} of the usual difference",
            expected=f"at least {REPEATED:.0%} of the difference between its frames",
        )
    elif case.reversal.ratio < REPEATED:
        yield Violation(
            "A part of the video is there once more, played backwards.",
            found=f"from {case.reversal.seconds:.1f} s on, with {case.reversal.ratio:.1%} of the usual difference",
            expected=f"at least {REPEATED:.0%} of the difference between its frames",
        )
    elif case.part.ratio < PART_REPEATED:
        yield Violation(
            "A second of the video is there once more.",
            found=f"again after {case.part.seconds:.1f} s, with {case.part.ratio:.1%} of the usual difference",
            expected=f"at least {PART_REPEATED:.0%} of the difference between its frames",
        )


def _inserted(case: GamingCase) -> Iterable[Violation]:
    if case.inserted >= INSERTED and not case.frozen and not case.is_still:
        yield Violation(
            "Single frames show something else than the frames around them.",
            found=f"{case.inserted} of {count(case.ticks, 'examined frame')}",
            expected=f"fewer than {INSERTED}",
        )


def _mixed(case: GamingCase) -> Iterable[Violation]:
    audio = case.audio
    is_the_speech = audio.state == "compared" and audio.match >= SIMILAR and audio.share >= FOUND_AGAIN
    if is_the_speech and case.left_over > LEFT_OVER:
        yield Violation(
            "The audio holds more than the official speech, or the speech at another speed.",
            found=f"{case.left_over:.0%} of its power is not explained by the speech",
            expected=f"at most {LEFT_OVER:.0%}",
        )


TRICK_RULES: tuple[Rule[GamingCase], ...] = (
    Rule("gaming.face-still", "gaming", "warning", "the face is one image, lit, moved or bent", _face_still),
    Rule("gaming.mouth-only", "gaming", "warning", "nothing of the face moves but the mouth", _mouth_only),
    Rule("gaming.mouth-pasted", "gaming", "warning", "a part of the face on a still", _mouth_pasted),
    Rule("gaming.waves", "gaming", "warning", "waves that run through the picture", _waves),
    Rule("gaming.looped", "gaming", "warning", "a part again, forwards or backwards", _looped),
    Rule("gaming.inserted-frames", "gaming", "warning", "single frames of something else", _inserted),
    Rule("gaming.audio-mixed", "gaming", "warning", "the official speech and other sound", _mixed),
)
