"""From values per video to one number with its uncertainty."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from evalkit.errors import PluginError
from evalkit.metrics.base import Metric, MetricRecord, SetMetric, SetValue, VideoValue, metric_registry
from evalkit.scoring.scorecard import MetricScore, Scorecard, ScoreEvent, VideoScore
from evalkit.statistics import BOOTSTRAP_DRAWS
from evalkit.statistics.bootstrap import mean_interval

CONFIDENCE = 0.95
SAME_MEAN = 1e-6  # relative: a number that differs more from the mean of its videos is not that mean


def video_mean(values: Sequence[float]) -> float | None:
    """Return the mean of a metric over videos, as scorecards, their checks and leaderboards have it."""
    return float(np.array(values, dtype=np.float64).mean()) if len(values) else None


def mean_score(metric: Metric, outcomes: Mapping[str, VideoValue]) -> MetricScore:
    """Return the mean over the scored videos.

    Args:
        metric: whose number.
        outcomes: sample -> the metric's result for it, for every sample of the test set.
    """
    record = metric.record
    values = {sample: outcome.value for sample, outcome in outcomes.items()}
    reasons = [outcome.reason for outcome in outcomes.values() if outcome.reason]
    found = _over_videos(record.id, values, reasons, higher_is_better=record.higher_is_better)
    return unavailable(record.id, "no_video", record).model_copy(update=found)


def mean_again(name: str, score: MetricScore, videos: Sequence[VideoScore]) -> MetricScore:
    """Return what `mean_score` gives for ``videos``, a part of those that ``score`` is the mean of.

    A metric that had no value keeps the reason.
    """
    values = {video.sample: video.values.get(name) for video in videos}
    reasons = [video.reasons[name] for video in videos if video.values.get(name) is None and name in video.reasons]
    found = _over_videos(name, values, reasons, higher_is_better=score.higher_is_better)
    return score.model_copy(update=found | ({"reason": score.reason} if score.value is None else {}))


def is_mean_of_videos(card: Scorecard, name: str) -> bool:
    """Whether the number of a metric is the mean over its videos, so that `mean_again` may compute it.

    Numbers of the whole set are not, also where videos have values of the metric. A number without a value is.
    """
    score = card.metrics[name]
    if score.value is None:
        return True
    values = [value for video in card.videos if (value := video.values.get(name)) is not None]
    mean = video_mean(values)
    try:
        of_the_set = isinstance(metric_registry().get(name), SetMetric)
    except PluginError:  # nothing is known of it here
        of_the_set = False
    return not of_the_set and mean is not None and math.isclose(mean, score.value, rel_tol=SAME_MEAN, abs_tol=SAME_MEAN)


def _over_videos(
    name: str, outcomes: Mapping[str, float | None], reasons: Iterable[str], *, higher_is_better: bool | None
) -> dict[str, Any]:
    """Return the fields of a `MetricScore` that follow from the values of the videos."""
    values = {sample: value for sample, value in outcomes.items() if value is not None}
    numbers = np.array(list(values.values()), dtype=np.float64)
    # Best and worst by value, ties to the sample that comes first; a diagnostic's "best" is its highest.
    ascending = sorted(values, key=lambda sample: values[sample])
    descending = sorted(values, key=lambda sample: -values[sample])
    best, worst = (ascending, descending) if higher_is_better is False else (descending, ascending)
    return {
        "value": video_mean(list(values.values())),
        "n": len(values),
        "coverage": len(values) / len(outcomes) if outcomes else 0.0,
        "reason": None if values else _commonest(Counter(reasons)) or "no_video",
        "ci95": bootstrap_mean(numbers, name),
        "best_sample": best[0] if best else None,
        "worst_sample": worst[0] if worst else None,
    }


def set_score(record: MetricRecord, summary: SetValue, asked: int) -> MetricScore:
    """Return the number of the whole set; ``asked`` is the number of samples of the test set."""
    counted = 0 if summary.value is None else summary.n
    return MetricScore(
        value=summary.value,
        ci95=summary.ci95 if summary.value is not None else None,
        unit=record.unit,
        higher_is_better=record.higher_is_better,
        n=counted,
        coverage=counted / asked if asked else 0.0,
        reason=summary.reason,
        protocol=record.protocol,
        title=record.title,
        range=record.range,
        role=record.role,
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
    )


def bootstrap_mean(values: np.ndarray[tuple[int], np.dtype[np.float64]], name: str) -> tuple[float, float] | None:
    """Return the 95 % percentile-bootstrap interval of the mean over videos; ``None`` for fewer than two.

    Seeded by the metric's name, so that the same values give the same interval on every run.
    """
    if len(values) < 2:
        return None
    if np.ptp(values) == 0:
        middle = float(values.mean())  # what is reported as the value, to the last bit
        return middle, middle
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    return mean_interval(values, np.random.default_rng(seed), draws=BOOTSTRAP_DRAWS, level=CONFIDENCE)


def _commonest(reasons: Counter[str]) -> str | None:
    return min(reasons, key=lambda reason: (-reasons[reason], reason)) if reasons else None
