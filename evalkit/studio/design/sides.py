"""On which side of a comparison each video is: every pair either way equally often, within one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def choose_sides(
    chosen: Sequence[Sequence[tuple[int, int]]], pairs: Sequence[tuple[int, int]], rng: np.random.Generator
) -> list[list[bool]]:
    """Return of each comparison of each rater whether the first run of the pair is on the left.

    Where a pair was shown either way equally often, the side evens out how often the rater, and then everybody, saw
    the two runs on the left.

    Args:
        chosen: (pair, sample) of each rater.
        pairs: the two runs of each pair.
        rng: for what is left open.
    """
    runs = 1 + max((max(pair) for pair in pairs), default=0)
    lean = np.zeros(len(pairs), dtype=np.int64)  # how much more often the first was on the left
    lefts = np.zeros(runs, dtype=np.int64)  # the same of each run, over all pairs
    sides: list[list[bool]] = []
    for cells in chosen:
        own = np.zeros(runs, dtype=np.int64)
        row = []
        for pair, _ in cells:
            one, other = pairs[pair]
            wants = next((want for want in (lean[pair], own[one] - own[other], lefts[one] - lefts[other]) if want), 0)
            first = bool(rng.random() < 0.5) if wants == 0 else bool(wants < 0)
            step = 1 if first else -1
            lean[pair] += step
            for counts in (own, lefts):
                counts[one] += step
                counts[other] -= step
            row.append(first)
        sides.append(row)
    return sides
