"""How well scores tell fakes from reals: ROC curves with weights, and the numbers that follow from them.

A label is 1 for a fake and 0 for a real video; a higher score means fake. `Curves` sorts the scores once and makes the
curves of many weightings of the same videos, which is what a bootstrap needs: a draw is a weighting.

Sources: Fawcett 2006, "An introduction to ROC analysis"; Martin et al. 1997, "The DET curve in assessment of detection
task performance"; for the second equal error rate the public code of DeepfakeBench (Yan et al., NeurIPS 2023).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalkit.errors import InputError
from evalkit.statistics.arrays import Matrix, Vector

_SLACK = 1e-9  # of a count of false alarms: 0.29 * 100 is 28.999999999999996


@dataclass(frozen=True)
class Curves:
    """ROC curves of the same videos under several weightings, a row each.

    Args:
        false_alarms: (draws, points) weight of the reals with a score of at least the point's threshold; starts at 0.
        hits: (draws, points) the same of the fakes.
        thresholds: (points,) distinct scores, descending; the first is infinite, above every score.
    """

    false_alarms: Matrix
    hits: Matrix
    thresholds: Vector

    @property
    def reals(self) -> Vector:
        """Weight of all reals (draws,)."""
        return np.asarray(self.false_alarms[:, -1])

    @property
    def fakes(self) -> Vector:
        """Weight of all fakes (draws,)."""
        return np.asarray(self.hits[:, -1])

    @property
    def false_alarm_rates(self) -> Matrix:
        """False alarms by reals (draws, points), 0..1; NaN in a draw without a real."""
        return _share(self.false_alarms, self.reals)

    @property
    def hit_rates(self) -> Matrix:
        """Hits by fakes (draws, points), 0..1; NaN in a draw without a fake."""
        return _share(self.hits, self.fakes)

    @property
    def whole(self) -> NDArray[np.bool_]:
        """Which draws have both classes (draws,)."""
        return np.asarray((self.reals > 0) & (self.fakes > 0))


class ScoredVideos:
    """Labels and scores, sorted once for any number of weightings.

    Args:
        labels: (n,) 1 for a fake, 0 for a real.
        scores: (n,) higher means fake; infinite scores are allowed, NaN is not.

    Raises:
        InputError: for arrays of unequal length, labels other than 0 and 1, or NaN.
    """

    def __init__(self, labels: ArrayLike, scores: ArrayLike) -> None:
        given = np.asarray(labels, dtype=np.float64)
        score = np.asarray(scores, dtype=np.float64)
        if given.ndim != 1 or given.shape != score.shape:
            raise InputError("Labels and scores must have one length.", found=f"{given.shape} and {score.shape}")
        if not np.isin(given, (0.0, 1.0)).all():
            raise InputError("A label is 1 for a fake and 0 for a real video.")
        if np.isnan(score).any():
            raise InputError("A score is missing.", fix="Leave such videos out, or give them the worst score.")
        self.labels, self.scores = given, score
        self._order = np.argsort(-score, kind="stable")
        ordered = score[self._order]
        # The place after the last video of each distinct score.
        self._ends = np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), len(ordered) - 1)[: len(ordered)]
        self._thresholds = np.concatenate(([np.inf], ordered[self._ends]))

    def curves(self, weights: ArrayLike | None = None) -> Curves:
        """Return the curves under ``weights`` (draws, n) or (n,), at least 0; ``None`` counts every video once."""
        n = len(self.labels)
        weight = np.ones((1, n)) if weights is None else np.atleast_2d(np.asarray(weights, dtype=np.float64))
        fakes = weight * self.labels
        return Curves(self._summed(weight - fakes), self._summed(fakes), self._thresholds)

    def _summed(self, weight: Matrix) -> Matrix:
        summed = np.cumsum(weight[:, self._order], axis=1)[:, self._ends]
        return np.concatenate((np.zeros((len(weight), 1)), summed), axis=1)


def roc_auc(curves: Curves) -> Vector:
    """Return the area under each curve (draws,), 0..1: the chance that a fake scores above a real, ties half."""
    steps = np.diff(curves.false_alarms, axis=1)
    area = (steps * (curves.hits[:, 1:] + curves.hits[:, :-1])).sum(axis=1) / 2.0
    return _lost(area, curves.reals * curves.fakes)


def equal_error_rate(curves: Curves) -> Vector:
    """Return where misses and false alarms are equally frequent (draws,), linear between the points of the curve."""
    alarm = curves.false_alarm_rates
    gap = (1.0 - curves.hit_rates) - alarm  # falls from 1 to -1
    with np.errstate(invalid="ignore"):
        after = np.maximum((gap <= 0).argmax(axis=1), 1)
    row = np.arange(len(gap))
    high, low = gap[row, after - 1], gap[row, after]
    part = high / (high - low)
    return np.asarray(alarm[row, after - 1] + part * (alarm[row, after] - alarm[row, after - 1]))


def nearest_error_rate(curves: Curves) -> Vector:
    """Return the share of false alarms at the point whose misses are nearest to it (draws,), as DeepfakeBench does.

    Nothing is interpolated, so that it is above or below `equal_error_rate` by up to a step. Points that lie in the
    middle of two equal steps are left out first, as `sklearn.metrics.roc_curve` does unless told otherwise.
    """
    return np.array([
        _nearest(alarms, hits) if alarms[-1] > 0 and hits[-1] > 0 else np.nan
        for alarms, hits in zip(curves.false_alarms, curves.hits, strict=True)
    ])  # fmt: skip


def _nearest(alarms: Vector, hits: Vector) -> float:
    """Return `nearest_error_rate` of one curve; thresholds whose videos all weigh nothing are none of its points."""
    moved = np.append(True, (np.diff(alarms) > 0) | (np.diff(hits) > 0))
    x, y = alarms[moved][1:], hits[moved][1:]
    kept = np.ones(len(x), dtype=bool)
    if len(x) > 2:
        kept[1:-1] = (np.diff(x, 2) != 0) | (np.diff(y, 2) != 0)
    rate = np.append(0.0, x[kept]) / alarms[-1]
    missed = 1.0 - np.append(0.0, y[kept]) / hits[-1]
    return float(rate[np.abs(missed - rate).argmin()])


def average_precision(curves: Curves) -> Vector:
    """Return the mean precision over the steps of recall (draws,), 0..1, not interpolated; it rises with prevalence."""
    flagged = curves.hits[:, 1:] + curves.false_alarms[:, 1:]
    precision = np.divide(curves.hits[:, 1:], flagged, out=np.zeros_like(flagged), where=flagged > 0)
    found = (np.diff(curves.hits, axis=1) * precision).sum(axis=1)
    return np.where(curves.whole, _lost(found, curves.fakes), np.nan)


def hit_rate_at(curves: Curves, rate: float) -> Vector:
    """Return the largest share of hits with at most ``rate`` false alarms (draws,), not interpolated.

    With fewer than ``1 / rate`` reals that is the share of hits without any false alarm.
    """
    allowed = rate * curves.reals[:, None] + _SLACK
    last = (curves.false_alarms <= allowed).sum(axis=1) - 1
    hits = curves.hits[np.arange(len(curves.hits)), last]
    return np.where(curves.whole, _lost(hits, curves.fakes), np.nan)


def _share(counted: Matrix, total: Vector) -> Matrix:
    return np.divide(counted, total[:, None], out=np.full_like(counted, np.nan), where=total[:, None] > 0)


def _lost(above: Vector, below: Vector) -> Vector:
    """Return the quotient; NaN where the draw has lost a class."""
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)
