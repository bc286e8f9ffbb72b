"""Screening tests for raters by correlation: with the other raters (BT.1788), and with the mean scores (P.913)."""

from __future__ import annotations

import warnings

import numpy as np
from scipy import stats

from evalkit.statistics.arrays import Vector
from evalkit.statistics.mos import is_rounding, mean_scores
from evalkit.statistics.opinion_table import OpinionTable
from evalkit.statistics.screening import RaterVerdict
from evalkit.text import count

P913 = 0.75  # correlation with the mean scores below which ITU-T P.913 rejects a rater


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
            common = count(round(items[rater]), "item")
            sentence = f"{name} can't be compared with the others: {common} in common, or no variation."
            verdicts.append(RaterVerdict(None, threshold, False, sentence, figures))
            continue
        sentence = f"{name} correlates {value:.2f} with the others on {count(round(items[rater]), 'item')}"
        sentence += f"; rejected below {threshold:.2f}."
        rejected = value < threshold
        verdicts.append(RaterVerdict(value, threshold, rejected, sentence, figures))
    return verdicts


def p913_correlation(table: OpinionTable, *, threshold: float = P913, min_items: int = 10) -> list[RaterVerdict]:
    """Test raters by their correlation with the mean scores, the worst first (ITU-T P.913 (2016), annex A).

    The statistic is Pearson's correlation of the rater's scores with the mean scores over items. The rater furthest
    below the threshold is removed, the means are computed again, and so on until no rater is below. The means include
    the rater, as the recommendation has it; `rest_correlation` leaves them out. The recommendation's second
    correlation, over means per condition, is not computed.

    Args:
        table: ratings of one dimension.
        threshold: correlation below which a rater is rejected.
        min_items: fewer ratings give no statistic.

    Returns:
        One verdict per rater; the statistic is the correlation at the moment of the verdict. ``figures``: items, round
        (from 1, for those who are rejected).
    """
    final: dict[int, RaterVerdict] = {}
    remaining = table
    for number in range(1, table.raters + 1):
        found = _with_means(remaining, min_items)
        below = {
            rater: r for rater, r in enumerate(found) if rater not in final and r is not None and threshold - r > 0
        }
        if not below:
            break
        worst = max(below, key=lambda rater: threshold - below[rater])
        final[worst] = _p913_verdict(remaining, worst, below[worst], threshold, number)
        remaining = remaining.without([worst])
    for rater, r in enumerate(_with_means(remaining, min_items)):
        if rater not in final:
            final[rater] = _p913_verdict(remaining, rater, r, threshold, None)
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


def _with_means(table: OpinionTable, min_items: int) -> list[float | None]:
    """Return each rater's correlation with the mean scores; ``None`` below ``min_items`` or without variation."""
    means = mean_scores(table).score
    items = table.per_rater()
    return [
        float(r) if items[rater] >= min_items and bool(np.isfinite(r)) else None
        for rater, r in enumerate(_correlations(table, means[table.item]))
    ]


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


def _p913_verdict(
    table: OpinionTable, rater: int, r: float | None, threshold: float, number: int | None
) -> RaterVerdict:
    """Return the verdict on a rater of ``table``; ``number`` is the round in which the rater was rejected."""
    items = int((table.rater == rater).sum())
    name, figures = table.name_rater(rater), {"items": float(items)}
    if r is None:
        sentence = f"{name} can't be compared with the mean scores: {count(items, 'item')}, or no variation."
        return RaterVerdict(None, threshold, False, sentence, figures)
    sentence = (
        f"{name} correlates {r:.2f} with the mean scores of {count(items, 'item')} (rejected below {threshold:g})"
    )
    if number is not None:
        figures["round"] = float(number)
        sentence += f"; rejected in round {number}"
    return RaterVerdict(r, threshold, number is not None, f"{sentence}.", figures)
