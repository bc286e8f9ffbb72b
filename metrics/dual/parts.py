"""The parts of a face's motion that are measured one by one, and how a metric is declared for each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.base import ArrayMetric, Event, VideoValue, metric, unscored
from evalkit.metrics.dual.sequences import Sequences
from evalkit.metrics.quality.paired_pixels import LEAST_SHARE

Arrays = Mapping[str, NDArray[Any]]
READ = ("dual_motion", "dual_motion_reference", "dual_motion_partner")
CITATION = "Peng et al., DualTalk, CVPR 2025 (arXiv:2505.18096), as its script computes it"
MISSING = (
    "unscored where the sample has no motion of the speaker or of the partner, a file can't be read or has a number "
    "that is not finite, or less than 80 % of the true motion is compared"
)


@dataclass(frozen=True)
class Part:
    """One part of the motion.

    Args:
        part: its name in ids and features.
        numbers: how many a frame has.
        clusters: of SID.
    """

    part: str
    numbers: int
    clusters: int


EXPRESSION = Part("exp", 50, 40)
JAW = Part("jaw", 3, 10)
POSE = Part("pose", 3, 10)
PARTS = (EXPRESSION, JAW, POSE)
WORDS = {"exp": "expression", "jaw": "jaw", "pose": "head rotation"}


def for_each_part(
    function: Callable[[Sequences, Part], VideoValue | float],
    *,
    id: str,
    title: str,
    factors: tuple[int, int, int] = (1, 1, 1),
    notes: str = "",
    range_of: Callable[[Part], tuple[float | None, float | None]] = lambda _: (0.0, None),
    noticed: Callable[[Arrays, Arrays], tuple[Event, ...]] = lambda *_: (),
    **fields: Any,
) -> tuple[ArrayMetric, ...]:
    """Declare a metric of every part: ``dual.fd.exp``, ``dual.fd.jaw``, ``dual.fd.pose``.

    Args:
        function: takes the sequences of one part, cut to the shortest, and the part. Its docstring documents all.
        id: the family, as in ``dual.fd``.
        title: the part's name is added to it.
        factors: by which the papers' tables multiply the numbers of the parts.
        notes: pitfalls; the factor is added to them.
        range_of: smallest and largest value of a part.
        noticed: returns events from all parts of the prediction and of the truth.
        fields: of the `MetricRecord`.
    """

    def of_arrays(prediction: Arrays, truth: Arrays, partner: Arrays, options: Part) -> VideoValue | float:
        """Cut the sequences of the part, and compute."""
        one = options.part
        if not all(np.isfinite(side[one]).all() for side in (prediction, truth, partner)):
            return unscored("not_finite", f"a coefficient of the {WORDS[one]} is NaN or infinite")
        sequences = Sequences.cut(prediction[one], truth[one], partner[one])
        whole = min(len(truth[one]), len(partner[one]))
        compared = f"{sequences.frames} of {whole} frames of the true motion are compared"
        if sequences.frames < max(1.0, LEAST_SHARE * whole):
            return unscored("too_little_compared", f"{compared}; at least {LEAST_SHARE:.0%} must be")
        value = function(sequences, options)
        events = noticed(prediction, truth)
        if sequences.frames < whole - 1:
            events = (*events, Event("shorter_than_reference", compared))
        if not events:
            return value
        value = value if isinstance(value, VideoValue) else VideoValue(value)
        return replace(value, events=(*value.events, *events))

    of_arrays.__doc__ = function.__doc__
    return tuple(
        metric(
            id=f"{id}.{part.part}",
            title=f"{title}, {WORDS[part.part]}",
            features=READ,
            citation=CITATION,
            range=range_of(part),
            missing_policy=MISSING,
            notes=" ".join(filter(None, (notes, _factor_note(factor)))),
            options=part,
            **fields,
        )(of_arrays)
        for part, factor in zip(PARTS, factors, strict=True)
    )


def _factor_note(factor: int) -> str:
    return f"The papers' tables print {factor} times this number." if factor != 1 else ""


def is_constant(sequence: NDArray[Any]) -> bool:
    """Whether a sequence has the same number everywhere."""
    return float(np.ptp(sequence)) == 0.0
