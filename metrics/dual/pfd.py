"""How far the joint motion of both speakers lies from the true one, as distributions (P-FD)."""

from __future__ import annotations

from evalkit.metrics.base import Event, VideoValue, unscored
from evalkit.metrics.dual.arithmetic import paired_frechet_distance
from evalkit.metrics.dual.parts import Part, for_each_part
from evalkit.metrics.dual.sequences import Sequences


def of_both(sequences: Sequences, part: Part) -> VideoValue:
    """Fréchet distance of (partner, prediction) from (partner, truth), side by side in each frame of one file.

    Twice as many numbers a frame as `dual.fd` (100 for the expression), otherwise the same. With fewer frames than
    numbers the covariances have no full rank: the last term is then the nuclear norm of the cross Gram matrix, which is
    exact.
    """
    if sequences.frames < 2:
        return unscored("too_few_frames", "a distance of distributions needs two frames")
    numbers = 2 * sequences.truth.shape[1]
    rank = Event("without_full_rank", f"{sequences.frames} frames of {numbers} numbers: the distance is mostly bias")
    return VideoValue(paired_frechet_distance(sequences), events=(rank,) if sequences.frames <= numbers else ())


METRICS = for_each_part(
    of_both,
    id="dual.pfd",
    title="P-FD",
    factors=(1, 1000, 100),
    higher_is_better=False,
    blind_to="The order of frames: what the partner does is compared within a frame, not over time.",
    notes="Per file, and of twice as many numbers as FD, so biased more. Only numbers of the same files compare.",
)
