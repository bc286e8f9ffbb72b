"""Test sets and submissions of audio files and of motion coefficients, small and exact; and bytes that are broken."""

from __future__ import annotations

import io
import json
import struct
import wave
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from evalkit.challenges.model import Challenge, parse_challenge

RATE, FRAMES, WIDTH = 16_000, 25, 6
AUDIO = """
schema: 1
id: speech-test
title: Speech test
submission:
  kind: audio
  sound: {sample_rates: [16000], channels: [1], match_reference_seconds: 0.1}
metrics: [{id: sound.duration}, {id: sound.level}]
"""
MOTION = """
schema: 1
id: motion-test
title: Motion test
submission:
  kind: motion
  motion: {arrays: {motion: {shape: [frames, 6]}}, match_reference_frames: 0}
metrics: [{id: coefficients.frames}]
"""


def audio_challenge() -> Challenge:
    return parse_challenge(AUDIO, "test")


def motion_challenge() -> Challenge:
    return parse_challenge(MOTION, "test")


def tone(seconds: float = 1.0, level: float = 0.25, pitch: float = 200.0) -> Any:
    """Return (N,) float64 of a square wave of one level, so that its level in dBFS is exact."""
    at = np.arange(round(seconds * RATE))
    return np.where((at * pitch / RATE).astype(int) % 2, -level, level)


def wav(samples: Any, rate: int = RATE, bits: int = 16, channels: int = 1) -> bytes:
    """Return a WAV file of integers, as Python's ``wave`` writes it."""
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(bits // 8)
        file.setframerate(rate)
        whole = np.round(np.asarray(samples) * (1 << (bits - 1))).astype("<i8")
        file.writeframes(whole.reshape(-1, 1).view("u1")[:, : bits // 8].tobytes())
    return stream.getvalue()


def float_wav(samples: Any, rate: int = RATE) -> bytes:
    """Return a WAV file of 32-bit floats (format 3)."""
    data = np.asarray(samples, "<f4").tobytes()
    form = struct.pack("<HHIIHH", 3, 1, rate, 4 * rate, 4, 32)
    return b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt \x10\0\0\0" + form + b"data" + _length(data)


def _length(data: bytes) -> bytes:
    return struct.pack("<I", len(data)) + data


def with_claim(data: bytes, claimed: int) -> bytes:
    """Return a WAV file of ``wav`` or ``float_wav`` whose data chunk claims another number of bytes."""
    at = data.index(b"data") + 4
    return data[:at] + struct.pack("<I", claimed) + data[at + 4 :]


def npy(array: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


def npz(**arrays: Any) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def npy_of(header: str, data: bytes = b"", version: tuple[int, int] = (1, 0)) -> bytes:
    """Return an NPY file with a header of one's own."""
    text = header.encode("latin-1")
    size = struct.pack("<H" if version[0] == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes(version) + size + text + data


def motion(seed: int = 0, frames: int = FRAMES, width: int = WIDTH) -> Any:
    return np.random.RandomState(seed).randn(frames, width).astype(np.float32)


def write_testset(folder: Path, samples: int = 3) -> Path:
    """Write samples s0, s1, ... of a second, with speech, motion, partner and transcript."""
    folder.mkdir(parents=True)
    lines = []
    for at in range(samples):
        name = f"s{at}"
        (folder / f"{name}.wav").write_bytes(wav(tone(pitch=100.0 * (at + 1))))
        (folder / f"{name}.npy").write_bytes(npy(motion(at)))
        (folder / f"{name}-partner.npy").write_bytes(npy(motion(100 + at)))
        record = {"id": name, "audio": f"{name}.wav", "motion": f"{name}.npy", "transcript": f"number {at}"}
        lines.append(json.dumps(record | {"partner_motion": f"{name}-partner.npy"}))
    (folder / "samples.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def write_zip(path: Path, files: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path
