"""How far the means of groups lie apart, and whether chance explains it.

The groups are those of an attribute, such as a gender or an age. The test is a permutation test (Fisher 1935; Phipson
and Smyth 2010 for the ``+ 1``) whose labels are shuffled over identities: several videos of one person are no
independent evidence about a group. Several tests are corrected by Holm (1979). See docs/definitions/fairness.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evalkit.errors import InputError
from evalkit.statistics import PERMUTATIONS
from evalkit.statistics.arrays import Index, Matrix, Vector
from evalkit.statistics.bootstrap import block_sizes

_ROUNDING = 1e-12  # of the largest value: gaps that differ by less are equal


@dataclass(frozen=True)
class Gap:
    """The means of groups in one number each.

    Args:
        worst, best: places of the groups with the worst and the best mean; the first of equal ones.
        gap: best minus worst, in the direction of the measure, at least 0.
        ratio: between 0 and 1: the lower of the two means over the higher one; ``None`` where a mean is not positive.
        macro: mean of the means, every group counting the same.
    """

    worst: int
    best: int
    gap: float
    ratio: float | None
    macro: float


def gap_of_means(means: ArrayLike, *, higher_is_better: bool = True) -> Gap:
    """Return worst, gap, ratio and macro mean of at least one group's mean.

    Args:
        means: (g,) finite.
        higher_is_better: the direction of the measure.

    Raises:
        InputError: without a mean, or with one that is not finite.
    """
    values = np.asarray(means, dtype=np.float64)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise InputError("A gap between groups needs a finite mean of each.")
    low, high = int(values.argmin()), int(values.argmax())
    worst, best = (low, high) if higher_is_better else (high, low)
    positive = bool((values > 0).all())
    return Gap(
        worst=worst,
        best=best,
        gap=float(values[high] - values[low]),
        ratio=float(values[low] / values[high]) if positive else None,
        macro=float(values.mean()),
    )


def group_medians(labels: Index, values: Matrix, groups: int) -> Matrix:
    """Return the medians (draws, groups, tests) of ``values`` (n, tests) under labels (draws, n); NaN where none is."""
    out = np.full((len(labels), groups, values.shape[1]), np.nan)
    for group in range(groups):
        chosen = np.where((labels == group)[:, :, None], values[None], np.nan)
        ordered = np.sort(chosen, axis=1)  # NaN last
        number = np.isfinite(chosen).sum(axis=1)
        low, high = (np.maximum(place, 0)[:, None] for place in ((number - 1) // 2, number // 2))
        ends = [
            np.take_along_axis(ordered, np.minimum(place, values.shape[0] - 1), axis=1)[:, 0] for place in (low, high)
        ]
        out[:, group] = (ends[0] + ends[1]) / 2
    return out


class LabelShuffles:
    """Shuffles of the labels of one attribute over identities, the same for every measure that is tested.

    An identity whose videos all have one label exchanges it with other such identities. Where an identity has videos
    of several labels (a language, say), these are shuffled among its own videos: the person is the same on both sides.

    Args:
        label: (n,) the group of each video, from 0.
        identity: (n,) the person of each video, from 0.
        draws: shuffles; the smallest p-value is 1 / (1 + draws).
        seed: the same seed gives the same shuffles.

    Raises:
        InputError: arrays of different lengths, or without a video.
    """

    def __init__(self, label: Index, identity: Index, *, draws: int = PERMUTATIONS, seed: int = 0) -> None:
        if label.ndim != 1 or label.shape != identity.shape or not len(label):
            raise InputError("Every video needs a label and an identity.")
        self._groups = int(label.max()) + 1
        self._draws, self._seed = draws, seed
        several = np.zeros(int(identity.max()) + 1, dtype=bool)
        for one in np.unique(identity):
            several[one] = len(np.unique(label[identity == one])) > 1
        # A unit carries one label: an identity, or a single video of an identity with several labels.
        mixed = several[identity]
        code = np.where(mixed, len(several) + np.arange(len(label)), identity)
        _, first, self._unit = np.unique(code, return_index=True, return_inverse=True)
        stratum = np.where(mixed[first], 1 + identity[first], 0)
        self._order = np.argsort(stratum, kind="stable")
        self._stratum = stratum[self._order].astype(np.float64)
        self._label = label[first][self._order]
        self._video_label = label
        self._by_unit = np.argsort(self._unit, kind="stable")  # the videos, those of one unit side by side
        self._starts = np.searchsorted(self._unit[self._by_unit], np.arange(len(self._label)))

    @property
    def changeable(self) -> bool:
        """Whether any shuffle differs from the labels as they are."""
        return any(len(np.unique(self._label[self._stratum == one])) > 1 for one in np.unique(self._stratum))

    def p_values(self, values: Matrix, *, medians: bool = False) -> Vector:
        """Return the p-value of the gap of each measure: (1 + shuffles with at least this gap) / (1 + shuffles).

        Args:
            values: (n, tests), NaN for a video without a value; its label is shuffled all the same.
            medians: whether a group's number is its median, not its mean.
        """
        tolerance = _ROUNDING * np.nanmax(np.abs(values), axis=0, initial=0.0)
        hits = np.zeros(values.shape[1])
        rng = np.random.default_rng(self._seed)
        units = len(self._label)
        if medians:
            observed = _spread(group_medians(self._video_label[None], values, self._groups))[0]
        else:
            totals = self._totals(values)
            own = np.empty(units, dtype=np.int64)
            own[self._order] = self._label
            observed = _spread(self._means(own[None], totals))[0]
        width = max(units, len(values) * values.shape[1] if medians else self._groups * values.shape[1])
        for count in block_sizes(self._draws, width):
            keys = self._stratum + rng.random((count, units))
            labels = np.empty((count, units), dtype=np.int64)
            labels[:, self._order] = self._label[np.argsort(keys, axis=1)]
            found = (
                group_medians(labels[:, self._unit], values, self._groups) if medians else self._means(labels, totals)
            )
            hits += (_spread(found) >= observed - tolerance).sum(axis=0)
        return np.asarray((1.0 + hits) / (1.0 + self._draws))

    def _totals(self, values: Matrix) -> _Totals:
        known = np.isfinite(values)
        patterns, which = np.unique(known, axis=1, return_inverse=True)
        sums, counts = (
            np.add.reduceat(rows[self._by_unit], self._starts, axis=0)
            for rows in (np.where(known, values, 0.0), patterns.astype(np.float64))
        )
        return _Totals(np.hstack([sums, counts]), sums.shape[1], which.reshape(-1))

    def _means(self, labels: Index, totals: _Totals) -> Matrix:
        """Return the groups' means (draws, groups, tests) under labels (draws, units).

        A sparse matrix says which units each group has in each draw: one product for all groups, whatever their number.
        What the largest group has is what the others leave of all.
        """
        from scipy.sparse import csr_array

        draws, tests = len(labels), totals.tests
        last = int(np.bincount(self._label, minlength=self._groups).argmax())
        draw, unit = np.nonzero(labels != last)
        row = draw * self._groups + labels[draw, unit]
        chosen = csr_array((np.ones(len(row)), (row, unit)), shape=(draws * self._groups, labels.shape[1]))
        parts = np.asarray(chosen @ totals.of_units).reshape(draws, self._groups, -1)
        parts[:, last] = totals.of_units.sum(axis=0) - parts.sum(axis=1)
        number = parts[:, :, tests:][:, :, totals.which]
        out = np.full((draws, self._groups, tests), np.nan)
        np.divide(parts[:, :, :tests], number, out=out, where=number > 0)
        return out


@dataclass(frozen=True)
class _Totals:
    """Sums and numbers of values, by unit.

    Args:
        of_units: (units, tests + patterns) sums of each test's values, then how many values there are. Tests that lack
            the same videos share their numbers.
        tests: how many.
        which: (tests,) the pattern of each.
    """

    of_units: Matrix
    tests: int
    which: Index


def _spread(means: Matrix) -> Matrix:
    """Return the largest minus the smallest mean over groups (draws, tests); groups without a value don't count."""
    known = np.isfinite(means)
    high = np.where(known, means, -np.inf).max(axis=1)
    low = np.where(known, means, np.inf).min(axis=1)
    return np.where(known.any(axis=1), high - low, 0.0)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p-values: below alpha are those that are significant with a family-wise error of alpha."""
    order = sorted(range(len(p_values)), key=lambda at: p_values[at])
    adjusted = [1.0] * len(p_values)
    largest = 0.0
    for rank, at in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[at]))
        adjusted[at] = largest
    return adjusted
