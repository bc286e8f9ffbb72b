"""Whether waves run through a video: bands of the picture that slide to and fro, as when a still is bent row by row.

From one small image to the next, a tenth of a second later, things move by so little that the change of a point is its
gradient times its displacement (B. Lucas and T. Kanade, "An Iterative Image Registration Technique with an Application
to Stereo Vision", 1981). So least squares say how much of all change a given kind of displacement explains:

- an affine one, with a change of the brightness of the whole picture;
- one that also depends on the position along one direction alone: any profile of up to `ORDER` half periods across the
  picture, in four directions, to both sides.

What the second explains beyond the first is the share of *waves*. A head that turns before a wall, a mouth, eyes, hands
and hair move in places, not in bands that reach through the whole picture. A mouth that moves on a waving photo doesn't
hide the waves.

Not detected: waves in a part of the picture, ones so fast that they pass a half of their length in a tenth of a second,
ones of more than `ORDER` half periods, and bendings that follow no direction.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

SIZE = 64
STEP = 2  # of the points that are used: the images are smooth
BORDER = 4
SMOOTH = 1.5  # points
PAIRS = 32  # of images that follow each other, spread over the video
LEAST_PAIRS = 10
LEAST_CHANGE = 0.2  # grey levels, root of the mean square; below it there is nothing but noise
ORDER = 14
DIRECTIONS = (0.0, 45.0, 90.0, 135.0)  # degrees
WAVING = 0.55  # of all change; from it on waves run through the video

Points = NDArray[np.float64]


def wave_share(images: NDArray[np.floating]) -> float:
    """Return the share of the changes between grey images (K, 64, 64), ten a second, that waves explain: 0..1.

    0 for fewer than `LEAST_PAIRS` + 1 images, and for images that hardly change.
    """
    count = len(images) - 1
    if count < LEAST_PAIRS:
        return 0.0
    total, explained = 0.0, np.zeros(len(DIRECTIONS))
    chosen = np.unique(np.linspace(0, count - 1, min(PAIRS, count)).astype(int))
    for at in chosen.tolist():
        energy, more = _explained(_smooth(images[at]), _smooth(images[at + 1]))
        total, explained = total + energy, explained + more
    if total < LEAST_CHANGE**2 * len(chosen):
        return 0.0
    return float(np.clip(explained.max() / total, 0, 1))


def _smooth(image: NDArray[np.floating]) -> NDArray[np.float32]:
    import cv2

    return np.asarray(cv2.GaussianBlur(np.asarray(image, np.float32), (0, 0), SMOOTH), np.float32)


def _explained(first: NDArray[np.float32], second: NDArray[np.float32]) -> tuple[float, Points]:
    """Return the mean squared change from one image to the next, and how much of it waves explain, by direction."""
    between = (first + second) / 2
    change, down, across = (_points(one) for one in (second - first, *(np.gradient(between, axis=at) for at in (0, 1))))
    row, column = _places()
    ones = np.ones_like(change)
    affine = np.stack([across, across * row, across * column, down, down * row, down * column, ones], axis=1)
    left = _left(affine, change)
    found = [
        left - _left(np.concatenate([affine, across[:, None] * profile, down[:, None] * profile], axis=1), change)
        for profile in _profiles()
    ]
    return float(np.square(change).mean()), np.array(found) / len(change)


def _left(columns: Points, change: Points) -> float:
    """Return the sum of squares of ``change`` that the best mixture of the columns leaves."""
    products = columns.T @ columns
    # Bands without an edge say nothing of their displacement: a little is added, so that there is a solution.
    products[np.diag_indices_from(products)] += 1e-6 * np.trace(products) / len(products) + 1e-9
    return float(np.square(change - columns @ np.linalg.solve(products, columns.T @ change)).sum())


def _points(image: NDArray[np.floating]) -> Points:
    return np.asarray(image[BORDER:-BORDER:STEP, BORDER:-BORDER:STEP], np.float64).ravel()


@lru_cache
def _places() -> tuple[Points, Points]:
    """Return row and column of every point, -0.5..0.5."""
    row, column = (np.indices((SIZE, SIZE)) + 0.5) / SIZE - 0.5
    return _points(row), _points(column)


@lru_cache
def _profiles() -> list[Points]:
    """Return for each direction the cosines (N, `ORDER`) of the position along it."""
    row, column = _places()
    found = []
    for degrees in DIRECTIONS:
        along = column * np.cos(np.radians(degrees)) + row * np.sin(np.radians(degrees))
        along = (along - along.min()) / np.ptp(along)
        found.append(np.cos(np.pi * along[:, None] * np.arange(1, ORDER)))
    return found
