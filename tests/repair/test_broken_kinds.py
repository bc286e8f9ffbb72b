"""Seventy kinds of broken files through one repair: each is valid afterwards, or the report says why it can't be."""

from __future__ import annotations

import json
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from builders.broken_clips import KINDS, X264, pictures, sound
from clip_tools import ffmpeg, ffprobe

import evalkit

pytestmark = pytest.mark.ffmpeg
# What ffprobe says of every valid file: the challenge's rules, read by another program.
PROBED = {"codec_name=h264", "pix_fmt=yuv420p", "field_order=progressive"}


@pytest.fixture(scope="module")
def repaired(tmp_path_factory):
    """Return the report, what ``validate`` says of the new ZIP, and the folder where it is unpacked."""
    root = tmp_path_factory.mktemp("kinds")
    team, testset = root / "team", root / "testset"
    testset.mkdir()
    (team / "my results").mkdir(parents=True)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda item: item[1].make(team / item[1].name.format(item[0])), KINDS.items()))
    ffmpeg(*sound(), testset / "speech.wav")
    ffmpeg(*pictures(), *X264, testset / "real.mp4")
    lines = [{"id": sample, "audio": "speech.wav", "reference_video": "real.mp4"} for sample in KINDS]
    (testset / "samples.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    report = evalkit.repair(team, "talking-head", root / "new.zip", testset, workers=2)
    again = evalkit.validate(root / "new.zip", "talking-head", testset, workers=2)
    with zipfile.ZipFile(root / "new.zip") as archive:
        archive.extractall(root / "new")
    return {file.sample: file for file in report.files}, {file.sample: file for file in again.files}, root / "new"


@pytest.mark.parametrize("sample", KINDS)
def test_valid_afterwards_or_an_honest_reason(repaired, sample):
    files, again, folder = repaired
    file, kind = files[sample], KINDS[sample]
    errors = [one.rule for one in again[sample].findings if one.severity == "error"]
    if kind.rule is not None:
        assert file.outcome == "failed", file
        assert file.reason.startswith(f"{kind.rule}: ")
        assert f"it can't be repaired because {kind.why}" in file.reason
        assert kind.rule in errors
        return
    assert file.outcome != "failed", file.reason
    assert file.outcome != "missing"
    assert errors == []
    assert tuple(one.rule for one in file.remaining) == kind.left
    path = folder / f"{sample}.mp4"
    fields = "codec_name,pix_fmt,field_order,width,height,sample_aspect_ratio,start_time,duration"
    seen = ffprobe("-select_streams", "v", "-show_entries", f"stream={fields}", "-of", "default=nw=1", path)
    assert {line.replace("yuvj420p", "yuv420p") for line in seen} >= PROBED
    told = dict(line.split("=", 1) for line in seen)
    assert told["sample_aspect_ratio"] in {"1:1", "N/A", "0:1"}
    assert max(int(told["width"]), int(told["height"])) <= 86  # a square of wide pixels; the reference is 64 x 64
    assert float(told["duration"]) == pytest.approx(2, abs=0.25)
    assert abs(float(told["start_time"])) <= 0.1
    sounds = ffprobe("-select_streams", "a", "-show_entries", "stream=codec_name", "-of", "csv=p=0", path)
    assert sounds in (["aac"], ["mp3"])
    assert ffmpeg("-i", path, "-f", "null", "-") == b""


@pytest.mark.parametrize(
    ("sample", "step"),
    [
        ("long_sound", "audio after the end of the video cut off"),
        ("endless_sound", "audio after the end of the video cut off"),
        ("long_sound_hevc_late", "audio after the end of the video cut off"),
        ("short_sound", "audio replaced by the sample's speech"),
        ("antiphase", "first channel of the audio kept"),
        ("antiphase_8_khz_vp9", "first channel of the audio kept"),
    ],
)
def test_the_sound_is_all_there_and_ends_with_the_video(repaired, sample, step):
    """By ffprobe's and ffmpeg's reading: 2 s of a sine at the level that ffmpeg's generator gives it."""
    files, _, folder = repaired
    assert step in files[sample].steps
    path = folder / f"{sample}.mp4"
    (length,) = ffprobe("-select_streams", "a", "-show_entries", "stream=duration", "-of", "csv=p=0", path)
    assert float(length) == pytest.approx(2, abs=0.1)
    samples = np.frombuffer(ffmpeg("-i", path, "-ac", "1", "-f", "s16le", "-"), np.int16) / 32768
    assert np.sqrt(np.mean(np.square(samples))) == pytest.approx(1 / 8 / np.sqrt(2), rel=0.15)


def test_the_kinds_are_many():
    assert len(KINDS) >= 70
    assert sum(kind.rule is not None for kind in KINDS.values()) >= 12
