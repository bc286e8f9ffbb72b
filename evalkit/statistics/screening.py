"""Screening tests for raters: BT.500, straight-liners, speeders, gold items.

Each test returns one verdict per rater, in the order of their numbers, and removes nothing: `OpinionTable.without`
does. The tests by correlation are in `evalkit.statistics.rater_correlation`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalkit.errors import UsageError
from evalkit.statistics.arrays import Vector
from evalkit.statistics.mos import is_rounding
from evalkit.statistics.opinion_table import OpinionTable, show_name
from evalkit.text import count

_EDGE = 1e-9  # relative: rounding must not decide about a score that lies exactly on a limit


@dataclass(frozen=True)
class RaterVerdict:
    """The result of one screening test for one rater.

    Attributes:
        statistic: what the test compares with its threshold; ``None`` when it can't be computed, and then nobody is
            rejected.
        threshold: ``None`` when there is none.
        rejected: whether the test rejects the rater.
        sentence: the same for people, with the rater's name.
        figures: further numbers that the test used.
    """

    statistic: float | None
    threshold: float | None
    rejected: bool
    sentence: str
    figures: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Keep plain numbers, which can be written as JSON, whatever NumPy types the tests computed."""
        for name in ("statistic", "threshold"):
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else float(value))
        object.__setattr__(self, "rejected", bool(self.rejected))
        object.__setattr__(self, "figures", {name: float(value) for name, value in self.figures.items()})


def rejected_raters(verdicts: Sequence[RaterVerdict]) -> list[int]:
    """Return the numbers of the raters whom ``verdicts``, one per rater, reject."""
    return [rater for rater, verdict in enumerate(verdicts) if verdict.rejected]


def bt500(
    table: OpinionTable,
    *,
    ddof: Literal[0, 1] = 0,
    share_of: Literal["rated", "all"] = "rated",
    most: float = 0.05,
    balance: float = 0.3,
) -> list[RaterVerdict]:
    """Test raters by how often they are far from the others on both sides (ITU-R BT.500-15 (2023), kurtosis rule).

    For each item: with a kurtosis ``m4 / m2 ** 2`` from 2 to 4 a score is far when it is 2 deviations or more from the
    mean, otherwise sqrt(20). P counts scores far above, Q far below. A rater is rejected when ``(P + Q) / items`` is
    above 0.05 and ``|P - Q| / (P + Q)`` below 0.3: often extreme, and not out of mere severity. Items on which all
    agree have no deviation and are ignored. The recommendation says to use the rule once, never repeatedly.

    Args:
        table: ratings of one dimension.
        ddof: what the deviation is divided by: n (as in the published implementations), or n - 1 (as in the text of the
            recommendation), which rejects fewer.
        share_of: the items that the rater rated, or all items of the table; the same when nothing is missing.
        most: share of far scores up to which a rater is kept.
        balance: imbalance from which a rater is kept.

    Returns:
        One verdict per rater; the statistic is (P + Q) / items. ``figures``: above, below, items, imbalance (absent
        when nothing is far).
    """
    if ddof not in {0, 1} or share_of not in {"rated", "all"}:
        raise UsageError("bt500 takes ddof 0 or 1 and share_of 'rated' or 'all'.", found=f"{ddof}, {share_of}")
    above, below = far_scores(table, ddof)
    rated = table.per_rater()
    verdicts = []
    for rater in range(table.raters):
        items = rated[rater] if share_of == "rated" else float(table.items)
        high, low, name = above[rater], below[rater], table.name_rater(rater)
        figures = {"above": high, "below": low, "items": items}
        if not rated[rater]:
            verdicts.append(RaterVerdict(None, most, False, f"{name} rated nothing."))
            continue
        share = (high + low) / items
        sentence = (
            f"{name} is far above the others on {high:.0f} and far below on {low:.0f} of {count(round(items), 'item')}"
        )
        rejected = False
        if high + low:
            figures["imbalance"] = abs(high - low) / (high + low)
            rejected = share > most and figures["imbalance"] < balance
            sentence += f" ({share:.1%}; imbalance {figures['imbalance']:.2f})"
        rule = f"rejected above {most:.0%} with an imbalance below {balance:g}"
        verdicts.append(RaterVerdict(share, most, rejected, f"{sentence}; {rule}.", figures))
    return verdicts


def far_scores(table: OpinionTable, ddof: int = 0) -> tuple[Vector, Vector]:
    """Return how often each rater is far above and far below the others by the rule of `bt500`, both (raters,)."""
    n = table.per_item()
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = table.per_item(table.value) / n
        gap = table.value - mean[table.item]
        second = table.per_item(gap**2) / n
        kurtosis = table.per_item(gap**4) / n / second**2
        deviation = np.sqrt(second * n / np.maximum(n - ddof, 0))
        bell = (kurtosis >= 2 * (1 - _EDGE)) & (kurtosis <= 4 * (1 + _EDGE))
        limit = np.where(bell, 2.0, np.sqrt(20.0)) * deviation * (1 - _EDGE)
    useless = (n < 2) | is_rounding(np.sqrt(second), mean)
    usable = ~useless[table.item]
    far = usable & (np.abs(gap) >= np.where(useless, np.inf, limit)[table.item])
    above = table.per_rater((far & (gap > 0)).astype(np.float64))
    below = table.per_rater((far & (gap < 0)).astype(np.float64))
    return above, below


def straight_liners(table: OpinionTable, *, most: float = 0.95, min_items: int = 10) -> list[RaterVerdict]:
    """Test raters by how often they give their most common score.

    A rater is rejected when that share reaches ``most``, unless the other raters' scores of the same items are as
    uniform: a rater who gives 5 to items that everybody gives 5 is not a straight-liner.

    Args:
        table: ratings of one dimension.
        most: share from which a rater is rejected.
        min_items: fewer ratings give no statistic.

    Returns:
        One verdict per rater; the statistic is the share. ``figures``: value (the most common score), items, others
        (the share of the others' most common score on the same items; absent when nobody else rated them).
    """
    values, code = np.unique(table.value, return_inverse=True)
    counts = np.zeros((table.items, len(values)))
    np.add.at(counts, (table.item, code), 1.0)
    starts = _rows_of_raters(table)
    verdicts = []
    for rater, rows in enumerate(starts):
        name, items = table.name_rater(rater), len(rows)
        if items < min_items:
            sentence = (
                f"{name} has {count(items, 'rating')}, too few to test for straight-lining (at least {min_items})."
            )
            verdicts.append(RaterVerdict(None, most, False, sentence, {"items": float(items)}))
            continue
        own = np.bincount(code[rows], minlength=len(values))
        common = int(own.argmax())
        share = own[common] / items
        others = counts[table.item[rows]].sum(axis=0) - own
        figures = {"value": float(values[common]), "items": float(items)}
        varied = True
        sentence = f"{name} scored {own[common]} of {count(items, 'item')} with {values[common]:g}"
        if others.sum() > 0:
            figures["others"] = float(others.max() / others.sum())
            varied = figures["others"] < most
            sentence += f"; the others give their most common score to {figures['others']:.0%} of the same"
        rejected = bool(share >= most) and varied
        sentence += f"; rejected from {most:.0%}, where the others differ."
        verdicts.append(RaterVerdict(float(share), most, rejected, sentence, figures))
    return verdicts


def speeders(
    rater: ArrayLike,
    seconds: ArrayLike,
    names: Sequence[str],
    *,
    least: float | None = None,
    fraction: float = 1 / 3,
    min_times: int = 5,
) -> list[RaterVerdict]:
    """Test raters by the median time that they take for an item.

    Args:
        rater: (n,) who rated, from 0; a rating of several dimensions on one screen is one row.
        seconds: (n,) the time it took; NaN when it is not known.
        names: one per rater.
        least: seconds below which a median is rejected, the length of the shortest video, say; by default ``fraction``
            of the median of all raters' medians.
        fraction: of the median of all raters' medians, when ``least`` is not given.
        min_times: fewer known times give no statistic.

    Returns:
        One verdict per rater; the statistic is the median in seconds. ``figures``: times, panel.

    Raises:
        UsageError: when the arrays don't fit each other, or a time is negative.
    """
    who, time = np.asarray(rater), np.asarray(seconds, dtype=np.float64)
    fits = who.shape == time.shape and who.min(initial=0) >= 0 and who.max(initial=-1) < len(names)
    if not fits or bool(np.any(time < 0)):
        raise UsageError(
            "The times don't fit the raters.",
            found=f"{who.shape} raters, {time.shape} times, {len(names)} names",
            expected="one rater and one time from 0 up per rating",
        )
    known = [time[(who == number) & np.isfinite(time)] for number in range(len(names))]
    medians = {number: float(np.median(times)) for number, times in enumerate(known) if len(times) >= min_times}
    panel = float(np.median(list(medians.values()))) if medians else None
    threshold = least if least is not None else None if panel is None else fraction * panel
    verdicts = []
    for number, times in enumerate(known):
        name = show_name(names, number, "rater")
        median = medians.get(number)
        if median is None or threshold is None or panel is None:
            sentence = (
                f"{name} has {count(len(times), 'known time')}, too few to test for speeding (at least {min_times})."
            )
            verdicts.append(RaterVerdict(None, threshold, False, sentence, {"times": float(len(times))}))
            continue
        sentence = f"{name} takes {median:.1f} s for an item (median); all raters {panel:.1f} s"
        sentence += f"; rejected below {threshold:.1f} s."
        figures = {"times": float(len(times)), "panel": panel}
        verdicts.append(RaterVerdict(median, threshold, median < threshold, sentence, figures))
    return verdicts


def gold_items(
    table: OpinionTable, low: ArrayLike, high: ArrayLike, *, most: float = 0.25, min_gold: int = 1
) -> list[RaterVerdict]:
    """Test raters by items whose correct score is known: attention checks, hidden references, deliberately bad videos.

    Args:
        table: ratings of one dimension, gold items included.
        low: (items,) lowest correct score; NaN for items that are not gold.
        high: (items,) highest correct score; NaN for the same items.
        most: share of wrong scores up to which a rater is kept.
        min_gold: gold items that a rater must have rated for a verdict.

    Returns:
        One verdict per rater; the statistic is the share of wrong scores. ``figures``: gold, wrong.

    Raises:
        UsageError: when the limits don't fit the items or each other.
    """
    lower, upper = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    fits = lower.shape == upper.shape == (table.items,)
    if not fits or bool(np.any(np.isnan(lower) != np.isnan(upper))) or bool(np.any(lower > upper)):
        raise UsageError(
            "The correct scores of gold items don't fit the items.",
            found=f"{lower.shape} and {upper.shape}",
            expected=f"a lowest and a highest score, or NaN twice, for each of {table.items} items",
        )
    gold: NDArray[np.bool_] = ~np.isnan(lower)[table.item]
    correct = (table.value >= lower[table.item]) & (table.value <= upper[table.item])
    answered = table.per_rater(gold.astype(np.float64))
    wrong = table.per_rater((gold & ~correct).astype(np.float64))
    verdicts = []
    for rater in range(table.raters):
        name, figures = table.name_rater(rater), {"gold": answered[rater], "wrong": wrong[rater]}
        if answered[rater] < max(min_gold, 1):
            sentence = f"{name} rated {answered[rater]:.0f} gold items, too few to test (at least {max(min_gold, 1)})."
            verdicts.append(RaterVerdict(None, most, False, sentence, figures))
            continue
        share = float(wrong[rater] / answered[rater])
        sentence = f"{name} is wrong on {wrong[rater]:.0f} of {answered[rater]:.0f} gold items ({share:.0%})"
        verdicts.append(RaterVerdict(share, most, share > most, f"{sentence}; rejected above {most:.0%}.", figures))
    return verdicts


def _rows_of_raters(table: OpinionTable) -> list[NDArray[np.intp]]:
    """Return the rows of each rater."""
    order = np.argsort(table.rater, kind="stable")
    ends = np.searchsorted(table.rater[order], np.arange(table.raters + 1))
    return [order[start:end] for start, end in pairwise(ends)]
