"""Time limits that follow from a challenge's rules."""

from __future__ import annotations

from typing import Any

import pytest

from evalkit.challenges.submission_rules import SubmissionRules
from evalkit.scoring.time_limits import submission_seconds, video_seconds
from evalkit.validators.file import ExpectedLength
from evalkit.workers.sandbox import JOB_SECONDS

SMALL = {"max_seconds": 2.4, "max_fps": 30, "max_width": 256, "max_height": 256}


def seconds(
    size: int = 0, *, expected: float | None = None, scored: bool = False, off: str = "", **video: Any
) -> float:
    rules = SubmissionRules.model_validate({"video": SMALL | video, "severities": {off: "off"} if off else {}})
    length = ExpectedLength(expected, "speech") if expected is not None else None
    return video_seconds(rules, length, size, scored=scored)


def test_a_longer_larger_faster_or_bigger_video_has_more_time() -> None:
    # 73 frames of 65,536 pixels, at 2 million a second; 60 + 2 x 2.4 s of sound, 5 of them a second; 60 s for anything
    plain = 60 + 73 * 65_536 / 2e6 + 64.8 / 5
    assert seconds() == pytest.approx(plain)
    assert seconds(10_000_000) == pytest.approx(plain + 2)
    assert seconds(scored=True) == pytest.approx(plain + 730)
    assert seconds(max_width=512) == pytest.approx(plain + 73 * 65_536 / 2e6)
    assert seconds(max_fps=60) == pytest.approx(plain + 72 * 65_536 / 2e6)
    # 1.5 s of speech and half a second more; the sound that goes with it
    by_speech = 60 + 61 * 65_536 / 2e6 + 64 / 5
    assert seconds(expected=1.5, match_reference_seconds=0.5) == pytest.approx(by_speech)


def test_no_video_has_more_time_than_without_rules() -> None:
    assert seconds(max_seconds=600, max_width=4096, max_height=4096) == JOB_SECONDS
    assert seconds(max_seconds=None) == JOB_SECONDS
    assert seconds(max_width=None, max_height=None, max_seconds=20, scored=True) == JOB_SECONDS
    for rule in ("content.duration", "content.endless"):
        assert seconds(off=rule) == JOB_SECONDS


def test_a_submission_has_a_quarter_of_its_videos_time_and_at_least_that_of_two() -> None:
    assert submission_seconds([100.0] * 40, 1) == 1000
    assert submission_seconds([100.0] * 40, 4) == 250
    assert submission_seconds([100.0] * 40, 1000) == 200
    assert submission_seconds([100.0, 20.0], 8) == 200
