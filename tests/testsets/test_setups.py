"""Several videos of a sample: the test set's lines, the layout, what a challenge may declare, and the command."""

from __future__ import annotations

import json
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders.challenges import challenge
from numpy.typing import NDArray

from evalkit.api import check_testset
from evalkit.api import testset_setups as make_setups
from evalkit.challenges.model import load_challenge
from evalkit.errors import ChallengeError, TestSetError, UsageError
from evalkit.media.audio import read_audio
from evalkit.testsets.loading import load_testset
from evalkit.testsets.setups import check_setups
from evalkit.validators.matching import match_layout

RATE = 16_000
DRIVING = {"testset.driving-unreadable", "testset.driving-silent", "testset.driving-other"}
SETUPS = {"silent": {"driving_audio": "quiet.wav"}, "own": {}, "other": {"audio": "b.wav"}}


def write_list(folder: Path, *records: dict[str, Any], name: str = "samples.jsonl") -> Path:
    (folder / name).write_text("".join(json.dumps(one) + "\n" for one in records))
    return folder / name


def write_wave(path: Path, seconds: float, seed: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.random.default_rng(seed).integers(-8000, 8000, round(seconds * RATE)).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())


def sound(path: Path) -> NDArray[np.float32]:
    return read_audio(path, RATE)


def test_a_line_with_setups_is_a_sample_for_each(tmp_path: Path) -> None:
    write_list(tmp_path, {"id": "a", "audio": "a.wav", "groups": {"x": "1"}, "setups": SETUPS}, {"id": "b"})
    samples = load_testset(tmp_path).samples
    assert [one.id for one in samples] == ["a/silent", "a/own", "a/other", "b"]
    assert [one.item for one in samples] == ["a", "a", "a", None]
    assert [one.audio for one in samples] == ["a.wav", "a.wav", "b.wav", None]
    assert [one.given_audio for one in samples] == ["quiet.wav", "a.wav", "b.wav", None]
    assert samples[0].groups == {"x": "1", "setup": "silent"}


def test_samples_without_setups_keep_their_digest(tmp_path: Path) -> None:
    write_list(tmp_path, {"id": "a", "audio": "a.wav"})
    (sample,) = load_testset(tmp_path).samples
    assert not {"item", "setup", "driving_audio", "setups"} & set(sample.record)


@pytest.mark.parametrize(
    ("setups", "fault"),
    [
        ([], "not a setup"),
        ({}, "has 0 setups"),
        ({"Own": {}}, "not a setup"),
        ({"own": {"audio": "/etc/passwd"}}, "'setups.own.audio' is not a setup"),
        ({"own": {"driving_audio": "../x.wav"}}, "'setups.own.driving_audio' is not a setup"),
        ({"own": {"video": "x"}}, "'setups.own.video' is not a setup"),
        ({"../x": {}}, "not a setup"),
        ({f"s{n}": {} for n in range(21)}, "has 21 setups"),
    ],
)
def test_setups_that_are_none_are_refused(setups: Any, fault: str, tmp_path: Path) -> None:
    write_list(tmp_path, {"id": "a", "setups": setups})
    with pytest.raises(TestSetError) as caught:
        load_testset(tmp_path)
    assert fault in str(caught.value)
    assert "line 1" in str(caught.value)


def test_two_lines_of_one_item_are_refused(tmp_path: Path) -> None:
    write_list(tmp_path, {"id": "a", "setups": SETUPS}, {"id": "a", "setups": SETUPS})
    with pytest.raises(TestSetError, match=r"'a/.*2 times"):
        load_testset(tmp_path)


def test_files_lie_by_item_and_setup(tmp_path: Path) -> None:
    write_list(tmp_path, {"id": "a", "setups": SETUPS}, {"id": "b", "setups": SETUPS})
    paths = ["a/silent.mp4", "a/own.mp4", "a/other.mp4", "b/silent.mp4", "b/own.mp4", "b/more.mp4"]
    found = match_layout(paths, load_challenge("leakage"), load_testset(tmp_path))
    assert found.files["a/silent"] == "a/silent.mp4"
    assert found.missing == (("b/other", "b/other.mp4"),)
    assert found.extra == ("b/more.mp4",)


def test_without_a_test_set_only_the_challenges_setups_are_samples() -> None:
    found = match_layout(["a/silent.mp4", "a/own.mp4", "a/loud.mp4"], load_challenge("leakage"), None)
    assert found.files == {"a/silent": "a/silent.mp4", "a/own": "a/own.mp4"}
    assert found.extra == ("a/loud.mp4",)


def test_the_test_set_must_have_the_challenges_setups(tmp_path: Path) -> None:
    asked = load_challenge("leakage").submission.setups
    write_list(tmp_path, {"id": "a", "setups": SETUPS}, {"id": "b", "setups": {"own": {}, "other": {}}})
    with pytest.raises(TestSetError) as caught:
        check_setups(load_testset(tmp_path), asked)
    assert str(caught.value).startswith("The test set's sample 'b' does not have the setups of the challenge.")
    write_list(tmp_path, {"id": "a"})
    with pytest.raises(TestSetError, match="no setups"):
        check_setups(load_testset(tmp_path), asked)
    check_setups(load_testset(tmp_path), load_challenge("talking-head").submission.setups)


@pytest.mark.parametrize(
    ("submission", "fault"),
    [
        ("setups: [own]", "at least two"),
        ("setups: [own, own]", "appears twice"),
        ("{setups: [own, Other]}", "must be of the form"),
        ('{setups: [own, other], layouts: ["{id}.mp4"]}', "has no {setup}"),
        ('{layouts: ["{id}/{setup}.mp4"]}', "'setups' names none"),
        ("{kind: audio, setups: [own, other]}", "the kind is 'audio'"),
    ],
)
def test_a_challenge_with_impossible_setups_is_refused(submission: str, fault: str) -> None:
    text = submission if submission.startswith("{") else f"{{{submission}}}"
    with pytest.raises(ChallengeError) as caught:
        challenge(f"submission: {text}\n")
    assert fault in str(caught.value)


def test_setups_have_a_usual_layout() -> None:
    assert challenge("submission: {setups: [own, other]}\n").submission.layouts == ("{id}/{setup}.mp4",)


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    """Three people with 3, 4 and 2.5 s of speech, one without and one with too little."""
    seconds = {"a": 3.0, "b": 4.0, "c": 2.5, "e": 1.0}
    for seed, (name, length) in enumerate(seconds.items()):
        write_wave(tmp_path / f"audio/{name}.wav", length, seed)
    records = [{"id": name, "audio": f"audio/{name}.wav"} for name in "abc"]
    write_list(tmp_path, *records, {"id": "d"}, {"id": "e", "audio": "audio/e.wav"})
    return tmp_path


def test_the_command_drives_each_sample_with_silence_and_with_another_persons_speech(speech: Path) -> None:
    made = make_setups(speech)
    assert made.others == {"a": "b", "b": "a", "c": "a"}  # nobody has more than b: the longest one
    assert made.seconds == {"a": 3.0, "b": 3.0, "c": 2.5}
    assert made.cut == ("b",)
    assert set(made.left_out) == {"d", "e"}
    testset = load_testset(made.path)
    assert len(testset) == 9
    for sample in testset:
        length = round(made.seconds[sample.item or ""] * RATE)
        for name in (sample.audio, sample.given_audio):
            assert name is not None
            assert len(sound(testset.path(name))) == length
    by_id = {sample.id: sample for sample in testset}
    silent = sound(testset.path(by_id["c/silent"].given_audio or ""))
    assert not silent.any()
    hidden, own = (sound(testset.path(by_id[name].audio or "")) for name in ("b/silent", "b/own"))
    assert np.array_equal(hidden, own)
    assert np.array_equal(own, sound(speech / "audio/b.wav")[: len(own)])
    assert np.array_equal(sound(testset.path(by_id["b/other"].audio or "")), sound(speech / "audio/a.wav"))


def test_silence_may_be_noise_at_60_db_below_full_scale(speech: Path) -> None:
    made = make_setups(speech, silence="noise")
    testset = load_testset(made.path)
    noise = sound(testset.path(testset.samples[0].given_audio or ""))
    assert 20 * np.log10(np.sqrt(np.square(noise, dtype=np.float64).mean())) == pytest.approx(-60, abs=0.2)


@pytest.mark.parametrize("silence", ["zeros", "noise"])
def test_what_the_command_makes_passes_the_check_and_wrong_sounds_do_not(speech: Path, silence: str) -> None:
    made = make_setups(speech, silence=silence)
    rules = load_challenge("leakage")
    run: dict[str, Any] = {"metrics": [], "workers": 1, "cache": speech / "cache"}
    assert not {one.rule for one in check_testset(made.path, rules, **run).findings} & DRIVING
    lines = [json.loads(line) for line in made.path.read_text().splitlines()]
    lines[0]["setups"]["silent"] = {}
    lines[0]["setups"]["other"] = {}
    lines[1]["setups"]["silent"]["driving_audio"] = "gone.wav"
    lines[2]["setups"]["silent"]["driving_audio"] = "audio/a.wav"
    lines[2]["setups"]["other"] = {"driving_audio": lines[2]["setups"]["own"].get("audio", "audio/c.wav")}
    (speech / "wrong.jsonl").write_text("\n".join(map(json.dumps, lines)))
    found = check_testset(speech / "wrong.jsonl", rules, **run).findings
    assert {(one.rule, one.sample) for one in found if one.rule in DRIVING} == {
        ("testset.driving-silent", "a/silent"),
        ("testset.driving-other", "a/other"),
        ("testset.driving-unreadable", "b/silent"),
        ("testset.driving-silent", "c/silent"),
        ("testset.driving-other", "c/other"),
    }


def test_nothing_is_written_over_but_what_the_command_made(speech: Path) -> None:
    make_setups(speech)
    with pytest.raises(UsageError, match="is there already"):
        make_setups(speech)
    assert make_setups(speech, replace=True).cut == ("b",)
    (speech / "setups" / "made-by-evalkit.json").unlink()
    with pytest.raises(UsageError, match="is there already"):
        make_setups(speech, replace=True)


def test_one_voice_has_no_other(tmp_path: Path) -> None:
    write_wave(tmp_path / "a.wav", 3.0)
    write_list(tmp_path, {"id": "a", "audio": "a.wav"}, {"id": "b", "audio": "gone.wav"})
    with pytest.raises(TestSetError) as caught:
        make_setups(tmp_path)
    assert "1 of 2 samples with usable speech" in str(caught.value)
    assert not (tmp_path / "setups.jsonl").exists()
