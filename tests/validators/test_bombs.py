"""Small files that are made to be expensive: each is refused for a bounded number of frames, packets and bytes."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.bombs import RULES, X264, appended, edits, many_tracks, metadata, repeated, sound, still, subtitles
from evalkit.challenges.submission_rules import SubmissionRules
from evalkit.media.facts import MediaFacts
from evalkit.media.inspect import inspect_media
from evalkit.media.readers import AudioReader, VideoReader
from evalkit.validators.file import ExpectedLength
from evalkit.validators.reading_limits import read_limits
from evalkit.validators.registry import file_findings

EXPECTED = ExpectedLength(2.4, "speech")
# 2.4 s at 30 frames/s are 72 frames; twice as many can't have that rate, and 250 more are counted.
MOST_DECODED, MOST_COUNTED = 2 + 2 * 72, 250 + 2 * 72
FRAGMENTS = (*X264, "-movflags", "frag_every_frame+empty_moov")
REPEATED_BYTES = 3  # how often the whole file may be read: its index, its time stamps, its content

# name -> what writes it, the rule that refuses it, frames decoded at most
BOMBS: dict[str, tuple[Callable[[Path], None], str, int]] = {
    "skip-frames": (still(64, 25, 120), "content.endless", 62),
    "large-skip-frames": (repeated(512, 5000), "encoding.resolution", 1),
    "large-frames": (still(512, 25, 2), "encoding.resolution", 1),
    "short-frames": (still(64, 100_000, 0.02), "encoding.frame-rate", MOST_DECODED),
    "fragments": (still(64, 10_000, 0.02, *FRAGMENTS), "encoding.frame-rate", MOST_DECODED),
    "png-images": (still(512, 25, 2, "-c:v", "png"), "encoding.resolution", 1),
    "short-sound-packets": (sound("opus", "-opus_delay", "2.5", seconds=25), "content.audio-endless", 60),
    "long-sound": (sound("aac", seconds=80), "content.audio-endless", 60),
    "tracks": (many_tracks(70), "encoding.not-media", 0),
    "boxes": (appended(lambda: struct.pack(">I4s", 8, b"free") * 200_000), "encoding.not-media", 0),
    "edits": (edits(50_000), "encoding.not-media", 0),
}
HARMLESS: dict[str, Callable[[Path], None]] = {"subtitles": subtitles(60, 100), "metadata": appended(metadata(5 << 20))}


def bytes_read() -> int:
    """Return how many bytes this process has read so far; 0 where the system does not say."""
    place = Path("/proc/self/io")
    return int(place.read_text().split()[1]) if place.exists() else 0


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Return how many packets the decoders of pictures and of sound were given."""
    counted = {"video": 0, "audio": 0}
    for kind, reader in (("video", VideoReader), ("audio", AudioReader)):
        decode = reader.decode

        def counting(self: Any, packet: Any, decode: Any = decode, kind: str = kind) -> Any:
            counted[kind] += 1
            return decode(self, packet)

        monkeypatch.setattr(reader, "decode", counting)
    return counted


def refused(path: Path) -> tuple[MediaFacts, set[str]]:
    rules = SubmissionRules.model_validate(RULES)
    before = bytes_read()
    facts = inspect_media(path, (), read_limits(rules, EXPECTED)).facts
    assert bytes_read() - before <= REPEATED_BYTES * path.stat().st_size + (2 << 20)
    found = file_findings(facts, rules, path.name, EXPECTED)
    return facts, {finding.rule for finding in found if finding.severity == "error"}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_before_it_costs_much(name: str, tmp_path: Path, given: dict[str, int]) -> None:
    write, rule, most = BOMBS[name]
    path = tmp_path / "bomb.mp4"
    write(path)
    facts, rules = refused(path)
    assert rule in rules
    video = facts.video
    assert (video.frames - video.undecoded_frames if video else 0) <= most
    assert (video.frames if video else 0) <= MOST_COUNTED
    assert given["video"] <= 2 * most  # decoders hold some back
    assert given["audio"] <= 6000 + 2.4 * 400 + 1
    assert facts.audio is None or facts.audio.duration_seconds <= 60 + 2 * 2.4 + 0.1


@pytest.mark.parametrize("name", HARMLESS)
def test_what_surrounds_an_honest_video_costs_nothing(name: str, tmp_path: Path, given: dict[str, int]) -> None:
    path = tmp_path / "bomb.mp4"
    HARMLESS[name](path)
    facts, rules = refused(path)
    assert not rules
    assert facts.video is not None
    assert (facts.video.frames, facts.video.undecoded_frames) == (60, 0)
    assert given["video"] <= 60 + 1
    assert given["audio"] <= 2.4 * 48_000 / 1024 + 3


def test_packets_without_frames_are_not_decoded_without_end(tmp_path: Path, given: dict[str, int]) -> None:
    """Frames that refer to one that is missing: the decoder takes each and gives none."""
    path = tmp_path / "bomb.mp4"
    repeated(64, 3000)(path)
    data = path.read_bytes()
    start = data.index(b"mdat") + 4
    path.write_bytes(data[:start] + bytes(5000) + data[start + 5000 :])  # the first frame and many after it are gone
    _, rules = refused(path)
    assert rules
    assert given["video"] <= 2 * MOST_COUNTED + 1
