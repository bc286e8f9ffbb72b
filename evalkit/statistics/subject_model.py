"""The rater model: each rater has a bias and an inconsistency, and consistent raters weigh more.

The model is ``u = score[item] + bias[rater] + inconsistency[rater] * noise``, noise standard normal (Li, Bampis,
Krasula, Janowski & Katsavounidis, "A simple model for subject behavior in subjective experiments", 2020; ITU-T P.910,
annex E). It is solved by alternating projection.

The likelihood has no maximum: it grows without bound as the scores follow one rater exactly. The solution is the local
maximum near the plain means, where there is one: with about ten ratings per item, or one rater much more consistent
than the rest, the solution can follow that rater, and is then worse than the plain means. No rater's inconsistency
falls below ``least_inconsistency``; ``floored`` names the raters who reached it, and where it is not empty the scores
are close to those raters' own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from evalkit.errors import InputError, UsageError
from evalkit.statistics.arrays import Index, Vector
from evalkit.statistics.mos import mean_scores
from evalkit.statistics.opinion_table import OpinionTable, check_level, listed, require_connected

ITERATIONS = 5000
CONVERGED = 1e-8
MIN_ITEMS = 10
LEAST_INCONSISTENCY = 0.1
_TINY = 1e-8  # as in the published solver: keeps weights finite


@dataclass(frozen=True, eq=False)
class SubjectScores:
    """The solution of the rater model. NaN: an item or rater without ratings.

    Attributes:
        score: (items,) the model's score; biases are zero on average over the raters.
        error: (items,) standard error of the score; NaN below two ratings.
        low: (items,) lower end of the confidence interval.
        high: (items,) upper end.
        bias: (raters,) how much higher than the others a rater scores.
        bias_error: (raters,) standard error of the bias.
        inconsistency: (raters,) standard deviation of a rater's noise, in units of the scale.
        inconsistency_low: (raters,) lower end of its confidence interval.
        inconsistency_high: (raters,) upper end.
        floored: raters whose inconsistency was below the smallest one allowed, so that their weight was capped.
        rounds: iterations until convergence.
    """

    score: Vector
    error: Vector
    low: Vector
    high: Vector
    bias: Vector
    bias_error: Vector
    inconsistency: Vector
    inconsistency_low: Vector
    inconsistency_high: Vector
    floored: tuple[int, ...]
    rounds: int


def projected_scores(
    table: OpinionTable,
    *,
    level: float = 0.95,
    min_items: int = MIN_ITEMS,
    least_inconsistency: float = LEAST_INCONSISTENCY,
) -> SubjectScores:
    """Return the model's scores by alternating projection (ITU-T P.910, annex E; P.913 (2021), 12.6).

    In turns: each rater's inconsistency is the deviation of what scores and biases don't explain; each score is the
    mean of the ratings without bias, weighted by one over the squared inconsistency; each bias is a mean difference.
    Until the scores move by less than 1e-8 together. The standard error of a score is the deviation of the item's
    residuals over the root of their number.

    Args:
        table: ratings of one dimension.
        level: coverage of the intervals, normal.
        min_items: ratings that every rater must have; with few, residuals near 0 arise by chance and dominate the
            result.
        least_inconsistency: in units of the scale; a more consistent rater gets the weight of this inconsistency.

    Raises:
        InputError: when raters have too few ratings or share no items, or the solution does not converge.
    """
    _check(table, level, min_items, least_inconsistency)
    n_item, n_rater = table.per_item(), table.per_rater()
    rated, active = n_item > 0, n_rater > 0
    score = mean_scores(table).score
    bias = _mean(table.per_rater(table.value - score[table.item]), n_rater)
    rounds = 0
    converged = False
    while not converged:
        if rounds == ITERATIONS:
            raise InputError(
                f"The rater model did not converge in {rounds} iterations.",
                fix="Use the mean with bias removed (mos.bias-removed), or exclude raters who share few items with the "
                "others.",
            )
        rounds += 1
        before = score
        residual = table.value - score[table.item] - bias[table.rater]
        own = _deviation(residual, table.rater, n_rater)
        item_deviation = _deviation(residual, table.item, n_item)
        capped = np.maximum(own, least_inconsistency)
        weight = (1 / (capped**2 + _TINY))[table.rater]
        score = _mean(table.per_item(weight * (table.value - bias[table.rater])), table.per_item(weight))
        bias = _mean(table.per_rater(table.value - score[table.item]), n_rater)
        converged = float(np.linalg.norm((score - before)[rated])) < CONVERGED
    shift = float(np.mean(bias[active]))
    score, bias = score + shift, bias - shift
    error = np.where(n_item >= 2, item_deviation / np.sqrt(np.maximum(n_item, 1)), np.nan)
    half = error * float(stats.norm.ppf(0.5 + level / 2))
    with np.errstate(divide="ignore"):
        bias_error = np.where(active, 1 / np.sqrt(table.per_rater(1 / capped[table.rater] ** 2)), np.nan)
    counted = np.where(active, n_rater, np.nan)
    return SubjectScores(
        score=score,
        error=error,
        low=score - half,
        high=score + half,
        bias=bias,
        bias_error=bias_error,
        inconsistency=own,
        inconsistency_low=own * np.sqrt(counted / stats.chi2.ppf(0.5 + level / 2, counted)),
        inconsistency_high=own * np.sqrt(counted / stats.chi2.ppf(0.5 - level / 2, counted)),
        floored=tuple(int(rater) for rater in np.flatnonzero(active & (own < least_inconsistency))),
        rounds=rounds,
    )


def _check(table: OpinionTable, level: float, min_items: int, least_inconsistency: float) -> None:
    check_level(level)
    if not least_inconsistency > 0:
        raise UsageError("The smallest inconsistency must be above 0.", found=str(least_inconsistency))
    require_connected(table, "the rater model")
    n = table.per_rater()
    few = np.flatnonzero((n > 0) & (n < min_items))
    if few.size:
        raise InputError(
            f"{len(few)} of {int((n > 0).sum())} raters have too few ratings for the rater model.",
            found=listed([f"{table.name_rater(int(rater))} with {int(n[rater])}" for rater in few]),
            expected=f"at least {min_items} ratings each",
            fix="Exclude those raters, or use the mean with bias removed (mos.bias-removed).",
        )


def _mean(total: NDArray[Any], n: Vector) -> Vector:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(n > 0, total / n, np.nan)


def _deviation(numbers: Vector, group: Index, n: Vector) -> Vector:
    """Return the standard deviation, divided by n, of ``numbers`` in each of (len(n),) groups; NaN for empty ones."""
    mean = _mean(np.bincount(group, weights=numbers, minlength=len(n)), n)
    squares = np.bincount(group, weights=(numbers - mean[group]) ** 2, minlength=len(n))
    return np.sqrt(_mean(squares, n))
