"""A file is not read much further than the challenge allows; what is honest but wrong has all of its findings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from builders.clips import Recorder
from builders.extraction import Extracting
from builders.media_facts import facts as facts_of_a_good_file

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


def decoded(facts: MediaFacts) -> tuple[int, int, str | None]:
    """Return how many frames were decoded and how many were counted, and what ended the decoding."""
    assert facts.video is not None
    return facts.video.frames - facts.video.undecoded_frames, facts.video.frames, facts.video.proof


def test_a_video_much_longer_than_allowed_is_not_read_to_its_end(tmp_path: Path) -> None:
    long = clip(tmp_path / "a.mp4", 30)
    facts, found = read(long, rules(video={"max_seconds": 2, "max_fps": 60}))
    assert decoded(facts) == (52, 250 + 2 * 2 * 60, "length")  # the frame at 2.04 s is the first one after 2 s
    assert "content.endless" in found
    facts, found = read(
        long, rules(video={"max_fps": 60, "match_reference_seconds": 0.5}), ExpectedLength(1.5, "speech")
    )
    assert decoded(facts) == (52, 250 + 2 * 2 * 60, "length")
    assert "content.endless" in found


def test_decoding_ends_with_the_first_frame_that_is_too_large(tmp_path: Path) -> None:
    wide = clip(tmp_path / "a.mp4", 12, width=128)
    for video, expected in (
        ({"max_width": 64}, None),
        ({"max_height": 48}, None),
        ({"min_width": 130}, None),
        ({"min_height": 80}, None),
        ({"match_reference_size": True}, ExpectedLength(12, "speech", (100, 80))),
        ({"max_reference_scale": 2.0}, ExpectedLength(12, "speech", (60, 30))),
    ):
        facts, found = read(wide, rules(video=video), expected)
        assert decoded(facts) == (1, 300, "size")
        assert found & {"encoding.resolution", "content.reference-size"}
        assert "content.endless" not in found  # one finding for one fault
        assert facts.video is not None
        assert (facts.video.duration_seconds, facts.video.fps) == (pytest.approx(12), pytest.approx(25))
    # A display matrix may turn the frames to the reference's size.
    assert not ReadLimits(longest_side=129).refuses_size(64, 128)
    facts, _ = read(wide, rules(video={"match_reference_size": True}), ExpectedLength(12, "speech", (64, 128)))
    assert decoded(facts) == (300, 300, None)


def test_no_more_frames_are_decoded_than_fit_into_the_length_at_the_rate(tmp_path: Path) -> None:
    fast = tmp_path / "a.mp4"
    frame = np.zeros((64, 64, 3), np.uint8)
    write_video(fast, (frame for _ in range(100)), 1000, preset="ultrafast")
    facts, found = read(fast, rules(video={"max_seconds": 1, "max_fps": 30}))
    assert decoded(facts) == (62, 100, "count")
    assert "encoding.frame-rate" in found
    assert "content.endless" not in found
    # Where a challenge has no highest rate, 240 frames a second are enough.
    facts, _ = read(fast, rules(video={"max_seconds": 0.1, "max_fps": None}, severities={"content.duration": "error"}))
    assert decoded(facts) == (50, 100, "count")


def test_what_ended_the_decoding_is_an_error_even_where_its_rule_is_silent() -> None:
    proven = facts_of_a_good_file({"proof": "length", "undecoded_frames": 9, "backward_steps": 1})
    of = rules(severities={"content.timestamps": "off"})
    assert "content.endless" in {finding.rule for finding in file_findings(proven, of)}
    too_long = facts_of_a_good_file({"proof": "length", "undecoded_frames": 9, "duration_seconds": 601.0})
    assert "content.endless" not in {finding.rule for finding in file_findings(too_long, rules())}
    lowered = rules(severities={"content.duration": "warning"})
    assert "content.endless" in {finding.rule for finding in file_findings(too_long, lowered)}


def test_a_single_image_that_is_too_large_was_decoded_to_its_end() -> None:
    image = facts_of_a_good_file({"frames": 1, "packets": 1, "header_frames": 1, "proof": "size"}, container="gif")
    assert "content.endless" not in {finding.rule for finding in file_findings(image, rules(video={"max_width": 64}))}


def test_a_repair_may_ask_for_frames_whatever_they_prove(tmp_path: Path) -> None:
    of = rules(video={"max_width": 48})
    long = clip(tmp_path / "a.mp4", 3)
    for always, expected in ((0, (1, 75, "size")), (40, (41, 75, "size")), (75, (75, 75, None))):
        facts = inspect_media(long, (), read_limits(of, None, always_decoded=always)).facts
        assert decoded(facts) == expected


def test_no_extractor_works_on_the_frame_that_proves_a_rule_broken(tmp_path: Path) -> None:
    recorder = Recorder()
    inspection = inspect_media(clip(tmp_path / "a.mp4", 1), [recorder], ReadLimits(max_width=32))
    assert (recorder.got, len(inspection.times), inspection.passes, inspection.complete) == ([], 1, 1, False)


def test_sound_much_longer_than_the_video_is_an_error(tmp_path: Path) -> None:
    facts, found = read(clip(tmp_path / "a.mp4", 1, 120), rules(video={"max_seconds": 2}))
    assert facts.audio is not None
    assert 64 <= facts.audio.duration_seconds < 66
    assert "content.audio-endless" in found
    warned = rules(video={"max_seconds": 2}, severities={"content.audio-endless": "warning"})
    facts, _ = read(tmp_path / "a.mp4", warned)  # it is accepted, so all of it counts
    assert facts.audio is not None
    assert facts.audio.duration_seconds > 119


def test_a_file_with_several_mistakes_has_all_of_its_findings(tmp_path: Path) -> None:
    facts, found = read(clip(tmp_path / "a.mp4", 8, 20), rules(video={"max_seconds": 2, "max_width": 48}))
    assert decoded(facts) == (1, 200, "size")
    assert facts.audio is not None
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
    assert read_now == [(490, 1), (490, 0), (750, 1), (750, 0)]  # frames counted, and times decoded
