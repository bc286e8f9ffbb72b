"""THEval's five metrics of landmarks and sound, as plain arithmetic; which points they take is said by the caller.

Quignon et al., THEval, arXiv 2511.04520; https://github.com/Newbyl/THEval, commit cfe23fe. All arrays are float64 and
hold no missing frame unless said otherwise.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
TINY = 1e-8  # added to a range before dividing by it


def lip_dynamics(points: Numbers) -> float:
    """Return the standard deviation over time of the distance of two lip points, mean over all pairs of points.

    Args:
        points: (T, N, 2), T at least 1 and N at least 2, in pixels of one scale.

    Returns:
        At least 0, in the unit of the points; 0 for a mouth that keeps its shape, however the head shifts.
    """
    pairs = np.array(list(combinations(range(points.shape[1]), 2)))
    distances = np.linalg.norm(points[:, pairs[:, 0]] - points[:, pairs[:, 1]], axis=-1)
    return float(distances.std(axis=0).mean())


def brow_distances(points: Numbers, brows: tuple[list[int], list[int]], eyes: tuple[list[int], list[int]]) -> Numbers:
    """Return the distance from the middle of a brow to the middle of its eye, by the distance of the eyes: (T, 2).

    Args:
        points: (T, N, 2) pixels.
        brows: the points of each brow, in the order of ``eyes``.
        eyes: the points of each eye.

    Returns:
        NaN where the eyes lie in one place.
    """
    eye = np.stack([points[:, list(part)].mean(axis=1) for part in eyes], axis=1)
    brow = np.stack([points[:, list(part)].mean(axis=1) for part in brows], axis=1)
    scale = np.linalg.norm(eye[:, 0] - eye[:, 1], axis=-1)
    distances = np.linalg.norm(brow - eye, axis=-1)
    scaled: Numbers = np.divide(
        distances, scale[:, None], out=np.full_like(distances, np.nan), where=scale[:, None] >= 1e-3
    )
    return scaled


def mean_step(values: Numbers) -> float:
    """Return the mean absolute difference of each row (T, N) from the next one; T at least 2."""
    return float(np.abs(np.diff(values, axis=0)).mean())


def spread_around_mean(values: Numbers) -> float:
    """Return the median of ``|x - mean|``: not the usual median absolute deviation, which subtracts the median."""
    return float(np.median(np.abs(values - values.mean())))


def lip_gaps(points: Numbers, upper: list[int], lower: list[int], eyes: tuple[int, int]) -> Numbers:
    """Return the mean vertical gap between pairs of inner lip points, by the distance of two eye points: (T,).

    Args:
        points: (T, N, 2) pixels.
        upper: points of the upper lip, above those of ``lower`` one by one.
        lower: points of the lower lip.
        eyes: the outer corners of the eyes.

    Returns:
        NaN where the corners lie in one place.
    """
    gaps = np.abs(points[:, upper, 1] - points[:, lower, 1]).mean(axis=1)
    scale = np.linalg.norm(points[:, eyes[0]] - points[:, eyes[1]], axis=-1)
    scaled: Numbers = np.divide(gaps, scale, out=np.full_like(gaps, np.nan), where=scale >= 1e-3)
    return scaled


def lip_openings(points: Numbers, upper: list[int], lower: list[int], eyes: tuple[list[int], list[int]]) -> Numbers:
    """Return how far the mouth is open (T,): the height between the lips' means by the eyes' horizontal distance.

    Args:
        points: (T, N, 2) as shares of the frame's width and height: the frame's shape is part of the number.
        upper: points of the upper lip.
        lower: points of the lower lip.
        eyes: the points of each eye.

    Returns:
        NaN where the eyes have no horizontal distance.
    """
    height = np.abs(points[:, upper, 1].mean(axis=1) - points[:, lower, 1].mean(axis=1))
    left, right = (points[:, list(part), 0].mean(axis=1) for part in eyes)
    across = np.abs(right - left)
    scaled: Numbers = np.divide(height, across, out=np.full_like(height, np.nan), where=across > 0)
    return scaled


def opening_against_volume(opening: Numbers, volume: Numbers) -> float:
    """Return the mean absolute difference of both, each stretched to 0..1 over the frames: 0..1, 0 for equal courses.

    Args:
        opening: (T,) of the mouth, in the frames with speech.
        volume: (T,) of the sound at the same times.
    """
    a, b = (
        (values - values.min()) / (values.max() - values.min() + TINY)
        for values in (opening.astype(np.float64), volume.astype(np.float64))
    )
    return float(np.abs(a - b).mean())


def head_motion(angles: Numbers, centres: Numbers) -> float:
    """Return ``sqrt(mean std of the angles * mean variance of their steps + mean variance of the centre)``.

    Degrees and pixels are added: a larger frame or a nearer face has another number.

    Args:
        angles: (T, 3) pitch, yaw and roll in degrees.
        centres: (T, 2) middle of the face's box in pixels.
    """
    spread = angles.std(axis=0).mean()
    steps = np.diff(angles, axis=0)
    jerky = steps.var(axis=0).mean() if len(steps) > 1 else 0.0
    shift = centres.var(axis=0).mean() if len(centres) > 1 else 0.0
    return float(np.sqrt(spread * jerky + shift))


def runs_of(mask: NDArray[np.bool_], least: float) -> NDArray[np.bool_]:
    """Return the frames in runs of ``mask`` that are at least ``least`` frames long."""
    edges = np.diff(np.concatenate([[0], mask.astype(np.int8), [0]]))
    kept = np.zeros(len(mask), bool)
    for start, end in zip(np.flatnonzero(edges > 0), np.flatnonzero(edges < 0), strict=True):
        kept[start:end] = end - start >= least
    return kept
