"""The order of a rater's items: neighbours share neither team nor sample, and over all raters no unit comes early."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from evalkit.statistics.arrays import Index, Vector
from evalkit.studio.design.arrays import Flags

TRIES = 60  # orders begun for a rater until one can be ended
CHOICES = 8  # orders of which the best for the balance is taken
SEARCH = 20_000  # steps of the exhaustive search where chance finds none


@dataclass(frozen=True)
class Shown:
    """What an order looks at.

    Args:
        teams: whose videos the item shows.
        sample: of what.
        unit: number of the run or pair, whose position is balanced; ``None`` for what is in no balance.
    """

    teams: frozenset[str]
    sample: str
    unit: int | None = None


Share = Literal["team", "pair", "nothing"]


def conflicts(items: Sequence[Shown], share: Share = "team") -> Flags:
    """Return which two items can't be neighbours (n, n), besides those of one sample.

    Args:
        items: the items.
        share: what they must not have in common: a ``team``; all of their teams, as a ``pair``; or ``nothing`` for no
            more than the sample.
    """
    n = len(items)
    found = np.zeros((n, n), dtype=bool)
    for at, one in enumerate(items):
        for to in range(at + 1, n):
            other = items[to]
            teams = {"team": bool(one.teams & other.teams), "pair": one.teams == other.teams, "nothing": False}[share]
            found[at, to] = found[to, at] = teams or one.sample == other.sample
    return found


@dataclass
class Positions:
    """How early each unit came so far, over all raters, and which followed which.

    Args:
        units: how many there are.
    """

    units: int
    early: Vector = field(init=False)
    follows: Index = field(init=False)

    def __post_init__(self) -> None:
        self.early = np.zeros(self.units)
        self.follows = np.zeros((self.units, self.units), dtype=np.int64)

    def cost(self, units: Sequence[int | None]) -> float:
        """Return how uneven the positions are once ``units`` come in this order, too."""
        early, follows = self._with(units)
        return float((early**2).sum() + (follows.astype(float) ** 2).sum() / max(1, self.units))

    def add(self, units: Sequence[int | None]) -> None:
        """Count an order."""
        self.early, self.follows = self._with(units)

    def _with(self, units: Sequence[int | None]) -> tuple[Vector, Index]:
        early, follows = self.early.copy(), self.follows.copy()
        middle = (len(units) - 1) / 2
        for at, unit in enumerate(units):
            if unit is None:
                continue
            early[unit] += (at - middle) / max(1, len(units))
            before = units[at - 1] if at else None
            if before is not None:
                follows[before, unit] += 1
        return early, follows


@dataclass(frozen=True)
class Windows:
    """Between which places each item may come, (n,) whole numbers: from the first to before the end."""

    first: Index
    end: Index

    @classmethod
    def free(cls, n: int) -> Windows:
        """Return windows that allow every place."""
        return cls(np.zeros(n, dtype=np.int64), np.full(n, n, dtype=np.int64))


def repeat_windows(n: int, originals: Sequence[int], copies: Sequence[int]) -> Windows:
    """Return windows that keep repeats at least a third of the list after what they repeat.

    Args:
        n: items of the list, copies included.
        originals: places of what is repeated: they come in the first third.
        copies: places of the repeats: they come in the last third.
    """
    windows = Windows.free(n)
    third = n // 3
    windows.end[list(originals)] = third
    windows.first[list(copies)] = n - third
    return windows


def balanced_order(
    items: Sequence[Shown],
    bad: Flags,
    positions: Positions,
    rng: np.random.Generator,
    windows: Windows | None = None,
    *,
    thorough: bool = True,
) -> list[int] | None:
    """Return an order in which no neighbours conflict, of several the one that balances positions best.

    Args:
        items: what is put in order.
        bad: (n, n) bool, which can't be neighbours.
        positions: of all raters before.
        rng: for what is left open.
        windows: where each item may come; anywhere by default.
        thorough: whether to search on where chance finds none.

    Returns:
        Places in ``items``; ``None`` when there is no such order (or none was found).
    """
    windows = windows or Windows.free(len(items))
    found: list[list[int]] = []
    for _ in range(TRIES):
        order = _greedy(bad, windows, rng)
        if order is not None:
            found.append(order)
        if len(found) == CHOICES:
            break
    if not found:
        order = _search(bad, windows, rng) if thorough else None
        if order is None:
            return None
        found = [order]
    units = [[items[at].unit for at in order] for order in found]
    return found[int(np.argmin([positions.cost(one) for one in units]))]


def _possible(left: Flags, place: int, windows: Windows) -> Flags:
    """Return which of the items that are left may come at ``place``: where others can't wait, those alone."""
    choice = left & (windows.first <= place)
    end = windows.end
    for limit in np.unique(end[left]):
        due = left & (end <= limit)
        if due.sum() >= limit - place:
            return np.asarray(choice & due)
    return np.asarray(choice)


def _greedy(bad: Flags, windows: Windows, rng: np.random.Generator) -> list[int] | None:
    """Return an order in which always one of the items with the most conflicts left comes next."""
    n = len(bad)
    left = np.ones(n, dtype=bool)
    degree = bad.sum(axis=1).astype(float)
    order: list[int] = []
    for place in range(n):
        choice = _possible(left, place, windows)
        if order:
            choice &= ~bad[order[-1]]
        if not choice.any():
            return None
        score = np.where(choice, degree + 2.0 * rng.random(n), -np.inf)
        at = int(np.argmax(score))
        order.append(at)
        left[at] = False
        degree -= bad[at]
    return order


def _search(bad: Flags, windows: Windows, rng: np.random.Generator) -> list[int] | None:
    """Return an order by depth-first search, within a number of steps."""
    n = len(bad)
    order: list[int] = []
    left = np.ones(n, dtype=bool)
    stack: list[list[int]] = [[int(one) for one in rng.permutation(np.flatnonzero(_possible(left, 0, windows)))]]
    for _ in range(SEARCH):
        if not stack:
            return None
        if not stack[-1]:
            stack.pop()
            if order:
                left[order.pop()] = True
            continue
        at = stack[-1].pop()
        order.append(at)
        left[at] = False
        if len(order) == n:
            return order
        choice = np.flatnonzero(_possible(left, len(order), windows) & ~bad[at])
        degree = (bad[choice][:, left]).sum(axis=1)
        stack.append([int(one) for one in choice[np.argsort(degree, kind="stable")]])
    return None
