"""Equal error rate of a detector as DeepfakeBench computes it."""

from __future__ import annotations

from evalkit.metrics.detectors.family import family
from evalkit.metrics.detectors.numbers import Statistic
from evalkit.statistics.arrays import Vector
from evalkit.statistics.detection import ScoredVideos, nearest_error_rate


def _prepared(labels: Vector, scores: Vector) -> Statistic:
    videos = ScoredVideos(labels, scores)
    return lambda weights: nearest_error_rate(videos.curves(weights))


METRICS = family(
    _prepared,
    id="det.eer_dfb",
    title="EER (DeepfakeBench)",
    summary="The share of flagged reals at the point of the ROC curve whose share of missed fakes is nearest to it.",
    higher_is_better=False,
    citation="Yan et al., DeepfakeBench, NeurIPS 2023 (public code)",
    notes="Not interpolated: below or above det.eer by up to a step of the curve, which is 1 / reals. The misses at "
    "that point don't show in it.",
    definition="The points are those of scikit-learn's `roc_curve` with its default of leaving out a point in the "
    "middle of two equal steps. Of the points with the smallest difference of both shares the first, at the highest "
    "threshold, counts; its share of flagged reals is the number.",
)
