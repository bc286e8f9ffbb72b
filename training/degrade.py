"""Degradations of images and clips with known strengths, which the image and video networks learn to predict."""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
TEMPORAL_FAULTS = ("none", "shuffled", "frozen", "jitter", "dropped")


@dataclass(frozen=True)
class ImageFaults:
    """Strengths of the faults of an image; 0 means absent.

    Args:
        blur: sigma of a Gaussian in pixels.
        noise: standard deviation in grey levels.
        blocks: by how much the quality of a JPEG is below 100.
        shift_x, shift_y: in pixels.
        grey: share of the colour that is removed.
        dark: share of the brightness that is removed; negative: brighter.
        patch: side of a pasted patch of noise, as a share of the image's.
    """

    blur: float = 0.0
    noise: float = 0.0
    blocks: float = 0.0
    shift_x: float = 0.0
    shift_y: float = 0.0
    grey: float = 0.0
    dark: float = 0.0
    patch: float = 0.0

    def vector(self) -> NDArray[np.float32]:
        """Return the strengths (8,) float32, each scaled to about -1..1."""
        return np.array(astuple(self), dtype=np.float32) / _RANGES


_RANGES = np.array([4.0, 24.0, 90.0, 8.0, 8.0, 1.0, 0.5, 0.3], dtype=np.float32)
FAULT_COUNT = len(fields(ImageFaults))


def draw_faults(rng: np.random.Generator, share: float = 0.7) -> ImageFaults:
    """Draw the faults of one image: with probability ``share`` it has any, and then each with probability 0.33."""
    if rng.random() > share:
        return ImageFaults()
    present = rng.random(FAULT_COUNT) < 0.33
    size = rng.random(FAULT_COUNT)
    sign = np.where(rng.random(2) < 0.5, -1.0, 1.0)
    values = (
        0.3 + 3.7 * size[0], 2 + 22 * size[1], 20 + 70 * size[2], sign[0] * 8 * size[3], sign[1] * 8 * size[4],
        size[5], size[6] - 0.5, 0.05 + 0.25 * size[7],
    )  # fmt: skip
    return ImageFaults(*(float(value) if on else 0.0 for value, on in zip(values, present, strict=True)))


def degrade(rgb: Image, faults: ImageFaults, rng: np.random.Generator) -> Image:
    """Return the image (H, W, 3) uint8 RGB with the faults."""
    height, width = rgb.shape[:2]
    if faults.patch:
        side = round(faults.patch * height)
        y, x = (int(rng.random() * (extent - side)) for extent in (height, width))
        rgb = rgb.copy()
        rgb[y : y + side, x : x + side] = (rng.random((side, side, 3)) * 255).astype(np.uint8)
    if faults.shift_x or faults.shift_y:
        move = np.array([[1, 0, faults.shift_x], [0, 1, faults.shift_y]], dtype=np.float64)
        rgb = _as_image(cv2.warpAffine(rgb, move, (width, height), borderMode=cv2.BORDER_REFLECT))
    if faults.blur:
        rgb = _as_image(cv2.GaussianBlur(rgb, (0, 0), faults.blur))
    if faults.grey:
        grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[..., None].astype(np.float32)
        rgb = _clipped(rgb + faults.grey * (grey - rgb))
    if faults.dark:
        rgb = _clipped(rgb.astype(np.float32) * (1 - faults.dark))
    if faults.noise:
        rgb = _clipped(rgb + faults.noise * (rng.random(rgb.shape, dtype=np.float32) - 0.5) * 3.46)
    if faults.blocks:
        done, code = cv2.imencode(".jpg", rgb, [cv2.IMWRITE_JPEG_QUALITY, round(100 - faults.blocks)])
        rgb = _as_image(cv2.imdecode(code, cv2.IMREAD_COLOR)) if done else rgb
    return rgb


def frame_order(fault: str, count: int, start: int, total: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the indices (count,) of the frames that a clip from frame ``start`` of ``total`` shows with that fault."""
    plain = np.arange(start, start + count)
    if fault == "shuffled":
        return np.asarray(start + rng.permutation(count))
    if fault == "frozen":
        return np.where(np.arange(count) < int(count * rng.random()), plain, start + int(count * rng.random()))
    if fault == "dropped":
        return np.minimum(start + np.arange(count) * (2 + int(2 * rng.random())), total - 1)
    return plain


def _as_image(values: object) -> Image:
    return np.asarray(values, dtype=np.uint8)


def _clipped(values: NDArray[np.float32]) -> Image:
    return np.clip(values, 0, 255).astype(np.uint8)
