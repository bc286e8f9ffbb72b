"""Mean squared difference of the coefficients from the truth (MSE)."""

from __future__ import annotations

import numpy as np

from evalkit.metrics.base import Event
from evalkit.metrics.dual.arithmetic import mean_squared_error
from evalkit.metrics.dual.parts import Arrays, Part, for_each_part
from evalkit.metrics.dual.sequences import Sequences

EXCHANGED = 0.25  # of the error as submitted: below that the two are taken for exchanged


def of_frames(sequences: Sequences, part: Part) -> float:
    """Mean squared difference of the coefficients from the truth, over the frames and numbers of one file.

    The three sequences are cut to the shortest first. Rotations are compared as axis-angle vectors (radians), as they
    are stored. The submission's number is the plain mean over files.
    """
    return mean_squared_error(sequences)


def exchanged_parts(prediction: Arrays, truth: Arrays) -> tuple[Event, ...]:
    """Return a note where jaw and head rotation are each much nearer to the other's truth than to their own."""
    frames = min(len(prediction["jaw"]), len(truth["jaw"]))

    def error(ours: str, theirs: str) -> float:
        return float(np.square(prediction[ours][:frames] - truth[theirs][:frames]).mean())

    straight = error("jaw", "jaw") + error("pose", "pose")
    if not error("jaw", "pose") + error("pose", "jaw") < EXCHANGED * straight:  # NaN is none of it
        return ()
    return (
        Event(
            "jaw_and_rotation_exchanged",
            "columns 50 to 52 fit the head rotation and 53 to 55 the jaw: a submitted array is expression, jaw, "
            "rotation; in the data's files the rotation comes before the jaw",
        ),
    )


METRICS = for_each_part(
    of_frames,
    id="dual.mse",
    title="MSE",
    factors=(10, 1000, 100),
    noticed=exchanged_parts,
    higher_is_better=False,
    blind_to="Motion that is as likely as the true one: a still face in the mean pose scores well.",
)
