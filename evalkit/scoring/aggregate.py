"""From values per video to one number with its uncertainty."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping

import numpy as np

from evalkit.metrics.base import Metric, MetricRecord, SetValue, VideoValue
from evalkit.scoring.scorecard import MetricScore, ScoreEvent
from evalkit.statistics import BOOTSTRAP_DRAWS
from evalkit.statistics.bootstrap import mean_interval

CONFIDENCE = 0.95


def mean_score(metric: Metric, outcomes: Mapping[str, VideoValue]) -> MetricScore:
    """Return the mean over the scored videos.

    Args:
        metric: whose number.
        outcomes: sample -> the metric's result for it, for every sample of the test set.
    """
    values = {sample: outcome.value for sample, outcome in outcomes.items() if outcome.value is not None}
    numbers = np.array(list(values.values()), dtype=np.float64)
    reasons = Counter(outcome.reason for outcome in outcomes.values() if outcome.reason)
    # Best and worst by value, ties to the sample that comes first; a diagnostic's "best" is its highest.
    ascending = sorted(values, key=lambda sample: values[sample])
    descending = sorted(values, key=lambda sample: -values[sample])
    higher = metric.record.higher_is_better is not False
    best, worst = (descending, ascending) if higher else (ascending, descending)
    return set_score(
        metric.record,
        SetValue(
            value=float(numbers.mean()) if values else None,
            n=len(values),
            reason=None if values else _commonest(reasons) or "no_video",
            ci95=bootstrap_mean(numbers, metric.record.id),
        ),
        len(outcomes),
    ).model_copy(update={"best_sample": best[0] if best else None, "worst_sample": worst[0] if worst else None})


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
