"""A puppet's raised hand: beside the head, on the viewer's left. It doesn't turn with the head."""

from __future__ import annotations

import numpy as np

from evalkit.reference_models.puppet.drawing import Colour, RgbImage, fill, line, mix, scaled
from evalkit.reference_models.puppet.geometry import FRACTION, Pixels, Points, ring
from evalkit.reference_models.puppet.look import CLOTHES, Look

# In face units from the wrist, y down, as the viewer sees the palm.
_PALM = ring(0.0, -0.20, 0.19, 0.23, 0.75)
_FINGERS = tuple(
    np.array(tip)
    for tip in (
        [[-0.14, -0.32], [-0.20, -0.66]],
        [[-0.05, -0.36], [-0.06, -0.78]],
        [[0.05, -0.36], [0.08, -0.76]],
        [[0.14, -0.30], [0.21, -0.62]],
        [[0.13, -0.14], [0.32, -0.32]],  # the thumb
    )
)
_SLEEVE = np.array([[-0.17, 0.06], [0.17, 0.06], [0.34, 2.4], [-0.30, 2.4]])
_WRIST = np.array([[-0.11, -0.06], [0.11, -0.06], [0.13, 0.20], [-0.13, 0.20]])
_FINGER_WIDTH = 0.095
_SIDE = -1.28  # of the wrist from the head's middle
_DOWN, _UP = 2.95, 1.12  # of the wrist below it: out of sight, and raised


def draw_hand(image: RgbImage, look: Look, raised: float, unit: float, centre: tuple[float, float]) -> None:
    """Draw the hand and its sleeve.

    Args:
        image: (size, size, 3) uint8 RGB, drawn on.
        look: gives the colours of skin and clothes.
        raised: 0 (out of sight) to 1.
        unit: pixels of a face unit.
        centre: pixel where the head's origin rests.
    """
    wrist = np.array([_SIDE, _DOWN + (_UP - _DOWN) * raised])

    def pixels(outline: Points) -> Pixels:
        return np.asarray(np.rint(((outline + wrist) * unit + centre) * (1 << FRACTION)), dtype=np.int32)

    skin: Colour = mix(look.skin, scaled(look.skin, 0.8), 0.5)
    edge, cloth = scaled(look.skin, 0.6), scaled(CLOTHES[look.clothes], 0.88)
    fill(image, pixels(_WRIST), skin)
    fill(image, pixels(_SLEEVE), cloth)
    line(image, pixels(_SLEEVE), scaled(cloth, 0.7), 0.02 * unit, closed=True)
    for width, colour in ((_FINGER_WIDTH + 0.035, edge), (_FINGER_WIDTH, skin)):
        for finger in _FINGERS:
            line(image, pixels(finger), colour, width * unit)
    fill(image, pixels(_PALM), skin)
    line(image, pixels(np.array([[-0.10, -0.22], [0.02, -0.28], [0.13, -0.26]])), edge, 0.015 * unit)
