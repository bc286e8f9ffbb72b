"""The sequences that a metric of two speakers compares: what was generated, the truth, and the partner's truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Motion = NDArray[np.float64]


@dataclass(frozen=True)
class Sequences:
    """One part of the motion of a conversation, everything cut to the shortest of the three.

    Args:
        prediction: (T, d) float64, what was generated for one speaker.
        truth: (T, d), what that speaker did.
        partner: (T, d), what the other one did at the same time.
    """

    prediction: Motion
    truth: Motion
    partner: Motion

    @classmethod
    def cut(cls, prediction: NDArray[Any], truth: NDArray[Any], partner: NDArray[Any]) -> Sequences:
        """Return the three from their first frame to the end of the shortest, in float64.

        Args:
            prediction: (N, d) real.
            truth: (M, d).
            partner: (L, d).

        Raises:
            ValueError: shapes that don't belong together, or a number that is not finite.
        """
        shapes = [part.shape for part in (prediction, truth, partner)]
        if any(len(shape) != 2 or shape[1] != shapes[0][-1] for shape in shapes):
            raise ValueError(f"three sequences of (frames, numbers) with equally many numbers are needed, not {shapes}")
        frames = min(shape[0] for shape in shapes)
        parts = [np.asarray(part[:frames], dtype=np.float64) for part in (prediction, truth, partner)]
        if not all(np.isfinite(part).all() for part in parts):
            raise ValueError("a coefficient is not finite")
        return cls(*parts)

    @property
    def frames(self) -> int:
        """How many frames all three have."""
        return len(self.truth)


def beside(*sequences: Motion) -> Motion:
    """Return sequences (T, d) side by side: (T, d + d)."""
    return np.concatenate(sequences, axis=1)
