"""Brier score of a detector's probabilities."""

from __future__ import annotations

from evalkit.metrics.detectors.family import family
from evalkit.metrics.detectors.numbers import Statistic
from evalkit.statistics.arrays import Vector
from evalkit.statistics.calibration import Forecasts

NEEDS_PROBABILITY = "Needs the column prob: a score of any other scale is no probability."


def _prepared(labels: Vector, probabilities: Vector) -> Statistic:
    return Forecasts(labels, probabilities).brier


METRICS = family(
    _prepared,
    probability=True,
    id="det.brier",
    title="Brier score",
    summary="Mean squared difference of the probability of being fake and the truth, 0 or 1.",
    higher_is_better=False,
    citation="Brier 1950, Verification of forecasts expressed in terms of probability",
    notes=NEEDS_PROBABILITY,
    definition="Mean of (probability - label)^2 over the videos. Always 0.5 gives 0.25.",
)
