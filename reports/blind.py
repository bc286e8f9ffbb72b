"""What each metric can't see: pages say it beside the metric."""

from __future__ import annotations

from collections.abc import Iterable

from evalkit.errors import EvalkitError
from evalkit.metrics.base import metric_registry, resolve_metric

OWN_AUDIO = "The file's own audio"  # how the words of metrics begin that hear the test set's speech in its place


def cannot_see(metric: str) -> str:
    """Return what may be wrong with a video that scores well; empty for a metric that is not installed here."""
    try:
        registry = metric_registry()
        return registry[resolve_metric(metric, registry)].record.blind_to
    except EvalkitError:
        return ""


def deaf_metrics(metrics: Iterable[str]) -> list[str]:
    """Return the metrics that never hear the file's own audio."""
    return [metric for metric in metrics if cannot_see(metric).startswith(OWN_AUDIO)]
