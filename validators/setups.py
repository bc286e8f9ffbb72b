"""Rules for test sets that ask for several videos of each sample: what drives the silent and the other one."""

from __future__ import annotations

from collections.abc import Iterable

from evalkit.testsets.setup_names import OTHER, OWN, SILENT
from evalkit.validators.checked_testset import CheckedSample, CheckedTestSet
from evalkit.validators.findings import Rule, Violation

QUIET = -40.0  # dB of full scale, the loudest sample: noise of -60 dBFS, which stands for silence, has peaks of -47
_FIX = "'evalkit testset setups TESTSET' writes the sounds and the list."


def _unreadable(case: CheckedTestSet) -> Iterable[Violation]:
    for one in case.samples:
        if one.driving is not None and one.driving.problem is not None:
            yield Violation(
                "The sound that drives the video can't be read.",
                found=one.driving.problem,
                expected="an audio file such as WAV",
                fix=_FIX,
                path=one.sample.driving_audio,
                sample=one.sample.id,
            )


def _not_silent(case: CheckedTestSet) -> Iterable[Violation]:
    for one in case.samples:
        if one.sample.setup != SILENT:
            continue
        if one.driving is None:
            found = "the speech itself: there is no 'driving_audio'"
        elif one.driving.problem is None and one.driving.peak_dbfs > QUIET:
            found = f"a peak of {one.driving.peak_dbfs:.0f} dBFS"
        else:
            continue
        yield Violation(
            "What drives the silent video is not silent.",
            found=found,
            expected=f"a peak of at most {QUIET:.0f} dBFS",
            fix=_FIX,
            path=one.sample.driving_audio or one.sample.audio,
            sample=one.sample.id,
        )


def _not_other(case: CheckedTestSet) -> Iterable[Violation]:
    own = {one.sample.item: one for one in case.samples if one.sample.setup == OWN}
    for one in case.samples:
        if one.sample.setup == OTHER and one.sample.item in own:
            sound = _driven_by(one)
            if sound is not None and sound == _driven_by(own[one.sample.item]):
                yield Violation(
                    "The video with other speech is driven by its own.",
                    found="the same file",
                    expected="the speech of another sample",
                    fix=_FIX,
                    path=one.sample.driving_audio or one.sample.audio,
                    sample=one.sample.id,
                )


def _driven_by(one: CheckedSample) -> str | None:
    return one.audio_sha256 if one.driving is None else one.driving.sha256


RULES: tuple[Rule[CheckedTestSet], ...] = (
    Rule("testset.driving-unreadable", "testset", "error", "driving sound can't be read", _unreadable),
    Rule("testset.driving-silent", "testset", "error", "the silent video is driven by a sound", _not_silent),
    Rule("testset.driving-other", "testset", "error", "the video with other speech is driven by its own", _not_other),
)
