"""Drawing with OpenCV: outlines in fixed point, colours as (R, G, B) in 0..255."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from evalkit.reference_models.puppet.geometry import FRACTION, Pixels

RgbImage = NDArray[np.uint8]
Mask = NDArray[np.uint8]
Colour = tuple[float, float, float]
Box = tuple[int, int, int, int]
ONE = 1 << FRACTION


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Return the colour ``share`` of the way from the first to the second."""
    red, green, blue = (a + share * (b - a) for a, b in zip(first, second, strict=True))
    return red, green, blue


def scaled(colour: Colour, factor: float) -> Colour:
    """Return a darker or brighter colour."""
    red, green, blue = (min(255.0, value * factor) for value in colour)
    return red, green, blue


def box(points: Pixels, size: int, margin: int = 2) -> Box:
    """Return the bounding box x0, y0, x1, y1 of an outline in whole pixels, inside an image of ``size``."""
    x, y, width, height = cv2.boundingRect(points)
    x0, y0 = (x >> FRACTION) - margin, (y >> FRACTION) - margin
    x1, y1 = ((x + width) >> FRACTION) + margin + 1, ((y + height) >> FRACTION) + margin + 1
    return max(0, min(size, x0)), max(0, min(size, y0)), max(0, min(size, x1)), max(0, min(size, y1))


def fill(image: RgbImage, points: Pixels, colour: Colour, origin: tuple[int, int] = (0, 0)) -> None:
    """Fill an outline; ``origin`` is the pixel of the image's top left corner."""
    cv2.fillPoly(image, [points - (origin[0] << FRACTION, origin[1] << FRACTION)], colour, cv2.LINE_AA, FRACTION)


def line(image: RgbImage, points: Pixels, colour: Colour, thickness: float, *, closed: bool = False) -> None:
    """Draw a line through points."""
    cv2.polylines(image, [points], closed, colour, max(1, round(thickness)), cv2.LINE_AA, FRACTION)


def disc(image: RgbImage, centre: NDArray[np.float64] | Pixels, radius: float, colour: Colour) -> None:
    """Fill a circle about a fixed-point centre; the radius in pixels."""
    x, y = (round(float(value)) for value in centre)
    cv2.circle(image, (x, y), max(1, round(radius * ONE)), colour, -1, cv2.LINE_AA, FRACTION)


def mask_of(points: Pixels, area: Box) -> Mask:
    """Return the outline as a mask (y1 - y0, x1 - x0) of 0..255."""
    x0, y0, x1, y1 = area
    mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
    cv2.fillPoly(mask, [points - (x0 << FRACTION, y0 << FRACTION)], (255.0,), cv2.LINE_AA, FRACTION)
    return mask


def paste(image: RgbImage, patch: RgbImage, mask: Mask, area: Box) -> None:
    """Blend a patch into an area, weighted by the mask."""
    x0, y0, x1, y1 = area
    part = image[y0:y1, x0:x1]
    share = mask[..., None].astype(np.uint16)
    part[:] = ((part * (255 - share) + patch * share + 127) // 255).astype(np.uint8)


def tint(image: RgbImage, points: Pixels, colour: Colour, alpha: float, blur: float = 0.0) -> None:
    """Blend a colour into an outline with weight ``alpha``, 0..1; its edge is blurred by ``blur`` pixels."""
    area = box(points, image.shape[0], 2 + int(3 * blur))
    x0, y0, x1, y1 = area
    if x1 <= x0 or y1 <= y0:
        return
    mask = mask_of(points, area)
    if blur:
        mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), blur), dtype=np.uint8)
    share = (mask.astype(np.float32) * (alpha / 255))[..., None]
    part = image[y0:y1, x0:x1]
    part[:] = (part + share * (np.array(colour, np.float32) - part) + 0.5).astype(np.uint8)
