"""Dynamic time warping of two series of vectors within a band around the diagonal.

H. Sakoe and S. Chiba, "Dynamic programming algorithm optimization for spoken word recognition", IEEE TASSP 26(1), 1978:
steps of one frame on either side or on both, each frame pair counted once ("symmetric1" elsewhere), both ends fixed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Series = NDArray[np.float64]
Distance = Callable[[Series, Series], NDArray[np.float64]]  # (K, D) and (K, D) -> (K,)


def warped_mean(ours: Series, theirs: Series, distance: Distance, band: int) -> tuple[float, int]:
    """Return the mean distance along the path of the smallest sum, and the number of pairs on it.

    Pairs (i, j) with the same i + j depend on those with one and two less only, so each such diagonal is one step. Of
    steps that are equally good the one on both sides is taken, then the one on the second side.

    Args:
        ours, theirs: (K, D) and (L, D), at least one row each.
        distance: of rows, pair by pair.
        band: by how many rows a pair may lie off the straight line between the ends; widened to the difference of the
            lengths, so that there is a path.

    Raises:
        ValueError: an empty series, or rows of different lengths.
    """
    if not len(ours) or not len(theirs) or ours.ndim != 2 or ours.shape[1:] != theirs.shape[1:]:
        raise ValueError(f"both must be (K, D) with at least one row, found {ours.shape} and {theirs.shape}")
    rows, columns = len(ours), len(theirs)
    band = max(band, abs(rows - columns))
    # By row of `ours`, one more in front: sum and number of pairs of the best path to the pair on a diagonal.
    sums = [np.full(rows + 1, np.inf) for _ in range(3)]
    pairs = [np.zeros(rows + 1, np.int64) for _ in range(3)]
    for diagonal in range(rows + columns - 1):
        (before_last, last, now), (pairs_before, pairs_last, pairs_now) = sums, pairs
        low = max(0, diagonal - columns + 1, -((band - diagonal) // 2))
        high = min(rows - 1, diagonal, (diagonal + band) // 2)
        i = np.arange(low, high + 1)
        cost = distance(ours[i], theirs[diagonal - i])
        choices = np.stack([before_last[i], last[i + 1], last[i]])  # from (i-1, j-1), (i, j-1), (i-1, j)
        taken = np.argmin(choices, axis=0)
        best = choices[taken, np.arange(len(i))]
        lengths = np.stack([pairs_before[i], pairs_last[i + 1], pairs_last[i]])[taken, np.arange(len(i))]
        if diagonal == 0:
            best, lengths = np.zeros(1), np.zeros(1, np.int64)
        now.fill(np.inf)
        now[i + 1], pairs_now[i + 1] = best + cost, lengths + 1
        sums, pairs = [last, now, before_last], [pairs_last, pairs_now, pairs_before]
    return float(sums[1][rows] / pairs[1][rows]), int(pairs[1][rows])
