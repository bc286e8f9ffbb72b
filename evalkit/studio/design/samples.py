"""Of which samples a rater sees the videos of a unit: every video as often as the others of its unit, within one."""

from __future__ import annotations

import numpy as np

from evalkit.statistics.arrays import Index
from evalkit.studio.design.arrays import Flags


def choose_samples(shares: Index, there: Flags, rng: np.random.Generator) -> list[list[tuple[int, int]]]:
    """Return the (unit, sample) of each rater, in no particular order; no rater gets one twice.

    Which videos of a unit are shown less often than its others decides first; between these the rater's own samples,
    then the samples' totals, then chance. So a rater sees few samples twice before all of them once.

    Args:
        shares: (raters, units) how many of each, at most as many as the unit has.
        there: (units, samples) bool, whether there is such a video.
        rng: for what is left open.
    """
    raters, units = shares.shape
    shown = np.zeros(there.shape, dtype=np.int64)
    chosen: list[list[tuple[int, int]]] = [[] for _ in range(raters)]
    for rater in rng.permutation(raters):
        seen = np.zeros(there.shape[1], dtype=np.int64)
        for unit in rng.permutation(units):
            free = there[unit].copy()
            for _ in range(int(shares[rater, unit])):
                choice = np.flatnonzero(free)
                totals = shown[:, choice].sum(axis=0)
                keys = (rng.random(len(choice)), totals, seen[choice], shown[unit, choice])
                sample = int(choice[np.lexsort(keys)[0]])
                free[sample] = False
                seen[sample] += 1
                shown[unit, sample] += 1
                chosen[rater].append((int(unit), sample))
    return chosen
