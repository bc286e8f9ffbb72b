"""Binding of persons on a scale on which chance is 0, so that samples of two and of three persons can be averaged."""

from __future__ import annotations

from evalkit.metrics.binding.matrix import above_chance, right_persons
from evalkit.metrics.binding.scores import base_metric, overlap, strict

NACC = base_metric(
    right_persons,
    scale=above_chance,
    id="bind.nacc",
    title="Binding above chance",
    summary="Binding of persons with guessing at 0 and no error at 1: (share - 1/K) / (1 - 1/K) for K persons.",
    range=(-1.0, 1.0),
)
METRICS = (NACC, strict(NACC), overlap(NACC))
