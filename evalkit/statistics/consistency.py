"""Screening tests by correlation: each rater with the mean scores of the others, and by the rule of P.913."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from evalkit.errors import UsageError
from evalkit.statistics.arrays import Vector
from evalkit.statistics.mos import is_rounding, mean_scores
from evalkit.statistics.opinion_table import OpinionTable
from evalkit.statistics.screening import RaterVerdict

P913_ITEM = 0.75
P913_CONDITION = 0.8


def rest_correlation(
    table: OpinionTable, *, cap: float = 0.7, min_items: int = 10, deviations: float = 1.0
) -> list[RaterVerdict]:
    """Test raters by the Pearson correlation of their scores with the mean scores of all others.

    The rater's own scores are left out of the means: with few raters they would correlate with themselves. Rejected
    below ``min(cap, mean - deviations * deviation)`` of all raters' correlations (n - 1), the form of threshold of
    ITU-R BT.1788 (2007), so that raters who all agree badly are not all rejected. A very bad rater widens the
    deviation and can hide a less bad one, who is found once the first is excluded.

    Args:
        table: ratings of one dimension.
        cap: correlation that is always good enough.
        min_items: items, rated by others too; fewer give no statistic.
        deviations: how many deviations below the mean of all raters are tolerated.

    Returns:
        One verdict per rater; the statistic is the correlation, ``None`` when there are too few items, or the rater's
        scores or the others' means don't vary. ``figures``: items.
    """
    n, total = table.per_item(), table.per_item(table.value)
    shared = n[table.item] >= 2
    kept = table.keep(shared)
    others = (total[kept.item] - kept.value) / (n[kept.item] - 1)
    items = kept.per_rater()
    found = [
        correlation(kept.value[kept.rater == rater], others[kept.rater == rater]) if items[rater] >= min_items else None
        for rater in range(table.raters)
    ]
    known = np.array([value for value in found if value is not None])
    threshold = None
    if len(known) >= 2:
        threshold = min(cap, float(known.mean() - deviations * known.std(ddof=1)))
    elif len(known) == 1:
        threshold = cap
    verdicts = []
    for rater, value in enumerate(found):
        name, figures = table.name_rater(rater), {"items": items[rater]}
        if value is None or threshold is None:
            sentence = f"{name} can't be compared with the others: {items[rater]:.0f} items in common, or no variation."
            verdicts.append(RaterVerdict(None, threshold, False, sentence, figures))
            continue
        sentence = f"{name} correlates {value:.2f} with the others on {items[rater]:.0f} items"
        sentence += f"; rejected below {threshold:.2f}."
        rejected = value < threshold
        verdicts.append(RaterVerdict(value, threshold, rejected, sentence, figures))
    return verdicts


def p913_correlation(
    table: OpinionTable,
    *,
    conditions: ArrayLike | None = None,
    item_threshold: float = P913_ITEM,
    condition_threshold: float = P913_CONDITION,
    min_items: int = 10,
) -> list[RaterVerdict]:
    """Test raters by their correlation with the mean scores, the worst first (ITU-T P.913 (2016), annex A).

    r1 is Pearson's correlation of the rater's scores with the mean scores over items. With ``conditions``, r2 is the
    same over means per condition (the generator, say). A rater is rejected with r1 below 0.75 and, if there are
    conditions, also r2 below 0.8. The rater furthest below the thresholds is removed, the means are computed again,
    and so on until no rater is below. The means include the rater, as the recommendation has it; `rest_correlation`
    leaves them out.

    Args:
        table: ratings of one dimension.
        conditions: (items,) number of each item's condition, from 0; ``None`` for r1 alone.
        item_threshold: for r1.
        condition_threshold: for r2.
        min_items: fewer ratings give no statistic.

    Returns:
        One verdict per rater; the statistic is r1 at the moment of the verdict. ``figures``: items, r2 (with
        conditions), round (from 1, for those who are rejected).

    Raises:
        UsageError: when ``conditions`` doesn't fit the items.
    """
    condition = _conditions(table, conditions)
    final: dict[int, RaterVerdict] = {}
    remaining = table
    for number in range(1, table.raters + 1):
        found = _p913_figures(remaining, condition, min_items)
        figures = {rater: found[rater] for rater in range(table.raters) if rater not in final}
        worst, depth = None, 0.0
        for rater, (r1, r2, _) in figures.items():
            if r1 is None or (condition is not None and r2 is None):
                continue
            below = [item_threshold - r1] if r2 is None else [item_threshold - r1, condition_threshold - r2]
            if min(below) > 0 and float(np.mean(below)) > depth:
                worst, depth = rater, float(np.mean(below))
        if worst is None:
            break
        final[worst] = _p913_verdict(table, worst, figures[worst], (item_threshold, condition_threshold), number)
        remaining = remaining.without([worst])
    for rater, figure in enumerate(_p913_figures(remaining, condition, min_items)):
        if rater not in final:
            final[rater] = _p913_verdict(table, rater, figure, (item_threshold, condition_threshold), None)
    return [final[rater] for rater in range(table.raters)]


def correlation(x: Vector, y: Vector) -> float | None:
    """Return Pearson's correlation of two equally long rows; ``None`` below two pairs or without variation."""
    if len(x) < 2 or _constant(x) or _constant(y):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("error", stats.NearConstantInputWarning)
        try:
            return float(stats.pearsonr(x, y).statistic)
        except stats.NearConstantInputWarning:
            return None


def _constant(x: Vector) -> bool:
    return bool(is_rounding(np.array([x.std()]), np.array([x.mean()])).all())


_Figures = tuple[float | None, float | None, int]


def _p913_figures(table: OpinionTable, condition: Vector | None, min_items: int) -> list[_Figures]:
    """Return r1, r2 and the number of items of every rater; no correlations below ``min_items``."""
    means = mean_scores(table).score
    items = table.per_rater()
    found: list[_Figures] = []
    for rater, r1 in enumerate(_correlations(table, means[table.item])):
        enough = items[rater] >= min_items
        r2 = _over_conditions(table, rater, means, condition) if enough and condition is not None else None
        known = enough and bool(np.isfinite(r1))
        found.append((float(r1) if known else None, r2, int(items[rater])))
    return found


def _correlations(table: OpinionTable, y: Vector) -> Vector:
    """Return (raters,) Pearson's correlation of each rater's scores with ``y`` (n,); NaN without variation."""
    n = table.per_rater()
    with np.errstate(invalid="ignore", divide="ignore"):
        centred = []
        flat = n < 2
        for numbers in (table.value, y):
            mean = table.per_rater(numbers) / n
            gap = numbers - mean[table.rater]
            flat |= is_rounding(np.sqrt(table.per_rater(gap**2) / n), mean)
            centred.append(gap)
        mine, theirs = centred
        scale = np.sqrt(table.per_rater(mine**2) * table.per_rater(theirs**2))
        return np.where(flat, np.nan, np.clip(table.per_rater(mine * theirs) / scale, -1.0, 1.0))


def _over_conditions(table: OpinionTable, rater: int, means: Vector, condition: Vector) -> float | None:
    """Return the correlation of a rater's mean scores per condition with those of all."""
    rows = table.rater == rater
    own, mine = table.item[rows], table.value[rows]
    where = condition[own].astype(np.int64)
    rated = np.unique(where)
    mine_per = np.array([mine[where == one].mean() for one in rated])
    theirs_per = np.array([means[own][where == one].mean() for one in rated])
    return correlation(mine_per, theirs_per)


def _p913_verdict(
    table: OpinionTable, rater: int, found: _Figures, thresholds: tuple[float, float], number: int | None
) -> RaterVerdict:
    r1, r2, items = found
    item_threshold, condition_threshold = thresholds
    name, figures = table.name_rater(rater), {"items": float(items)}
    if r1 is None:
        sentence = f"{name} can't be compared with the mean scores: {items} items, or no variation."
        return RaterVerdict(None, item_threshold, False, sentence, figures)
    sentence = f"{name} correlates {r1:.2f} with the mean scores of {items} items (rejected below {item_threshold:g})"
    if r2 is not None:
        figures["r2"] = r2
        sentence += f" and {r2:.2f} with those per condition (below {condition_threshold:g})"
    if number is not None:
        figures["round"] = float(number)
        sentence += f"; rejected in round {number}"
    return RaterVerdict(r1, item_threshold, number is not None, f"{sentence}.", figures)


def _conditions(table: OpinionTable, conditions: ArrayLike | None) -> Vector | None:
    if conditions is None:
        return None
    number = np.asarray(conditions)
    if number.shape != (table.items,) or not np.issubdtype(number.dtype, np.integer):
        raise UsageError(
            "The conditions don't fit the items.",
            found=f"{number.dtype} {number.shape}",
            expected=f"a whole number for each of {table.items} items",
        )
    return number.astype(np.float64)
