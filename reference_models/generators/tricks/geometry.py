"""Move and turn a frame within its own borders, which are mirrored outwards."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import ArrayLike

from evalkit.reference_models.generators.base import RgbImage


def warped(frame: RgbImage, matrix: ArrayLike) -> RgbImage:
    """Return the frame through an affine map (2, 3) from old to new positions."""
    size = (frame.shape[1], frame.shape[0])
    moved = cv2.warpAffine(
        frame, np.asarray(matrix, np.float64), size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    return np.asarray(moved, np.uint8)


def turned(frame: RgbImage, degrees: float, scale: float = 1.0) -> RgbImage:
    """Return the frame turned anticlockwise and scaled around its centre."""
    height, width = frame.shape[:2]
    return warped(frame, cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, scale))
