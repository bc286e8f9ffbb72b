"""The files of one sample in which several puppets speak: first picture, each voice, their mix, the video."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from evalkit.files import atomic_write
from evalkit.media.encode import write_video
from evalkit.reference_models.puppet import captions
from evalkit.reference_models.puppet.dialogue import Dialogue
from evalkit.reference_models.puppet.motion import FPS
from evalkit.reference_models.puppet.sound_file import write_wav
from evalkit.reference_models.puppet.voice import RATE


def draw_dialogue(seed: int, number: int, take: int, *, seconds: float, size: int) -> Dialogue:
    """Return dialogue ``take`` of group ``number`` of the test set ``seed``: two and three persons in turn."""
    first = seed * 1_000_000 + 10 * number
    count = 2 + (number - 1) % 2
    return Dialogue(tuple(range(first, first + count)), first * 1000 + take, seconds, size)


def write_dialogue(folder: Path, name: str, scene: Dialogue) -> str:
    """Write a sample's files, and return its line for the index."""
    voices = scene.voices
    image, mixed, video = f"images/{name}.png", f"audio/{name}.wav", f"videos/{name}.mp4"
    frames = scene.frames()
    first = next(frames)
    with atomic_write(folder / image) as stream:
        Image.fromarray(first).save(stream, format="PNG")
    paths = voice_files(name, len(voices))
    for path, voice in zip(paths, voices, strict=True):
        write_wav(folder / path, voice)
    heard = mix(voices)
    write_wav(folder / mixed, heard)
    write_video(folder / video, chain([first], frames), FPS, heard, RATE, crf=12)
    speakers = [
        {"name": f"person {k + 1}", "audio": path, "box": list(box)}
        for k, (path, box) in enumerate(zip(paths, scene.boxes, strict=True))
    ]
    said = " ".join(captions.caption(look, "neutral", ()) for look in scene.looks)
    return json.dumps(
        {
            "id": name,
            "reference_images": [image],
            "audio": mixed,
            "text": said,
            "reference_video": video,
            "groups": {"persons": str(len(voices))},
            "identity": name.partition("t")[0],
            "speakers": speakers,
        }
    )


def voice_files(name: str, count: int) -> list[str]:
    """Return the paths of a sample's voices."""
    return [f"audio/{name}-{k + 1}.wav" for k in range(count)]


def mix(voices: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return what is heard of voices (N,): their mean, which never clips."""
    return np.asarray(np.mean(voices, axis=0), dtype=np.float32)
