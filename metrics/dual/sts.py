"""How the steps from frame to frame differ from the true ones (STS)."""

from __future__ import annotations

from evalkit.metrics.base import VideoValue, unscored
from evalkit.metrics.dual.arithmetic import step_difference
from evalkit.metrics.dual.parts import Part, for_each_part
from evalkit.metrics.dual.sequences import Sequences


def of_steps(sequences: Sequences, part: Part) -> VideoValue | float:
    """Root of the sum, over steps and numbers, of the squared difference of the steps from the true ones, over 0.1 s.

    A sum over one file, so longer files have larger values; 0.1 is the authors' constant, not the time of a frame.
    """
    if sequences.frames < 2:
        return unscored("too_few_frames", "a step needs two frames")
    return step_difference(sequences)


METRICS = for_each_part(
    of_steps,
    id="dual.sts",
    title="STS",
    higher_is_better=False,
    blind_to="Slow drift away from the truth.",
    notes="The authors' script computes it; their table doesn't have it.",
)
