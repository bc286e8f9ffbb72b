"""Is the best assignment of voices to persons the intended one?"""

from __future__ import annotations

from evalkit.metrics.binding.matrix import right_pairs
from evalkit.metrics.binding.scores import base_metric, overlap, strict

ACC_ASSIGN = base_metric(
    right_pairs,
    id="bind.acc_assign",
    title="Binding by assignment",
    summary="Share of the persons to whom the assignment with the largest sum of confidences gives their own voice.",
    range=(0.0, 1.0),
)
METRICS = (ACC_ASSIGN, strict(ACC_ASSIGN), overlap(ACC_ASSIGN))
