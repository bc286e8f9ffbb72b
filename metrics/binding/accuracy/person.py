"""Does everybody's mouth follow their own voice?"""

from __future__ import annotations

from evalkit.metrics.binding.matrix import right_persons
from evalkit.metrics.binding.scores import base_metric, overlap, strict

ACC_PERSON = base_metric(
    right_persons,
    id="bind.acc_person",
    title="Binding of persons",
    summary="Share of the persons whose lips fit their own voice better than any other voice of the sample.",
    range=(0.0, 1.0),
)
METRICS = (ACC_PERSON, strict(ACC_PERSON), overlap(ACC_PERSON))
