"""How much the correlation with the partner's motion differs from the true one (rPCC)."""

from __future__ import annotations

from evalkit.metrics.base import VideoValue, unscored
from evalkit.metrics.dual.arithmetic import difference_of_correlations
from evalkit.metrics.dual.parts import Part, for_each_part, is_constant
from evalkit.metrics.dual.sequences import Sequences

SIDES = ("prediction", "truth", "partner")


def of_rows(sequences: Sequences, part: Part) -> VideoValue | float:
    """Difference of the correlation with the partner from the true one.

    `|corr(truth, partner) - corr(prediction, partner)|`. Each sequence (frames, numbers) is written as one row, frame
    after frame, and Pearson's coefficient is taken of two rows. A file in which one of the three has the same number
    everywhere has no value.
    """
    still = [side for side in SIDES if is_constant(getattr(sequences, side))]
    if still:
        return unscored("constant_sequence", f"nothing correlates with a constant: {', '.join(still)} ({part.part})")
    return difference_of_correlations(sequences)


METRICS = for_each_part(
    of_rows,
    id="dual.rpcc",
    title="rPCC",
    factors=(100, 10, 10),
    higher_is_better=False,
    range_of=lambda _: (0.0, 2.0),
    blind_to="Most of the motion: one row of all numbers correlates by the offsets between the numbers.",
)
