"""Whether probabilities of being fake are right: Brier score, calibration error, reliability curve.

Sources: Brier 1950, "Verification of forecasts expressed in terms of probability"; Guo et al. 2017, "On calibration of
modern neural networks", here of the probability of one class, not of the predicted class.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evalkit.errors import InputError
from evalkit.statistics.arrays import Index, Matrix, Vector
from evalkit.statistics.bootstrap import ratio

BINS = 15


@dataclass(frozen=True)
class Reliability:
    """The bins of a reliability diagram that have videos, by rising probability.

    Args:
        counts: (bins,) weight of the videos.
        probability: (bins,) mean probability of being fake.
        share: (bins,) share of fakes.
    """

    counts: Vector
    probability: Vector
    share: Vector


class Forecasts:
    """Labels and probabilities, with the bin of each.

    Args:
        labels: (n,) 1 for a fake, 0 for a real.
        probabilities: (n,) of being fake, 0..1.
        bins: equally wide ones; a probability on an edge belongs to the bin above, and 1 to the last.

    Raises:
        InputError: for arrays of unequal length, and for probabilities outside of 0..1.
    """

    def __init__(self, labels: ArrayLike, probabilities: ArrayLike, *, bins: int = BINS) -> None:
        self.labels = np.asarray(labels, dtype=np.float64)
        self.probabilities = np.asarray(probabilities, dtype=np.float64)
        if self.labels.ndim != 1 or self.labels.shape != self.probabilities.shape:
            shapes = f"{self.labels.shape} and {self.probabilities.shape}"
            raise InputError("Labels and probabilities must have one length.", found=shapes)
        if not ((self.probabilities >= 0) & (self.probabilities <= 1)).all():
            raise InputError("A probability is from 0 to 1.")
        self.bins = bins
        self._bin: Index = np.minimum(np.floor(self.probabilities * bins), bins - 1).astype(np.int64)
        self._members = np.zeros((len(self.labels), bins))
        self._members[np.arange(len(self.labels)), self._bin] = 1.0

    def brier(self, weights: ArrayLike | None = None) -> Vector:
        """Return the mean squared difference of probability and label (draws,), 0..1."""
        weight = self._weights(weights)
        return ratio(weight @ (self.probabilities - self.labels) ** 2, weight.sum(axis=1))

    def calibration_error(self, weights: ArrayLike | None = None) -> Vector:
        """Return the mean over videos of how far their bin's share of fakes is from its mean probability (draws,)."""
        weight = self._weights(weights)
        apart = np.abs((weight * (self.labels - self.probabilities)) @ self._members).sum(axis=1)
        return ratio(apart, weight.sum(axis=1))

    def reliability(self) -> Reliability:
        """Return the reliability diagram."""
        counts = self._members.sum(axis=0)
        there = counts > 0
        mean = self.probabilities @ self._members
        share = self.labels @ self._members
        return Reliability(counts[there], mean[there] / counts[there], share[there] / counts[there])

    def _weights(self, weights: ArrayLike | None) -> Matrix:
        n = len(self.labels)
        return np.ones((1, n)) if weights is None else np.atleast_2d(np.asarray(weights, dtype=np.float64))
