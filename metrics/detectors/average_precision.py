"""Average precision of a detector."""

from __future__ import annotations

from evalkit.metrics.detectors.family import family
from evalkit.metrics.detectors.numbers import Statistic
from evalkit.statistics.arrays import Vector
from evalkit.statistics.detection import ScoredVideos, average_precision


def _prepared(labels: Vector, scores: Vector) -> Statistic:
    videos = ScoredVideos(labels, scores)
    return lambda weights: average_precision(videos.curves(weights))


METRICS = family(
    _prepared,
    id="det.ap",
    title="AP",
    summary="Average precision: the share of fakes among what is flagged, averaged over the steps of recall.",
    higher_is_better=True,
    citation="Su et al. 2015, A relationship between the average precision and the area under the ROC curve",
    notes="Depends on how many of the videos are fakes: guessing gives that share. Never compare it between test sets "
    "of other shares; where nearly all videos are fakes, every detector is near 1.",
    definition="Over the distinct scores from high to low: the sum of the gain of recall times the precision at that "
    "threshold. Nothing is interpolated.",
)
