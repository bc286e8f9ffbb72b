"""Light on a puppet's head: a lamp on an ellipsoid, and soft shadows that turn with the face."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from evalkit.reference_models.puppet.geometry import FRACTION, Pixels
from evalkit.reference_models.puppet.look import Look

Gain = NDArray[np.float32]
COARSE = 4  # image pixels per pixel of the light
SHADOWS = {
    "socket-1": 0.84, "socket1": 0.84, "hollow-1": 0.95, "hollow1": 0.95, "cheek-1": 1.07, "cheek1": 1.07,
    "flank": 0.80, "bridge": 1.14, "under_nose": 0.76, "under_lip": 0.84, "forehead": 1.06,
}  # fmt: skip


def lamp(look: Look, size: int, unit: float) -> Gain:
    """Return the gain of the lamp on a head at rest in the middle: (size/4, size/4, 3) about 1."""
    low = size // COARSE
    span = np.linspace(-0.5, 0.5, low) * size / unit
    x, y = np.meshgrid(span / 0.95, span / 1.2)
    normal = np.stack([x, y, np.sqrt(1 - np.minimum(x * x + y * y, 0.98))], -1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    towards = np.array([look.light_x, look.light_y, 0.8])
    lambert = np.clip(normal @ (towards / np.linalg.norm(towards)), 0, None)
    gain = 1 + look.light_strength * (1.5 * lambert - 1.02)
    warm = np.array([1 + 0.05 * look.light_warmth, 1.0, 1 - 0.07 * look.light_warmth])
    return np.asarray(gain[..., None] * warm, dtype=np.float32)


def lighting_gain(gain: Gain, at: NDArray[np.float64], shapes: Mapping[str, Pixels], size: int) -> Gain:
    """Return the gain on the head in one frame: (size, size, 3).

    Args:
        gain: `lamp`.
        at: pixel of the head's middle.
        shapes: outlines of the frame; `SHADOWS` names those that are shadows and highlights.
        size: of the image.
    """
    low = len(gain)
    dx, dy = (at - size / 2) / COARSE
    moved = cv2.warpAffine(gain, np.array([[1, 0, dx], [0, 1, dy]]), (low, low), borderMode=cv2.BORDER_REPLICATE)
    spots = np.full((low, low), 1.0, np.float32)
    for name, strength in SHADOWS.items():
        # Divided by COARSE, a coordinate of the image is one of the coarse light.
        mask = np.zeros((low, low), np.uint8)
        cv2.fillPoly(mask, [shapes[name] // COARSE], (255.0,), cv2.LINE_AA, FRACTION)
        x, y, width, height = cv2.boundingRect(mask)
        if width:
            spots[y : y + height, x : x + width] += (strength - 1) / 255 * mask[y : y + height, x : x + width]
    lit = np.asarray(moved * cv2.GaussianBlur(spots, (0, 0), size / 150)[..., None], dtype=np.float32)
    return np.asarray(cv2.resize(lit, (size, size), interpolation=cv2.INTER_LINEAR), dtype=np.float32)
