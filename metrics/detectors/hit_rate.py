"""Share of fakes that a detector finds at a fixed share of false alarms."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from evalkit.metrics.base import Event
from evalkit.metrics.detectors.cells import Cell
from evalkit.metrics.detectors.family import family
from evalkit.metrics.detectors.numbers import DetectorMetric, Statistic
from evalkit.statistics.arrays import Vector
from evalkit.statistics.detection import ScoredVideos, hit_rate_at


def _prepared(rate: float, labels: Vector, scores: Vector) -> Statistic:
    videos = ScoredVideos(labels, scores)
    return lambda weights: hit_rate_at(videos.curves(weights), rate)


def _few_reals(rate: float, cells: Sequence[Cell]) -> tuple[Event, ...]:
    few = min(cell.reals for cell in cells)
    if few * rate >= 1:
        return ()
    return (
        Event(
            "too_few_reals",
            f"{few} real videos can't show {rate * 100:g} % of false alarms, which needs {round(1 / rate)}: this is "
            "the share of fakes found without any false alarm.",
        ),
    )


def _at(rate: float, name: str, title: str) -> tuple[DetectorMetric, ...]:
    percent = f"{rate * 100:g} %"
    return family(
        partial(_prepared, rate),
        notes_of=partial(_few_reals, rate),
        id=name,
        title=title,
        summary=f"The share of fakes that are found when at most {percent} of the real videos are flagged.",
        higher_is_better=True,
        citation="Fawcett 2006, An introduction to ROC analysis",
        notes=f"Undefined with fewer than {round(1 / rate)} real videos: then the number is the share of fakes found "
        "without any false alarm, and a note says so.",
        definition=f"The largest share of fakes at a threshold at which at most {percent} of the real videos have that "
        "score or more. Nothing is interpolated.",
    )


METRICS = (
    *_at(0.01, "det.tpr_at_1", "TPR at 1 % FPR"),
    *_at(0.001, "det.tpr_at_01", "TPR at 0.1 % FPR"),
)
