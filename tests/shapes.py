"""A tiny world of moving shapes with tones, for the demo and for tests that need a clean video at once.

Each sample is a disc that swims over a textured background while a tone changes its pitch with the disc's height.
Deterministic by seed.
"""

from __future__ import annotations

import json
import wave
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from evalkit.files import atomic_write, write_text
from evalkit.media.colour import Picture
from evalkit.media.encode import write_video

FPS = 25
RATE = 16_000


def shape_frames(seed: int, count: int, size: int = 256) -> Iterator[Picture]:
    """Yield ``count`` frames (size, size, 3) uint8 RGB of sample ``seed``."""
    rng = np.random.default_rng(seed)
    texture = cv2.resize(rng.integers(40, 216, (size // 16, size // 16, 3), dtype=np.uint8), (size, size))
    colour = tuple(int(value) for value in rng.integers(0, 256, 3))
    phase = rng.uniform(0, 2 * np.pi, 2)
    for index in range(count):
        frame = texture.copy()
        x, y = disc_centre(index, phase, size)
        cv2.circle(frame, (x, y), size // 6, colour, -1, cv2.LINE_AA)
        cv2.circle(frame, (x, y), size // 12, (255 - colour[0], 255 - colour[1], 255 - colour[2]), -1, cv2.LINE_AA)
        yield np.asarray(frame, dtype=np.uint8)


def disc_centre(index: int, phase: NDArray[np.float64], size: int) -> tuple[int, int]:
    """Return where the disc is in frame ``index``, in pixels."""
    time = index / FPS
    x, y = np.sin(2 * np.pi * np.array([0.5, 0.8]) * time + phase)
    return round(size / 2 + x * size / 4), round(size / 2 + y * size / 4)


def tone(seed: int, seconds: float) -> NDArray[np.float32]:
    """Return a gliding tone: (N,) float32 mono at 16 kHz, amplitude 0.3."""
    time = np.arange(round(seconds * RATE)) / RATE
    base = 180.0 + 20.0 * (seed % 7)
    sweep = base * time + 30.0 * np.sin(2 * np.pi * 0.8 * time) / (2 * np.pi * 0.8)
    return (0.3 * np.sin(2 * np.pi * sweep)).astype(np.float32)


def write_testset(folder: Path, samples: int, seconds: float, size: int = 256) -> Path:
    """Write a native test set with reference images, speech and reference videos; return its folder."""
    lines = []
    for number in range(1, samples + 1):
        name = f"d{number:02}"
        count = round(seconds * FPS)
        sound = tone(number, seconds)
        for part in ("images", "audio", "videos"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        Image.fromarray(next(shape_frames(number, 1, size))).save(folder / "images" / f"{name}.png")
        _write_wav(folder / "audio" / f"{name}.wav", sound)
        write_video(folder / "videos" / f"{name}.mp4", shape_frames(number, count, size), FPS, sound, RATE, crf=12)
        lines.append(
            json.dumps(
                {
                    "id": name,
                    "reference_images": [f"images/{name}.png"],
                    "audio": f"audio/{name}.wav",
                    "text": "A disc swims over a textured background.",
                    "reference_video": f"videos/{name}.mp4",
                    "groups": {"half": "first" if number <= samples / 2 else "second"},
                }
            )
        )
    write_text(folder / "samples.jsonl", "\n".join(lines) + "\n")
    return folder


def write_submission(
    path: Path, samples: int, seconds: float, change: Callable[[Picture], Picture], size: int = 256
) -> Path:
    """Write a ZIP with one video per sample, each frame passed through ``change``; return its path."""
    work = path.parent / f".{path.stem}"
    work.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as stream, zipfile.ZipFile(stream, "w") as archive:
        for number in range(1, samples + 1):
            file = work / f"d{number:02}.mp4"
            frames = (change(frame) for frame in shape_frames(number, round(seconds * FPS), size))
            write_video(file, frames, FPS, tone(number, seconds), RATE, crf=23)
            # A fixed date: the same content makes the same ZIP.
            archive.writestr(zipfile.ZipInfo(file.name, (2026, 1, 1, 0, 0, 0)), file.read_bytes())
            file.unlink()
    work.rmdir()
    return path


def blur(sigma: float) -> Callable[[Picture], Picture]:
    """Return a change that blurs a frame."""
    return lambda frame: np.asarray(cv2.GaussianBlur(frame, (0, 0), sigma), dtype=np.uint8)


def unchanged(frame: Picture) -> Picture:
    """Return the frame as it is."""
    return frame


def _write_wav(path: Path, samples: NDArray[np.float32]) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
