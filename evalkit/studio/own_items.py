"""The organizer's own videos among the raters' items: known answers, and hidden real videos."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evalkit.errors import InputError
from evalkit.statistics.arrays import Index
from evalkit.studio.design.samples import choose_samples
from evalkit.studio.design.shares import share_out
from evalkit.studio.design.sides import choose_sides
from evalkit.studio.item_register import ItemRegister
from evalkit.studio.request import AskedRater, GoldPairVideos, PlanRequest
from evalkit.studio.units import Units
from evalkit.text import count, escape_for_display


def own_items(
    units: Units,
    raters: Sequence[AskedRater],
    request: PlanRequest,
    register: ItemRegister,
    rng: np.random.Generator,
) -> list[list[str]]:
    """Return what each rater sees besides the teams' items: all gold that the rater may see, and some references.

    Of ratings these are videos, of comparisons two of them; the references that are shown, and in comparisons the teams
    beside them, are so equally often. In comparisons either side is right, and either side real, equally often for each
    rater and in all.

    Raises:
        InputError: there are not enough videos to hide.
    """
    if not units.pairs:
        return _videos(raters, request, register, rng)
    gold = _gold_pairs(raters, request.gold_pairs, register, rng)
    references = _reference_pairs(units, raters, request, register, rng)
    return [[*one, *other] for one, other in zip(gold, references, strict=True)]


def spread_out(own: Sequence[str], turns: int, rng: np.random.Generator) -> list[str | None]:
    """Return a list with ``turns`` open places and ``own`` items, in any order, evenly among them."""
    items: list[str | None] = [None] * (turns + len(own))
    if own:
        order = rng.permutation(len(own))
        for at, part in zip(order, np.array_split(np.arange(len(items)), len(own)), strict=True):
            places = part[:-1] if len(part) > 1 else part  # so that no two are neighbours
            items[int(rng.choice(places))] = own[int(at)]
    return items


def _videos(
    raters: Sequence[AskedRater], request: PlanRequest, register: ItemRegister, rng: np.random.Generator
) -> list[list[str]]:
    found: list[list[str]] = [[] for _ in raters]
    gold, references = register.own_gold(), register.references()
    for items, each in ((gold, len(gold)), (references, request.references_per_rater)):
        if not items or not each:
            continue
        everybody = np.ones((len(raters), len(items)), dtype=bool)
        counts = np.full(len(raters), min(each, len(items)))
        shares = share_out(everybody, counts, np.ones(len(items), dtype=np.int64), rng)
        for at, row in enumerate(shares):
            found[at] += [items[number] for number in np.flatnonzero(row)]
    return found


def _gold_pairs(
    raters: Sequence[AskedRater], pairs: Sequence[GoldPairVideos], register: ItemRegister, rng: np.random.Generator
) -> list[list[str]]:
    """Return the known comparisons with a video of the organizer's; those of two teams are among the others."""
    own = [one for one in pairs if None in one.teams]
    lean = np.zeros(len(own), dtype=np.int64)  # how much more often the right one was on the left
    found: list[list[str]] = []
    for rater in raters:
        seen = np.array([at for at, one in enumerate(own) if _may_see(rater, one)], dtype=np.int64)
        order = seen[np.lexsort((rng.random(len(seen)), lean[seen]))]
        more = len(order) % 2 and (lean.sum() < 0 or (lean.sum() == 0 and rng.random() < 0.5))
        left = set(order[: len(order) // 2 + int(more)].tolist())
        items = []
        for at in seen.tolist():
            lean[at] += 1 if at in left else -1
            items.append(register.gold_pair(own[at], first_left=(at in left) == own[at].first_is_right))
        found.append(items)
    return found


def _may_see(rater: AskedRater, pair: GoldPairVideos) -> bool:
    return rater.team is None or rater.team not in pair.teams


def _reference_pairs(
    units: Units,
    raters: Sequence[AskedRater],
    request: PlanRequest,
    register: ItemRegister,
    rng: np.random.Generator,
) -> list[list[str]]:
    """Return comparisons of teams' videos with the real ones of the same samples."""
    if not request.references_per_rater:
        return [[] for _ in raters]
    real = {one.sample: one for one in request.references}
    there = np.array(
        [[name in real and name in run.videos for name in units.samples] for run in units.runs], dtype=bool
    )
    allowed = np.array([[one.team != run.team for run in units.runs] for one in raters], dtype=bool)
    capacity = np.asarray(there.sum(axis=1), dtype=np.int64)
    _require_room(raters, (allowed * capacity).sum(axis=1), request.references_per_rater)
    counts = np.full(len(raters), request.references_per_rater, dtype=np.int64)
    chosen = choose_samples(share_out(allowed, counts, capacity, rng), there, rng)
    sides = choose_sides(chosen, [(run, len(units.runs)) for run in range(len(units.runs))], rng)
    found: list[list[str]] = []
    for cells, lefts in zip(chosen, sides, strict=True):
        items = []
        for (run, sample), team_left in zip(cells, lefts, strict=True):
            name = units.samples[sample]
            media = (units.runs[run].videos[name], real[name])
            items.append(register.reference(media if team_left else media[::-1]))
        found.append(items)
    return found


def _require_room(raters: Sequence[AskedRater], rooms: Index, wanted: int) -> None:
    for rater, room in zip(raters, rooms, strict=True):
        if room < wanted:
            raise InputError(
                f"There are no {wanted} real videos beside teams' videos for the rater "
                f"'{escape_for_display(rater.name, limit=80)}'.",
                found=count(int(room), "video") + " of samples with a reference video",
                expected=f"at most {int(min(rooms))} (--references)",
            )
