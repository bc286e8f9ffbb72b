"""Speech through a whole run: a submission of audio files, in confined workers, beside imported texts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from builders.kinds import wav, with_claim, write_zip
from numpy.typing import NDArray

from evalkit import api
from evalkit.challenges.model import parse_challenge

RATE = 16000
CHALLENGE = """
schema: 1
id: lip-to-speech-test
title: Lip to speech
submission: {kind: audio}
metrics:
  - {id: speech.stoi}
  - {id: speech.stoi.aligned}
  - {id: speech.pesq_wb}
  - {id: speech.stoi.strict}
  - {id: asr.wer}
coverage: 0.5
ranking: none
ratings: {method: none}
"""


def swelling(seed: int, seconds: float = 2.0) -> NDArray[np.float64]:
    """Noise that swells four times a second, as the levels of speech do."""
    time = np.arange(round(seconds * RATE)) / RATE
    noise = np.random.RandomState(seed).randn(len(time))
    return (0.5 + 0.5 * np.sin(2 * np.pi * 4 * time)) * noise * 0.1


def test_speech_is_scored_file_by_file_and_hostile_ones_cost_themselves_only(tmp_path: Path) -> None:
    names = [f"s{at}" for at in range(5)]
    testset, texts = tmp_path / "testset", tmp_path / "asr" / "generated"
    testset.mkdir()
    texts.mkdir(parents=True)
    lines = []
    for at, name in enumerate(names):
        (testset / f"{name}.wav").write_bytes(wav(swelling(at)))
        lines.append(json.dumps({"id": name, "audio": f"{name}.wav", "transcript": "one two three four"}))
    (testset / "samples.jsonl").write_text("\n".join(lines) + "\n")
    late = np.concatenate([np.zeros(160), swelling(1)])[: 2 * RATE]
    files = {
        "s0.wav": wav(swelling(0)),
        "s1.wav": wav(late),
        "s2.wav": wav(np.zeros(2 * RATE)),
        "s3.wav": with_claim(wav(swelling(3)), 2_000_000_000),
        "s4.wav": wav(swelling(9)),
    }
    heard = {"s0": b"one two three four", "s1": b"one too three four", "s2": b"", "s4": b"\xff\xfe"}
    for name, text in heard.items():
        (texts / f"{name}.txt").write_bytes(text)
    card = api.score(
        write_zip(tmp_path / "team.zip", files),
        parse_challenge(CHALLENGE, "test"),
        testset,
        workers=1,
        cache=tmp_path / "cache",
        out=tmp_path / "out",
        backbones="bundled",
        features={"asr": tmp_path / "asr"},
    )
    rows = {video.sample: video for video in card.videos}
    stoi = {name: rows[name].values["speech.stoi"] for name in names}
    assert stoi["s0"] > 0.999
    assert 0.5 < stoi["s1"] < 0.95
    assert rows["s1"].values["speech.stoi.aligned"] > 0.999
    assert stoi["s4"] < 0.8, "another sound, which swells alike"
    assert (stoi["s2"], rows["s2"].reasons["speech.stoi"]) == (None, "no_speech")
    assert rows["s2"].values["speech.stoi.strict"] == 0.0
    assert stoi["s3"] is None, "a file whose header lies is refused, and alone"
    assert rows["s0"].values["speech.pesq_wb"] > 4.6
    errors = {name: rows[name].values["asr.wer"] for name in names}
    assert errors == {"s0": 0.0, "s1": 0.25, "s2": 1.0, "s3": None, "s4": None}
    assert rows["s4"].reasons["asr.wer"] == "import_unusable"
    assert (card.metrics["asr.wer"].value, card.metrics["asr.wer"].n) == (5 / 12, 3)
