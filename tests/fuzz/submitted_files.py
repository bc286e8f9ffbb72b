"""Submitted files that are no videos: NPY and NPZ files held against numpy, WAV files against their headers."""

from __future__ import annotations

import math
import random
from functools import cache
from pathlib import Path

import numpy as np
from builders.kinds import audio_challenge, float_wav, npy, npz, tone, wav

from evalkit.errors import InputError
from evalkit.media.sound_file import inspect_sound
from evalkit.numpy_files.header import ArrayFileError
from evalkit.numpy_files.reading import MOST_BYTES, ONLY, read_arrays, scan_arrays
from evalkit.validators.file import ExpectedLength
from evalkit.validators.findings import verdict_of
from evalkit.validators.reading_limits import read_limits
from evalkit.validators.registry import file_findings
from fuzz.kinds import WrongAcceptError

_LENGTHS = (0, 1, 2, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)
_HEADER_WORDS = (
    b"<f4", b">f8", b"|O", b"<f2", b"False", b"True", b"(5, 3)", b"(15,)", b"(3, 5)", b"(10**12,)", b"[('a', '<f4')]",
)  # fmt: skip


def mutated(data: bytes, dice: random.Random) -> bytes:
    """Return bytes changed where headers are: numbers, words, single bytes, ends; sometimes not at all."""
    found = bytearray(data)
    for _ in range(dice.choice((0, 1, 1, 1, 2, 4))):
        kind, at = dice.random(), dice.randrange(min(len(found), 140) if dice.random() < 0.8 else len(found) or 1)
        if kind < 0.3:
            size = dice.choice((1, 2, 4))
            found[at : at + size] = (dice.choice(_LENGTHS) & ((1 << 8 * size) - 1)).to_bytes(size, "little")
        elif kind < 0.5:
            old, new = dice.choice(_HEADER_WORDS), dice.choice(_HEADER_WORDS)
            found = bytearray(bytes(found).replace(old, new.ljust(len(old))[: max(len(old), len(new))]))
        elif kind < 0.7:
            found[at] ^= 1 << dice.randrange(8)
        elif kind < 0.85:
            del found[dice.randrange(len(found)) :]
        else:
            found += bytes(dice.randrange(256) for _ in range(dice.choice((1, 4, 100))))
        if not found:
            return b""
    return bytes(found)


@cache
def _array_files() -> tuple[bytes, ...]:
    array = np.arange(15, dtype="<f4").reshape(5, 3)
    return npy(array), npy(np.asfortranarray(array.astype(">f8"))), npz(motion=array), npz(exp=array, jaw=array[:, 0])


@cache
def _sound_files() -> tuple[bytes, ...]:
    samples = tone(0.1)
    return wav(samples), wav(samples, bits=24), float_wav(samples)


def make_arrays(dice: random.Random) -> bytes:
    """Return an NPY or NPZ file, changed."""
    return mutated(dice.choice(_array_files()), dice)


def make_sound(dice: random.Random) -> bytes:
    """Return a WAV file, changed."""
    return mutated(dice.choice(_sound_files()), dice)


def read_array_file(path: Path) -> None:
    """Read the arrays; what is taken is what numpy reads, without pickles."""
    try:
        scanned = {one.name: one for one in scan_arrays(path)}
        arrays = read_arrays(path)
    except ArrayFileError as error:
        raise InputError("It can't be read.", found=error.found) from None
    if list(scanned) != list(arrays) or sum(array.nbytes for array in arrays.values()) > MOST_BYTES:
        raise WrongAcceptError("other arrays were scanned than read")
    loaded = np.load(path, allow_pickle=False)
    theirs = {ONLY: loaded} if isinstance(loaded, np.ndarray) else {name: loaded[name] for name in loaded.files}
    for name, array in arrays.items():
        same = np.array_equal(array, theirs[name], equal_nan=array.dtype.kind == "f")
        if not same or array.shape != theirs[name].shape:
            raise WrongAcceptError(f"numpy reads '{name}' differently")
        if scanned[name].nans + scanned[name].infinities != int((~np.isfinite(array)).sum()):
            raise WrongAcceptError("NaN was not counted")


def read_sound_file(path: Path) -> None:
    """Read the sound and apply the rules; what is taken has the samples that it announces, all of them numbers."""
    rules = audio_challenge().submission
    expected = ExpectedLength(0.1, "speech")
    facts = inspect_sound(path, read_limits(rules, expected), rules.sound.containers).facts
    if verdict_of(file_findings(facts, rules, path.name, expected)) == "error":
        raise InputError("A rule refuses it.")
    if facts.sound is None or facts.audio is None or not facts.sound.samples or facts.sound.not_finite:
        raise WrongAcceptError("a file without sound was taken")
    if facts.sound.claimed_samples not in (None, facts.sound.samples) or not math.isfinite(facts.audio.peak):
        raise WrongAcceptError(f"{facts.sound} was taken")
