"""The lists of the raters: what each sees, in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from evalkit.errors import InputError
from evalkit.statistics.arrays import Index
from evalkit.studio.design.order import Positions, Share, Shown, balanced_order, conflicts, repeat_windows
from evalkit.studio.design.samples import choose_samples
from evalkit.studio.design.shares import share_out
from evalkit.studio.design.sides import choose_sides
from evalkit.studio.item_register import ItemRegister
from evalkit.studio.own_items import own_items, spread_out
from evalkit.studio.request import AskedRater, PlanRequest
from evalkit.studio.units import Units
from evalkit.text import count, escape_for_display

ORGANIZERS = "\0organizer"  # in place of a team, so that two of the organizer's videos are no neighbours
REPEAT_TRIES = 12  # sets of repeated items, until one can be put in order

ItemList = list[str | None]


@dataclass
class ListMaker:
    """Makes the lists.

    Args:
        units: what is balanced.
        raters: in the order of the lists.
        counts: (raters,) different items of the teams that each gets.
        request: what else is asked for.
        register: gives ids.
        rng: for what is left open.
    """

    units: Units
    raters: Sequence[AskedRater]
    counts: Index
    request: PlanRequest
    register: ItemRegister
    rng: np.random.Generator
    positions: Positions = field(init=False)

    def __post_init__(self) -> None:
        self.positions = Positions(len(self.units.members))

    def balanced(self) -> list[ItemList]:
        """Return lists in which everything is balanced.

        Raises:
            InputError: some rater's items have no order.
        """
        units, rng = self.units, self.rng
        load = units.crowding if units.pairs else None
        shares = share_out(units.allowed, self.counts, units.capacity, rng, load)
        chosen = choose_samples(shares, units.there, rng)
        pairs = [(unit[0], unit[1]) for unit in units.members if len(unit) == 2]
        sides = choose_sides(chosen, pairs, rng) if units.pairs else None
        others = own_items(units, self.raters, self.request, self.register, rng)
        lists: list[ItemList] = []
        for at, rater in enumerate(self.raters):
            shown: list[Shown] = []
            items: list[str] = []
            for number, (unit, sample) in enumerate(chosen[at]):
                media = units.media(unit, sample, first_left=sides is None or sides[at][number])
                items.append(self.register.rating(media))
                shown.append(Shown(units.teams(unit), units.samples[sample], unit))
            for item in others[at]:
                items.append(item)
                shown.append(self.register.shown(item, ORGANIZERS))
            order = self._ordered(rater, items, shown)
            lists.append([*self._training(at, set(chosen[at])), *order])
        return lists

    def adaptive(self) -> list[ItemList]:
        """Return lists with open places; every pair of every sample is an item, either way round equally often.

        With repeats, the same two videos are an item once more, on either side.

        Raises:
            InputError: some rater's list has no room for the repeats.
        """
        units, rng = self.units, self.rng
        others = own_items(units, self.raters, self.request, self.register, rng)
        repeats = self.request.repeats
        for unit in range(len(units.members)):
            first_left = bool(rng.random() < 0.5)
            for sample in rng.permutation(np.flatnonzero(units.there[unit])):
                item = self.register.rating(units.media(unit, int(sample), first_left=first_left))
                first_left = not first_left
                if repeats:
                    self.register.repeat(item, rng)
        lists: list[ItemList] = []
        for at, rater in enumerate(self.raters):
            turns = int(self.counts[at]) + repeats
            if repeats > turns // 3:
                raise _no_room(rater, repeats, turns)
            lists.append([*self._training(at, set()), *spread_out(others[at], turns, rng)])
        return lists

    def repeat_turns(self, items: ItemList) -> tuple[int, ...]:
        """Return at which of a list's open places pairs come again: some of the last third of them."""
        turns = items.count(None)
        if not turns or not self.request.repeats:
            return ()
        drawn = self.rng.choice(np.arange(turns - turns // 3, turns), self.request.repeats, replace=False)
        return tuple(sorted(int(turn) for turn in drawn))

    def _ordered(self, rater: AskedRater, items: Sequence[str], shown: Sequence[Shown]) -> list[str]:
        """Return a rater's items in order, with repeats; neighbours of comparisons share a team where they must."""
        repeats, rng = self.request.repeats, self.rng
        repeatable = [at for at, one in enumerate(shown) if one.unit is not None]
        n = len(items) + repeats
        if repeats > min(n // 3, len(repeatable)):
            raise _no_room(rater, repeats, n)
        levels: tuple[Share, ...] = ("team", "pair", "nothing") if self.units.pairs else ("team",)
        for share in levels:
            for _ in range(REPEAT_TRIES if repeats else 1):
                originals = [repeatable[at] for at in rng.permutation(len(repeatable))[:repeats]]
                every = [*shown, *(replace(shown[at], unit=None) for at in originals)]
                windows = repeat_windows(n, originals, range(len(items), n))
                bad = conflicts(every, share)
                order = balanced_order(every, bad, self.positions, rng, windows, thorough=share == levels[-1])
                if order is not None:
                    self.positions.add([every[place].unit for place in order])
                    ids = [*items, *(self.register.repeat(items[at], rng) for at in originals)]
                    return [ids[place] for place in order]
        if repeats and balanced_order(shown, conflicts(shown, levels[-1]), self.positions, rng) is not None:
            raise _no_room(rater, repeats, n)
        raise _no_order(rater, shown)

    def _training(self, rater: int, seen: set[tuple[int, int]]) -> list[str]:
        """Return the training block: videos that the rater does not see later, as far as there are such."""
        units = self.units
        cells = [
            (int(unit), int(sample))
            for unit in np.flatnonzero(units.allowed[rater])
            for sample in np.flatnonzero(units.there[unit])
        ]
        fresh = [cells[at] for at in self.rng.permutation(len(cells))] if self.request.training else []
        taken: list[tuple[int, int]] = []
        while fresh and len(taken) < self.request.training:
            used_units, used_samples = {unit for unit, _ in taken}, {sample for _, sample in taken}
            keys = [(cell in seen, cell[0] in used_units, cell[1] in used_samples) for cell in fresh]
            taken.append(fresh.pop(keys.index(min(keys))))
        shown = [Shown(units.teams(unit), units.samples[sample], unit) for unit, sample in taken]
        order = balanced_order(shown, conflicts(shown), Positions(len(units.members)), self.rng) if shown else []
        ordered = taken if order is None else [taken[at] for at in order]
        return [self.register.training(units.media(*cell)) for cell in ordered]


def _no_order(rater: AskedRater, shown: Sequence[Shown]) -> InputError:
    teams = len(frozenset().union(*(one.teams for one in shown)))
    samples = len({one.sample for one in shown})
    own = f", the own team '{escape_for_display(rater.team, limit=80)}' left out" if rater.team else ""
    return InputError(
        f"No order of the {count(len(shown), 'item')} of the rater '{escape_for_display(rater.name, limit=80)}' "
        "keeps the same team and the same sample from following each other.",
        found=f"{count(teams, 'team')} and {count(samples, 'sample')}{own}",
        expected="at least two teams and three samples, or three teams and two samples",
        fix="Add samples or teams, ask for fewer items, or take raters of no team.",
    )


def _no_room(rater: AskedRater, repeats: int, items: int) -> InputError:
    return InputError(
        f"The list of the rater '{escape_for_display(rater.name, limit=80)}' has no room for "
        f"{count(repeats, 'repeat')} far from what they repeat.",
        found=f"{count(items, 'item')} in all",
        expected=f"at most {count(items // 3, 'repeat')}, and neighbours of other teams and samples",
        fix="Ask for fewer repeats, or for more items.",
    )
