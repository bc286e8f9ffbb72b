"""A test set against a training set: planted copies are found, each as what it is, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from clip_tools import ffmpeg

import evalkit
from evalkit.cli import cli
from evalkit.errors import InputError, TestSetError, UsageError
from evalkit.folders.listing import MediaFile
from evalkit.folders.reading import SideRead, read_side
from evalkit.leaks.checking import LeakReport
from evalkit.metrics.gaming.leak_print import LEAK_PRINT
from evalkit.metrics.gaming.sound_print import sound_bits
from evalkit.reference_models.puppet.testset import PuppetTestSet, write_puppet_testset
from evalkit.scoring.cache import FeatureCache
from evalkit.scoring.intake import FileReport
from evalkit.scoring.jobs import Extraction
from evalkit.testsets.model import Sample, TestSet

AGAIN = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-crf", "26", "-c:a", "aac")
EVEN = "scale=256:256"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with six puppets, and a training set of what was made of their videos."""
    folder = tmp_path_factory.mktemp("leaks")
    write_puppet_testset(PuppetTestSet(folder / "testset", 5, 6, seconds=4.0), 1)
    training = folder / "training" / "deeper"
    training.mkdir(parents=True)
    videos = sorted((folder / "testset" / "videos").glob("*.mp4"))
    (training / "same.mp4").write_bytes(videos[0].read_bytes())
    ffmpeg("-i", videos[1], *AGAIN, training / "again.mp4")
    ffmpeg("-i", videos[2], "-vf", f"crop=iw*0.94:ih*0.94,{EVEN}", "-an", *AGAIN[:8], training / "cropped.mp4")
    ffmpeg("-ss", "0.5", "-i", videos[3], "-vf", "hflip", *AGAIN, training / "mirrored.mp4")
    sound = ("-f", "lavfi", "-i", "testsrc2=size=64x64:rate=25:duration=4", "-i", videos[4])
    ffmpeg(*sound, "-map", "0:v", "-map", "1:a", "-af", "volume=0.3", "-ac", "1", *AGAIN, training / "speech.mp4")
    (training / "broken.mp4").write_bytes(b"no video")
    (training / "notes.txt").write_text("others", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def fingerprints(place: Path) -> Path:
    """Return the training set's fingerprints."""
    out = place / "training.jsonl"
    made = evalkit.testset_fingerprint(place / "training", out, workers=1, cache=place / "cache")
    assert (made.videos, made.others, list(made.left_out)) == (5, 1, ["deeper/broken.mp4"])
    assert made.left_out["deeper/broken.mp4"]
    return out


@pytest.fixture(scope="module")
def report(place: Path, fingerprints: Path) -> LeakReport:
    """Return what was found."""
    return evalkit.testset_leaks(place / "testset", fingerprints, workers=1, cache=place / "cache")


def test_each_planted_copy_is_found_as_what_it_is(place: Path, report: LeakReport) -> None:
    samples = [sample.id for sample in evalkit.load_testset(place / "testset")]
    found = {(leak.sample, leak.what, Path(leak.id).stem) for leak in report.leaks if leak.what != "image"}
    assert found == {
        (samples[0], "file", "same"),
        (samples[0], "speech", "same"),
        (samples[1], "video", "again"),
        (samples[1], "speech", "again"),
        (samples[2], "video", "cropped"),
        (samples[3], "video", "mirrored"),
        (samples[3], "speech", "mirrored"),
        (samples[4], "speech", "speech"),
    }
    mirrored = next(leak for leak in report.leaks if (leak.what, leak.sample) == ("video", samples[3]))
    assert mirrored.mirrored
    assert mirrored.shift == pytest.approx(-0.5, abs=0.11)
    assert all(not leak.mirrored for leak in report.leaks if leak.sample != samples[3])
    images = {(leak.sample, Path(leak.id).stem) for leak in report.leaks if leak.what == "image"}
    assert images >= {(samples[0], "same"), (samples[1], "again")}
    assert images <= {(samples[0], "same"), (samples[1], "again"), (samples[2], "cropped")}
    assert report.complete


def test_a_listing_says_nothing_else_of_the_videos(fingerprints: Path) -> None:
    lines = [json.loads(line) for line in fingerprints.read_text(encoding="utf-8").splitlines()]
    names = ("again", "cropped", "mirrored", "same", "speech")
    assert [line["id"] for line in lines] == [f"deeper/{name}.mp4" for name in names]
    assert all(set(line) == {"id", "sha256", "motion", "image", "sound"} for line in lines)
    assert [bool(line["sound"]) for line in lines] == [True, False, True, True, True]
    assert all(len(line["motion"]) <= 384 and len(line["sound"]) <= 128 for line in lines)


def test_the_command_says_it_and_exits_with_1(place: Path, fingerprints: Path, report: LeakReport) -> None:
    words = ["testset", "leaks", str(place / "testset"), "--fingerprints", str(fingerprints), "--workers", "1"]
    words += ["--cache", str(place / "cache")]
    shown = CliRunner().invoke(cli, [*words, "--json"])
    assert shown.exit_code == 1
    document = json.loads(shown.stdout)
    assert document == report.to_json()
    assert document["ok"] is False
    told = CliRunner().invoke(cli, words)
    assert told.exit_code == 1
    assert "byte for byte: deeper/same.mp4" in told.stdout
    assert "5 of 6 samples found among 5 fingerprints." in told.stdout


def test_nothing_found_is_0_and_something_unread_3(place: Path, fingerprints: Path) -> None:
    lines = fingerprints.read_text(encoding="utf-8").splitlines(keepends=True)
    other = place / "other.jsonl"
    other.write_text(next(line for line in lines if "cropped" in line), encoding="utf-8")
    words = [
        "testset",
        "leaks",
        str(place / "testset"),
        "--limit",
        "2",
        "--workers",
        "1",
        "--cache",
        str(place / "cache"),
    ]
    clean = CliRunner().invoke(cli, [*words, "--fingerprints", str(other), "--json"])
    assert (clean.exit_code, json.loads(clean.stdout)["ok"]) == (0, True)
    other.write_text(other.read_text(encoding="utf-8") + "\x00\x1b[31mjunk\n", encoding="utf-8")
    partly = CliRunner().invoke(cli, [*words, "--fingerprints", str(other)])
    assert partly.exit_code == 3
    assert "1 line left out; line 2" in partly.stderr
    assert "\x1b" not in partly.output


def test_errors(place: Path, fingerprints: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No file of fingerprints"):
        evalkit.testset_leaks(place / "testset", [])
    with pytest.raises(InputError, match="are not there"):
        evalkit.testset_leaks(place / "testset", tmp_path / "missing.jsonl")
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(InputError, match="has no fingerprint"):
        evalkit.testset_leaks(place / "testset", tmp_path / "empty.jsonl", workers=1, cache=place / "cache")
    with pytest.raises(TestSetError, match="nothing to look for"):
        evalkit.testset_leaks(TestSet(tmp_path, (Sample(id="a", text="words"),)), fingerprints)
    with pytest.raises(InputError, match="is no folder"):
        evalkit.testset_fingerprint(tmp_path / "missing", tmp_path / "out.jsonl")
    (tmp_path / "x.mp4").write_bytes(b"junk")
    with pytest.raises(InputError, match="can be read"):
        evalkit.testset_fingerprint(tmp_path, tmp_path / "out.jsonl", workers=1, cache=place / "cache")
    assert not (tmp_path / "out.jsonl").exists()


def test_sound_bits_are_of_the_first_seconds_and_none_of_silence() -> None:
    rng = np.random.default_rng(0)
    steps = np.repeat(rng.uniform(0.01, 1, 200), 1600)
    noise = (8000 * steps * rng.standard_normal(len(steps)).clip(-3, 3) / 3).astype(np.int16)
    assert sound_bits(noise).shape == (64, 8)
    assert sound_bits(noise[: 16_000 * 3]).shape == (29, 8)
    assert sound_bits(np.zeros(16_000, np.int16)).shape == (0, 8)
    assert sound_bits(noise[:100]).shape == (0, 8)
    assert np.array_equal(sound_bits(noise), sound_bits(noise // 4 * 2)) or (
        np.mean(sound_bits(noise) == sound_bits(noise // 4 * 2)) > 0.97
    )
    later = sound_bits(noise, 20)
    assert np.mean(later[:40] == sound_bits(noise)[2:42]) > 0.9


def test_an_entry_that_was_damaged_after_it_was_made_is_the_reason_of_a_missing_fingerprint(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, cache, out = tmp_path / "videos", tmp_path / "cache", tmp_path / "out.jsonl"
    folder.mkdir()
    videos = sorted((place / "testset" / "videos").glob("*.mp4"))[:2]
    for name, video in zip(("kept.mp4", "lost.mp4"), videos, strict=True):
        (folder / name).write_bytes(video.read_bytes())

    def damaged(*words: Any, take: Callable[..., None], **more: Any) -> SideRead:
        def after(file: MediaFile, report: FileReport, extraction: Extraction) -> None:
            if file.path.name == "lost.mp4":
                entry = FeatureCache(cache).path(LEAK_PRINT, extraction.keys[LEAK_PRINT])
                entry.write_bytes(entry.read_bytes()[:-40])
            take(file, report, extraction)

        return read_side(*words, take=after, **more)

    with monkeypatch.context() as patched:
        patched.setattr("evalkit.leaks.making.read_side", damaged)
        made = evalkit.testset_fingerprint(folder, out, workers=1, cache=cache)
    assert made.left_out == {"lost.mp4": "its entry in the cache was damaged after it was made: run the command again"}
    assert made.to_json()["ok"] is False
    assert [json.loads(line)["id"] for line in out.read_text(encoding="utf-8").splitlines()] == ["kept.mp4"]
    # What is asked for helps: the entry is made again.
    again = evalkit.testset_fingerprint(folder, out, workers=1, cache=cache)
    assert (again.videos, again.left_out) == (2, {})
