"""Pairs that are chosen by the answers so far."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from studio.study import PAIRS
from studio.test_design import plan_of

from evalkit.errors import UsageError
from evalkit.studio.adaptive import choose_pair
from evalkit.studio.next_item import Given, next_item
from evalkit.studio.plan_model import Plan
from evalkit.studio.simulation import SimulationSetting, rank_error, simulate

STRENGTH = {"t0": 2.0, "t1": 1.0, "t2": 0.9, "t3": -1.0, "t4": -2.5}


def answer(plan: Plan, rater: str, item: str, rng: np.random.Generator) -> Given:
    left, right = plan.teams_of(item)
    won = rng.random() < 1 / (1 + np.exp(STRENGTH[right] - STRENGTH[left]))
    return Given(rater, item, {"pair": float(won)})


def whole_study(plan: Plan, seed: int) -> list[Given]:
    """Let all raters answer in turn until nobody has anything left."""
    rng = np.random.default_rng(seed)
    answers: list[Given] = []
    while True:
        before = len(answers)
        for rater in plan.raters:
            item = next_item(plan, answers, rater)
            if item is not None:
                answers.append(answer(plan, rater, item, rng))
        if len(answers) == before:
            return answers


def test_a_study_of_chosen_pairs() -> None:
    plan = plan_of(PAIRS, 5, 6, 6, (0, 3), items=14, training=2, adaptive=True, seed=4)
    answers = whole_study(plan, 1)
    by_rater = {rater: [one.item for one in answers if one.rater == rater] for rater in plan.raters}
    for name, items in by_rater.items():
        assert len(items) == len(set(items)) == 16
        assert [plan.items[item].kind for item in items] == ["training"] * 2 + ["rating"] * 14
        own = plan.raters[name].team
        assert own is None or all(own not in plan.teams_of(item) for item in items)
        chosen = items[2:]
        samples = [plan.items[item].sample for item in chosen]
        assert all(one != other for one, other in pairwise(samples))
        pairs = [frozenset(plan.teams_of(item)) for item in chosen]
        assert all(one != other for one, other in pairwise(pairs))
    counted = [one.item for one in answers if plan.items[one.item].kind == "rating"]
    met = Counter(frozenset(plan.teams_of(item)) for item in counted)
    assert met[frozenset(("t1", "t2"))] > 2 * met[frozenset(("t0", "t4"))]
    per_sample = Counter(plan.items[item].sample for item in counted)
    assert max(per_sample.values()) - min(per_sample.values()) <= 6


def test_pairs_that_were_chosen_come_again_in_the_last_third() -> None:
    plan = plan_of(PAIRS, 5, 6, 6, (0, 3), items=18, training=1, repeats=3, adaptive=True, seed=4)
    answers = whole_study(plan, 1)
    swapped = 0
    for name in plan.raters:
        items = [one.item for one in answers if one.rater == name]
        assert len(items) == len(set(items)) == 19
        kinds = [plan.items[item].kind for item in items]
        assert kinds[:13] == ["training"] + ["rating"] * 12
        assert Counter(kinds[13:]) == {"rating": 3, "repeat": 3}
        for at, item in enumerate(items):
            first = plan.items[item].repeat_of
            if first is not None:
                assert 1 <= items.index(first) <= 6  # of the first third of the turns, after the training
                assert set(plan.items[item].media) == set(plan.items[first].media)
                swapped += plan.items[item].media != plan.items[first].media
                assert plan.items[items[at - 1]].sample != plan.items[item].sample
        assert next_item(plan, answers, name) is None
    assert 0 < swapped < 3 * len(plan.raters)
    assert whole_study(plan, 1) == answers


def test_what_could_not_be_played_does_not_come_again() -> None:
    plan = plan_of(PAIRS, 3, 6, 1, items=9, repeats=1, adaptive=True)
    answers: list[Given] = []
    while (item := next_item(plan, answers, "r0")) is not None:
        answers.append(Given("r0", item, {} if len(answers) < 2 else {"pair": 1.0}))
    (again,) = (plan.items[one.item].repeat_of for one in answers if plan.items[one.item].kind == "repeat")
    assert again == answers[2].item  # the only one of the first three that was answered
    nothing = [one._replace(values={}) for one in answers[:6]]
    turn = plan.raters["r0"].repeat_turns[0]
    later = [*nothing]
    while len(later) <= turn:
        later.append(Given("r0", str(next_item(plan, later, "r0")), {}))
    assert plan.items[later[turn].item].kind == "rating"  # nothing could come again: another pair instead


def test_a_repeat_says_nothing_about_the_order() -> None:
    plan = plan_of(PAIRS, 5, 6, 2, items=18, repeats=3, adaptive=True, seed=4)
    answers = whole_study(plan, 1)
    repeats = [one for one in answers if plan.items[one.item].kind == "repeat" and one.rater == "r0"]
    turned = [one._replace(values={"pair": 1 - one.values["pair"]}) if one in repeats else one for one in answers]
    cut = answers.index(repeats[-1]) + 1
    assert repeats and next_item(plan, answers[:cut], "r1") == next_item(plan, turned[:cut], "r1")


def test_the_same_answers_give_the_same_item() -> None:
    plan = plan_of(PAIRS, 5, 6, 3, items=14, adaptive=True, seed=4)
    answers = whole_study(plan, 1)[:20]
    assert {next_item(plan, list(answers), "r1") for _ in range(3)} == {next_item(plan, answers, "r1")}
    assert whole_study(plan, 1) == whole_study(plan, 1)


def test_a_pair_that_was_asked_is_asked_again() -> None:
    plan = plan_of(PAIRS, 5, 6, 3, items=14, adaptive=True)
    answers = whole_study(plan, 2)[:15]
    usual = next_item(plan, answers, "r0")
    answered = {one.item for one in answers if one.rater == "r0"}
    other = next(item for item in plan.items if item != usual and item not in answered)
    assert next_item(plan, answers, "r0", pending=[("r0", other)]) == other
    assert next_item(plan, [*answers, Given("r0", other, {"pair": 1})], "r0", pending=[("r0", other)]) != other


def test_raters_at_the_same_time_are_asked_different_things() -> None:
    plan = plan_of(PAIRS, 5, 6, 10, items=14, adaptive=True)
    rng = np.random.default_rng(0)
    answers = [answer(plan, f"r{at % 10}", item, rng) for at, item in enumerate(plan.items)]
    alone = Counter(frozenset(plan.teams_of(str(next_item(plan, answers, f"r{at}")))) for at in range(10))
    pending: list[tuple[str, str]] = []
    for at in range(10):
        pending.append((f"r{at}", str(next_item(plan, answers, f"r{at}", pending=pending))))
    together = Counter(frozenset(plan.teams_of(item)) for _, item in pending)
    assert max(together.values()) < max(alone.values())


def test_what_is_not_of_the_plan_is_passed_over() -> None:
    plan = plan_of(PAIRS, 3, 4, 2, items=5, adaptive=True)
    strange = [Given("r0", "0" * 32, {"pair": 1.0}), Given("nobody", next(iter(plan.items)), {"pair": 0.5})]
    assert next_item(plan, strange, "r0") in plan.items
    with pytest.raises(KeyError):
        next_item(plan, [], "nobody")


def test_only_allowed_pairs_are_chosen() -> None:
    allowed = np.zeros((4, 4))
    allowed[1, 3] = allowed[0, 1] = 1
    found = {choose_pair(np.zeros((4, 4)), np.zeros((4, 4)), allowed, np.random.default_rng(at)) for at in range(20)}
    assert found == {(1, 3), (0, 1)}


def test_chosen_pairs_rank_better_than_random_ones() -> None:
    result = simulate(SimulationSetting(teams=6, spread=2.5, comparisons=90, seeds=2, studies=4))
    share = result.shares["adaptive"]
    assert share is not None and share < 0.8
    assert sum(result.errors["adaptive"]) < 0.85 * sum(result.errors["random"])
    assert result.needed["random"] is not None


def test_rank_error_by_hand() -> None:
    assert rank_error(np.array([1.0, 2, 3]), np.array([1.0, 2, 3])) == 0
    assert rank_error(np.array([1.0, 2, 3]), np.array([2.0, 1, 3])) == pytest.approx(1 / 3)
    assert rank_error(np.array([1.0, 1, 3]), np.array([2.0, 1, 0])) == 1


def test_too_little_is_not_simulated() -> None:
    with pytest.raises(UsageError, match="at least 3 teams and 28 comparisons"):
        simulate(SimulationSetting(comparisons=20))
