"""From values per video to one number with its uncertainty.

How the values become one number is a property of the metric (`MetricRecord.aggregate`). It is done here alone: scoring,
the board's check of a scorecard, numbers of groups and bootstrap intervals use the same function.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from evalkit.errors import PluginError
from evalkit.metrics.base import (
    Aggregate,
    Metric,
    MetricRecord,
    SetMetric,
    SetValue,
    VideoValue,
    is_not_applicable,
    metric_registry,
)
from evalkit.scoring.scorecard import MetricScore, Scorecard, ScoreEvent, VideoScore
from evalkit.statistics import BOOTSTRAP_DRAWS
from evalkit.statistics.arrays import Matrix, Vector
from evalkit.statistics.bootstrap import percentile_bootstrap

CONFIDENCE = 0.95
SAME_NUMBER = 1e-6  # relative: a number that differs more from that of its videos does not follow from them


def combine(values: Sequence[float] | Vector, aggregate: Aggregate | None) -> float:
    """Return one number of the values of at least one video; the median of an even number is between the middle two."""
    return float(_statistic(aggregate)(np.asarray(values, dtype=np.float64)[None])[0])


def spread_details(values: Sequence[float] | Vector, aggregate: Aggregate | None) -> dict[str, float]:
    """Return what a median does not say: the commonest value (``mode``) and the share of videos that have it.

    Of equally common values the mode is the one nearest to the median; of two equally near ones, the smaller.
    """
    if aggregate != "median" or not len(values):
        return {}
    median = combine(values, aggregate)
    counts = Counter(float(value) for value in values)
    mode = min(counts, key=lambda value: (-counts[value], abs(value - median), value))
    return {"mode": mode, "share_at_mode": counts[mode] / len(values)}


def _statistic(aggregate: Aggregate | None) -> Callable[[Matrix], Vector]:
    """Return the function from values (draws, videos) to (draws,)."""
    return _row_medians if aggregate == "median" else _row_means


def _row_means(values: Matrix) -> Vector:
    return np.asarray(values.mean(axis=1))


def _row_medians(values: Matrix) -> Vector:
    return np.asarray(np.median(values, axis=1))


def score_of_videos(metric: Metric, outcomes: Mapping[str, VideoValue]) -> MetricScore:
    """Return the aggregate over the scored videos.

    Args:
        metric: whose number.
        outcomes: sample -> the metric's result for it, for every sample of the test set.
    """
    record = metric.record
    values = {sample: outcome.value for sample, outcome in outcomes.items()}
    reasons = [outcome.reason for outcome in outcomes.values() if outcome.reason]
    score = unavailable(record.id, "no_video", record)
    return score.model_copy(update=_over_videos(record.id, score, values, reasons))


def score_again(name: str, score: MetricScore, videos: Sequence[VideoScore], *, interval: bool = True) -> MetricScore:
    """Return what `score_of_videos` gives for ``videos``, a part of those that ``score`` follows from.

    A metric that had no value keeps the reason. The interval takes nearly all of the time: without ``interval`` there
    is none.
    """
    values = {video.sample: video.values.get(name) for video in videos}
    reasons = [video.reasons[name] for video in videos if video.values.get(name) is None and name in video.reasons]
    found = _over_videos(name, score, values, reasons, interval=interval)
    return score.model_copy(update=found | ({"reason": score.reason} if score.value is None else {}))


def follows_from_videos(card: Scorecard, name: str) -> bool:
    """Whether the number of a metric is the mean or median over its videos, so that `score_again` may compute it.

    Numbers of the whole set are not, also where videos have values of the metric. A number without a value is.
    """
    score = card.metrics[name]
    if score.value is None:
        return True
    values = [value for video in card.videos if (value := video.values.get(name)) is not None]
    try:
        of_the_set = isinstance(metric_registry().get(name), SetMetric)
    except PluginError:  # nothing is known of it here
        of_the_set = False
    if of_the_set or not values:
        return False
    return math.isclose(combine(values, score.aggregate), score.value, rel_tol=SAME_NUMBER, abs_tol=SAME_NUMBER)


def _over_videos(
    name: str,
    score: MetricScore,
    outcomes: Mapping[str, float | None],
    reasons: Iterable[str],
    *,
    interval: bool = True,
) -> dict[str, Any]:
    """Return the fields of a `MetricScore` that follow from the values of the videos."""
    values = {sample: value for sample, value in outcomes.items() if value is not None}
    counted = Counter(reasons)
    outside = sum(count for reason, count in counted.items() if is_not_applicable(reason))
    asked = len(outcomes) - outside
    gaps = Counter({reason: count for reason, count in counted.items() if not asked or not is_not_applicable(reason)})
    numbers = np.array(list(values.values()), dtype=np.float64)
    # Best and worst by value, ties to the sample that comes first; a diagnostic's "best" is its highest.
    ascending = sorted(values, key=lambda sample: values[sample])
    descending = sorted(values, key=lambda sample: -values[sample])
    best, worst = (ascending, descending) if score.higher_is_better is False else (descending, ascending)
    return {
        "value": combine(numbers, score.aggregate) if values else None,
        "n": len(values),
        "coverage": len(values) / asked if asked else 0.0,
        "not_applicable": outside,
        "reason": None if values else _commonest(gaps) or "no_video",
        "ci95": bootstrap_interval(numbers, name, score.aggregate) if interval else None,
        "details": spread_details(numbers, "median") if score.aggregate == "median" else score.details,
        "best_sample": best[0] if best else None,
        "worst_sample": worst[0] if worst else None,
    }


def set_score(record: MetricRecord, summary: SetValue, asked: int, not_applicable: int = 0) -> MetricScore:
    """Return the number of the whole set.

    Args:
        record: whose number.
        summary: the number.
        asked: number of samples that the metric is applicable to.
        not_applicable: number of the others.
    """
    counted = 0 if summary.value is None else summary.n
    return MetricScore(
        value=summary.value,
        ci95=summary.ci95 if summary.value is not None else None,
        unit=record.unit,
        higher_is_better=record.higher_is_better,
        n=counted,
        coverage=counted / asked if asked else 0.0,
        not_applicable=not_applicable,
        reason=summary.reason,
        protocol=record.protocol,
        title=record.title,
        range=record.range,
        role=record.role,
        aggregate=None,
        details=dict(summary.details),
        notes=tuple(ScoreEvent(kind=note.kind, detail=note.detail) for note in summary.notes),
    )


def unavailable(name: str, reason: str, record: object = None) -> MetricScore:
    """Return the entry of a metric that was asked for and can't be computed here."""
    title = getattr(record, "title", name)
    return MetricScore(
        value=None,
        unit=getattr(record, "unit", ""),
        higher_is_better=getattr(record, "higher_is_better", None),
        n=0,
        coverage=0.0,
        reason=reason,
        protocol=getattr(record, "protocol", 0),
        title=title,
        range=getattr(record, "range", (None, None)),
        role=getattr(record, "role", "ranked"),
        aggregate=getattr(record, "aggregate", "mean"),
    )


def bootstrap_interval(values: Vector, name: str, aggregate: Aggregate | None = "mean") -> tuple[float, float] | None:
    """Return the 95 % percentile-bootstrap interval of the aggregate over videos; ``None`` for fewer than two.

    Seeded by the metric's name, so that the same values give the same interval on every run.
    """
    if len(values) < 2:
        return None
    if np.ptp(values) == 0:
        middle = combine(values, aggregate)  # what is reported as the value, to the last bit
        return middle, middle
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    rng = np.random.default_rng(seed)
    return percentile_bootstrap(values, _statistic(aggregate), rng, draws=BOOTSTRAP_DRAWS, level=CONFIDENCE)


def _commonest(reasons: Counter[str]) -> str | None:
    return min(reasons, key=lambda reason: (-reasons[reason], reason)) if reasons else None
