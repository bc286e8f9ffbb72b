"""Of which samples a rater sees the videos of a unit: every video as often as the others of its unit, within one."""

from __future__ import annotations

import numpy as np

from evalkit.statistics.arrays import Index
from evalkit.studio.design.arrays import Flags


def choose_samples(shares: Index, there: Flags, rng: np.random.Generator) -> list[list[tuple[int, int]]]:
    """Return the (unit, sample) of each rater, in no particular order; no rater gets one twice.

    Which videos of a unit are shown less often than its others decides first; between these the rater's own samples,
    then the samples' totals, then chance. Raters then exchange samples of one unit as long as that lets one of them see
    fewer samples twice before all others once: no video is shown more or less often by that.

    Args:
        shares: (raters, units) how many of each, at most as many as the unit has.
        there: (units, samples) bool, whether there is such a video.
        rng: for what is left open.
    """
    raters, units = shares.shape
    shown = np.zeros(there.shape, dtype=np.int64)
    has = np.zeros((units, raters, there.shape[1]), dtype=bool)
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
                has[unit, rater, sample] = True
    _spread_out(has)
    return [[(int(unit), int(sample)) for unit, sample in np.argwhere(has[:, rater])] for rater in range(raters)]


def _spread_out(has: Flags) -> None:
    """Exchange samples between raters, in place, until no exchange makes their samples more even.

    Uneven is the sum over raters and samples of how often the one sees the other, squared; each exchange lessens it.
    """
    seen = has.sum(axis=0)
    moved = True
    while moved:
        moved = False
        for rater in range(has.shape[1]):
            for unit, sample in np.argwhere(has[:, rater] & (seen[rater] > seen[rater].min() + 1)):
                if has[unit, rater, sample]:
                    moved |= _exchange(has, seen, int(unit), rater, int(sample))


def _exchange(has: Flags, seen: Index, unit: int, rater: int, sample: int) -> bool:
    """Give a sample of a rater's unit to another rater for one of theirs, where that makes both together more even."""
    own = has[unit]
    possible = own & ~own[rater] & ~own[:, [sample]]  # (raters, samples) what others have and could give
    change = (seen[rater] - seen[rater, sample] + 1)[None, :] + (seen[:, [sample]] - seen + 1)
    cost = np.where(possible, change, 0)
    other, given = (int(at) for at in np.unravel_index(int(np.argmin(cost)), cost.shape))
    if cost[other, given] >= 0:
        return False
    own[rater, sample], own[rater, given] = False, True
    own[other, sample], own[other, given] = True, False
    for who, less, more in ((rater, sample, given), (other, given, sample)):
        seen[who, less] -= 1
        seen[who, more] += 1
    return True
