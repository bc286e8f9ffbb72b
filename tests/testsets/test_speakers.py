"""Samples in which several persons speak: what a test set may say of them, and what its check finds."""

from __future__ import annotations

import hashlib
import json
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders.challenges import challenge
from builders.testsets import refused

from evalkit.metrics.features.base import Item
from evalkit.scoring.run import RunOptions
from evalkit.testset_check import TestSetReport, check_testset_media
from evalkit.testsets.loading import load_testset
from evalkit.testsets.model import Sample, TestSet

BOX = [0.0, 0.0, 0.5, 1.0]


def speaker(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "audio": f"{name}.wav", "box": BOX, **more}


def write(folder: Path, speakers: Any, **more: Any) -> Path:
    (folder / "samples.jsonl").write_text(json.dumps({"id": "a", "speakers": speakers, **more}) + "\n")
    return folder


def test_two_speakers_with_boxes_and_pictures(tmp_path: Path) -> None:
    given = [speaker("anna"), {"name": "bert", "audio": "b.wav", "reference_image": "b.png"}]
    testset = load_testset(write(tmp_path, given))
    (sample,) = testset
    assert sample.speaker_files == ("anna.wav", "b.wav", "b.png")
    anna, bert = Item.of(sample, testset, tmp_path).speakers
    assert (anna.name, anna.audio, anna.box, anna.image) == ("anna", tmp_path / "anna.wav", (0, 0, 0.5, 1), None)
    assert (bert.box, bert.image) == (None, tmp_path / "b.png")


@pytest.mark.parametrize(
    ("speakers", "words"),
    [
        ([speaker("anna")], "speakers are 2 to 8 persons, found 1"),
        ([speaker(str(k)) for k in range(9)], "speakers are 2 to 8 persons, found 9"),
        ([speaker("anna"), speaker("anna", audio="b.wav")], "a name of its own, found 'anna' twice"),
        ([speaker("anna"), speaker("bert", audio="anna.wav")], "this voice alone, found 'anna.wav' twice"),
        ([speaker("anna"), speaker("bert", box=[0, 0, 640, 480])], "inside the frame: shares of its width and height"),
        ([speaker("anna"), speaker("bert", box=[-0.1, 0, 0.5, 1])], "inside the frame"),
        ([speaker("anna"), speaker("bert", box=[0.5, 0, 0.5, 1])], "x1 < x2"),
        ([speaker("anna"), speaker("bert", box=[0, 0, 1])], "speakers"),
        ([speaker("anna"), speaker("bert", box=None)], "'bert' needs a box or a reference_image"),
        ([speaker("anna"), speaker("bert", audio="../b.wav")], "stay inside the test set's folder"),
        ([speaker("anna"), {"name": "bert", "audi": "b.wav", "box": BOX}], "audi"),
        ("anna", "speakers"),
    ],
)
def test_what_speakers_can_not_be_is_told_in_a_sentence(tmp_path: Path, speakers: Any, words: str) -> None:
    assert words in refused(write(tmp_path, speakers))


def test_digests_of_test_sets_without_speakers_stay() -> None:
    """As the version before the field computed them."""
    sample = Sample(id="a", audio="a.wav")
    fields = ("id", "reference_images", "audio", "text", "timeline", "reference_video", "subjects", "groups")
    record = dict.fromkeys((*fields, "identity", "prompt"))
    record |= {"id": "a", "audio": "a.wav", "reference_images": [], "subjects": [], "groups": {}}
    expected = hashlib.sha256(json.dumps([record], sort_keys=True).encode()).hexdigest()
    assert TestSet(Path(), (sample,)).sha256 == expected
    with_speakers = Sample(id="a", audio="a.wav", speakers=[speaker("x"), speaker("y")])
    assert TestSet(Path(), (with_speakers,)).sha256 != expected


# The check


def wav(path: Path, samples: np.ndarray) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes((samples * 32767).astype("<i2").tobytes())


def noise(seed: int, seconds: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.05, round(seconds * 16000))


def check(folder: Path, anna: np.ndarray, bert: np.ndarray) -> TestSetReport:
    wav(folder / "anna.wav", anna)
    wav(folder / "bert.wav", bert)
    testset = load_testset(write(folder, [speaker("anna"), speaker("bert")]))
    return check_testset_media(testset, challenge(), RunOptions(folder / "cache"))


def rules(report: TestSetReport) -> list[str]:
    return [finding.rule for finding in report.findings if "voice" in finding.rule]


def test_separate_voices_are_fine(tmp_path: Path) -> None:
    assert rules(check(tmp_path, noise(0), noise(1))) == []


def test_a_mix_for_both_is_an_error(tmp_path: Path) -> None:
    mix = noise(0) + noise(1)
    report = check(tmp_path, mix, 0.5 * mix)
    assert rules(report) == ["testset.voices"]
    assert report.verdict == "error"
    finding = next(one for one in report.findings if one.rule == "testset.voices")
    assert "correlation 1.00, at most 0.4" in str(finding.found)


def test_unequal_lengths_are_an_error_and_a_silent_voice_a_warning(tmp_path: Path) -> None:
    assert rules(check(tmp_path, noise(0), noise(1, 0.8))) == ["testset.voices"]
    report = check(tmp_path, noise(0), np.zeros(16000))
    assert rules(report) == ["testset.voice-silent"]
    assert report.findings[0].found == "bert"
