"""By how much the own voice fits better."""

from __future__ import annotations

from evalkit.metrics.binding.matrix import margins
from evalkit.metrics.binding.scores import base_metric, overlap

MARGIN = base_metric(
    margins,
    id="bind.margin",
    title="Binding margin",
    summary="Confidence of a person's lips with their own voice less that with the best other; mean over persons.",
    notes="Compare clips of equal length only: confidence depends on it.",
)
METRICS = (MARGIN, overlap(MARGIN))
