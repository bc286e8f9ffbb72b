"""Equal error rate of a detector, interpolated."""

from __future__ import annotations

from evalkit.metrics.detectors.family import family
from evalkit.metrics.detectors.numbers import Statistic
from evalkit.statistics.arrays import Vector
from evalkit.statistics.detection import ScoredVideos, equal_error_rate


def _prepared(labels: Vector, scores: Vector) -> Statistic:
    videos = ScoredVideos(labels, scores)
    return lambda weights: equal_error_rate(videos.curves(weights))


METRICS = family(
    _prepared,
    id="det.eer",
    title="EER",
    summary="The share of errors at the threshold at which as many fakes are missed as reals are flagged.",
    higher_is_better=False,
    citation="Martin et al. 1997, The DET curve in assessment of detection task performance",
    definition="Where the share of missed fakes equals the share of flagged reals, on straight lines between the "
    "points of the ROC curve, one point for each distinct score.",
)
