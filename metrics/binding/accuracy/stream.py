"""Does every voice have its own mouth?"""

from __future__ import annotations

from evalkit.metrics.binding.matrix import right_streams
from evalkit.metrics.binding.scores import base_metric, overlap, strict

ACC_STREAM = base_metric(
    right_streams,
    id="bind.acc_stream",
    title="Binding of voices",
    summary="Share of the voices that fit the lips of their own person better than anybody else's.",
    range=(0.0, 1.0),
)
METRICS = (ACC_STREAM, strict(ACC_STREAM), overlap(ACC_STREAM))
