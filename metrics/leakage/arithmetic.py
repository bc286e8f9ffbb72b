"""How much of hidden speech shows on the lips, from numbers of lip sync. Pure arithmetic.

Definition: docs/definitions/dubbing.md#lip-leakage.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

ROWS = ("own confidence", "other confidence", "own distance", "other distance")


def sync_difference(numbers: ArrayLike) -> float:
    """``(|C_own - C_other| + |D_own - D_other|) / 2`` of the means over items; lower is less leakage.

    Args:
        numbers: (items, 4) confidence with the own and with the other audio, distance with the own and the other
            (`ROWS`); at least one item.

    Raises:
        ValueError: another shape.
    """
    return float(_differences(_checked(numbers).mean(axis=0)[None])[0])


def mean_item_difference(numbers: ArrayLike) -> float:
    """The mean over items of each one's `sync_difference`, never below that of the whole set."""
    return float(_differences(_checked(numbers)).mean())


def drawn_differences(numbers: NDArray[np.float64], items: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return `sync_difference` of each draw (draws,) of item numbers (draws, items)."""
    return _differences(_checked(numbers)[items].mean(axis=1))


def _checked(numbers: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(numbers, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != len(ROWS) or len(array) == 0:
        raise ValueError(f"numbers of items are (items, {len(ROWS)}) with at least one item, not {array.shape}")
    return array


def _differences(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((np.abs(rows[:, 0] - rows[:, 1]) + np.abs(rows[:, 2] - rows[:, 3])) / 2)


def leaked_share(confidence: float, floor: float, real: float) -> float | None:
    """``(confidence - floor) / (real - floor)``: 0 for lips that don't move, 1 for those of the recording.

    Args:
        confidence: of the videos that were driven by silence, against the hidden speech.
        floor: of the closed mouth, held still.
        real: of the real videos.

    Returns:
        Below 0 and above 1 where the videos are outside of both; ``None`` where the real videos are not above the
        floor, so that nothing can be told.
    """
    return (confidence - floor) / (real - floor) if real > floor else None
