"""What each metric can't see or hear, as pages say it beside the metric."""

from __future__ import annotations

from collections.abc import Iterable

from evalkit.errors import UsageError
from evalkit.metrics.base import MetricRecord, metric_registry, resolve_metric


def cannot_see(metric: str) -> str:
    """Return what may be wrong with a video that scores well; empty for a metric that is not installed here."""
    record = _record(metric)
    return record.blind_to if record is not None else ""


def ignoring_own_audio(metrics: Iterable[str]) -> list[str]:
    """Return the metrics that never hear the file's own audio."""
    return [metric for metric in metrics if (record := _record(metric)) is not None and record.ignores_own_audio]


def _record(metric: str) -> MetricRecord | None:
    registry = metric_registry()
    try:
        return registry[resolve_metric(metric, registry)].record
    except UsageError:  # a scorecard may come from a machine with other plugins
        return None
