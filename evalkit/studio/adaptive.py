"""Choose the pair of which one more comparison tells most about the order, and the sample that is shown."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from evalkit.statistics.arrays import Vector
from evalkit.statistics.next_pair import fit_with_prior, information_about_order
from evalkit.studio.given import Given
from evalkit.studio.plan_model import Plan, PlanItem

SAME = 1e-9  # information that counts as equal


def choose_pair(points: Vector, pending: Vector, allowed: Vector, rng: np.random.Generator) -> tuple[int, int]:
    """Return the two runs whose next comparison tells most about their order; of equals one at random.

    Args:
        points: (n, n) what the row scored against the column.
        pending: (n, n) comparisons that are being made, symmetric.
        allowed: (n, n) whether the pair may be chosen; at least one.
        rng: for pairs that tell equally much.
    """
    told = information_about_order(fit_with_prior(points, pending))
    best = np.where(np.triu(allowed > 0, 1), told, -np.inf)
    choice = np.flatnonzero(best.ravel() >= best.max() - SAME)
    one, other = divmod(int(rng.choice(choice)), len(points))
    return one, other


@dataclass(frozen=True)
class _Candidates:
    """The pairs of a plan.

    Args:
        teams: all of them, sorted.
        items: (first, second) team, in this order -> the pair's items.
    """

    teams: tuple[str, ...]
    items: dict[tuple[int, int], list[str]]


def choose_item(
    plan: Plan, answers: Sequence[Given], rater: str, pending: Collection[tuple[str, str]] = ()
) -> str | None:
    """Return the comparison that ``rater`` makes now; ``None`` when there is none left that the rater has not made.

    The same plan, answers and pending comparisons give the same choice. Never of the rater's own team, not of the
    sample that the rater saw last, and of another pair than the last, where that can be. Of a pair's samples the one
    that was compared least, by anybody and then by the rater.

    Args:
        plan: of comparisons.
        answers: all that are stored, in the order in which they came.
        rater: id of the plan.
        pending: (rater, item) of comparisons that others are making now.
    """
    found = _candidates(plan)
    mine = [one.item for one in answers if one.rater == rater and one.item in plan.items]
    made = set(mine)
    last = plan.items[mine[-1]] if mine else None
    own = plan.raters[rater].team
    open_ = {
        pair: [item for item in items if item not in made]
        for pair, items in found.items.items()
        if own not in {found.teams[pair[0]], found.teams[pair[1]]}
    }
    open_ = {pair: items for pair, items in open_.items() if items}
    if not open_:
        return None
    open_ = _not_again(plan, found, open_, last)
    n = len(found.teams)
    points, waiting, allowed = np.zeros((n, n)), np.zeros((n, n)), np.zeros((n, n))
    for one in answers:
        _count(plan, found, points, one)
    others = [(name, item) for name, item in pending if name != rater and item in plan.items]
    for _, item in others:
        if plan.items[item].kind == "rating":
            left, right = _sides(plan, found, plan.items[item])
            waiting[left, right] += 1
            waiting[right, left] += 1
    for pair in open_:
        allowed[pair] = 1
    rng = _draws(plan.seed, len(answers), rater)
    pair = choose_pair(points, waiting, allowed, rng)
    shown = Counter([one.item for one in answers] + [item for _, item in others])
    of_rater = Counter(plan.items[item].sample for item in mine)
    order = rng.permutation(len(open_[pair]))
    ranked = [(shown[item], of_rater[plan.items[item].sample], int(order[at])) for at, item in enumerate(open_[pair])]
    return open_[pair][ranked.index(min(ranked))]


def _candidates(plan: Plan) -> _Candidates:
    ratings = {name: item for name, item in plan.items.items() if item.kind == "rating"}
    teams = tuple(sorted({team for name in ratings for team in plan.teams_of(name)}))
    at = {team: number for number, team in enumerate(teams)}
    items: dict[tuple[int, int], list[str]] = {}
    for name in ratings:
        one, other = sorted(at[team] for team in plan.teams_of(name))
        items.setdefault((one, other), []).append(name)
    return _Candidates(teams, items)


def _not_again(
    plan: Plan, found: _Candidates, open_: dict[tuple[int, int], list[str]], last: PlanItem | None
) -> dict[tuple[int, int], list[str]]:
    """Leave out the last sample, and the last pair, unless nothing else is left."""
    if last is None:
        return open_
    other_sample = {
        pair: kept
        for pair, items in open_.items()
        if (kept := [item for item in items if plan.items[item].sample != last.sample])
    }
    open_ = other_sample or open_
    shown = {plan.media[medium].team for medium in last.media}
    other_pair = {pair: items for pair, items in open_.items() if {found.teams[at] for at in pair} != shown}
    return other_pair or open_


def _sides(plan: Plan, found: _Candidates, item: PlanItem) -> tuple[int, int]:
    left, right = (found.teams.index(str(plan.media[medium].team)) for medium in item.media)
    return left, right


def _count(plan: Plan, found: _Candidates, points: Vector, given: Given) -> None:
    """Add an answer: of several questions the mean of what they say."""
    item = plan.items.get(given.item)
    if item is None or item.kind != "rating" or not given.values:
        return
    left, right = _sides(plan, found, item)
    won = min(1.0, max(0.0, sum(given.values.values()) / len(given.values)))
    points[left, right] += won
    points[right, left] += 1 - won


def _draws(seed: int, answers: int, rater: str) -> np.random.Generator:
    name = int.from_bytes(hashlib.sha256(rater.encode("utf-8", "surrogatepass")).digest()[:8], "big")
    return np.random.default_rng([seed, answers, name])


def next_in_list(items: Iterable[str | None], answered: Collection[str], chosen: int) -> tuple[str | None, bool]:
    """Return the next item of a list, or that one has to be chosen.

    Args:
        items: of the rater, ``None`` where a pair is chosen.
        answered: items that the rater has answered.
        chosen: how many of them were chosen.

    Returns:
        The item and whether the next is to be chosen; ``(None, False)`` at the end.
    """
    for item in items:
        if item is None and chosen:
            chosen -= 1
        elif item is None:
            return None, True
        elif item not in answered:
            return item, False
    return None, False
