"""Distances between two sequences of 68 landmarks, as plain arithmetic.

All functions take arrays (T, 68, 2) float64, x and y in pixels, without missing frames.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]

MOUTH: Final = slice(48, 68)
FACE: Final = slice(0, 68)
_EYES: Final = (slice(36, 42), slice(42, 48))


def centred(points: Points) -> Points:
    """Return the points of each frame less their mean."""
    moved: Points = points - points.mean(axis=1, keepdims=True)
    return moved


def point_distances(candidate: Points, reference: Points, points: slice, *, centre: bool) -> Points:
    """Return the Euclidean distance of each point in each frame: (T, N) pixels.

    Args:
        candidate, reference: (T, 68, 2).
        points: which of the 68.
        centre: subtract the mean of these points first, in each video and frame of its own.
    """
    a, b = candidate[:, points], reference[:, points]
    if centre:
        a, b = centred(a), centred(b)
    distances: Points = np.linalg.norm(a - b, axis=-1)
    return distances


def coordinate_distances(candidate: Points, reference: Points, points: slice) -> Points:
    """Return the absolute difference of each coordinate in each frame: (T, N, 2) pixels. Nothing is centred."""
    distances: Points = np.abs(candidate[:, points] - reference[:, points])
    return distances


def velocity_distances(candidate: Points, reference: Points, points: slice) -> Points:
    """Return the Euclidean distance between the steps of each point to the next frame: (T - 1, N) pixels."""
    steps = np.diff(candidate[:, points], axis=0) - np.diff(reference[:, points], axis=0)
    distances: Points = np.linalg.norm(steps, axis=-1)
    return distances


def eye_distances(points: Points) -> Points:
    """Return the distance between the means of the six points of each eye: (T,) pixels."""
    right, left = (points[:, eye].mean(axis=1) for eye in _EYES)
    distances: Points = np.linalg.norm(right - left, axis=-1)
    return distances


def extents(points: Points) -> Points:
    """Return the larger side of the box around each frame's points: (T,) pixels."""
    sides: Points = (points.max(axis=1) - points.min(axis=1)).max(axis=-1)
    return sides


def accelerations(points: Points) -> Points:
    """Return the length of the second difference in time of each centred point: (T - 2, 68) pixels."""
    lengths: Points = np.linalg.norm(np.diff(centred(points), n=2, axis=0), axis=-1)
    return lengths
