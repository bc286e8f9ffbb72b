"""Opens the mouth in an image: lower lip and jaw move down, the upper lip a little up, the dark inside appears.

The warp is an inverse map: for each pixel of the result, its position in the source image. Displacements decay as
Gaussians, so the map is discontinuous only at the line between the lips. The upper teeth are fixed to the skull: what
the image shows between the lips stays in place, and the lower lip moves over it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from evalkit.reference_models.generators.base import RgbImage
from evalkit.reference_models.generators.warp.mouth_shape import Floats, MouthShape

OPEN = 0.31  # widest opening, in widths of the mouth
LOWER = 0.8  # share of the opening that moves the lower lip
JAW = 0.45  # share of the lower lip's motion that moves the chin
ROUND, SPREAD = 0.16, 0.07  # change of the mouth's width, as a share
SHAPE = 0.7  # of an open mouth: (1 - x^2) to this power
STIFF = 0.15  # a wider gap in the image can't be closed by a warp; it is reduced to a quarter


@dataclass(frozen=True)
class ImageRegion:
    """A rectangle of an image: rows and columns."""

    top: int
    bottom: int
    left: int
    right: int

    @classmethod
    def around(cls, image: RgbImage, x: Floats, y: Floats) -> ImageRegion:
        """Return the rectangle that contains the points, clipped to the image."""
        rows, columns = image.shape[:2]
        left, right = max(0, int(x.min())), min(columns, int(x.max()) + 2)
        top, bottom = max(0, int(y.min())), min(rows, int(y.max()) + 2)
        return cls(top, max(bottom, top + 1), left, max(right, left + 1))

    def grid(self) -> tuple[Floats, Floats]:
        """Return the coordinates of its pixels: x (1, columns) and y (rows, 1)."""
        x = np.arange(self.left, self.right, dtype=np.float64)[None, :]
        return x, np.arange(self.top, self.bottom, dtype=np.float64)[:, None]

    def of(self, image: RgbImage) -> RgbImage:
        """Return the rectangle of the image as a view."""
        return image[self.top : self.bottom, self.left : self.right]


class MouthWarp:
    """Warps the mouth of one image.

    Args:
        image: (H, W, 3) uint8 RGB.
        mouth: as `measure_mouth` measured it.
    """

    def __init__(self, image: RgbImage, mouth: MouthShape) -> None:
        self._image = image
        self._mouth = mouth
        w = mouth.width
        reach_x = np.array([-1.9, 1.9, -1.9, 1.9]) * w
        reach_y = np.array([-0.9, -0.9, 2.1, 2.1]) * w
        self._box = ImageRegion.around(image, *mouth.axes.to_image(reach_x, reach_y))
        self._x, self._y = mouth.axes.to_local(*self._box.grid())
        self._near = np.exp(-((self._x / (0.75 * w)) ** 2) - (self._y / (0.6 * w)) ** 2)
        self._jaw = np.exp(-((self._x / (0.9 * w)) ** 2)) * (1 - _smooth((self._y - 0.7 * w) / (1.2 * w)))
        self._noise = cv2.GaussianBlur(np.random.default_rng(0).normal(0, 1, self._x.shape), (0, 0), 1.2)[..., None] * 3

    def with_opening(self, opening: float, width: float) -> RgbImage:
        """Return the image with another mouth shape.

        Args:
            opening: 0 (closed) to 1 (wide open).
            width: -1 (rounded) to 1 (spread).
        """
        mouth, w = self._mouth, self._mouth.width
        gap = self.gap(opening)
        change = gap - mouth.gap
        x = self._x * (1 - (SPREAD if width > 0 else ROUND) * width * self._near)
        y = self._y
        shape = np.clip(1 - (x / (0.47 * w)) ** 2, 0, 1) ** SHAPE
        seam = np.polyval(mouth.seam, np.clip(x, -0.55 * w, 0.55 * w))
        upper, lower = seam - mouth.above * shape, seam + mouth.below * shape
        up, down = (1 - LOWER) * change * shape, LOWER * change * shape
        top, bottom = upper - up, np.maximum(lower + down, upper - up)
        below = np.maximum(y - bottom, 0)
        fall = np.exp(-((below / (0.55 * w)) ** 2))
        jaw = JAW * LOWER * change * self._jaw * (1 - np.exp(-((below / (0.4 * w)) ** 2)))
        from_below = y - down * fall - jaw
        from_above = y + up * np.exp(-((np.maximum(top - y, 0) / (0.3 * w)) ** 2))
        depth = y - top
        source_y = np.where(y > bottom, from_below, np.where(y < top, from_above, upper + depth))
        lips = self._sample(x, source_y)
        inside = np.clip(np.minimum(depth, bottom - y) + 0.5, 0, 1) * (shape > 0)
        if not inside.any():
            return self._pasted(lips)
        # What the image shows between the lips, as far as it goes; beyond it the dark inside.
        known = np.clip((mouth.gap * shape - depth) / 2.0, 0, 1) if mouth.gap > 3 else np.zeros_like(depth)
        hidden = self._inside(depth, bottom - top, x / (0.47 * w))
        colour = lips * known[..., None] + hidden * (1 - known[..., None])
        return self._pasted(lips * (1 - inside[..., None]) + colour * inside[..., None])

    def gap(self, opening: float) -> float:
        """Return the distance between the lips in pixels for an ``opening`` of 0..1."""
        rest, w = self._mouth.gap, self._mouth.width
        least = rest / 4 if rest > STIFF * w else 0.0
        most = max(OPEN * w, min(1.1 * rest, 0.5 * w))
        return least + (most - least) * float(np.clip(opening, 0, 1))

    def _sample(self, x: Floats, y: Floats) -> Floats:
        sampled = self._mouth.axes.sample(self._image, x, y, cv2.INTER_CUBIC, cv2.BORDER_REFLECT_101)
        return sampled.astype(np.float64)

    def _inside(self, depth: Floats, gap: Floats, across: Floats) -> Floats:
        """Return the inside of the mouth (rows, columns, 3): dark, with upper teeth and tongue."""
        mouth, w = self._mouth, self._mouth.width
        light = float(np.clip(mouth.skin.max() / 255, 0.25, 1))
        colour = np.broadcast_to(mouth.inside, (*depth.shape, 3)).copy()
        tongue = mouth.skin * np.array([0.62, 0.36, 0.36])
        low = _smooth((depth / np.maximum(gap, 1e-6) - 0.55) / 0.45) * _smooth((gap / w - 0.12) / 0.15)
        low = low * np.clip(1 - across**2, 0, 1)
        colour += (tongue - colour) * (0.75 * low)[..., None]
        if mouth.gap < 0.05 * w:
            tall = np.minimum(0.34 * gap, 0.1 * w)
            teeth = np.clip((tall - depth) / 1.5 + 0.5, 0, 1) * _smooth((gap / w - 0.04) / 0.1)
            teeth = teeth * np.clip(1.15 - across**2 * 1.2, 0, 1)
            white = np.array([226.0, 216.0, 200.0]) * (0.3 + 0.6 * light)
            shade = 0.55 + 0.45 * np.clip(depth / np.maximum(tall, 1e-6), 0, 1)
            colour += (white * shade[..., None] - colour) * (0.85 * teeth)[..., None]
        return colour + self._noise * light

    def _pasted(self, part: Floats) -> RgbImage:
        result = self._image.copy()
        self._box.of(result)[...] = np.clip(np.rint(part), 0, 255).astype(np.uint8)
        return result


def _smooth(value: Floats) -> Floats:
    """Return a smooth step from 0 at 0 to 1 at 1."""
    t = np.clip(value, 0, 1)
    return np.asarray(t * t * (3 - 2 * t))
