"""The rater model: each rater has a bias and an inconsistency, and consistent raters weigh more.

The model is ``u = score[item] + bias[rater] + inconsistency[rater] * noise``, noise standard normal (Li, Bampis,
Krasula, Janowski & Katsavounidis, "A simple model for subject behavior in subjective experiments", 2020; ITU-T P.910,
annex E). `projected_scores` solves it by alternating projection. `likely_scores` maximises the same likelihood by a
quasi-Newton method and can add a spread per content (Li & Bampis, "Recover subjective quality scores from noisy
measurements", 2017).

The likelihood has no maximum: it grows without bound as the scores follow one rater exactly. Both functions find the
local maximum near the plain means, where there is one: with about ten ratings per item, or one rater much more
consistent than the rest, the solution can follow that rater, and is then worse than the plain means. No rater's
inconsistency falls below ``least_inconsistency``; ``floored`` names the raters who reached it, and where it is not
empty the scores are close to those raters' own. ``restricted=True`` corrects each inconsistency for the rater's own
weight in the scores, as restricted maximum likelihood does (Patterson & Thompson 1971), and avoids most such solutions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, stats

from evalkit.errors import InputError, UsageError
from evalkit.statistics.arrays import Index, Vector
from evalkit.statistics.mos import mean_scores
from evalkit.statistics.opinion_table import OpinionTable, check_level, listed, require_connected

ITERATIONS = 5000
CONVERGED = 1e-8
MIN_ITEMS = 10
LEAST_INCONSISTENCY = 0.1
_TINY = 1e-8  # as in the published solver: keeps weights finite
_STEEP = 1e-3  # largest slope of the likelihood, per unit of score, at a maximum


@dataclass(frozen=True, eq=False)
class SubjectScores:
    """The solution of the rater model. NaN: an item or rater without ratings.

    Attributes:
        score: (items,) the model's score; biases are zero on average over the raters.
        n: (items,) number of ratings.
        error: (items,) standard error of the score; NaN below two ratings.
        low: (items,) lower end of the confidence interval.
        high: (items,) upper end.
        bias: (raters,) how much higher than the others a rater scores.
        bias_error: (raters,) standard error of the bias.
        inconsistency: (raters,) standard deviation of a rater's noise, in units of the scale.
        inconsistency_low: (raters,) lower end of its confidence interval.
        inconsistency_high: (raters,) upper end.
        ambiguity: (contents,) deviation that a content adds, relative to the clearest one; empty without contents.
        floored: raters whose inconsistency was below the smallest one allowed, so that their weight was capped.
        log_likelihood: of all ratings, natural logarithm.
        rounds: iterations until convergence.
    """

    score: Vector
    n: Index
    error: Vector
    low: Vector
    high: Vector
    bias: Vector
    bias_error: Vector
    inconsistency: Vector
    inconsistency_low: Vector
    inconsistency_high: Vector
    ambiguity: Vector
    floored: tuple[int, ...]
    log_likelihood: float
    rounds: int


def projected_scores(
    table: OpinionTable,
    *,
    level: float = 0.95,
    spread: Literal["item", "rater"] = "item",
    restricted: bool = False,
    min_items: int = MIN_ITEMS,
    least_inconsistency: float = LEAST_INCONSISTENCY,
) -> SubjectScores:
    """Return the model's scores by alternating projection (ITU-T P.910, annex E; P.913 (2021), 12.6).

    In turns: each rater's inconsistency is the deviation of what scores and biases don't explain; each score is the
    mean of the ratings without bias, weighted by one over the squared inconsistency; each bias is a mean difference.
    Until the scores move by less than 1e-8 together.

    Args:
        table: ratings of one dimension.
        level: coverage of the intervals, normal.
        spread: source of the standard error of a score: ``item``, the deviation of that item's residuals over the
            root of their number, or ``rater``, the inconsistencies of those who rated it.
        restricted: divide each rater's squared residuals by their ratings less their own share in the scores and the
            bias, not by their ratings; better with few raters per item, but not the published method.
        min_items: ratings that every rater must have; with few, residuals near 0 arise by chance and dominate the
            result.
        least_inconsistency: in units of the scale; a more consistent rater gets the weight of this inconsistency.

    Raises:
        InputError: when raters have too few ratings or share no items, or the solution does not converge.
    """
    _check(table, level, min_items, least_inconsistency)
    if spread not in {"item", "rater"}:
        raise UsageError(f"Unknown spread '{spread}'.", expected="item or rater")
    n_item, n_rater = table.per_item(), table.per_rater()
    rated, active = n_item > 0, n_rater > 0
    score = mean_scores(table).score
    bias = _mean(table.per_rater(table.value - score[table.item]), n_rater)
    rounds = 0
    converged = False
    freedom = n_rater
    while not converged:
        if rounds == ITERATIONS:
            raise _not_converged(rounds)
        rounds += 1
        before = score
        residual = table.value - score[table.item] - bias[table.rater]
        own = _deviation(residual, table.rater, n_rater) * np.sqrt(n_rater / np.maximum(freedom, _TINY))
        item_deviation = _deviation(residual, table.item, n_item)
        capped = np.maximum(own, least_inconsistency)
        weight = (1 / (capped**2 + _TINY))[table.rater]
        total = table.per_item(weight)
        score = _mean(table.per_item(weight * (table.value - bias[table.rater])), total)
        if restricted:
            freedom = table.per_rater(1 - weight / total[table.item]) * (1 - 1 / np.maximum(n_rater, 1))
        bias = _mean(table.per_rater(table.value - score[table.item]), n_rater)
        converged = float(np.linalg.norm((score - before)[rated])) < CONVERGED
    if spread == "item":
        error = item_deviation / np.sqrt(np.maximum(n_item, 1))
    else:
        error = 1 / np.sqrt(np.where(rated, table.per_item(1 / capped[table.rater] ** 2), np.nan))
    floored = np.flatnonzero(active & (own < least_inconsistency))
    variance = capped[table.rater] ** 2
    shift = float(np.mean(bias[active]))
    return _assemble(
        table,
        score=score + shift,
        bias=bias - shift,
        own=own,
        variance=variance,
        error=error,
        ambiguity=np.zeros(0),
        floored=floored,
        level=level,
        rounds=rounds,
    )


def likely_scores(
    table: OpinionTable,
    *,
    content: ArrayLike | None = None,
    level: float = 0.95,
    min_items: int = MIN_ITEMS,
    least_inconsistency: float = LEAST_INCONSISTENCY,
) -> SubjectScores:
    """Return the model's scores of maximum likelihood, found by L-BFGS-B from the plain means.

    With ``content``, ratings of the same content (source clip, prompt) share an additional variance:
    ``variance = inconsistency ** 2 + ambiguity ** 2``. Only differences of ambiguity can be estimated, so the clearest
    content has 0. Use it with several items per content.

    Args:
        table: ratings of one dimension.
        content: (items,) number of each item's content, from 0; ``None`` for the model without ambiguity.
        level: coverage of the intervals, normal.
        min_items: as for `projected_scores`.
        least_inconsistency: as for `projected_scores`.

    Raises:
        InputError: as for `projected_scores`.
        UsageError: when ``content`` doesn't match the items.
    """
    _check(table, level, min_items, least_inconsistency)
    row_content, contents = _contents(table, content)
    n_item, n_rater = table.per_item(), table.per_rater()
    rated, active = n_item > 0, n_rater > 0
    start_score = np.where(rated, mean_scores(table).score, 0.0)
    residual = table.value - start_score[table.item]
    own = np.where(active, _deviation(residual, table.rater, n_rater) ** 2, 1.0)
    if contents:
        many = np.bincount(row_content, minlength=contents).astype(np.float64)
        own /= 2
        extra = np.where(many > 0, _deviation(residual, row_content, many) ** 2, 0.0) / 2
    else:
        extra = np.zeros(0)
    least = least_inconsistency**2
    start = np.concatenate([start_score, np.zeros(table.raters), np.maximum(own, least), extra])
    free = table.items + table.raters
    lowest = np.concatenate([np.full(free, -np.inf), np.full(table.raters, least), np.zeros(contents)])
    loss = _loss(table, row_content, contents)
    at, rounds = _descend(loss, start, lowest, free)
    score, bias, own, extra = np.split(at, [table.items, free, free + table.raters])
    used = np.unique(row_content) if contents else np.zeros(0, dtype=np.int64)
    common = float(extra[used].min()) if contents else 0.0
    own, extra = own + common, extra - common
    variance = own[table.rater] + (extra[row_content] if contents else 0.0)
    error = 1 / np.sqrt(np.where(rated, table.per_item(1 / variance), np.nan))
    shift = float(np.mean(bias[active]))
    ambiguity = np.full(contents, np.nan)
    ambiguity[used] = np.sqrt(np.maximum(extra[used], 0.0))
    floored = np.flatnonzero(active & (own <= least * (1 + 1e-9)))
    score = np.where(rated, score + shift, np.nan)
    bias = np.where(active, bias - shift, np.nan)
    own = np.where(active, np.sqrt(own), np.nan)
    return _assemble(
        table,
        score=score,
        bias=bias,
        own=own,
        variance=variance,
        error=error,
        ambiguity=ambiguity,
        floored=floored,
        level=level,
        rounds=rounds,
    )


def _loss(table: OpinionTable, row_content: Index, contents: int) -> Callable[[Vector], tuple[float, Vector]]:
    """Return the function that gives minus the log-likelihood and its slope at scores, biases and variances."""
    free = table.items + table.raters

    def loss(at: Vector) -> tuple[float, Vector]:
        score, bias, own, extra = np.split(at, [table.items, free, free + table.raters])
        variance = own[table.rater] + (extra[row_content] if contents else 0.0)
        residual = table.value - score[table.item] - bias[table.rater]
        pull = -residual / variance
        push = 0.5 * (1 / variance - (residual / variance) ** 2)
        parts = [table.per_item(pull), table.per_rater(pull), table.per_rater(push)]
        if contents:
            parts.append(_sums(row_content, push, contents))
        return -_log_likelihood(residual, variance), np.concatenate(parts)

    return loss


def _descend(
    loss: Callable[[Vector], tuple[float, Vector]], start: Vector, lowest: Vector, free: int
) -> tuple[Vector, int]:
    """Return where ``loss`` is least, from ``start`` and not below ``lowest``, and the rounds it took.

    L-BFGS-B stops where rounding hides the next step; restarted there it continues, until the slopes of the first
    ``free`` parameters are flat.
    """
    at, rounds, steep = start, 0, True
    while steep:
        found = optimize.minimize(
            loss,
            at,
            jac=True,
            method="L-BFGS-B",
            bounds=optimize.Bounds(lowest, np.inf),
            options={"maxiter": ITERATIONS, "maxfun": 4 * ITERATIONS, "ftol": 1e-16, "gtol": 1e-8, "maxcor": 50},
        )
        at, rounds = np.asarray(found.x, dtype=np.float64), rounds + max(1, int(found.nit))
        if rounds >= ITERATIONS:
            raise _not_converged(rounds)
        steep = float(np.abs(loss(at)[1][:free]).max(initial=0.0)) > _STEEP
    return at, rounds


def _assemble(
    table: OpinionTable,
    *,
    score: Vector,
    bias: Vector,
    own: Vector,
    variance: Vector,
    error: Vector,
    ambiguity: Vector,
    floored: Index,
    level: float,
    rounds: int,
) -> SubjectScores:
    """Return the solution with its intervals; ``variance`` (n,) is that of each rating."""
    n_item, n_rater = table.per_item(), table.per_rater()
    error = np.where(n_item >= 2, error, np.nan)
    half = error * float(stats.norm.ppf(0.5 + level / 2))
    active = n_rater > 0
    with np.errstate(divide="ignore"):
        bias_error = np.where(active, 1 / np.sqrt(table.per_rater(1 / variance)), np.nan)
    counted = np.where(active, n_rater, np.nan)
    residual = table.value - score[table.item] - bias[table.rater]
    return SubjectScores(
        score=score,
        n=n_item.astype(np.int64),
        error=error,
        low=score - half,
        high=score + half,
        bias=bias,
        bias_error=bias_error,
        inconsistency=own,
        inconsistency_low=own * np.sqrt(counted / stats.chi2.ppf(0.5 + level / 2, counted)),
        inconsistency_high=own * np.sqrt(counted / stats.chi2.ppf(0.5 - level / 2, counted)),
        ambiguity=ambiguity,
        floored=tuple(int(rater) for rater in floored),
        log_likelihood=_log_likelihood(residual, variance),
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


def _contents(table: OpinionTable, content: ArrayLike | None) -> tuple[Index, int]:
    if content is None:
        return np.zeros(0, dtype=np.int64), 0
    number = np.asarray(content)
    if number.shape != (table.items,) or not np.issubdtype(number.dtype, np.integer) or number.min(initial=0) < 0:
        raise UsageError(
            "The contents don't match the items.",
            found=f"{number.dtype} {number.shape}",
            expected=f"a whole number from 0 for each of {table.items} items",
        )
    return number.astype(np.int64)[table.item], int(number.max(initial=-1)) + 1


def _sums(group: Index, numbers: Vector, groups: int) -> Vector:
    return np.bincount(group, weights=numbers, minlength=groups).astype(np.float64)


def _mean(total: Vector, n: Vector) -> Vector:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(n > 0, total / n, np.nan)


def _deviation(numbers: Vector, group: Index, n: Vector) -> Vector:
    """Return the standard deviation, divided by n, of ``numbers`` in each of (len(n),) groups; NaN for empty ones."""
    mean = _mean(_sums(group, numbers, len(n)), n)
    squares = _sums(group, (numbers - mean[group]) ** 2, len(n))
    return np.sqrt(_mean(squares, n))


def _log_likelihood(residual: Vector, variance: Vector) -> float:
    return float(-0.5 * np.sum(np.log(2 * np.pi * variance) + residual**2 / variance))


def _not_converged(rounds: int) -> InputError:
    return InputError(
        f"The rater model did not converge in {rounds} iterations.",
        fix="Use the mean with bias removed (mos.bias-removed), or exclude raters who share few items with the others.",
    )
