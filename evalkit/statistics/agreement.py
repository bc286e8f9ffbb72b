"""Agreement of raters: Krippendorff's alpha, intraclass correlations, and the number of raters for a given precision.

A value of 1 is perfect agreement, 0 is what chance gives, below 0 is worse than chance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import sparse, stats

from evalkit.errors import InputError, UsageError
from evalkit.statistics.arrays import IntervalEstimate, Vector
from evalkit.statistics.bootstrap import percentile_interval, resample_counts
from evalkit.statistics.mos import mean_scores
from evalkit.statistics.opinion_table import OpinionTable, check_level

Scale = Literal["nominal", "ordinal", "interval", "ratio"]
IccForm = Literal["1,1", "2,1", "3,1", "1,k", "2,k", "3,k"]
ICC_FORMS: tuple[IccForm, ...] = ("1,1", "2,1", "3,1", "1,k", "2,k", "3,k")
MANY_VALUES = 2000
MANY_RATERS = 1_000_000


def krippendorff_alpha(
    table: OpinionTable,
    scale: Scale = "ordinal",
    *,
    level: float = 0.95,
    draws: int = 0,
    rng: np.random.Generator | None = None,
) -> IntervalEstimate:
    """Return Krippendorff's alpha, ``1 - observed / expected disagreement``; ratings may be missing.

    Items with fewer than two ratings are ignored. The disagreement of two scores is: nominal, whether they
    differ; interval, their squared difference; ordinal, the square of how many ratings lie between them, half of those
    at both ends included; ratio, ``((a - b) / (a + b)) ** 2``. Where all scores are the same, alpha is undefined.
    Krippendorff, "Content Analysis", 3rd ed. (2013), chapter 12; "Computing Krippendorff's alpha-reliability" (2011).

    Args:
        table: ratings of one dimension.
        scale: level of measurement of the scores.
        level: coverage of the interval, from percentiles of alpha over resampled items.
        draws: resamples for the interval; 0 for none.
        rng: random generator of the draws; needed when there are any.

    Raises:
        UsageError: for draws without ``rng``, an unknown scale, or negative scores on a ratio scale.
        InputError: with more than 2,000 different scores on any scale but interval.
    """
    check_level(level)
    if scale not in {"nominal", "ordinal", "interval", "ratio"}:
        raise UsageError(f"Unknown scale '{scale}'.", expected="nominal, ordinal, interval or ratio")
    if draws and rng is None:
        raise UsageError("Resampling needs a random generator.", fix="Pass rng=numpy.random.default_rng(seed).")
    if scale == "ratio" and bool(np.any(table.value < 0)):
        raise UsageError("Scores on a ratio scale must not be negative.", found=f"{table.value.min():g}")
    kept = table.keep(table.per_item()[table.item] >= 2)
    rated, number = np.unique(kept.item, return_inverse=True)
    if not len(rated):
        return IntervalEstimate(None, reason="no item has two ratings")
    values, code = np.unique(kept.value, return_inverse=True)
    if len(values) > MANY_VALUES:
        raise InputError(
            "Too many different scores for Krippendorff's alpha, which compares every one with every other.",
            found=f"{len(values)} different scores",
            expected=f"at most {MANY_VALUES}",
            fix="Round the scores.",
        )
    shape = (len(rated), len(values))
    counts = sparse.csr_array(sparse.coo_array((np.ones(len(kept)), (number, code)), shape=shape))
    value = _alpha(counts, values, scale, np.ones(len(rated)))
    if value is None:
        return IntervalEstimate(None, reason="all scores are the same")
    if not draws or rng is None:
        return IntervalEstimate(value)
    drawn = [_alpha(counts, values, scale, weight) for weight in resample_counts(rng, len(rated), draws)]
    resampled = [one for one in drawn if one is not None]
    ends = percentile_interval(resampled, draws=draws, tail=0.5 - level / 2, least=1.0)
    if ends is None:
        reason = f"in {draws - len(resampled)} of {draws} resamples all scores are the same"
        return IntervalEstimate(value, reason=reason)
    return IntervalEstimate(value, *ends)


def _alpha(counts: sparse.csr_array, values: Vector, scale: Scale, weight: Vector) -> float | None:
    """Return alpha of (items, values) counts where item i counts ``weight[i]`` times; ``None`` when undefined."""
    size = np.asarray(counts.sum(axis=1)).ravel()
    share = sparse.csr_array(counts.multiply((weight / (size - 1))[:, None]))
    coincidence = (share.T @ counts).toarray()
    coincidence -= np.diag(np.asarray(share.sum(axis=0)).ravel())
    total = coincidence.sum(axis=0)
    n = total.sum()
    distance = _distances(values, total, scale)
    expected = float(total @ distance @ total) / (n - 1)
    return 1 - float((coincidence * distance).sum()) / expected if expected > 0 else None


def _distances(values: Vector, total: Vector, scale: Scale) -> Vector:
    """Return the (V, V) disagreements of ``values``, which occur ``total`` times."""
    if scale == "nominal":
        return 1.0 - np.eye(len(values))
    if scale == "interval":
        return np.asarray((values[:, None] - values[None, :]) ** 2)
    if scale == "ordinal":
        middle = np.cumsum(total) - total / 2
        return np.asarray((middle[:, None] - middle[None, :]) ** 2)
    both = values[:, None] + values[None, :]
    return np.asarray(((values[:, None] - values[None, :]) / np.where(both > 0, both, 1.0)) ** 2)


def intraclass_correlation(table: OpinionTable, form: IccForm = "2,k", *, level: float = 0.95) -> IntervalEstimate:
    """Return an intraclass correlation with its interval (Shrout & Fleiss 1979; intervals as McGraw & Wong 1996).

    The first figure says who the raters are: 1, different ones for each item; 2, a sample of all raters, whose biases
    count as disagreement; 3, these raters and no others, whose biases don't count. The second says whose reliability it
    is: of one rating (1) or of the mean of all raters (k). The intervals come from the F distribution and assume
    normal ratings.

    Args:
        table: ratings of one dimension; every rater with ratings must have rated every item with ratings.
        form: ``2,1`` for one rater, ``2,k`` for the mean of all raters.
        level: coverage of the interval.

    Raises:
        UsageError: for an unknown form.
        InputError: when ratings are missing, or there are fewer than two items or raters.
    """
    check_level(level)
    if form not in ICC_FORMS:
        raise UsageError(f"Unknown intraclass correlation ({form}).", expected=" or ".join(ICC_FORMS))
    rated, items = np.unique(table.item, return_inverse=True)
    active, raters = np.unique(table.rater, return_inverse=True)
    n, k = len(rated), len(active)
    if n < 2 or k < 2 or len(table) != n * k:
        raise InputError(
            "An intraclass correlation needs every rater's score of every item.",
            found=f"{len(table)} ratings of {n} items by {k} raters",
            expected=f"{n * k} ratings, of at least 2 items by at least 2 raters",
            fix="Use Krippendorff's alpha, which allows missing ratings, or keep the items that all raters rated.",
        )
    scores = np.empty((n, k))
    scores[items, raters] = table.value
    squares = _mean_squares(scores)
    if squares.between + squares.within <= np.finfo(float).eps * max(1.0, float(np.abs(scores).max())) ** 2:
        return IntervalEstimate(None, reason="all scores are the same")
    if form.startswith("2"):
        found = _random_raters(squares, n, k, level)
    elif form.startswith("1"):
        found = _one_way(squares.between, squares.within, (n - 1, n * (k - 1)), k, level)
    else:
        found = _one_way(squares.between, squares.error, (n - 1, (n - 1) * (k - 1)), k, level)
    raters_averaged = k if form.endswith("k") else 1  # Spearman-Brown
    stepped = [_ratio(raters_averaged * single, 1 + (raters_averaged - 1) * single) for single in found]
    value, low, high = (float(number) if np.isfinite(number) else None for number in stepped)
    if value is None:
        return IntervalEstimate(None, reason="the items differ less than expected by chance")
    if low is None or high is None:
        return IntervalEstimate(value, reason="the interval has no finite ends")
    return IntervalEstimate(value, low, high)


@dataclass(frozen=True)
class _Squares:
    """Mean squares of a table of items by raters: between items, between raters, residual, within items."""

    between: float
    columns: float
    error: float
    within: float


def _mean_squares(scores: Vector) -> _Squares:
    n, k = scores.shape
    grand = scores.mean()
    rows, columns = scores.mean(axis=1), scores.mean(axis=0)
    residual = scores - rows[:, None] - columns[None, :] + grand
    return _Squares(
        between=k * float(((rows - grand) ** 2).sum()) / (n - 1),
        columns=n * float(((columns - grand) ** 2).sum()) / (k - 1),
        error=float((residual**2).sum()) / ((n - 1) * (k - 1)),
        within=float(((scores - rows[:, None]) ** 2).sum()) / (n * (k - 1)),
    )


def _one_way(
    between: float, noise: float, freedom: tuple[int, int], k: int, level: float
) -> tuple[float, float, float]:
    """Return a single-rating correlation and its interval from a ratio of two mean squares."""
    if noise <= np.finfo(float).eps * between:
        return 1.0, 1.0, 1.0
    above, below = freedom
    ratio, tail = between / noise, 0.5 + level / 2
    low = ratio / float(stats.f.ppf(tail, above, below))
    high = ratio * float(stats.f.ppf(tail, below, above))
    return (ratio - 1) / (ratio + k - 1), (low - 1) / (low + k - 1), (high - 1) / (high + k - 1)


def _random_raters(squares: _Squares, n: int, k: int, level: float) -> tuple[float, float, float]:
    """Return ICC(2,1) and its interval, with Satterthwaite's degrees of freedom."""
    between, columns, error = squares.between, squares.columns, squares.error
    value = _ratio(between - error, between + (k - 1) * error + k * (columns - error) / n)
    if not value < 1 - 1e-12:
        return value, value, value
    a = k * value / (n * (1 - value))
    b = 1 + k * value * (n - 1) / (n * (1 - value))
    spread = a * columns + b * error
    freedom = _ratio(spread**2, (a * columns) ** 2 / (k - 1) + (b * error) ** 2 / ((n - 1) * (k - 1)))
    tail = 0.5 + level / 2
    upper, lower = float(stats.f.ppf(tail, n - 1, freedom)), float(stats.f.ppf(tail, freedom, n - 1))
    rest = k * columns + (k * n - k - n) * error
    low = _ratio(n * (between - upper * error), upper * rest + n * between)
    return value, low, _ratio(n * (lower * between - error), rest + n * lower * between)


def _ratio(above: float, below: float) -> float:
    """Return ``above / below``, NaN unless ``below`` is positive."""
    return above / below if below > 0 else float("nan")


def pooled_deviation(table: OpinionTable) -> float | None:
    """Return the deviation of ratings within items, over all items; ``None`` when no item has two ratings.

    The square root of the mean variance, weighted by each item's ratings less one.
    """
    found = mean_scores(table)
    several = found.n >= 2
    if not several.any():
        return None
    freedom = (found.n[several] - 1).astype(np.float64)
    return float(np.sqrt(freedom @ found.deviation[several] ** 2 / freedom.sum()))


def raters_needed(deviation: float, half_width: float, *, level: float = 0.95) -> int:
    """Return how many raters an item needs for a confidence interval of score -+ ``half_width``.

    The smallest n from 2 with ``t * deviation / sqrt(n) <= half_width``, t the quantile of Student's t with n - 1
    degrees of freedom. It holds for the expected deviation; a sample's own may come out larger.

    Args:
        deviation: of ratings within items, in units of the scale; from `pooled_deviation`.
        half_width: half the width of the interval, in the same units.
        level: coverage.

    Raises:
        UsageError: when the width is not above 0, the deviation is negative, or more than a million raters are needed.
    """
    check_level(level)
    if not half_width > 0 or not deviation >= 0:
        raise UsageError(
            "The number of raters can't be computed from these numbers.",
            found=f"deviation {deviation}, half width {half_width}",
            expected="a deviation of at least 0 and a half width above 0",
        )

    def is_enough(n: int) -> bool:
        return float(stats.t.ppf(0.5 + level / 2, n - 1)) * deviation / math.sqrt(n) <= half_width

    most = 2
    while not is_enough(most):
        most *= 2
        if most > MANY_RATERS:
            raise UsageError("This precision needs more than a million raters.", found=f"half width {half_width}")
    least = max(most // 2, 1)  # too few, or 1
    while most - least > 1:
        middle = (least + most) // 2
        least, most = (least, middle) if is_enough(middle) else (middle, most)
    return most
