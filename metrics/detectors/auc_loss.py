"""How much of the AUC a detector loses at other qualities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evalkit.metrics.base import MetricRecord
from evalkit.metrics.detectors.cells import Cell, cells_of
from evalkit.metrics.detectors.family import BLIND, INTERVAL
from evalkit.metrics.detectors.numbers import DetectorMetric, Statistic
from evalkit.metrics.detectors.videos import DETECTION, ScoredSet
from evalkit.statistics.arrays import Index, Vector
from evalkit.statistics.detection import ScoredVideos, roc_auc


def _prepared(labels: Vector, scores: Vector) -> Statistic:
    videos = ScoredVideos(labels, scores)
    return lambda weights: roc_auc(videos.curves(weights))


class AucLoss(DetectorMetric):
    """AUC at the base quality minus that at the others, the mean over generators and over those qualities."""

    def _cells(self, table: ScoredSet, used: Index) -> Sequence[Cell]:
        return cells_of(table, used)

    def _fault(self, table: ScoredSet) -> str | None:
        if not table.base:
            return "no_base_quality"
        scores = table.scores[np.isfinite(table.scores)]
        if len(scores) > 1 and np.ptp(scores) == 0:
            return "constant_scores"  # a loss of 0 would be the best of all
        levels = set(table.within)
        return None if table.base in levels and len(levels) > 1 else "one_quality_only"

    def _combine(self, table: ScoredSet, cells: Sequence[Cell], found: Sequence[Vector]) -> Vector:
        return np.asarray(np.mean(list(_losses(table, cells, found).values()), axis=0))

    def _more(self, table: ScoredSet, cells: Sequence[Cell], found: Sequence[Vector]) -> dict[str, float]:
        return {f"loss at {level}": float(loss[0]) for level, loss in _losses(table, cells, found).items()}


def _losses(table: ScoredSet, cells: Sequence[Cell], found: Sequence[Vector]) -> dict[str, Vector]:
    """Return the loss at every quality but the base, a number per draw."""
    by_level: dict[str, list[Vector]] = {}
    for cell, values in zip(cells, found, strict=True):
        by_level.setdefault(cell.within, []).append(values)
    means = {level: np.mean(values, axis=0) for level, values in by_level.items()}
    return {level: means[table.base] - values for level, values in means.items() if level != table.base}


METRICS = (
    AucLoss(
        MetricRecord(
            id="det.auc_loss",
            title="AUC lost by quality",
            summary="AUC at the base quality minus that at the others, averaged over generators and qualities.",
            higher_is_better=False,
            range=(-1.0, 1.0),
            features=(DETECTION,),
            citation="Li et al., Celeb-DF++, 2025 (protocol GFQ)",
            blind_to=f"{BLIND[:-1]}; a detector that is bad at every quality loses nothing.",
            missing_policy="a video without a score is left out; coverage says how many; unscored where all scores are "
            "the same",
            notes="Real and fake videos are compared at the same quality only.",
            definition="For each quality the mean over generators of the AUC of its fakes against the real videos of "
            "the same quality; that of the challenge's `detection.base` minus each other one; their mean. A negative "
            f"number is a gain. {INTERVAL}",
        ),
        _prepared,
    ),
)
