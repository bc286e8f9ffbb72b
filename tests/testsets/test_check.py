"""The check of a test set finds what was planted, and nothing in a clean one."""

from __future__ import annotations

import json
import shutil
import subprocess
import wave

import numpy as np
import pytest
import shapes
from PIL import Image

import evalkit
from evalkit.challenges.model import parse_challenge

METRICS = ["ssim.gray", "video.fps"]
CHALLENGE = """
id: own
title: Own
submission: {layouts: ["{id}.mp4"]}
metrics: [{id: ssim.gray}, {id: video.fps, rank: false}]
ranking: rank-sum
"""


@pytest.fixture(scope="session")
def clean(tmp_path_factory):
    return shapes.write_testset(tmp_path_factory.mktemp("clean") / "testset", 3, 1.0, 96)


@pytest.fixture
def spoiled(clean, tmp_path):
    """A copy to spoil: the folder, and a function that changes the records."""
    folder = tmp_path / "testset"
    shutil.copytree(clean, folder)

    def change(**by_sample):
        lines = [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]
        for line in lines:
            line.update(by_sample.get(line["id"], {}))
        (folder / "samples.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))

    return folder, change


def convert(folder, source, target, *options):
    command = ["ffmpeg", "-v", "error", "-nostdin", "-i", source, *options, "-enc_time_base", "1/1000", target]
    subprocess.run(command, cwd=folder / "videos", check=True)


def check(folder, text=CHALLENGE, metrics=METRICS):
    report = evalkit.check_testset(folder, parse_challenge(text, "own"), metrics=metrics, workers=1)
    return report, {(one.rule, one.sample) for one in report.findings}


def test_nothing_is_found_in_a_clean_one(clean):
    report, found = check(clean)
    assert found == set()
    assert report.verdict == "ok"
    assert report.metrics["ssim.gray"] == {"value": 1.0, "n": 3, "reason": None}


def test_media_alone(clean):
    report, found = check(clean, metrics=[])
    assert (found, report.metrics) == (set(), {})


def test_images(spoiled):
    folder, change = spoiled
    images = folder / "images"
    content = (images / "d01.png").read_bytes()
    (images / "d01.png").write_bytes(content[: len(content) // 2])
    frames = [Image.new("RGB", (96, 96), colour) for colour in ("red", "blue")]
    frames[0].save(images / "moving.gif", save_all=True, append_images=frames[1:])
    Image.new("RGBA", (96, 32), (255, 0, 0, 100)).save(images / "small.png")
    change(d02={"reference_images": ["images/moving.gif"]}, d03={"reference_images": ["images/small.png"]})
    report, found = check(folder, metrics=[])
    assert found == {
        ("testset.image-unreadable", "d01"),
        ("testset.image-unclear", "d02"),
        ("testset.image-unclear", "d03"),
        ("testset.image-small", "d03"),
    }
    assert report.verdict == "error"


def test_speech(spoiled):
    folder, _ = spoiled
    (folder / "audio" / "d01.wav").write_bytes(b"no sound")
    with wave.open(str(folder / "audio" / "d02.wav"), "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(2)
        stream.setframerate(16_000)
        stream.writeframes(np.zeros(3 * 16_000, np.int16).tobytes())
    with wave.open(str(folder / "audio" / "d03.wav"), "rb") as stream:
        voice = np.frombuffer(stream.readframes(stream.getnframes()), np.int16)
    with wave.open(str(folder / "audio" / "d03.wav"), "wb") as stream:
        stream.setnchannels(2)
        stream.setsampwidth(2)
        stream.setframerate(16_000)
        stream.writeframes(np.stack([voice, -voice], axis=1).tobytes())
    report, found = check(folder, metrics=[])
    assert found == {
        ("testset.audio-unreadable", "d01"),
        ("testset.length", "d02"),
        ("testset.audio-cancels", "d03"),
    }
    (cancelled,) = [finding for finding in report.findings if finding.rule == "testset.audio-cancels"]
    assert "0.0% of the energy" in cancelled.found and "pan=mono|c0=c0" in cancelled.fix


def test_reference_videos(spoiled):
    folder, _ = spoiled
    videos = folder / "videos"
    (videos / "d01.mp4").unlink()
    (videos / "d02.mp4").write_bytes(b"not a video")
    _, found = check(folder)
    assert {("testset.video-unreadable", "d01"), ("encoding.not-media", "d02")} <= found
    assert ("testset.unscorable", "d02") in found
    assert not any(sample == "d03" for _, sample in found)


@pytest.mark.ffmpeg
def test_the_rules_of_submissions_hold_for_references(spoiled):
    """A variable frame rate changes scores and is reported; the container and the codec don't."""
    folder, change = spoiled
    convert(folder, "d01.mp4", "lossless.mkv", "-c:v", "ffv1", "-c:a", "flac")
    convert(folder, "d02.mp4", "uneven.mp4", "-vf", "settb=1/1000,setpts=PTS+15*random(0)", "-fps_mode", "passthrough")
    change(d01={"reference_video": "videos/lossless.mkv"}, d02={"reference_video": "videos/uneven.mp4"})
    _, found = check(folder, metrics=[])
    assert found == {("encoding.variable-frame-rate", "d02")}


def test_a_zero_that_stands_for_a_missing_track_is_no_score(clean):
    """By its definition the strict confidence of a video without a face track is 0, here of three videos of shapes."""
    text = CHALLENGE.replace("{id: ssim.gray}", "{id: ssim.gray}, {id: sync.strict.conf}")
    challenge = parse_challenge(text, "own")
    metrics = ["ssim.gray", "sync.strict.conf"]
    report = evalkit.check_testset(clean, challenge, metrics=metrics, backbones="bundled", workers=1)
    found = [one for one in report.findings if one.rule == "testset.unscored"]
    assert {one.sample for one in found} == {"d01", "d02", "d03"}
    assert all("sync.strict.conf" in f"{one.message} {one.found}" and "no_track" in str(one.found) for one in found)


def test_shared_files_and_counts(spoiled):
    folder, change = spoiled
    change(
        d02={"reference_video": "videos/d01.mp4", "audio": "audio/d01.wav", "identity": "ann"},
        d03={"reference_images": ["images/d02.png"], "identity": "bob"},
    )
    text = CHALLENGE + "testset: {samples: 4, identities: 2}\n"
    report, found = check(folder, text, metrics=[])
    assert found == {("testset.count", None), ("testset.duplicates", "d02"), ("testset.duplicates", "d03")}
    messages = [one.message for one in report.findings if one.rule == "testset.duplicates"]
    assert messages == [
        "Several samples have the same reference video.",
        "Several samples have the same speech.",
        "Several identities have the same reference image.",
    ]


def test_a_challenge_can_switch_a_rule_off(spoiled):
    folder, _ = spoiled
    (folder / "images" / "d01.png").write_bytes(b"")
    text = CHALLENGE.replace("submission: {", "submission: {severities: {testset.image-unreadable: info}, ")
    report, found = check(folder, text, metrics=[])
    assert found == {("testset.image-unreadable", "d01")}
    assert report.verdict == "ok"
