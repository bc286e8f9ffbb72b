"""Faults of files, as submissions have them: truncated, or of another size."""

from __future__ import annotations

import tempfile
from pathlib import Path

import cv2
import numpy as np

from evalkit.media.audio import read_audio
from evalkit.media.colour import Picture
from evalkit.media.decode import iter_frames
from evalkit.media.encode import write_video

RATE = 16_000


def truncated(video: bytes, share: float = 0.6) -> bytes:
    """Return the first part of a file, as after an interrupted upload.

    Args:
        video: the file.
        share: of its bytes that stays, 0 to 1.
    """
    return video[: round(len(video) * share)]


def half_size(video: bytes, fps: float = 25) -> bytes:
    """Return the MP4 file with width and height halved (rounded down to even numbers) and its audio kept.

    Args:
        video: a file that can be decoded.
        fps: its frames per second.

    Raises:
        MediaError: it can't be decoded, or has no audio.
    """
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "source.mp4"), Path(folder, "target.mp4")
        source.write_bytes(video)
        frames = (_halved(frame) for frame in iter_frames(source))
        write_video(target, frames, fps, read_audio(source, RATE), RATE)
        return target.read_bytes()


def _halved(frame: Picture) -> Picture:
    height, width = (side // 4 * 2 for side in frame.shape[:2])
    return np.asarray(cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)
