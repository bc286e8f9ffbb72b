"""The static part of a frame: background, neck, shoulders and clothes."""

from __future__ import annotations

import cv2
import numpy as np

from evalkit.reference_models.puppet.drawing import Colour, RgbImage, box, mask_of, paste, scaled
from evalkit.reference_models.puppet.geometry import FRACTION, Pixels, Points
from evalkit.reference_models.puppet.look import BACKGROUNDS, CLOTHES, Look

_NECK = np.array([[-0.42, 0.5], [-0.40, 1.05], [-0.62, 1.5], [0.62, 1.5], [0.40, 1.05], [0.42, 0.5]])
_BODY = np.array(
    [[-0.5, 1.22], [-1.2, 1.42], [-1.62, 1.75], [-1.8, 2.6], [1.8, 2.6], [1.62, 1.75], [1.2, 1.42], [0.5, 1.22],
     [0.3, 1.36], [0, 1.42], [-0.3, 1.36]]
)  # fmt: skip
_V_NECK = np.array([[-0.34, 1.2], [0, 1.85], [0.34, 1.2]])
_TURTLENECK = np.array([[-0.47, 1.0], [-0.55, 1.4], [0.55, 1.4], [0.47, 1.0]])
_COLLAR = np.array([[0.42, 1.15], [0.02, 1.6], [0.42, 1.62], [0.62, 1.28]])


def draw_background(look: Look, size: int, unit: float, centre: tuple[float, float]) -> RgbImage:
    """Return the frame without the head: (size, size, 3) uint8 RGB."""
    image = _room(look, size)
    light = 1 + 0.25 * look.light_strength * look.light_x * np.linspace(-1, 1, size)

    def draw(outline: Points, colour: Colour) -> None:
        points: Pixels = np.rint((outline * unit + centre) * (1 << FRACTION)).astype(np.int32)
        area = box(points, size)
        patch = np.empty((area[3] - area[1], area[2] - area[0], 3))
        patch[:] = colour
        patch *= light[None, area[0] : area[2], None]
        paste(image, np.clip(patch, 0, 255).astype(np.uint8), mask_of(points, area), area)

    neck, cloth = scaled(look.skin, 0.78), CLOTHES[look.clothes]
    draw(_NECK, neck)
    draw(_BODY, cloth)
    if look.collar == "v-neck":
        draw(_V_NECK, neck)
    elif look.collar == "turtleneck":
        draw(_TURTLENECK, scaled(cloth, 0.9))
    elif look.collar == "shirt":
        for side in (-1, 1):
            draw(_COLLAR * (side, 1), scaled(cloth, 1.18))
    return image


def _room(look: Look, size: int) -> RgbImage:
    rng = np.random.Generator(np.random.PCG64([look.seed, 0xB06]))
    canvas = np.empty((size, size, 3))
    canvas[:] = BACKGROUNDS[look.background]
    rows, columns = np.mgrid[0:size, 0:size] / size
    if look.room == "gradient":
        canvas *= (1.15 - 0.45 * rows)[..., None]
    elif look.room == "stripes":
        count, phase = 3 + 5 * rng.random(), rng.random()
        canvas *= (1 + 0.10 * np.sign(np.sin(columns * 2 * np.pi * count + phase)))[..., None]
    elif look.room == "blobs":
        canvas *= 0.7 + 0.6 * cv2.resize(rng.random((6, 6, 3)), (size, size), interpolation=cv2.INTER_CUBIC)
    blurred = cv2.GaussianBlur(np.clip(canvas, 0, 255).astype(np.uint8), (0, 0), size / 60)
    return np.clip(blurred + (rng.random((size, size)) * 6 - 3)[..., None], 0, 255).astype(np.uint8)
