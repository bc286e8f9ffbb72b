"""How many items of each unit a rater gets, where a unit is a team's run or a pair of them.

Of a rater's units none gets two items more than another, as long as it has videos left; and over all raters the totals
are as equal as raters' own teams allow: no exchange of single items would make them more so.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from evalkit.statistics.arrays import Index, Vector
from evalkit.studio.design.arrays import Flags


def share_out(
    allowed: Flags,
    counts: Index,
    capacity: Index,
    rng: np.random.Generator,
    load: Callable[[Index], Vector] | None = None,
) -> Index:
    """Return how many items of each unit each rater gets.

    Args:
        allowed: (raters, units) bool, whether the rater may see the unit.
        counts: (raters,) items of each rater; no more than the capacity of the units that are allowed.
        capacity: (units,) how many different items a unit has.
        rng: for what is left open.
        load: how full each unit is for a rater already, given what the rater has (units,) -> (units,): for pairs,
            which share teams.

    Returns:
        (raters, units) whole numbers.
    """
    raters, units = allowed.shape
    base = np.zeros((raters, units), dtype=np.int64)
    open_ = np.zeros((raters, units), dtype=bool)
    left = np.zeros(raters, dtype=np.int64)
    for rater in range(raters):
        base[rater], open_[rater], left[rater] = _filled(allowed[rater], int(counts[rater]), capacity)
    extra = np.zeros((raters, units), dtype=bool)
    totals = base.sum(axis=0)
    for rater in rng.permutation(raters):
        for _ in range(left[rater]):
            choice = np.flatnonzero(open_[rater] & ~extra[rater])
            own = base[rater] + extra[rater]
            crowd = load(own)[choice] if load is not None else np.zeros(len(choice))
            best = choice[np.lexsort((rng.random(len(choice)), totals[choice] + crowd))[0]]
            extra[rater, best] = True
            totals[best] += 1
    _even_out(extra, open_, totals)
    return np.asarray(base + extra)


def _filled(allowed: Flags, count: int, capacity: Index) -> tuple[Index, Flags, int]:
    """Return what every unit gets for certain, which may get one more, and how many of them do."""
    given = np.zeros(len(capacity), dtype=np.int64)
    while True:
        room = allowed & (given < capacity)
        if not room.any():
            return given, room, 0
        lowest = room & (given == given[room].min())
        size = int(lowest.sum())
        if size > count:
            return given, lowest, count
        given[lowest] += 1
        count -= size


def _even_out(extra: Flags, open_: Flags, totals: Index) -> None:
    """Move single items along chains of raters from the fullest units to the emptiest, as long as that evens out."""
    while True:
        # A unit passes an item on to another where a rater has one of the first and may have one of the second.
        passes = (extra.T.astype(np.int64) @ (open_ & ~extra).astype(np.int64)) > 0
        chain = _longest_gain(passes, totals)
        if chain is None:
            return
        for source, target in pairwise(chain):
            holders = np.flatnonzero(extra[:, source] & open_[:, target] & ~extra[:, target])
            extra[holders[0], source], extra[holders[0], target] = False, True
            totals[source] -= 1
            totals[target] += 1


def _longest_gain(passes: Flags, totals: Index) -> list[int] | None:
    """Return a shortest chain from a unit to one that has at least two items less; the fullest are tried first."""
    for start in np.argsort(-totals, kind="stable"):
        if totals[start] - totals.min() < 2:
            return None
        before = {int(start): -1}
        queue = [int(start)]
        for at in queue:
            for to in np.flatnonzero(passes[at]):
                if int(to) in before:
                    continue
                before[int(to)] = at
                if totals[to] <= totals[start] - 2:
                    chain = [int(to)]
                    while before[chain[-1]] >= 0:
                        chain.append(before[chain[-1]])
                    return chain[::-1]
                queue.append(int(to))
    return None
