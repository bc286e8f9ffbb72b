"""Blinks and head motion: smooth, small, deterministic by seed."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from evalkit.reference_models.generators.base import RgbImage
from evalkit.reference_models.generators.warp.face_parts import FaceParts

Floats = NDArray[np.float64]
BLINK_SECONDS = (0.09, 0.04, 0.14)  # closing, closed, opening
SWAY = (0.045, 0.03)  # horizontal and vertical, in distances of the eyes
TURN = 0.022  # radians


def blinks(rng: np.random.Generator, frames: int, fps: float) -> Floats:
    """Return how far the lids are closed per frame, (N,) in 0..1: a blink every 2 to 5 s, the first one earlier."""
    times = (np.arange(frames) + 0.5) / fps
    shut = np.zeros(frames)
    down, hold, up = BLINK_SECONDS
    start = float(rng.uniform(0.5, 1.8))
    while start < times[-1] if frames else False:
        since = times - start
        falling = np.clip(since / down, 0, 1)
        rising = np.clip((since - down - hold) / up, 0, 1)
        shut = np.maximum(shut, _ease(falling) - _ease(rising))
        start += float(rng.uniform(2.0, 5.0))
    return shut


def sway(rng: np.random.Generator, frames: int, fps: float, emphasis: Floats) -> Floats:
    """Return the head's motion (N, 3): right, down (distances of the eyes), rotation (radians); it starts at 0.

    Args:
        rng: draws the phases.
        frames, fps: number of frames and frame rate.
        emphasis: (N,) 0..1, makes the head nod.
    """
    times = (np.arange(frames) + 0.5) / fps
    motion = np.zeros((frames, 3))
    for channel, size in enumerate((*SWAY, TURN)):
        for speed, share in ((0.23, 0.6), (0.51, 0.3), (0.87, 0.1)):
            phase, stretch = rng.uniform(0, 2 * np.pi), rng.uniform(0.85, 1.15)
            motion[:, channel] += size * share * np.sin(2 * np.pi * speed * stretch * times + phase)
    motion[:, 1] += 0.03 * gaussian_filter1d(emphasis, 0.12 * fps) if frames else 0.0
    return np.asarray((motion - motion[:1]) * (1 - np.exp(-times / 0.4))[:, None])


def _ease(value: Floats) -> Floats:
    return np.asarray(value * value * (3 - 2 * value))


class HeadSway:
    """Moves the head in an image; the background far from it stays in place.

    Args:
        image: an image of the size of the frames.
        parts: the face.
    """

    def __init__(self, image: RgbImage, parts: FaceParts) -> None:
        rows, columns = image.shape[:2]
        unit = self._unit = parts.eye_distance
        self._centre = (parts.eyes.mean(axis=0) + parts.mouth.mean(axis=0)) / 2
        y, x = np.mgrid[:rows, :columns].astype(np.float32)
        self._x, self._y = x, y
        dx, dy = x - np.float32(self._centre[0]), y - np.float32(self._centre[1])
        radius = np.sqrt((dx / (2.0 * unit)) ** 2 + ((dy + 0.2 * unit) / (2.5 * unit)) ** 2)
        fade = np.clip((radius - 0.8) / 1.4, 0, 1)
        weight = (0.5 + 0.5 * np.cos(np.pi * fade)).astype(np.float32)
        self._weight, self._turn_x, self._turn_y = weight, weight * dy, weight * dx

    def with_motion(self, image: RgbImage, motion: Floats) -> RgbImage:
        """Return the image with the head moved by (3,) right, down, rotation; the border is mirrored."""
        side, down = (np.float32(value * self._unit) for value in motion[:2])
        turn = np.float32(motion[2])
        map_x = self._x - self._weight * side + turn * self._turn_x
        map_y = self._y - self._weight * down - turn * self._turn_y
        moved = cv2.remap(image, map_x, map_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
        return np.asarray(moved, dtype=np.uint8)
