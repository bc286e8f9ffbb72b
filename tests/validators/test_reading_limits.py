"""A file is not read much further than the challenge allows; what is honest but wrong is read to its end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from builders.extraction import Extracting

from evalkit.challenges.submission_rules import SubmissionRules
from evalkit.media.encode import write_video
from evalkit.media.facts import MediaFacts
from evalkit.media.inspect import inspect_media
from evalkit.media.limits import ReadLimits
from evalkit.metrics.features.base import Item
from evalkit.scoring.jobs import NOT_UNPACKED, Config, Job
from evalkit.submission.model import Submission
from evalkit.validators.file import ExpectedLength
from evalkit.validators.reading_limits import read_limits
from evalkit.validators.registry import file_findings


def clip(path: Path, seconds: float, audio_seconds: float | None = None, width: int = 64) -> Path:
    frame = np.random.default_rng(0).integers(0, 255, (64, width, 3), dtype=np.uint8)
    audio = np.zeros(round(16_000 * (audio_seconds or seconds)), np.float32)
    write_video(path, (frame for _ in range(round(25 * seconds))), 25, audio, preset="ultrafast")
    return path


def rules(**changes: object) -> SubmissionRules:
    return SubmissionRules.model_validate(changes)


def read(path: Path, of: SubmissionRules, expected: ExpectedLength | None = None) -> tuple[MediaFacts, set[str]]:
    facts = inspect_media(path, (), read_limits(of, expected)).facts
    return facts, {finding.rule for finding in file_findings(facts, of, path.name, expected)}


def test_a_video_much_longer_than_allowed_is_not_read_to_its_end(tmp_path: Path) -> None:
    long = clip(tmp_path / "a.mp4", 30)
    facts, found = read(long, rules(video={"max_seconds": 2, "max_fps": 60}))
    assert facts.video is not None
    assert facts.video.frames == 250 + 2 * 2 * 60
    assert "content.endless" in found
    facts, found = read(
        long, rules(video={"max_fps": 60, "match_reference_seconds": 0.5}), ExpectedLength(1.5, "speech")
    )
    assert facts.video is not None
    assert facts.video.frames == 250 + 2 * 2 * 60
    assert "content.endless" in found


def test_a_larger_video_is_read_for_ten_seconds(tmp_path: Path) -> None:
    wide = clip(tmp_path / "a.mp4", 12, width=128)
    facts, found = read(wide, rules(video={"max_width": 64, "max_height": 64}))
    assert facts.video is not None
    assert facts.video.frames == 250
    assert {"content.endless", "encoding.resolution"} <= found
    assert ReadLimits(width=128, height=64, larger_frames=250).frames_of(64, 128) > 250  # turned by a display matrix


def test_audio_much_longer_than_the_video_is_an_error(tmp_path: Path) -> None:
    facts, found = read(clip(tmp_path / "a.mp4", 1, 120), rules(video={"max_seconds": 2}))
    assert facts.audio is not None
    assert 64 <= facts.audio.duration_seconds < 66
    assert "content.audio-endless" in found


def test_honest_mistakes_are_read_to_their_end(tmp_path: Path) -> None:
    facts, found = read(clip(tmp_path / "a.mp4", 8, 20), rules(video={"max_seconds": 2, "max_width": 48}))
    assert facts.video is not None
    assert facts.audio is not None
    assert (facts.video.frames, facts.limits) == (200, None)
    assert facts.audio.duration_seconds > 19
    assert {"content.duration", "encoding.resolution"} <= found
    assert not found & {"content.endless", "content.audio-endless"}


@pytest.mark.parametrize("rule", ["content.endless", "content.duration"])
def test_rules_that_are_no_errors_limit_nothing(tmp_path: Path, rule: str) -> None:
    of = rules(video={"max_seconds": 2}, severities={rule: "warning"})
    facts, _ = read(clip(tmp_path / "a.mp4", 30), of)
    assert facts.video is not None
    assert facts.video.frames == 750


def test_facts_that_end_early_are_not_those_of_another_challenge(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    clip(tmp_path / "sub" / "s.mp4", 30)
    submission = Submission.open(tmp_path / "sub")
    work = Job("s", submission.ref("s.mp4"), Item(sample="s", video=NOT_UNPACKED))
    read_now = []
    for longest in (2.0, 2.0, 100.0, 100.0):
        settings = Config(tmp_path / "cache", rules=rules(video={"max_seconds": longest, "max_fps": 60}))
        result = Extracting(settings)(work)
        assert result.facts is not None
        assert result.facts.video is not None
        read_now.append((result.facts.video.frames, result.decodes))
    assert read_now == [(490, 1), (490, 0), (750, 1), (750, 0)]
