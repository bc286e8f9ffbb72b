"""`evalkit testset from-folder`: a test set that loads, checks and scores, and what is said of guesses."""

from __future__ import annotations

import json
import shutil
import wave
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from shapes import FPS, shape_frames, tone

import evalkit
from evalkit import api
from evalkit.cli import cli
from evalkit.errors import InputError, UsageError
from evalkit.media.audio import read_audio
from evalkit.media.decode import iter_frames
from evalkit.media.encode import write_video
from evalkit.testsets.loading import load_testset

TERMS = {"license": "CC-BY-4.0", "source": "made for this test"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two talking videos in a folder, a silent one below it, a prompt, a portrait, a speech, and what is no video."""
    real = tmp_path / "real"
    (real / "deep").mkdir(parents=True)
    for name, seed, sound in (("anna", 1, True), ("ben", 2, True), ("deep/cleo", 3, False)):
        speech = tone(seed, 0.8) if sound else None
        write_video(real / f"{name}.mp4", shape_frames(seed, 20, 96), FPS, speech, 16_000, crf=12)
    (real / "anna.txt").write_text(" A disc swims.\n")
    Image.fromarray(np.full((64, 64, 3), 200, np.uint8)).save(real / "ben.png")
    with wave.open(str(real / "ben.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((tone(5, 0.8) * 32767).astype("<i2").tobytes())
    (real / "broken.mp4").write_bytes(b"no video")
    (real / "readme.md").write_text("about")
    (real / " bad .mp4").write_bytes((real / "anna.mp4").read_bytes())
    return real


def test_what_is_beside_a_video_is_taken_and_the_rest_is_made_of_it(folder, tmp_path):
    out = tmp_path / "testset"
    made = evalkit.testset_from_folder(folder, out, workers=1, cache=tmp_path / "cache", **TERMS)
    testset = load_testset(out)
    samples = {sample.id: sample for sample in testset}
    assert list(samples) == ["anna", "ben", "deep/cleo"]
    assert {name: (one.image, one.audio, one.text) for name, one in made.samples.items()} == {
        "anna": ("first frame", "own sound", "beside"),
        "ben": ("beside", "beside", "none"),
        "deep/cleo": ("first frame", "none", "none"),
    }
    assert samples["anna"].text == "A disc swims."
    assert samples["deep/cleo"].groups == {"folder": "deep"}
    assert samples["deep/cleo"].audio is None
    for sample in testset:
        assert testset.path(sample.reference_video or "").read_bytes() == (folder / f"{sample.id}.mp4").read_bytes()
    frame = np.asarray(Image.open(testset.path(samples["anna"].reference_images[0])))
    assert np.array_equal(frame, next(iter_frames(folder / "anna.mp4")))
    assert testset.path(samples["ben"].reference_images[0]).read_bytes() == (folder / "ben.png").read_bytes()
    written = read_audio(testset.path(samples["anna"].audio or ""), 16_000)
    assert np.abs(written - np.clip(read_audio(folder / "anna.mp4", 16_000), -1, 1)).max() <= 1 / 32767
    assert sorted(Path(path).name for path in made.left_out) == [" bad .mp4", "broken.mp4"]
    assert made.others == 1  # readme.md; the prompt and the speech are used
    about = json.loads((out / "testset.json").read_text())
    assert (about["license"], about["source"], about["samples"]) == ("CC-BY-4.0", "made for this test", 3)


def test_the_test_set_passes_its_check_and_scores_itself(folder, tmp_path):
    for name in ("broken.mp4", " bad .mp4"):
        (folder / name).unlink()
    shutil.rmtree(folder / "deep")
    (folder / "ben.wav").unlink()
    out = tmp_path / "testset"
    evalkit.testset_from_folder(folder, out, workers=1, cache=tmp_path / "cache", **TERMS)
    report = api.check_testset(
        out, "talking-head", metrics=["psnr"], backbones="bundled", workers=1, cache=tmp_path / "cache"
    )
    assert [finding for finding in report.findings if finding.severity == "error"] == []
    card = api.score(
        out / "videos", "talking-head", out, metrics="psnr", backbones="bundled", workers=1, cache=tmp_path / "cache"
    )
    assert card.metrics["psnr.rgb"].value == 100.0


def test_what_can_not_be_a_test_set(folder, tmp_path):
    def make(source, out, **options):
        return evalkit.testset_from_folder(source, out, workers=1, cache=tmp_path / "cache", **{**TERMS, **options})

    with pytest.raises(UsageError, match="inside the folder of real videos"):
        make(folder, folder / "testset")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a").write_text("somebody's")
    for replace in (False, True):
        with pytest.raises(UsageError, match="is not empty"):
            make(folder, tmp_path / "full", replace=replace)
    with pytest.raises(UsageError, match="license of the videos is not given"):
        make(folder, tmp_path / "t", license=" ")
    only = tmp_path / "only"
    only.mkdir()
    (only / "a.mp4").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"No video of .* can be read"):
        make(only, tmp_path / "t")
    assert not (tmp_path / "t" / "samples.jsonl").exists()


def test_the_command_says_what_it_guessed(folder, tmp_path):
    words = ["testset", "from-folder", str(folder), "-o", str(tmp_path / "t"), "--source", "us", "-q", "-w", "1"]
    words += ["--cache", str(tmp_path / "cache")]
    assert CliRunner().invoke(cli, words).exit_code == 2, "without a license"
    done = CliRunner().invoke(cli, [*words, "--license", "CC0"])
    assert done.exit_code == 3
    assert "3 samples in" in done.output
    assert "speech: its own sound (1), a sound beside the video (1), none, it is silent (1)" in done.output
    assert "left out" in done.output
    again = CliRunner().invoke(cli, [*words, "--license", "CC0", "--force", "--json"])
    assert again.exit_code == 3
    assert json.loads(again.output)["counts"]["text"] == {"beside": 1, "none": 2}
