"""Area under the ROC curve of a detector."""

from __future__ import annotations

from evalkit.metrics.detectors.family import family
from evalkit.metrics.detectors.numbers import Statistic
from evalkit.statistics.arrays import Vector
from evalkit.statistics.detection import ScoredVideos, roc_auc


def _prepared(labels: Vector, scores: Vector) -> Statistic:
    videos = ScoredVideos(labels, scores)
    return lambda weights: roc_auc(videos.curves(weights))


METRICS = family(
    _prepared,
    id="det.auc",
    title="AUC",
    summary="The chance that a fake scores above a real video, equal scores counted half.",
    higher_is_better=True,
    citation="Fawcett 2006, An introduction to ROC analysis",
    definition="Of all pairs of a fake and a real video: the share in which the fake has the higher score, and half of "
    "those in which both have the same. 0.5 is guessing.",
)
