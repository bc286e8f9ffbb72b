"""CPBD of one picture: how many of its edges are too narrow for their blur to be seen.

Narvekar and Karam, "A no-reference image blur metric based on the cumulative probability of blur detection (CPBD)",
IEEE TIP 20(9), 2011, as the package ``cpbd`` 1.0.7 computes it with scikit-image 0.26's Canny. Widths of edges:
Marziliano, Dufaux, Winkler and Ebrahimi, ICIP 2002. Definition: docs/definitions/cpbd.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

FloatImage = NDArray[np.float64]
Mask = NDArray[np.bool_]

BLOCK: Final = 64
EDGE_SHARE: Final = 0.002  # of a block's pixels, for it to count
LONGEST: Final = 100  # steps of the search for an edge's end
LOW_CONTRAST: Final = 50
EXPONENT: Final = 3.6
LAST_SHARP_BIN: Final = 63  # per cent: the probability with which a just noticeable blur is seen
_CANNY: Final = (0.1, 0.2)


@dataclass(frozen=True)
class Sharpness:
    """CPBD of a picture: ``share`` of its edges, 0..1, higher is sharper, NaN without one; ``edges``, how many."""

    share: float
    edges: int


def sharpness(gray: NDArray[np.uint8]) -> Sharpness:
    """Return the CPBD of a grey picture (H, W) uint8, at least 64 pixels on both sides.

    Raises:
        ValueError: the shape or dtype is wrong, or the picture is too small.
    """
    if gray.dtype != np.uint8 or gray.ndim != 2 or min(gray.shape) < BLOCK:
        raise ValueError(f"gray is uint8 (H, W), at least {BLOCK} pixels on both sides, not {gray.dtype} {gray.shape}")
    image = gray.astype(np.float64)
    widths = edge_widths(image, vertical_edges(image))
    edges = canny(image)
    bins = []
    for top in range(0, image.shape[0] - BLOCK + 1, BLOCK):
        for left in range(0, image.shape[1] - BLOCK + 1, BLOCK):
            block = (slice(top, top + BLOCK), slice(left, left + BLOCK))
            if np.count_nonzero(edges[block]) > EDGE_SHARE * BLOCK * BLOCK:
                just_noticeable = 5.0 if np.ptp(image[block]) <= LOW_CONTRAST else 3.0
                found = widths[block]
                detected = 1.0 - np.exp(-((found[found > 0] / just_noticeable) ** EXPONENT))
                bins.append(np.rint(100.0 * detected))
    counted = np.concatenate(bins) if bins else np.zeros(0)
    share = float(np.mean(counted <= LAST_SHARP_BIN)) if len(counted) else float("nan")
    return Sharpness(share, len(counted))


def vertical_edges(image: FloatImage) -> Mask:
    """Return where the horizontal Sobel gradient is strong, and larger than both neighbours on one of the axes.

    Strong: its square is above twice the root of the squares' mean. Beyond the picture its edge is mirrored.
    """
    kernel = np.array([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]]) / 8.0
    strength = np.square(ndimage.convolve(image, kernel))
    strength[strength <= 2.0 * np.sqrt(strength.mean())] = 0.0
    around = np.pad(strength, 1)
    in_row = (strength > around[1:-1, :-2]) & (strength > around[1:-1, 2:])
    in_column = (strength > around[:-2, 1:-1]) & (strength > around[2:, 1:-1])
    result: Mask = in_row | in_column
    return result


def edge_widths(image: FloatImage, edges: Mask) -> NDArray[np.int64]:
    """Return the width in pixels of each edge whose gradient is horizontal, 0 elsewhere.

    From an edge, pixels are followed to both sides as long as they keep rising (or falling), up to 100 steps, the first
    step to each side without a look. A gradient is horizontal within 22.5 degrees. Where the difference of the left and
    right neighbour is 0, it counts as rising to the right, as in the package. The outermost pixels have no width, and
    none has one where all gradients point right.
    """
    gradient_y, gradient_x = np.gradient(image)
    angles = np.where(gradient_x != 0, np.degrees(np.arctan2(gradient_y, gradient_x)), 0.0)
    widths = np.zeros(image.shape, dtype=np.int64)
    if not angles.any():
        return widths
    direction = np.rint(angles / 45.0)
    inner = np.zeros(image.shape, dtype=bool)
    inner[1:-1, 1:-1] = True
    for sign, pointing in ((1.0, direction == 0), (-1.0, np.abs(direction) == 4)):
        rising = np.diff(sign * image, axis=1) > 0  # (H, W - 1): from each pixel to the next
        rows, columns = np.nonzero(edges & inner & pointing)
        left, right = _runs(rising), _runs(rising[:, ::-1])[:, ::-1]
        # The step from the edge itself to the pixel beside it is taken without a look.
        steps = np.minimum(left[rows, columns - 1], LONGEST) + np.minimum(right[rows, columns + 1], LONGEST)
        widths[rows, columns] = steps + 2
    return widths


def _runs(steps: Mask) -> NDArray[np.int64]:
    """Return for each pixel (H, W) how many steps (H, W - 1) in a row, up to the one that ends there, are true."""
    count = np.zeros((steps.shape[0], steps.shape[1] + 1), dtype=np.int64)
    for column in range(steps.shape[1]):
        count[:, column + 1] = (count[:, column] + 1) * steps[:, column]
    return count


def canny(image: FloatImage) -> Mask:
    """Return Canny's edges as scikit-image finds them: deviation 1, thresholds 0.1 and 0.2 on the scale 0..255.

    Smoothed with zeros outside and divided by the same of ones; gradients by Sobel's kernels without normalisation; a
    pixel stays where no interpolated neighbour along its gradient is stronger; pixels above the low threshold stay
    where they are connected to one above the high.
    """
    low, high = _CANNY
    ones = ndimage.gaussian_filter(np.ones_like(image), 1.0, mode="constant") + np.finfo(np.float64).eps
    smooth = ndimage.gaussian_filter(image, 1.0, mode="constant") / ones
    across, down = ndimage.sobel(smooth, axis=1), ndimage.sobel(smooth, axis=0)
    magnitude = np.sqrt(down * down + across * across)
    kept = np.zeros(image.shape, dtype=bool)
    kept[1:-1, 1:-1] = (magnitude[1:-1, 1:-1] >= low) & _strongest(magnitude, down[1:-1, 1:-1], across[1:-1, 1:-1])
    labels, count = ndimage.label(kept, np.ones((3, 3), dtype=bool))
    connected = np.zeros(count + 1, dtype=bool)
    connected[np.unique(labels[kept & (magnitude >= high)])] = True
    result: Mask = connected[labels]
    return result


def _strongest(magnitude: FloatImage, down: FloatImage, across: FloatImage) -> Mask:
    """Return where the inner pixels are at least as strong as both points one step along their gradient.

    A point is interpolated between the neighbour on the stronger axis and the diagonal one.
    """
    centre = magnitude[1:-1, 1:-1]
    same = (down > 0) == (across > 0)  # the gradient points to the lower right or upper left
    size_down, size_across = np.abs(down), np.abs(across)
    steep = np.where(same, size_down > size_across, size_down >= size_across)
    larger = np.where(steep, size_down, size_across)
    weight = np.where(steep, size_across, size_down) / np.where(larger > 0, larger, 1.0)
    lower, upper = magnitude[2:, 1:-1], magnitude[:-2, 1:-1]
    one = np.where(steep, np.where(same, lower, upper), magnitude[1:-1, 2:])
    other = np.where(steep, np.where(same, upper, lower), magnitude[1:-1, :-2])
    one_diagonal = np.where(same, magnitude[2:, 2:], magnitude[:-2, 2:])
    other_diagonal = np.where(same, magnitude[:-2, :-2], magnitude[2:, :-2])
    result: Mask = (one_diagonal * weight + one * (1.0 - weight) <= centre) & (
        other_diagonal * weight + other * (1.0 - weight) <= centre
    )
    return result
