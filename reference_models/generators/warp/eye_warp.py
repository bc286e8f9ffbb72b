"""Closes the eyes in an image for a blink: the upper lid is stretched over the eye."""

from __future__ import annotations

import cv2
import numpy as np

from evalkit.reference_models.generators.base import RgbImage
from evalkit.reference_models.generators.warp.face_parts import FaceParts
from evalkit.reference_models.generators.warp.mouth_shape import FaceAxes, Floats
from evalkit.reference_models.generators.warp.mouth_warp import ImageRegion

UNIT = 64  # pixels of a patch for the distance between the eyes
STRIP = 0.09  # height of the skin above the lid that is stretched; brows and glasses are above it
ROUND = 0.75  # exponent of the eye's outline, (1 - x^2)
LEAST, MOST = 0.07, 0.24  # height of an open eye, in distances of the eyes; more includes a brow or glasses


class EyeWarp:
    """Closes one eye of an image.

    Args:
        image: (H, W, 3) uint8 RGB.
        parts: the face.
        which: 0 for the left eye in the image, 1 for the right one.
    """

    def __init__(self, image: RgbImage, parts: FaceParts, which: int) -> None:
        along = parts.eyes[1] - parts.eyes[0]
        self._unit = parts.eye_distance
        self._axes = FaceAxes(parts.eyes[which], float(np.arctan2(along[1], along[0])))
        self._image = image
        self.above, self.below, self.left, self.right = _opening(image, self._axes, self._unit)
        reach_x = np.array([-0.4, 0.4, -0.4, 0.4]) * self._unit
        reach_y = np.array([-0.35, -0.35, 0.3, 0.3]) * self._unit
        self._box = ImageRegion.around(image, *self._axes.to_image(reach_x, reach_y))
        self._x, self._y = self._axes.to_local(*self._box.grid())

    @property
    def is_open(self) -> bool:
        """Whether the eye is open and was measured plausibly."""
        return LEAST * self._unit < self.above + self.below < MOST * self._unit

    def close(self, image: RgbImage, amount: float) -> None:
        """Close the eye of ``image`` in place.

        Args:
            image: the image of the constructor, or one that is equal around the eyes.
            amount: 0 (as it is) to 1 (closed).
        """
        if amount <= 0:
            return
        middle, half = (self.right - self.left) / 2, (self.right + self.left) / 2
        shape = np.clip(1 - ((self._x - middle) / half) ** 2, 0, 1) ** ROUND
        strip = STRIP * self._unit
        lid = -self.above * shape
        drop = amount * (self.above + 0.9 * self.below) * shape
        top = lid - strip
        share = np.clip((self._y - top) / (strip + drop), 0, 1)
        source = np.where((self._y > top) & (self._y < lid + drop), top + share * strip, self._y)
        part = self._axes.sample(self._image, self._x, source, border=cv2.BORDER_REFLECT_101)
        self._box.of(image)[...] = part


def _opening(image: RgbImage, axes: FaceAxes, unit: float) -> tuple[float, float, float, float]:
    """Return how far the open eye reaches above, below, left and right of its centre, in pixels.

    Iris, white and lashes around the centre differ from the skin below the eye. All are small for a closed eye.
    """
    scale = unit / UNIT
    wide, high = int(0.36 * UNIT), int(0.3 * UNIT)
    across = np.arange(-wide, wide + 1, dtype=np.float64)[None, :] * scale
    down = np.arange(-high, high + 1, dtype=np.float64)[:, None] * scale
    patch = axes.sample(image, across, down)
    lab: Floats = cv2.cvtColor(patch.astype(np.float32) / 255, cv2.COLOR_RGB2Lab).astype(np.float64)
    near = np.s_[wide - int(0.1 * UNIT) : wide + int(0.1 * UNIT) + 1]
    skin = np.median(lab[high + int(0.17 * UNIT) : high + int(0.28 * UNIT), near].reshape(-1, 3), axis=0)
    other = np.linalg.norm(lab - skin, axis=2)
    rows = other[:, near].mean(axis=1)
    level = max(0.4 * float(rows[high - 4 : high + 5].max()), 7.0)
    above = _reach(rows[: high + 1][::-1], level, int(0.2 * UNIT))
    below = _reach(rows[high:], level, int(0.13 * UNIT))
    columns = other[high - max(1, above // 2) : high + max(1, below // 2) + 1].mean(axis=0)
    left = _reach(columns[: wide + 1][::-1], 0.6 * level, int(0.3 * UNIT))
    right = _reach(columns[wide:], 0.6 * level, int(0.3 * UNIT))
    least = int(0.2 * UNIT)
    return above * scale, below * scale, max(left, least) * scale, max(right, least) * scale


def _reach(values: Floats, level: float, most: int) -> int:
    """Return how many values after the first stay above ``level``, at most ``most``."""
    under = np.flatnonzero(values[1 : most + 1] <= level)
    return int(under[0]) if len(under) else most
