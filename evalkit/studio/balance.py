"""What a plan's design amounts to, counted from the plan itself: how often, how early and beside what everything is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from evalkit.studio.plan_model import Plan, PlanRater

COUNTED = frozenset({"rating", "gold"})


@dataclass(frozen=True)
class TeamBalance:
    """How often a run's videos are shown in items that count.

    Args:
        team, run: whose.
        shown: over all raters.
        fewest, most: of the raters who may see the team.
        video_fewest, video_most: over all raters, of its videos.
        place: mean place in a rater's list, from 0 (first) to 1 (last); ``None`` where it is never shown.
        left: share of comparisons in which it is on the left; ``None`` for ratings.
    """

    team: str
    run: str
    shown: int
    fewest: int
    most: int
    video_fewest: int
    video_most: int
    place: float | None
    left: float | None = None


@dataclass(frozen=True)
class Balance:
    """The whole design.

    Args:
        method: of the plan.
        raters: how many.
        items: kind -> how many a rater has, fewest and most; ``chosen`` for pairs that are chosen later.
        teams: of each run.
        pair_fewest, pair_most: how often two teams meet, of comparisons.
        same_team: neighbours with a team in common, of all raters.
        same_sample: neighbours of one sample.
        rater_spread: most items of one team more than of another that a rater has, of those the rater may see.
        own_team: items with a video of the rater's own team.
        repeat_distance: fewest items between a repeat and what it repeats; ``None`` without repeats.
    """

    method: str
    raters: int
    items: dict[str, tuple[int, int]]
    teams: tuple[TeamBalance, ...]
    pair_fewest: int | None
    pair_most: int | None
    rater_spread: int
    same_team: int
    same_sample: int
    own_team: int
    repeat_distance: int | None

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data for JSON."""
        return asdict(self)


def balance_of(plan: Plan) -> Balance:
    """Return what the lists of a plan amount to; pairs that are chosen later are in none of them."""
    lists = {name: counted_items(plan, rater) for name, rater in plan.raters.items()}
    runs = {(one.team, one.run) for one in plan.media.values() if one.team is not None and one.run is not None}
    pairs = _pairs(plan, lists.values()) if plan.method == "pairs" and not plan.adaptive else None
    same_team, same_sample = _neighbours(plan)
    return Balance(
        method=plan.method,
        raters=len(plan.raters),
        items=_kinds(plan),
        teams=tuple(_team(plan, lists, team, run) for team, run in sorted(runs)),
        pair_fewest=None if pairs is None else min(pairs.values()),
        pair_most=None if pairs is None else max(pairs.values()),
        rater_spread=_rater_spread(plan, lists, runs),
        same_team=same_team,
        same_sample=same_sample,
        own_team=sum(
            rater.team in plan.teams_of(item)
            for rater in plan.raters.values()
            for item in rater.items
            if item is not None and rater.team is not None
        ),
        repeat_distance=_repeat_distance(plan),
    )


def counted_items(plan: Plan, rater: PlanRater) -> list[str]:
    """Return the items of a rater that can count; a comparison counts where both videos are teams'."""
    listed = [item for item in rater.items if item is not None and plan.items[item].kind in COUNTED]
    return [item for item in listed if plan.method == "mos" or len(plan.teams_of(item)) == 2]


def open_turns(rater: PlanRater) -> int:
    """Return how many pairs are chosen for a rater that count: those that come again don't."""
    return rater.items.count(None) - len(rater.repeat_turns)


def _kinds(plan: Plan) -> dict[str, tuple[int, int]]:
    every = [
        Counter(plan.items[item].kind for item in rater.items if item is not None)
        + Counter(chosen=open_turns(rater), repeat=len(rater.repeat_turns))
        for rater in plan.raters.values()
    ]
    names = ("training", "rating", "chosen", "gold", "repeat", "reference")
    found = {name: (min(one[name] for one in every), max(one[name] for one in every)) for name in names}
    return {name: span for name, span in found.items() if span[1]}


def _team(plan: Plan, lists: dict[str, list[str]], team: str, run: str) -> TeamBalance:
    own = {name for name, one in plan.media.items() if (one.team, one.run) == (team, run)}
    videos = Counter(dict.fromkeys(own, 0))
    per_rater, places, lefts = [], [], []
    for name, items in lists.items():
        mine = 0
        for at, item in enumerate(items):
            media = plan.items[item].media
            for side, medium in enumerate(media):
                if medium in own:
                    mine += 1
                    videos[medium] += 1
                    places.append(at / max(1, len(items) - 1))
                    lefts.append(side == 0)
        if plan.raters[name].team != team:
            per_rater.append(mine)
    return TeamBalance(
        team=team,
        run=run,
        shown=len(places),
        fewest=min(per_rater, default=0),
        most=max(per_rater, default=0),
        video_fewest=min(videos.values()),
        video_most=max(videos.values()),
        place=sum(places) / len(places) if places else None,
        left=sum(lefts) / len(lefts) if lefts and plan.method == "pairs" else None,
    )


def _rater_spread(plan: Plan, lists: dict[str, list[str]], runs: set[tuple[str, str]]) -> int:
    found = 0
    for name, items in lists.items():
        own = plan.raters[name].team
        counts = Counter({run: 0 for run in runs if run[0] != own})
        for item in items:
            for medium in (plan.media[one] for one in plan.items[item].media):
                if medium.team is not None and medium.run is not None:
                    counts[medium.team, medium.run] += 1
        found = max(found, max(counts.values()) - min(counts.values()))
    return found


def _pairs(plan: Plan, lists: Iterable[Sequence[str]]) -> Counter[frozenset[str]]:
    teams = sorted({one.team for one in plan.media.values() if one.team is not None})
    found = Counter({frozenset((one, other)): 0 for at, one in enumerate(teams) for other in teams[at + 1 :]})
    for items in lists:
        for item in items:
            shown = frozenset(plan.teams_of(item))
            if len(shown) == 2:
                found[shown] += 1
    return found


def _neighbours(plan: Plan) -> tuple[int, int]:
    """Return how many neighbours have a team, and a sample, in common; the training block is looked at by itself."""
    same_team = same_sample = 0
    for rater in plan.raters.values():
        for one, other in pairwise(rater.items):
            if one is None or other is None:
                continue
            first, second = plan.items[one], plan.items[other]
            if (first.kind == "training") != (second.kind == "training"):
                continue
            same_team += bool(set(plan.teams_of(one)) & set(plan.teams_of(other)))
            same_sample += first.sample == second.sample
    return same_team, same_sample


def _repeat_distance(plan: Plan) -> int | None:
    found = []
    for rater in plan.raters.values():
        place = {item: at for at, item in enumerate(rater.items)}
        for item, at in place.items():
            first = None if item is None else plan.items[item].repeat_of
            if first is not None:
                found.append(at - place[first])
    return min(found, default=None)
