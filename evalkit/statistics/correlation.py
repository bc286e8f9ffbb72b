"""Correlation of a metric with human ratings: rank and linear coefficients with bootstrap intervals.

SRCC (Spearman), PLCC (Pearson) and KRCC (Kendall's tau-b, which allows for ties). The sign is such that +1 is full
agreement, whether higher or lower values of the metric are better.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau, pearsonr, rankdata, spearmanr

from evalkit.errors import InputError
from evalkit.statistics.arrays import Index, Vector
from evalkit.statistics.bootstrap import BLOCK, percentile_interval, resample_indices

FEWEST = 3  # two points always lie on a line
FEWEST_FOR_INTERVAL = 5


@dataclass(frozen=True)
class Coefficient:
    """A correlation, -1..1, or the reason why there is none.

    Args:
        value: the coefficient.
        ci: bootstrap percentile interval; ``None`` where there is none.
        reason: why there is no value, machine-readable.
    """

    value: float | None
    ci: tuple[float, float] | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Correlations:
    """The correlations of one metric with human ratings in one dimension.

    Args:
        n: pairs of values that both exist.
        clusters: independent units among them, such as videos that every team answered.
        srcc, plcc, krcc: the coefficients.
    """

    n: int
    clusters: int
    srcc: Coefficient
    plcc: Coefficient
    krcc: Coefficient


def correlate(
    metric: NDArray[Any],
    human: NDArray[Any],
    *,
    higher_is_better: bool = True,
    clusters: NDArray[Any] | None = None,
    draws: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Correlations:
    """Return the correlations of a metric with human scores; NaN is a missing value.

    Args:
        metric: (n,) one value per item.
        human: (n,) human scores of the same items, higher being better.
        higher_is_better: of the metric.
        clusters: (n,) which items belong together (the same video, the same team) and are resampled together.
        draws: resamples of the interval.
        seed: the same seed gives the same interval.
        confidence: of the interval.

    Raises:
        InputError: for arrays of unequal length or with infinite values.
    """
    x, y = np.asarray(metric, dtype=np.float64), np.asarray(human, dtype=np.float64)
    unit = np.arange(len(x)) if clusters is None else np.asarray(clusters)
    if x.ndim != 1 or x.shape != y.shape or unit.shape != x.shape:
        raise InputError("A correlation needs two lists of one length.", found=f"{x.shape}, {y.shape}, {unit.shape}")
    if np.isinf(x).any() or np.isinf(y).any():
        raise InputError("A correlation needs finite values.", fix="Leave out what is missing as NaN.")
    both = np.isfinite(x) & np.isfinite(y)
    x, y = (x if higher_is_better else -x)[both], y[both]
    members = np.unique(unit[both], return_inverse=True)[1]
    count = int(members.max()) + 1 if len(members) else 0
    reason = _why_not(x, y)
    if reason:
        gap = Coefficient(None, None, reason)
        return Correlations(len(x), count, gap, gap, gap)
    intervals: dict[str, tuple[float, float] | None] = dict.fromkeys(("srcc", "plcc", "krcc"))
    if count >= FEWEST_FOR_INTERVAL and draws > 0:
        intervals = _intervals(x, y, members, draws=draws, seed=seed, confidence=confidence)
    return Correlations(
        n=len(x),
        clusters=count,
        srcc=Coefficient(float(spearmanr(x, y).statistic), intervals["srcc"]),
        plcc=Coefficient(float(pearsonr(x, y).statistic), intervals["plcc"]),
        krcc=Coefficient(float(kendalltau(x, y).statistic), intervals["krcc"]),
    )


def _why_not(x: Vector, y: Vector) -> str | None:
    if len(x) < FEWEST:
        return f"fewer_than_{FEWEST}"
    if _flat(x):
        return "metric_constant"
    return "human_constant" if _flat(y) else None


def _flat(values: Vector) -> bool:
    """Return whether values differ only by rounding: their correlation would be noise."""
    return bool(np.ptp(values) <= 1e-13 * np.abs(values).max())


def _intervals(
    x: Vector, y: Vector, members: Index, *, draws: int, seed: int, confidence: float
) -> dict[str, tuple[float, float] | None]:
    """Return the percentile interval of every coefficient, from the resamples that have one."""
    drawn: dict[str, list[float]] = {"srcc": [], "plcc": [], "krcc": []}
    for u, v in _resampled(x, y, members, draws, seed):
        drawn["srcc"] += _rows_pearson(rankdata(u, axis=1), rankdata(v, axis=1))
        drawn["plcc"] += _rows_pearson(u, v)
        # The same coefficient as in `correlate`, without the slow p-value of the exact method.
        drawn["krcc"] += [float(kendalltau(*pair, method="asymptotic").statistic) for pair in zip(u, v, strict=True)]
    tail = (1.0 - confidence) / 2.0
    return {name: percentile_interval(values, draws=draws, tail=tail) for name, values in drawn.items()}


def _rows_pearson(u: Vector, v: Vector) -> list[float]:
    """Return Pearson's coefficient of every row of ``u`` with the same row of ``v`` (draws, items)."""
    u, v = u - u.mean(axis=1, keepdims=True), v - v.mean(axis=1, keepdims=True)
    below = np.sqrt((u**2).sum(axis=1) * (v**2).sum(axis=1))
    return [float(value) for value in (u * v).sum(axis=1) / below]


def _resampled(x: Vector, y: Vector, members: Index, draws: int, seed: int) -> Iterator[tuple[Vector, Vector]]:
    """Yield resamples as rows (some draws, items), without those in which one side is constant.

    Whole clusters are drawn, with replacement. Draws of clusters of different sizes differ in length, so that each is a
    block of its own.
    """
    sizes = np.bincount(members)
    parts = np.split(np.argsort(members, kind="stable"), np.cumsum(sizes)[:-1])
    width = len(x) if np.ptp(sizes) == 0 else BLOCK
    for chosen in resample_indices(np.random.default_rng(seed), len(sizes), draws, width=width):
        index = np.array([np.concatenate([parts[cluster] for cluster in row]) for row in chosen])
        u, v = x[index], y[index]
        whole = np.array([not (_flat(one) or _flat(other)) for one, other in zip(u, v, strict=True)])
        if whole.any():
            yield u[whole], v[whole]
