"""Clips for tests of the gaming rules: attacks on real clips by ffmpeg, and fingerprints of files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clip_tools import ffmpeg

from evalkit.media.inspect import inspect_media
from evalkit.metrics.features.base import Item
from evalkit.metrics.gaming.fingerprint import FingerprintExtractor
from evalkit.scoring.guard import Guard, GuardedSession

X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
AAC = ("-c:a", "aac")

# name -> filter of the pictures; the sound stays as it is
COPIES = {
    "again": "null",
    "half_size": "scale=iw/2:ih/2",
    "double_size": "scale=iw*2:ih*2",
    "cropped_middle": "crop=iw*0.94:ih*0.94,scale=256:256",
    "cropped_corner": "crop=iw*0.97:ih*0.97:0:0,scale=256:256",
    "mirrored": "hflip",
    "darker": "eq=brightness=-0.1:contrast=0.8",
    "blurred": "gblur=sigma=3",
    "trimmed": "trim=start=0.7,setpts=PTS-STARTPTS",
    "noisy": "noise=alls=12:allf=t",
}


def fingerprint(video: Path, audio: Path | None = None) -> Mapping[str, Any]:
    """Return the arrays of the feature as one decoding pass gives them."""
    extractor = FingerprintExtractor({})
    guard = Guard(lambda: extractor.open(Item("x", video, audio=audio), {}))
    inspect_media(video, [GuardedSession(guard)])
    data = guard.finish({})
    assert guard.error is None and data is not None and data.arrays is not None, guard.error or data
    return data.arrays


def refilmed(source: Path, target: Path, pictures: str, *, crf: int = 28) -> Path:
    """Write ``source`` with its pictures through a filter and encoded again."""
    ffmpeg("-i", source, "-vf", pictures, *X264, "-crf", crf, "-c:a", "copy", target)
    return target


def resounded(source: Path, target: Path, *words: object, audio: Path | None = None) -> Path:
    """Write ``source`` with other sound: ``audio`` or its own one, through ffmpeg's ``words``."""
    given = ("-i", audio) if audio else ()
    ffmpeg("-i", source, *given, "-map", "0:v", "-map", "1:a" if audio else "0:a", "-c:v", "copy", *words, target)
    return target


def still(image: Path, target: Path, pictures: str = "null", *, seconds: float = 3) -> Path:
    """Write a video of one image through a filter."""
    source = ("-loop", "1", "-framerate", "25", "-t", seconds, "-i", image)
    ffmpeg(*source, "-vf", f"{pictures},format=yuv420p", *X264, "-crf", "23", target)
    return target
