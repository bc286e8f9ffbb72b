"""SyncNet's numbers from distances (docs/definitions/lip-sync.md#syncnet). Pure functions over arrays.

Chung and Zisserman, "Out of time: automated lip sync in the wild", ACCV workshops 2016; joonson/syncnet_python.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.sync.distances import SHIFTS, shift_distances

TooShort = Literal["too_short"]


@dataclass(frozen=True)
class Sync:
    """How lips and audio of one stretch of video fit.

    Args:
        confidence: median of the 31 mean distances less the smallest; higher is better. LSE-C.
        distance: smallest of the 31 mean distances; lower is better. LSE-D.
        offset: in frames of 25 per second; positive where the audio comes early, negative where it is late.
        windows: how many windows of five frames were averaged.
    """

    confidence: float
    distance: float
    offset: int
    windows: int


def summarise(distances: NDArray[Any]) -> Sync | TooShort:
    """Return the numbers of one stretch from its distances (n, 2 v + 1), or ``"too_short"`` when n is 0.

    Defined for every n >= 1, but the zero vectors at the ends weigh more the shorter the stretch: compare equal
    lengths only (docs/definitions/lip-sync.md#equal-lengths). The first of several equal minima counts.

    Raises:
        ValueError: when a distance is not finite, or the number of shifts is even.
    """
    if distances.ndim != 2 or distances.shape[1] % 2 == 0:
        raise ValueError(f"distances has the shape (n, 2 v + 1), found {distances.shape}")
    if len(distances) == 0:
        return "too_short"
    if not np.isfinite(distances).all():
        raise ValueError("a distance is not finite")
    curve = distances.astype(np.float64).mean(axis=0)
    best = int(np.argmin(curve))
    smallest = float(curve[best])
    return Sync(float(np.median(curve)) - smallest, smallest, curve.size // 2 - best, len(distances))


def sync_core(lips: NDArray[Any], audio: NDArray[Any], shifts: int = SHIFTS) -> Sync | TooShort:
    """Return the numbers of embeddings (n, d) of the same windows; ``"too_short"`` for n = 0."""
    return summarise(shift_distances(lips, audio, shifts))


def cut_to(distances: NDArray[Any], silent: NDArray[Any], windows: int) -> NDArray[Any]:
    """Return the distances that the first ``windows`` windows alone would have.

    What was compared with audio after the cut is compared with the zero vector instead, so the result equals that of
    embeddings that were cut before.

    Args:
        distances: (n, 2 v + 1).
        silent: (n,) distance of each lip vector to the zero vector.
        windows: at least 0; more than n changes nothing.
    """
    kept = distances[:windows].copy()
    if windows >= len(distances):
        return kept
    shifts = distances.shape[1] // 2
    partner = np.arange(len(kept))[:, None] + np.arange(distances.shape[1])[None, :] - shifts
    return np.where(partner < len(kept), kept, silent[: len(kept), None])
