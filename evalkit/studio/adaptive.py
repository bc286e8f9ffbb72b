"""Choose the pair of which one more comparison tells most about the order, and the sample that is shown."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Sequence
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
    plan: Plan,
    answers: Sequence[Given],
    rater: str,
    pending: Collection[tuple[str, str]] = (),
    ahead: str | None = None,
) -> str | None:
    """Return the comparison that ``rater`` makes now; ``None`` when there is none left that the rater has not made.

    The same plan, answers and pending comparisons give the same choice. Never of the rater's own team, not of the
    sample that the rater saw last or sees next for certain, and of another pair than the last, where that can be. Of a
    pair's samples the one that was compared least, by anybody and then by the rater.

    Args:
        plan: of comparisons.
        answers: all that are stored, in the order in which they came.
        rater: id of the plan.
        pending: (rater, item) of comparisons that others are making now.
        ahead: the item that follows, where it is known.
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
    samples = {plan.items[item].sample for item in (*mine[-1:], ahead) if item is not None}
    open_ = _not_again(plan, found, open_, last, samples)
    n = len(found.teams)
    points, waiting, allowed = np.zeros((n, n)), np.zeros((n, n)), np.zeros((n, n))
    for one in answers:
        _count(plan, found, points, one)
    others = [(name, item) for name, item in pending if name != rater and item in plan.items]
    for _, item in others:
        if _is_ranked(plan, item):
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


def choose_repeat(plan: Plan, answers: Sequence[Given], rater: str, ahead: str | None = None) -> str | None:
    """Return the item that shows a pair again that the rater compared; ``None`` when there is none.

    One of those that were chosen in the first third of the rater's turns, where it can be, and not of the sample that
    the rater saw last or sees next. The same plan and answers give the same choice.

    Args:
        plan: of comparisons.
        answers: all that are stored, in the order in which they came.
        rater: id of the plan.
        ahead: the item that follows, where it is known.
    """
    of = {item.repeat_of: name for name, item in plan.items.items() if item.repeat_of is not None}
    mine = [one for one in answers if one.rater == rater and one.item in plan.items]
    made = {one.item for one in mine}
    listed = plan.raters[rater].items
    chosen = [one.item for one in mine if one.item not in listed and _is_ranked(plan, one.item)]
    answered = {one.item for one in mine if one.values}
    early = chosen[: listed.count(None) // 3]
    near = {plan.items[item].sample for item in (*[one.item for one in mine[-1:]], ahead) if item is not None}
    for group in (early, chosen[:-1]):
        possible = [item for item in group if item in answered and item in of and of[item] not in made]
        apart = [item for item in possible if plan.items[item].sample not in near]
        if apart or possible:
            drawn = _draws(plan.seed, len(mine), rater).integers(len(apart or possible))
            return of[(apart or possible)[int(drawn)]]
    return None


def _is_ranked(plan: Plan, item: str) -> bool:
    """Whether an item compares two teams: those with a known answer do, too."""
    return plan.items[item].kind in {"rating", "gold"} and len(plan.teams_of(item)) == 2


def _candidates(plan: Plan) -> _Candidates:
    ratings = [name for name in plan.items if _is_ranked(plan, name)]
    teams = tuple(sorted({team for name in ratings for team in plan.teams_of(name)}))
    at = {team: number for number, team in enumerate(teams)}
    items: dict[tuple[int, int], list[str]] = {}
    for name in ratings:
        one, other = sorted(at[team] for team in plan.teams_of(name))
        items.setdefault((one, other), []).append(name)
    return _Candidates(teams, items)


def _not_again(
    plan: Plan,
    found: _Candidates,
    open_: dict[tuple[int, int], list[str]],
    last: PlanItem | None,
    samples: Collection[str],
) -> dict[tuple[int, int], list[str]]:
    """Leave out ``samples``, and the last pair, unless nothing else is left."""
    other_sample = {
        pair: kept
        for pair, items in open_.items()
        if (kept := [item for item in items if plan.items[item].sample not in samples])
    }
    open_ = other_sample or open_
    if last is None:
        return open_
    shown = {plan.media[medium].team for medium in last.media}
    other_pair = {pair: items for pair, items in open_.items() if {found.teams[at] for at in pair} != shown}
    return other_pair or open_


def _sides(plan: Plan, found: _Candidates, item: PlanItem) -> tuple[int, int]:
    left, right = (found.teams.index(str(plan.media[medium].team)) for medium in item.media)
    return left, right


def _count(plan: Plan, found: _Candidates, points: Vector, given: Given) -> None:
    """Add an answer: of several questions the mean of what they say."""
    if given.item not in plan.items or not _is_ranked(plan, given.item) or not given.values:
        return
    left, right = _sides(plan, found, plan.items[given.item])
    won = min(1.0, max(0.0, sum(given.values.values()) / len(given.values)))
    points[left, right] += won
    points[right, left] += 1 - won


def _draws(seed: int, answers: int, rater: str) -> np.random.Generator:
    name = int.from_bytes(hashlib.sha256(rater.encode("utf-8", "surrogatepass")).digest()[:8], "big")
    return np.random.default_rng([seed, answers, name])


def next_in_list(
    items: Sequence[str | None], answered: Collection[str], chosen: int
) -> tuple[str | None, int | None, str | None]:
    """Return the next item of a list, or that one has to be chosen.

    Args:
        items: of the rater, ``None`` where a pair is chosen.
        answered: items that the rater has answered.
        chosen: how many of them were chosen.

    Returns:
        The item; the number of the open place, from 0, where one has to be chosen instead; and the next item after
        it that is listed and not answered. ``(None, None, None)`` at the end.
    """
    turn = -1
    for at, item in enumerate(items):
        turn += item is None
        if item is None and turn >= chosen:
            after = (one for one in items[at + 1 :] if one is not None and one not in answered)
            return None, turn, next(after, None)
        if item is not None and item not in answered:
            return item, None, None
    return None, None, None
