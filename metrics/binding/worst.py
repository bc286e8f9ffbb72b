"""The person whose own voice fits worst."""

from __future__ import annotations

from evalkit.metrics.binding.matrix import margins
from evalkit.metrics.binding.scores import base_metric, overlap

WORST = base_metric(
    margins,
    total=min,
    id="bind.worst",
    title="Worst binding margin",
    summary="The smallest margin of a person of the video: below 0, some lips fit another's voice better.",
    notes="Compare clips of equal length only: confidence depends on it.",
)
METRICS = (WORST, overlap(WORST))
