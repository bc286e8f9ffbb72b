"""The four ids of each number: pooled or the mean over generators, failures left out or counted as the worst score."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from evalkit.metrics.base import MetricRecord
from evalkit.metrics.detectors.numbers import MACRO, DetectorMetric, MacroNumber, NotesOf, PooledNumber, Prepare
from evalkit.metrics.detectors.videos import DETECTION

BLIND = "Why a video is taken for a fake, and generators, people and qualities that the test set lacks."
INTERVAL = (
    "Interval: 2000 draws of as many people as there are, with all their videos; where drivers are named, drawn by "
    "driver too, and the wider one is given."
)
_MACRO = (
    "The mean over generators of {id}: the fakes of each against the real videos of the same detector and of what the "
    "challenge's `detection.within` names."
)
_STRICT = "As {id}, a video without a score counted with the worst one: a fake as surely real, a real as surely fake."


def family(
    prepare: Prepare,
    *,
    probability: bool = False,
    notes_of: NotesOf | None = None,
    **fields: Any,
) -> tuple[DetectorMetric, ...]:
    """Return the metrics of one number: pooled, ``.macro``, and of each ``.strict``.

    Args:
        prepare: the statistic.
        probability: whether it is of the team's probabilities.
        notes_of: what a reader should know, by the videos that are compared.
        fields: those of `MetricRecord`, of the pooled number.
    """
    plain = MetricRecord(
        **{
            "features": (DETECTION,),
            "range": (0.0, 1.0),
            "blind_to": BLIND,
            "missing_policy": "a video without a score is left out; coverage says how many",
            **fields,
            "definition": f"{fields['definition']}\n\n{INTERVAL}",
        }
    )
    macro = replace(
        plain,
        id=f"{plain.id}.macro",
        title=f"{plain.title}{MACRO}",
        summary=_MACRO.format(id=plain.id),
        definition=f"As `{plain.id}` for each generator, then the unweighted mean. {INTERVAL}",
    )
    made: list[DetectorMetric] = []
    for record, kind in ((plain, PooledNumber), (macro, MacroNumber)):
        strict = replace(
            record,
            id=f"{record.id}.strict",
            title=f"{record.title}, failures count",
            summary=_STRICT.format(id=record.id),
            missing_policy="strict: the worst score for the true label",
            definition=f"As `{record.id}`, of all videos of the test set: where there is no score, a fake has the "
            "lowest and a real video the highest one there could be.",
        )
        for one, counts in ((record, False), (strict, True)):
            made.append(kind(one, prepare, strict=counts, probability=probability, notes_of=notes_of))
    return tuple(made)
