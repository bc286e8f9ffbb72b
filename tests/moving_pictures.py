"""Pictures in which something moves, and the bits of their motion."""

from __future__ import annotations

import cv2
import numpy as np

from evalkit.metrics.gaming.signature import motion_bits


def moving(seed: int, count: int = 60) -> np.ndarray:
    """Return pictures (count, 64, 64) of soft blobs that wander over a background."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:64, :64]
    background = cv2.GaussianBlur(rng.uniform(60, 200, (64, 64)).astype(np.float32), (0, 0), 4)
    phases, speeds = rng.uniform(0, 6, (3, 2)), rng.uniform(0.05, 0.35, (3, 2))
    pictures = []
    for at in range(count):
        picture = background.copy()
        for phase, speed in zip(phases, speeds, strict=True):
            cx, cy = 32 + 18 * np.sin(phase + speed * at)
            picture += 60 * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 60).astype(np.float32)
        pictures.append(picture)
    return np.float32(pictures)


def bits(pictures: np.ndarray) -> np.ndarray:
    return motion_bits(pictures)[0]
