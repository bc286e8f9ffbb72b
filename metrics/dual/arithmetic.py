"""The numbers of DualTalk (Peng et al., CVPR 2025) as functions of one part of one sequence, in float64.

Checked against the authors' script and against the one of TIMAR (Chen et al., 2025), which computes SID in both
directions: docs/definitions/dual-motion.md.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.dual.sequences import Motion, Sequences, beside

STEP_SECONDS = 0.1  # of STS, whatever the frame rate is
_LOG_FLOOR = 1e-6  # added to each share before its logarithm


def frechet_distance(parts: Sequences) -> float:
    """Return the Fréchet distance of the frames of one sequence from those of its truth; 0 or more.

    Raises:
        ValueError: fewer than two frames.
    """
    _need(parts.frames, 2)
    return _frechet(parts.prediction, parts.truth)


def paired_frechet_distance(parts: Sequences) -> float:
    """Return the Fréchet distance of (partner, prediction) from (partner, truth), side by side in each frame.

    Raises:
        ValueError: fewer than two frames.
    """
    _need(parts.frames, 2)
    return _frechet(beside(parts.partner, parts.prediction), beside(parts.partner, parts.truth))


def mean_squared_error(parts: Sequences) -> float:
    """Return the mean over frames and numbers of the squared difference from the truth.

    Raises:
        ValueError: no frame.
    """
    _need(parts.frames, 1)
    return float(np.square(parts.prediction - parts.truth).mean())


def difference_of_correlations(parts: Sequences) -> float:
    """Return |corr(truth, partner) - corr(prediction, partner)|, each over all frames and numbers in one row; 0..2.

    Raises:
        ValueError: a sequence has the same number everywhere, so that it has no correlation.
    """
    flat = [sequence.ravel() for sequence in (parts.truth, parts.prediction, parts.partner)]
    if any(len(one) < 2 or float(np.ptp(one)) == 0.0 for one in flat):
        raise ValueError("a sequence is constant, so it correlates with nothing")
    return abs(_correlation(flat[0], flat[2]) - _correlation(flat[1], flat[2]))


def step_difference(parts: Sequences) -> float:
    """Return the root of the sum over steps and numbers of the squared difference of the steps, over 0.1 s (STS).

    Raises:
        ValueError: fewer than two frames.
    """
    _need(parts.frames, 2)
    steps = np.diff(parts.prediction, axis=0) - np.diff(parts.truth, axis=0)
    return float(np.sqrt(np.square(steps).sum() / STEP_SECONDS))


def mean_variance(sequence: Motion) -> float:
    """Return the mean over the numbers (d) of their variance over the frames (T), by T; 0 or more.

    Raises:
        ValueError: no frame.
    """
    _need(len(sequence), 1)
    return float(sequence.var(axis=0).mean())


def spread_over_clusters(labels: NDArray[np.integer], clusters: int) -> float:
    """Return the entropy in bits of how often each cluster occurs: -1.44e-6 for one alone, about log2(k) for all.

    Args:
        labels: (T,) the cluster of each frame, from 0.
        clusters: how many there are, k.

    Raises:
        ValueError: no frame.
    """
    _need(len(labels), 1)
    shares = np.bincount(labels, minlength=clusters) / len(labels)
    return float(-(shares * np.log2(shares + _LOG_FLOOR)).sum())


def nearest(sequence: Motion, centres: Motion) -> NDArray[np.int64]:
    """Return the number of the nearest of ``centres`` (k, d) for each frame (T, d): (T,), the first of equally near."""
    distances = np.square(centres).sum(axis=1) - 2.0 * sequence @ centres.T  # the frame's own norm is the same for all
    return np.asarray(distances.argmin(axis=1), dtype=np.int64)


def _frechet(x: Motion, y: Motion) -> float:
    """Return the Fréchet distance of the rows (n, d) and (m, d) from the rows themselves, without their covariances.

    The trace of the root of the product of two covariances is the sum of the singular values of the product of the
    triangles of both QR decompositions. Smooth motion has nearly singular covariances, whose eigenvalues lose digits.

    Raises:
        ValueError: an element is not finite, or overflows when it is squared.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        step = x.mean(axis=0) - y.mean(axis=0)
        sides = [(one - one.mean(axis=0)) / np.sqrt(len(one) - 1) for one in (x, y)]
        traces = sum(float(np.square(side).sum()) for side in sides) + float(np.square(step).sum())
    if not np.isfinite(traces):
        raise ValueError("a mean or a covariance is not finite")
    one, other = (np.asarray(np.linalg.qr(side, mode="r")) for side in sides)
    roots = np.linalg.svd(one @ other.T, compute_uv=False)
    return max(0.0, traces - 2.0 * float(roots.sum()))


def _correlation(x: Motion, y: Motion) -> float:
    return float(np.corrcoef(x, y)[0, 1])


def _need(frames: int, least: int) -> None:
    if frames < least:
        raise ValueError(f"at least {least} frames are needed, found {frames}")
