"""Mean opinion scores (MOS) with intervals, and ratings with bias removed or standardised per rater.

Scores that also weigh raters by their consistency are in `evalkit.statistics.subject_model`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from evalkit.statistics.arrays import Index, Vector
from evalkit.statistics.opinion_table import OpinionTable, check_level, require_connected

_ROUNDING = 1e-12  # a smaller deviation, relative to the scores, is rounding


@dataclass(frozen=True, eq=False)
class MeanScores:
    """A mean opinion score (MOS) per item. NaN: too few ratings.

    Attributes:
        score: (items,) NaN for an item that nobody rated.
        n: (items,) number of ratings.
        deviation: (items,) standard deviation over the raters, divided by n - 1; NaN below two ratings.
        error: (items,) standard error of the score; NaN below two ratings.
        low: (items,) lower end of the confidence interval; it is not cut to the scale.
        high: (items,) upper end.
    """

    score: Vector
    n: Index
    deviation: Vector
    error: Vector
    low: Vector
    high: Vector


def mean_scores(table: OpinionTable, *, level: float = 0.95) -> MeanScores:
    """Return the mean over raters of each item, with a confidence interval of that mean.

    ``score -+ q * deviation / sqrt(n)``, where q is the quantile of Student's t with n - 1 degrees of freedom; the
    normal one of ITU-R BT.500-15 (2023), 1.96, is too narrow for few raters. When all raters of an item agree, the
    interval has no width: a property of the formula, not a proof that the score is certain.

    Args:
        table: ratings of one dimension.
        level: coverage of the interval.
    """
    n = table.per_item()
    with np.errstate(invalid="ignore", divide="ignore"):
        score = table.per_item(table.value) / n
        squares = table.per_item((table.value - score[table.item]) ** 2)
        deviation = np.where(n >= 2, np.sqrt(squares / (n - 1)), np.nan)
        error = deviation / np.sqrt(n)
    half = half_widths(error, n, level)
    return MeanScores(score, n.astype(np.int64), deviation, error, score - half, score + half)


def half_widths(error: Vector, n: Vector, level: float) -> Vector:
    """Return half the width of each two-sided interval of Student's t with n - 1 degrees of freedom.

    Args:
        error: standard errors, any shape.
        n: ratings behind each; NaN below two.
        level: coverage, between 0 and 1.
    """
    check_level(level)
    quantile = np.full(np.shape(n), np.nan)
    enough = np.asarray(n) >= 2
    quantile[enough] = stats.t.ppf(0.5 + level / 2, np.asarray(n)[enough] - 1)
    return np.asarray(error * quantile)


def remove_bias(table: OpinionTable) -> tuple[OpinionTable, Vector]:
    """Return the ratings without each rater's bias, and the biases (raters,); NaN for a rater without ratings.

    The bias is the mean difference between the rater's scores and the items' mean scores (ITU-T P.913 (2021), 12.4).

    Raises:
        InputError: when the raters are not linked by items that they have in common.
    """
    require_connected(table, "the removal of biases")
    score = mean_scores(table).score
    with np.errstate(invalid="ignore"):
        bias = table.per_rater(table.value - score[table.item]) / table.per_rater()
    return table.with_values(table.value - bias[table.rater]), bias


def standardise(table: OpinionTable) -> tuple[OpinionTable, tuple[int, ...]]:
    """Return each rater's z-scores: score minus the rater's mean, divided by the rater's deviation (n - 1).

    Use them only where all raters saw comparable items, since they assume that each rater's mean item is equally good.

    Returns:
        The table of z-scores, and the raters whose ratings it lacks: those with one rating, or with the same score for
        everything, have no deviation.
    """
    n = table.per_rater()
    mean, deviation = _rater_moments(table)
    usable = (n >= 2) & (deviation > 0)
    kept = table.keep(usable[table.rater])
    excluded = tuple(int(rater) for rater in np.flatnonzero((n > 0) & ~usable))
    return kept.with_values((kept.value - mean[kept.rater]) / deviation[kept.rater]), excluded


def _rater_moments(table: OpinionTable) -> tuple[Vector, Vector]:
    """Return each rater's mean score and deviation (divided by n - 1), both (raters,); NaN where there are too few.

    A deviation that is only rounding comes back as 0.
    """
    n = table.per_rater()
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = table.per_rater(table.value) / n
        squares = table.per_rater((table.value - mean[table.rater]) ** 2)
        deviation = np.where(n >= 2, np.sqrt(squares / (n - 1)), np.nan)
    return mean, np.where(is_rounding(deviation, mean), 0.0, deviation)


def is_rounding(deviation: Vector, mean: Vector) -> NDArray[np.bool_]:
    """Return where a deviation is so small relative to the mean that it is rounding."""
    with np.errstate(invalid="ignore"):
        return np.asarray(deviation <= _ROUNDING * np.maximum(1.0, np.abs(mean)))
