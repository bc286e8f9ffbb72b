"""What a design balances: the runs of ratings, the pairs of runs of comparisons."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evalkit.errors import InputError
from evalkit.statistics.arrays import Index, Vector
from evalkit.studio.design.arrays import Flags
from evalkit.studio.plan_model import Medium
from evalkit.studio.request import AskedRater
from evalkit.studio.videos import RatedRun
from evalkit.text import count, escape_for_display


@dataclass(frozen=True)
class Units:
    """What is balanced: runs of ratings, pairs of runs of comparisons.

    Args:
        runs: all of them.
        members: the run of each unit, or its two.
        samples: ids.
        there: (units, samples) bool, whether the video, or both, exist.
        allowed: (raters, units) bool, whether the rater may see it.
    """

    runs: tuple[RatedRun, ...]
    members: tuple[tuple[int, ...], ...]
    samples: tuple[str, ...]
    there: Flags
    allowed: Flags

    @property
    def pairs(self) -> bool:
        """Whether it is comparisons that are balanced."""
        return len(self.members[0]) == 2

    @property
    def capacity(self) -> Index:
        """How many samples each unit has (units,)."""
        return np.asarray(self.there.sum(axis=1), dtype=np.int64)

    def teams(self, unit: int) -> frozenset[str]:
        """Return whose videos the unit shows."""
        return frozenset(self.runs[run].team for run in self.members[unit])

    def media(self, unit: int, sample: int, *, first_left: bool = True) -> tuple[Medium, ...]:
        """Return the videos of an item, the left one first."""
        runs = self.members[unit] if first_left else self.members[unit][::-1]
        return tuple(self.runs[run].videos[self.samples[sample]] for run in runs)

    def crowding(self, own: Index) -> Vector:
        """Return of each pair how often a rater has its two runs already, given the rater's items of each (units,)."""
        member = np.zeros((len(self.members), len(self.runs)))
        for at, unit in enumerate(self.members):
            member[at, list(unit)] = 1
        return np.asarray(member @ (own @ member))


def find_units(pairs: bool, runs: Sequence[RatedRun], samples: tuple[str, ...], raters: Sequence[AskedRater]) -> Units:
    """Return what is balanced.

    Raises:
        InputError: comparisons of a team with several runs, or raters' own teams leave nobody for one.
    """
    if pairs:
        twice = next((one.team for at, one in enumerate(runs) if one.team in {other.team for other in runs[:at]}), None)
        if twice is not None:
            raise InputError(
                f"Comparisons name teams, and '{escape_for_display(twice, limit=80)}' has several runs that compete.",
                fix="Let one run compete: 'evalkit board primary TEAM RUN'.",
            )
        members: tuple[tuple[int, ...], ...] = tuple(itertools.combinations(range(len(runs)), 2))
    else:
        members = tuple((at,) for at in range(len(runs)))
    has = np.array([[sample in run.videos for sample in samples] for run in runs], dtype=bool).reshape(len(runs), -1)
    there = np.array([has[list(unit)].all(axis=0) for unit in members], dtype=bool).reshape(len(members), -1)
    allowed = np.array(
        [[one.team not in {runs[run].team for run in unit} for unit in members] for one in raters], dtype=bool
    ).reshape(len(raters), len(members))
    units = Units(tuple(runs), members, samples, there, allowed)
    for unit in range(len(members)):
        names = " and ".join(sorted(units.teams(unit)))
        if not allowed[:, unit].any():
            raise InputError(
                f"Nobody can see {'the pair' if pairs else 'the team'} {names}: every rater is of such a team.",
                found=count(len(raters), "rater"),
                fix="Add at least one rater of no team or of another one.",
            )
        if not there[unit].any():
            raise InputError(
                f"There is no sample of which {names} has a playable video.",
                fix="Name those that are to be rated: --teams A,B,C.",
            )
    return units
