"""How far the frames of a generated sequence lie from those of the truth, as distributions (FD)."""

from __future__ import annotations

from evalkit.metrics.base import Event, VideoValue, unscored
from evalkit.metrics.dual.arithmetic import frechet_distance
from evalkit.metrics.dual.parts import Part, for_each_part
from evalkit.metrics.dual.sequences import Sequences

SHORT = 100  # frames; with no more the authors' script stops at another of its numbers


def of_sequence(sequences: Sequences, part: Part) -> VideoValue:
    """Fréchet distance of the frames of one file from those of its truth.

    1. Prediction, truth and the partner's truth are cut to the shortest of the three.
    2. `|m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2)` with the mean and the covariance (by T - 1) over the frames of
       this one file, in float64. The last term comes from symmetric eigenvalues; the authors' script takes SciPy's
       `sqrtm`, which gives the same number, and adds 1e-6 to the diagonals where that fails.
    3. The plain mean over files.
    """
    if sequences.frames < 2:
        return unscored("too_few_frames", "a distance of distributions needs two frames")
    return VideoValue(frechet_distance(sequences), events=short_file(sequences.frames))


def short_file(frames: int) -> tuple[Event, ...]:
    """Return a note about a file with which the authors' script stops, and whose distances are mostly bias."""
    if frames > SHORT:
        return ()
    return (
        Event(
            "short_sequence",
            f"{frames} frames: distances of so few are mostly bias, and the authors' script stops at files of {SHORT} "
            "frames or fewer",
        ),
    )


METRICS = for_each_part(
    of_sequence,
    id="dual.fd",
    title="FD",
    factors=(1, 1000, 100),
    higher_is_better=False,
    blind_to="The order of frames, and whether the motion fits what the partner does.",
    notes="Per file, so biased upwards by how short the files are: compare only numbers of the same files.",
)
