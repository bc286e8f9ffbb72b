"""Make the plan of a study: who sees which videos in which order."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from evalkit.challenges.model import Challenge
from evalkit.errors import InputError
from evalkit.statistics.arrays import Index
from evalkit.studio.item_register import ItemRegister
from evalkit.studio.lists import ListMaker
from evalkit.studio.plan_model import (
    PAIR,
    Completion,
    Plan,
    PlanChallenge,
    PlanRater,
    PlanSample,
    Question,
    new_token,
)
from evalkit.studio.request import DEFAULT_ITEMS, AskedRater, PlanRequest
from evalkit.studio.units import Units, find_units
from evalkit.studio.videos import RatedRun
from evalkit.text import count, escape_for_display


def make_plan(
    challenge: Challenge, runs: Sequence[RatedRun], samples: Mapping[str, PlanSample], request: PlanRequest
) -> Plan:
    """Return the plan; the same request and seed give the same design, with other random ids and tokens.

    Args:
        challenge: whose rules say what is asked, how many items count and whether raters may see their own team.
        runs: whose videos are rated.
        samples: id -> what the page shows beside the video; the samples of the study.
        request: what is asked for.

    Raises:
        InputError: there is no such plan; the message says how many raters or items it takes.
    """
    _require_possible(challenge, request)
    rng = np.random.default_rng(request.seed)
    exclude = challenge.ratings.exclude_own_team
    raters = tuple(one if exclude else AskedRater(one.name) for one in request.raters)
    units = find_units(challenge.ratings.method == "pairs", runs, tuple(samples), raters)
    counts = _counts(challenge, units, raters, request)
    register = ItemRegister(request)
    maker = ListMaker(units, raters, counts, request, register, rng)
    lists = maker.adaptive() if request.adaptive else maker.balanced()
    used = {item.sample for item in register.items.values()}
    return Plan(
        challenge=PlanChallenge(id=challenge.id, sha256=challenge.sha256),
        seed=request.seed,
        method="pairs" if challenge.ratings.method == "pairs" else "mos",
        questions=questions_of(challenge),
        page=request.page,
        completion=None if request.completion is None else Completion(code=request.completion),
        organizer=new_token(),
        join=new_token(),
        samples={name: samples[name] for name in samples if name in used},
        media=register.media,
        items=register.items,
        raters={
            one.name: PlanRater(
                token=new_token(), items=tuple(items), team=one.team, repeat_turns=maker.repeat_turns(items)
            )
            for one, items in zip(raters, lists, strict=True)
        },
    )


def questions_of(challenge: Challenge) -> tuple[Question, ...]:
    """Return what is asked, by the challenge's dimensions.

    Raises:
        InputError: a dimension of comparisons is called as comparisons without one are.
    """
    rules = challenge.ratings
    if rules.method == "mos":
        return tuple(Question(id=one.id, title=one.title, scale=one.scale) for one in rules.dimensions)
    if any(one.id == PAIR for one in rules.dimensions):
        raise InputError(f"A dimension of comparisons can't be called '{PAIR}'.", fix="Give it another id.")
    if rules.dimensions:
        return tuple(Question(id=one.id, title=one.title) for one in rules.dimensions)
    return (Question(id=PAIR, title="Which video is better?"),)


def _require_possible(challenge: Challenge, request: PlanRequest) -> None:
    method = challenge.ratings.method
    if method == "none" or (method == "mos" and not challenge.ratings.dimensions):
        raise InputError(
            f"The challenge {challenge.id} asks people nothing.",
            found=f"ratings.method: {method}, {count(len(challenge.ratings.dimensions), 'dimension')}",
            fix="Declare 'ratings: {method: mos, dimensions: [...]}' or 'method: pairs', and put the rules on the "
            "board ('evalkit board rules').",
        )
    if request.adaptive and method != "pairs":
        raise InputError("Only comparisons can be chosen by the answers so far.", found=f"ratings.method: {method}")
    names = [one.name for one in request.raters]
    twice = next((one for at, one in enumerate(names) if one in names[:at]), None)
    if twice is not None:
        raise InputError(f"The rater '{escape_for_display(twice, limit=80)}' is listed twice.", expected="once")
    if not names:
        raise InputError("There are no raters.", expected="at least one")


def _counts(challenge: Challenge, units: Units, raters: Sequence[AskedRater], request: PlanRequest) -> Index:
    """Return how many different items of the teams each rater gets.

    Raises:
        InputError: too few to show everything once, or more than the challenge counts.
    """
    limit, noun = challenge.ratings.max_items_per_rater, "comparison" if units.pairs else "item"
    asked = request.items or limit or DEFAULT_ITEMS
    if limit is not None and asked > limit:
        raise InputError(
            f"No more than {count(limit, noun)} of a rater count in this challenge.",
            found=str(asked),
            expected=f"at most {limit} (ratings.max_items_per_rater)",
        )
    own = asked - request.repeats
    if own < 1:
        raise InputError(
            "The repeats leave no place for anything that could be repeated.",
            found=f"{request.repeats} of {count(asked, noun)}",
        )
    rooms = (units.allowed * units.capacity).sum(axis=1)
    counts = np.minimum(own, rooms).astype(np.int64)
    _require_enough(units, counts, own, raters)
    return np.asarray(counts)


def _require_enough(units: Units, counts: Index, own: int, raters: Sequence[AskedRater]) -> None:
    pairs = units.pairs
    need = len(units.members) if pairs else int(units.there.sum())
    total = int(counts.sum())
    if total >= need:
        return
    what = "pairs of teams" if pairs else "videos"
    more_raters, more_items = math.ceil(need / own), math.ceil(need / len(raters))
    ways = [f"at least {count(more_raters, 'rater')} with {own} items each"]
    if not pairs and more_items <= int((units.allowed * units.capacity).sum(axis=1).min()):
        ways.append(f"{more_items} items for each of {count(len(raters), 'rater')}")
    fewer = total // len(units.members)
    if not pairs and fewer >= 1:
        ways.append(f"at most {count(fewer, 'sample')}")
    raise InputError(
        f"The raters are too few to see each of the {need} {what} once.",
        found=f"{count(len(raters), 'rater')}, {count(total, 'item')} in all",
        expected=" or ".join(ways),
        fix="Ask more raters, give each more items (--items), or rate fewer samples (--samples).",
    )
