"""Calibration error of a detector's probabilities."""

from __future__ import annotations

from evalkit.metrics.detectors.brier import NEEDS_PROBABILITY
from evalkit.metrics.detectors.family import family
from evalkit.metrics.detectors.numbers import Statistic
from evalkit.statistics.arrays import Vector
from evalkit.statistics.calibration import Forecasts


def _prepared(labels: Vector, probabilities: Vector) -> Statistic:
    return Forecasts(labels, probabilities).calibration_error


METRICS = family(
    _prepared,
    probability=True,
    id="det.ece15",
    title="ECE, 15 bins",
    summary="How far the share of fakes is from the stated probability, on average over videos.",
    higher_is_better=False,
    citation="Guo et al. 2017, On calibration of modern neural networks",
    notes=f"{NEEDS_PROBABILITY} Biased upwards with few videos in a bin.",
    definition="15 equally wide bins of the probability of being fake, a probability on an edge in the bin above, 1 in "
    "the last. Per bin the difference of the share of fakes and the mean probability; their mean, weighted by the "
    "videos of each.",
)
