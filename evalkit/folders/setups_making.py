"""Write a test set that asks for three videos of each sample: dubbed with silence, with its own and with other speech.

Nothing is copied but sound: the new list of samples lies beside the old one and names the same images and videos.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import MediaError, TestSetError, UsageError
from evalkit.files import storage_error, write_bytes, write_text
from evalkit.folders.testset_making import RATE, wav_bytes
from evalkit.media.audio import read_audio
from evalkit.progress import Progress
from evalkit.testsets.loading import SAMPLES_FILE, load_testset
from evalkit.testsets.model import Sample, TestSet

Silence = Literal["zeros", "noise"]
FOLDER, LIST = "setups", "setups.jsonl"
MARK = "made-by-evalkit.json"
NOISE_DBFS = -60.0
SHORTEST = 2.1  # seconds: a track for lip sync has more than 50 frames at 25/s


@dataclass(frozen=True)
class SetupsMade:
    """What was written.

    Args:
        path: the list of samples, to be given as the test set.
        seconds: sample -> the length of all of its setups.
        others: sample -> the sample whose speech drives its setup ``other``.
        left_out: sample -> why it has no setups.
        cut: samples whose own speech was cut, because the other one is shorter.
    """

    path: Path
    seconds: dict[str, float]
    others: dict[str, str]
    left_out: dict[str, str] = field(default_factory=dict)
    cut: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return what ``evalkit testset setups --json`` prints."""
        return {
            "schema": 1,
            "ok": not self.left_out,
            "testset": str(self.path),
            "samples": [
                {"id": name, "seconds": round(seconds, 3), "other": self.others[name], "cut": name in self.cut}
                for name, seconds in self.seconds.items()
            ],
            "left_out": self.left_out,
        }


def make_setups(
    testset_path: Path, *, silence: Silence = "zeros", replace: bool = False, progress: Progress | None = None
) -> SetupsMade:
    """Write ``setups.jsonl`` and the folder ``setups`` beside the samples of a test set in the native format.

    All sounds of a sample have one length: that of its own speech, or of the other one where that is shorter. The other
    speech is that of the next sample of another person which is at least as long, else of the longest one.

    Args:
        testset_path: the test set's folder.
        silence: what drives the setup ``silent``: digital zeros, or noise at -60 dBFS, for front ends that take the
            logarithm of zero.
        replace: write over what this function made.
        progress: told of each sample.

    Raises:
        TestSetError: there is no such test set, it has setups already, or fewer than two of its people have speech.
        UsageError: the files are there already.
    """
    testset = load_testset(testset_path)
    if testset.format != "native" or any(sample.setup for sample in testset):
        raise TestSetError(
            f"The test set {testset_path} can't be given setups.",
            found="setups already" if any(sample.setup for sample in testset) else f"format {testset.format}",
            expected=f"a folder with {SAMPLES_FILE}, one line per sample",
        )
    folder, file = testset.root / FOLDER, testset.root / LIST
    _refuse_others(folder, file, replace=replace)
    speech, left_out = _speech(testset, progress or Progress())
    usable = [sample for sample in testset if sample.id in speech]
    if len({_person(sample) for sample in usable}) < 2:
        why = f": {next(iter(left_out.items()))[1]}" if left_out else ""
        raise TestSetError(
            f"The test set {testset_path} has no other speech to dub with.",
            found=f"{len(usable)} of {len(testset)} samples with usable speech{why}",
            expected="speech of at least two people",
        )
    _make_room(folder, file)
    lines: list[str] = []
    made = SetupsMade(file, {}, {}, left_out)
    cut: list[str] = []
    for number, sample in enumerate(usable):
        own = speech[sample.id]
        other = _other(number, usable, speech)
        length = min(len(own), len(speech[other]))
        if length < len(own):
            cut.append(sample.id)
        made.seconds[sample.id], made.others[sample.id] = length / RATE, other
        silent = _silence(sample.id, length, silence)
        written = {
            "silent": _write(folder, f"{number + 1}-silent.wav", silent),
            "other": _write(folder, f"{number + 1}-other.wav", speech[other][:length]),
        }
        setups: dict[str, Any] = {
            "silent": {"driving_audio": written["silent"]},
            "own": {},
            "other": {"audio": written["other"]},
        }
        if length < len(own):
            shorter = _write(folder, f"{number + 1}-own.wav", own[:length])
            setups["own"]["audio"] = setups["silent"]["audio"] = shorter
        record = sample.model_dump(mode="json", exclude_defaults=True)
        lines.append(json.dumps({**record, "setups": setups}, ensure_ascii=False))
    write_text(file, "".join(f"{line}\n" for line in lines))
    return SetupsMade(file, made.seconds, made.others, left_out, tuple(cut))


def _refuse_others(folder: Path, file: Path, *, replace: bool) -> None:
    """Raise where something would be written over that this command did not make."""
    there = folder.exists() or file.exists()
    if there and not (replace and (folder / MARK).is_file()):
        raise UsageError(
            f"{folder} or {file.name} is there already.",
            fix="Remove them, or replace what this command made with --force.",
        )


def _make_room(folder: Path, file: Path) -> None:
    try:
        if folder.exists():
            shutil.rmtree(folder)
        file.unlink(missing_ok=True)
        folder.mkdir()
    except OSError as error:
        raise storage_error(folder, error) from None
    write_text(folder / MARK, json.dumps({"schema": 1, "made": "evalkit testset setups"}) + "\n")


def _speech(testset: TestSet, progress: Progress) -> tuple[dict[str, NDArray[np.float32]], dict[str, str]]:
    """Return the speech of each sample at 16 kHz, and why some have none."""
    speech: dict[str, NDArray[np.float32]] = {}
    left_out: dict[str, str] = {}
    with progress.stage("reading speech", len(testset)) as stage:
        for sample in testset:
            stage.advance()
            if sample.audio is None:
                left_out[sample.id] = "the sample has no speech"
                continue
            try:
                samples = read_audio(testset.path(sample.audio), RATE)
            except (MediaError, OSError) as error:
                left_out[sample.id] = f"its speech can't be read: {error}".split("\n", maxsplit=1)[0]
                continue
            if len(samples) < SHORTEST * RATE:
                left_out[sample.id] = f"its speech has {len(samples) / RATE:.2f} s; at least {SHORTEST} s are needed"
                continue
            speech[sample.id] = samples
    return speech, left_out


def _other(number: int, samples: Sequence[Sample], speech: dict[str, NDArray[np.float32]]) -> str:
    """Return the sample whose speech is the other one of sample ``number``."""
    own = samples[number]
    turned = [samples[(number + step) % len(samples)] for step in range(1, len(samples))]
    candidates = [sample.id for sample in turned if _person(sample) != _person(own)]
    long_enough = (name for name in candidates if len(speech[name]) >= len(speech[own.id]))
    return next(long_enough, None) or max(candidates, key=lambda name: len(speech[name]))


def _person(sample: Sample) -> str:
    """Return who the sample shows: its ``identity``, else its reference images, else its id."""
    return sample.identity or "\0".join(sample.reference_images) or sample.id


def _silence(sample: str, length: int, silence: Silence) -> NDArray[np.float32]:
    if silence == "zeros":
        return np.zeros(length, np.float32)
    seed = int.from_bytes(hashlib.sha256(sample.encode()).digest()[:8], "big")
    level = 10 ** (NOISE_DBFS / 20)
    return (np.random.default_rng(seed).standard_normal(length) * level).astype(np.float32)


def _write(folder: Path, name: str, samples: NDArray[np.float32]) -> str:
    write_bytes(folder / name, wav_bytes(samples))
    return f"{FOLDER}/{name}"
