"""How well lips fit the own voice, published beside the shares."""

from __future__ import annotations

from evalkit.metrics.binding.matrix import own_confidences
from evalkit.metrics.binding.scores import base_metric, overlap

CONF = base_metric(
    own_confidences,
    id="bind.conf",
    title="Sync-C with the own voice",
    summary="SyncNet confidence of a person's lips with their own voice; mean over persons.",
    range=(0.0, None),
    blind_to="Whether the lips fit another voice better: see bind.acc_person.",
    notes="A mouth that doesn't move has a low confidence with every voice, and may be right by accident: read shares "
    "beside this. Frames in which one voice speaks, so it is not sync.latentsync.conf.",
)
METRICS = (CONF, overlap(CONF))
