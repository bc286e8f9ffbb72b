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
        observed = _spread(self._means(self._video_label[None], values, of_videos=True, medians=medians))[0]
        hits = np.zeros(values.shape[1])
        rng = np.random.default_rng(self._seed)
        units = len(self._label)
        width = max(units, len(values) * values.shape[1] if medians else self._groups * values.shape[1])
        for count in block_sizes(self._draws, width):
            keys = self._stratum + rng.random((count, units))
            labels = np.empty((count, units), dtype=np.int64)
            labels[:, self._order] = self._label[np.argsort(keys, axis=1)]
            hits += (_spread(self._means(labels, values, medians=medians)) >= observed - tolerance).sum(axis=0)
        return np.asarray((1.0 + hits) / (1.0 + self._draws))

    def _means(self, labels: Index, values: Matrix, *, of_videos: bool = False, medians: bool = False) -> Matrix:
        """Return the groups' numbers (draws, groups, tests) under labels (draws, units), or (draws, n)."""
        if medians:
            return group_medians(labels if of_videos else labels[:, self._unit], values, self._groups)
        known = np.isfinite(values)
        sums, counts = np.where(known, values, 0.0), known.astype(np.float64)
        if not of_videos:
            sums, counts = (_by_unit(part, self._unit) for part in (sums, counts))
        out = np.full((len(labels), self._groups, values.shape[1]), np.nan)
        for group in range(self._groups):
            chosen = (labels == group).astype(np.float64)
            total, number = chosen @ sums, chosen @ counts
            np.divide(total, number, out=out[:, group], where=number > 0)
        return out


def _by_unit(rows: Matrix, unit: Index) -> Matrix:
    out = np.zeros((int(unit.max()) + 1, rows.shape[1]))
    np.add.at(out, unit, rows)
    return out


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
