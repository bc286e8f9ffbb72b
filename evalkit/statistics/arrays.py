"""What all statistics share: types of arrays, and a number with its interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Index = NDArray[np.int64]


@dataclass(frozen=True)
class IntervalEstimate:
    """A number with its confidence interval, or the reason why there is none.

    Args:
        value: the number, ``None`` with a ``reason``.
        low, high: ends of the 95 % interval, unless the function that made it was given another level; ``None``
            without one.
        reason: why there is no value, or no interval.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    reason: str | None = None
