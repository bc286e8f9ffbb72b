"""Hard cuts between scenes as PySceneDetect 0.6.1's ContentDetector finds them by default (METRICS.md 3.2).

Frames are made smaller by a whole number to a width of 256 to 511 pixels. The score of a frame is the mean over hue,
saturation and value of the mean absolute difference to the frame before; 27 or more is a cut, unless the last one is
fewer than 15 frames back.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

THRESHOLD = 27.0
SHORTEST = 15  # frames
WIDTH = 256  # pixels


class ContentScore:
    """Says how much each frame differs from the one before."""

    def __init__(self) -> None:
        self._before: NDArray[np.uint8] | None = None

    def __call__(self, rgb: NDArray[np.uint8]) -> float:
        """Return the score, 0..255, of the next frame (H, W, 3) uint8 RGB: 0 for the first, inf after another size."""
        factor = max(1, rgb.shape[1] // WIDTH)
        if factor > 1:
            size = (round(rgb.shape[1] / factor), max(1, round(rgb.shape[0] / factor)))
            rgb = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_LINEAR), dtype=np.uint8)
        hsv = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV), dtype=np.uint8)
        before, self._before = self._before, hsv
        if before is None:
            return 0.0
        if before.shape != hsv.shape:
            return float("inf")
        return float(cv2.norm(hsv, before, cv2.NORM_L1)) / hsv.size


def find_cuts(scores: Sequence[float]) -> list[int]:
    """Return the frames that begin a new scene, from the score of every frame."""
    cuts: list[int] = []
    last = 0
    for frame, score in enumerate(scores):
        if score >= THRESHOLD and frame - last >= SHORTEST:
            cuts.append(frame)
            last = frame
    return cuts


def scenes(cuts: Sequence[int], frames: int) -> list[tuple[int, int]]:
    """Return first frame and the one after the last of every scene of a video of ``frames`` frames."""
    borders = [0, *cuts, frames]
    return list(itertools.pairwise(borders))
