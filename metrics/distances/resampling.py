"""Uncertainty of a distance between two sets: a bootstrap over videos with the features at hand.

A resampled set repeats videos, and repeats look like a narrower distribution: its distance is biased upwards. So the
spread of the resampled distances is taken, not where they lie.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.distances.distributions import Features, Vector, polynomial_kernel
from evalkit.metrics.distances.frechet_draws import Weights, deviation_of_draws
from evalkit.statistics.bootstrap import percentile_interval, resample_counts

FRECHET_DRAWS = 30
KERNEL_DRAWS = 2000
KERNEL_ROWS = 2048
_NORMAL_95 = 1.959963984540054


def frechet_interval(
    value: float,
    X: Features,
    Y: Features,
    x_video: NDArray[np.int64],
    y_video: NDArray[np.int64],
    *,
    ddof: int = 1,
    seed: int = 0,
    draws: int = FRECHET_DRAWS,
    independent: bool = False,
) -> tuple[float, float] | None:
    """Return the 95 % interval of a Fréchet distance over the choice of videos: value -+ 1.96 bootstrap deviations.

    A sample is drawn with both its sides, unless these are ``independent``: then each side is drawn on its own. Few of
    the draws are computed in full (`deviation_of_draws`), so that the interval costs about as much as the distance.

    Args:
        value: the distance of the whole sets.
        X: (n, d).
        Y: (m, d).
        x_video: (n,) the number of the video that each vector of X belongs to, from 0.
        y_video: (m,) of Y.
        ddof: as for the value.
        seed: of the draws.
        draws: how many.
        independent: whether video n of one side has nothing to do with video n of the other.

    Returns:
        Low, not below 0, and high; ``None`` with fewer than two videos (of either side, if independent).
    """
    sizes = [int(video.max(initial=-1)) + 1 for video in (x_video, y_video)]
    if (min(sizes) if independent else max(sizes)) < 2:
        return None
    rng = np.random.default_rng(seed)
    if independent:
        ours, theirs = rng.spawn(2)
        counts: Iterable[tuple[Vector, Vector]] = zip(
            resample_counts(ours, sizes[0], draws), resample_counts(theirs, sizes[1], draws), strict=True
        )
    else:
        counts = ((weights, weights) for weights in resample_counts(rng, max(sizes), draws))
    x_there, y_there = np.unique(x_video), np.unique(y_video)
    drawn = [(x, y) for x, y in counts if x[x_there].any() and y[y_there].any()]
    deviation = deviation_of_draws(X, Y, _Draws(drawn, x_video, y_video), ddof)
    if deviation is None:
        return None
    half = _NORMAL_95 * deviation
    return max(0.0, value - half), value + half


class _Draws(Sequence[Weights]):
    """The weights of the vectors in each draw, made when asked for from how often each video counts."""

    def __init__(self, counts: list[Weights], x_video: NDArray[np.int64], y_video: NDArray[np.int64]) -> None:
        self._counts, self._videos = counts, (x_video, y_video)

    def __len__(self) -> int:
        return len(self._counts)

    def __getitem__(self, at: Any) -> Any:
        x_counts, y_counts = self._counts[at]
        return x_counts[self._videos[0]], y_counts[self._videos[1]]


def kernel_interval(
    value: float,
    X: Features,
    Y: Features,
    x_video: NDArray[np.int64],
    y_video: NDArray[np.int64],
    *,
    seed: int = 0,
    draws: int = KERNEL_DRAWS,
    independent: bool = False,
) -> tuple[float, float] | None:
    """Return the 95 % interval of a kernel distance over the choice of videos: bootstrap percentiles about the value.

    Two copies of a video are never compared with each other. At most 2048 vectors a side are used, spread evenly. A
    sample is drawn with both its sides, unless these are ``independent``: then each side is drawn on its own.

    Args:
        value: the distance of the whole sets.
        X: (n, d), the vectors of a video one after the other.
        Y: (m, d), likewise.
        x_video: (n,) the number of the video that each vector of X belongs to, non-decreasing from 0.
        y_video: (m,) of Y.
        seed: of the draws.
        draws: how many.
        independent: whether video n of one side has nothing to do with video n of the other.

    Returns:
        Low and high; ``None`` with fewer than two videos a side (of either side, if independent).
    """
    sizes = [int(video.max(initial=-1)) + 1 for video in (x_video, y_video)]
    if (min(sizes) if independent else max(sizes)) < 2:
        return None
    keep_x, keep_y = _spread(len(X)), _spread(len(Y))
    x, y = np.asarray(X[keep_x], dtype=np.float64), np.asarray(Y[keep_y], dtype=np.float64)
    rng = np.random.default_rng(seed)
    if independent:
        ours, theirs = rng.spawn(2)
        x_there, y_there = np.unique(x_video[keep_x]), np.unique(y_video[keep_y])
        x_weights = np.stack([counts[x_there] for counts in resample_counts(ours, sizes[0], draws)])
        y_weights = np.stack([counts[y_there] for counts in resample_counts(theirs, sizes[1], draws)])
    else:
        x_there = y_there = np.union1d(x_video[keep_x], y_video[keep_y])  # the others have no vector among those kept
        x_weights = y_weights = np.stack([counts[x_there] for counts in resample_counts(rng, max(sizes), draws)])
    in_x, in_y = _membership(x_video[keep_x], x_there), _membership(y_video[keep_y], y_there)
    with np.errstate(invalid="ignore", divide="ignore"):  # a draw may leave a side with fewer than two vectors
        found = _within(polynomial_kernel(x, x), in_x, x_weights) + _within(polynomial_kernel(y, y), in_y, y_weights)
        across = _form(x_weights, in_x.T @ polynomial_kernel(x, y) @ in_y, y_weights)
        found -= 2.0 * across / ((x_weights @ in_x.sum(axis=0)) * (y_weights @ in_y.sum(axis=0)))
    found = found[np.isfinite(found)]
    ends = percentile_interval(found - found.mean() if len(found) else found, draws=draws)
    return None if ends is None else (float(value + ends[0]), float(value + ends[1]))


def _spread(rows: int) -> NDArray[np.int64]:
    """Return up to `KERNEL_ROWS` of ``rows`` indices, evenly spread."""
    return np.unique(np.linspace(0, rows - 1, min(rows, KERNEL_ROWS)).round().astype(np.int64))


def _membership(video: NDArray[np.int64], videos: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return (n, v): 1 where the vector belongs to the video, of n vectors and v videos by their numbers."""
    return np.asarray(video[:, None] == videos, dtype=np.float64)


def _form(weights: NDArray[np.float64], blocks: NDArray[np.float64], others: NDArray[np.float64]) -> Vector:
    """Return ``w' B v`` for each row w of ``weights`` and v of ``others``."""
    return np.asarray(((weights @ blocks) * others).sum(axis=1))


def _within(
    kernel: NDArray[np.float64], member: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return, per draw, the mean kernel value of two different vectors of one side, copies never paired."""
    blocks = member.T @ kernel @ member
    own = np.diag(blocks) - np.diag(kernel) @ member
    count = member.sum(axis=0)
    pairs = np.outer(count, count)
    np.fill_diagonal(blocks, 0.0)
    np.fill_diagonal(pairs, 0.0)
    total = _form(weights, blocks, weights) + weights @ own
    return np.asarray(total / (_form(weights, pairs, weights) + weights @ (count * (count - 1.0))))
