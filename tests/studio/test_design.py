"""Designs are balanced, whatever their size; everything is counted from the plan alone."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from studio.study import PAIRS, RATINGS, plan_samples, rated_runs

from evalkit.challenges.model import parse_challenge
from evalkit.errors import InputError
from evalkit.studio.balance import balance_of
from evalkit.studio.design.order import Positions, Shown, balanced_order, conflicts
from evalkit.studio.design.samples import choose_samples
from evalkit.studio.design.shares import share_out
from evalkit.studio.design.sides import choose_sides
from evalkit.studio.making import make_plan
from evalkit.studio.page_model import Page
from evalkit.studio.plan_model import Plan
from evalkit.studio.request import AskedRater, PlanRequest


def plan_of(text: str, teams: int, samples: int, raters: int, own: tuple[int, ...] = (), **more: object) -> Plan:
    """Return a plan; rater number ``at`` is of the team ``own[at]``, if there is such a number."""
    asked = tuple(
        AskedRater(f"r{at}", f"t{own[at]}" if at < len(own) and own[at] >= 0 else None) for at in range(raters)
    )
    request = PlanRequest(raters=asked, page=Page(title="Rate"), **more)  # type: ignore[arg-type]
    return make_plan(parse_challenge(text, "test"), rated_runs(teams, samples), plan_samples(samples), request)


def shown_teams(plan: Plan, rater: str) -> list[frozenset[str]]:
    return [frozenset(plan.teams_of(item)) for item in plan.raters[rater].items if item is not None]


LIMITED = RATINGS.replace("method: mos", "method: mos\n  max_items_per_rater: 5")
sizes = st.tuples(st.integers(3, 9), st.integers(4, 14), st.integers(2, 12), st.integers(0, 2**31))


@settings(max_examples=60, deadline=None)
@given(sizes, st.data())
def test_ratings_are_balanced_whatever_the_size(size: tuple[int, int, int, int], data: st.DataObject) -> None:
    teams, samples, raters, seed = size
    fewest = -(-teams * samples // raters)
    items = data.draw(st.integers(min(fewest, teams * samples), min(teams * samples, fewest + 30)))
    plan = plan_of(RATINGS, teams, samples, raters, items=items, seed=seed)
    videos: Counter[str] = Counter(dict.fromkeys(plan.media, 0))
    totals: Counter[str] = Counter()
    for name, rater in plan.raters.items():
        assert len(rater.items) == len(set(rater.items)) == items
        found = Counter(next(iter(teams)) for teams in shown_teams(plan, name))
        assert len(found) == teams or items < teams
        assert max(found.values()) - (min(found.values()) if len(found) == teams else 0) <= 1
        totals.update(found)
        for one, other in pairwise(rater.items):
            assert not set(plan.teams_of(str(one))) & set(plan.teams_of(str(other)))
            assert plan.items[str(one)].sample != plan.items[str(other)].sample
        for item in rater.items:
            videos.update(plan.items[str(item)].media)
    assert len(videos) == teams * samples
    assert max(totals.values()) - min(totals.values()) <= 1
    assert max(videos.values()) - min(videos.values()) <= 1


@settings(max_examples=30, deadline=None)
@given(st.integers(3, 7), st.integers(6, 12), st.integers(3, 10), st.integers(0, 2**31), st.data())
def test_nobody_sees_the_own_team(teams: int, samples: int, raters: int, seed: int, data: st.DataObject) -> None:
    own = tuple(data.draw(st.integers(-1, teams - 1)) for _ in range(raters - 1))  # one rater is of no team
    items = min((teams - 1) * samples, -(-teams * samples // raters) + 12)
    try:
        plan = plan_of(RATINGS, teams, samples, raters, own, items=items, seed=seed)
    except InputError as error:
        assert "too few" in str(error)
        return
    for name, rater in plan.raters.items():
        found = Counter(team for teams in shown_teams(plan, name) for team in teams)
        assert rater.team not in found
        allowed = [f"t{at}" for at in range(teams) if f"t{at}" != rater.team]
        assert max(found.values()) - min(found[team] for team in allowed) <= 1
    balance = balance_of(plan)
    assert (balance.own_team, balance.same_team, balance.same_sample) == (0, 0, 0)
    assert balance.rater_spread <= 1
    assert all(team.video_most - team.video_fewest <= 1 for team in balance.teams)


@settings(max_examples=30, deadline=None)
@given(st.integers(3, 8), st.integers(3, 10), st.integers(2, 10), st.integers(0, 2**31), st.data())
def test_pairs_and_their_sides_are_balanced(
    teams: int, samples: int, raters: int, seed: int, data: st.DataObject
) -> None:
    pairs = teams * (teams - 1) // 2
    items = data.draw(st.integers(-(-pairs // raters), min(pairs * samples, -(-pairs // raters) + 25)))
    plan = plan_of(PAIRS, teams, samples, raters, items=items, seed=seed)
    met: Counter[frozenset[str]] = Counter()
    lefts: Counter[tuple[str, ...]] = Counter()
    for name, rater in plan.raters.items():
        own = Counter(shown_teams(plan, name))
        assert max(own.values()) - (min(own.values()) if len(own) == pairs else 0) <= 1
        assert all(len(shown) == 2 for shown in own)
        cells = {(frozenset(plan.teams_of(str(item))), plan.items[str(item)].sample) for item in rater.items}
        assert len(cells) == items, "a rater compares the same two videos once"
        met.update(own)
        lefts.update(plan.teams_of(str(item)) for item in rater.items)
    assert len(met) == pairs
    assert max(met.values()) - min(met.values()) <= 1
    assert all(abs(lefts[sides] - lefts[sides[::-1]]) <= 1 for sides in list(lefts))
    assert balance_of(plan).same_sample == 0 or samples < 4


def test_totals_are_as_equal_as_chains_of_raters_allow() -> None:
    """Three raters can only see two units each; the greedy draw alone often leaves 3, 2, 1."""
    allowed = np.array([[True, True, False], [True, False, True], [False, True, True]] * 2)
    for seed in range(40):
        shares = share_out(allowed, np.ones(6, dtype=np.int64), np.full(3, 5), np.random.default_rng(seed))
        assert shares.sum(axis=0).tolist() == [2, 2, 2]
        assert (shares.sum(axis=1) == 1).all() and not shares[~allowed].any()


def test_a_unit_with_few_videos_gives_what_it_has() -> None:
    allowed = np.ones((2, 3), dtype=bool)
    shares = share_out(allowed, np.array([10, 3]), np.array([1, 5, 9]), np.random.default_rng(0))
    assert shares.tolist() == [[1, 5, 4], [1, 1, 1]] or shares.tolist() == [[1, 4, 5], [1, 1, 1]]


def test_samples_of_a_rater_come_twice_only_after_all_came_once() -> None:
    there = np.ones((4, 12), dtype=bool)
    shares = np.full((1, 4), 3)
    chosen = choose_samples(shares, there, np.random.default_rng(3))
    assert sorted(sample for _, sample in chosen[0]) == list(range(12))


def test_raters_exchange_samples_until_nobody_sees_one_twice_too_early() -> None:
    there = np.ones((3, 4), dtype=bool)
    for seed in range(60):
        rng = np.random.default_rng(seed)
        shares = share_out(np.ones((7, 3), dtype=bool), np.full(7, 2), np.full(3, 4), rng)
        chosen = choose_samples(shares, there, rng)
        videos = Counter(cell for cells in chosen for cell in cells)
        assert len(videos) == 12 and max(videos.values()) - min(videos.values()) <= 1
        for cells in chosen:
            assert len({sample for _, sample in cells}) == 2, (seed, cells)


def test_sides_alternate() -> None:
    sides = choose_sides([[(0, 0), (0, 1), (0, 2)], [(0, 3)]], [(0, 1)], np.random.default_rng(1))
    flat = [side for row in sides for side in row]
    assert sum(flat) == 2


def test_an_order_is_found_where_there_is_one_alone() -> None:
    """Three of one team and two others: the team must come first, in the middle and last."""
    items = [Shown(frozenset([team]), str(sample), 0) for sample, team in enumerate("aaabc")]
    order = balanced_order(items, conflicts(items), Positions(1), np.random.default_rng(0))
    assert order is not None
    assert [at < 3 for at in order] == [True, False, True, False, True]
    assert balanced_order(items[:4], conflicts(items[:4]), Positions(1), np.random.default_rng(0)) is None


def test_over_all_raters_no_team_comes_early() -> None:
    plan = plan_of(RATINGS, 5, 10, 40, items=15, seed=2)
    places = [one.place for one in balance_of(plan).teams]
    assert all(place is not None and abs(place - 0.5) < 0.02 for place in places), places


def test_repeats_are_the_same_media_far_from_the_first() -> None:
    plan = plan_of(RATINGS, 4, 10, 6, items=24, repeats=4, training=3, seed=1)
    for rater in plan.raters.values():
        items = [str(item) for item in rater.items]
        kinds = [plan.items[item].kind for item in items]
        assert kinds[:3] == ["training"] * 3 and "training" not in kinds[3:]
        assert len(items) == 27
        again = [item for item in items if plan.items[item].kind == "repeat"]
        assert len(again) == 4
        for item in again:
            first = plan.items[item].repeat_of
            assert first is not None and plan.items[first].media == plan.items[item].media
            assert items.index(item) - items.index(first) > 8
        seen = {plan.items[item].media for item in items[3:]}
        assert not seen & {plan.items[item].media for item in items[:3]}
    assert balance_of(plan).same_team == balance_of(plan).same_sample == 0


def test_the_same_seed_gives_the_same_design_with_other_ids() -> None:
    def design(seed: int) -> list[list[tuple[str | None, str]]]:
        plan = plan_of(RATINGS, 3, 6, 4, items=9, repeats=1, seed=seed)
        media = [[plan.media[plan.items[str(item)].media[0]] for item in one.items] for one in plan.raters.values()]
        return [[(one.team, one.sample) for one in row] for row in media]

    assert design(7) == design(7)
    assert design(7) != design(8)
    one, other = (plan_of(RATINGS, 3, 6, 4, items=9, seed=7) for _ in range(2))
    assert not set(one.items) & set(other.items) and not set(one.media) & set(other.media)
    assert one.organizer != other.organizer


@pytest.mark.parametrize(
    ("text", "teams", "samples", "raters", "own", "more", "words"),
    [
        (RATINGS, 4, 20, 2, (), {"items": 10}, ["80 videos", "8 raters", "40 items", "5 samples"]),
        (PAIRS, 6, 4, 1, (), {"items": 10}, ["15 pairs", "2 raters"]),
        (RATINGS, 3, 4, 2, (1, 1), {}, ["t1", "every rater"]),
        (RATINGS, 2, 8, 3, (0,), {"items": 8}, ["r0", "1 team", "'t0'"]),
        (RATINGS, 2, 2, 2, (), {"items": 4}, ["2 teams and 2 samples"]),
        (RATINGS, 3, 4, 2, (), {"items": 12, "repeats": 5}, ["5 repeats", "fewer"]),
        (RATINGS, 3, 4, 2, (), {"adaptive": True}, ["comparisons"]),
        (PAIRS, 3, 4, 2, (), {"adaptive": True, "items": 6, "repeats": 3}, ["3 repeats"]),
        (LIMITED, 3, 4, 9, (), {"items": 6}, ["5 items"]),
        (PAIRS.replace("pairs", "none"), 3, 4, 2, (), {}, ["asks people nothing"]),
    ],
)
def test_what_can_not_be_says_what_it_takes(
    text: str, teams: int, samples: int, raters: int, own: tuple[int, ...], more: dict[str, object], words: list[str]
) -> None:
    with pytest.raises(InputError) as caught:
        plan_of(text, teams, samples, raters, own, **more)
    for word in words:
        assert word in str(caught.value)


def test_what_the_error_asks_for_is_enough() -> None:
    assert plan_of(RATINGS, 4, 20, 8, items=10)
    assert plan_of(RATINGS, 4, 20, 2, items=40)
    assert plan_of(RATINGS, 4, 5, 2, items=10)
    assert plan_of(PAIRS, 6, 4, 2, items=10)


def test_the_challenges_limit_is_what_a_rater_gets() -> None:
    plan = plan_of(LIMITED, 3, 4, 3, repeats=1, training=2)
    assert {len(rater.items) for rater in plan.raters.values()} == {7}


def test_a_missing_video_is_no_item() -> None:
    runs = rated_runs(3, 6, frozenset({(0, 2), (0, 3)}))
    request = PlanRequest(raters=(AskedRater("a"), AskedRater("b")), page=Page(title="Rate"), items=12)
    plan = make_plan(parse_challenge(RATINGS, "test"), runs, plan_samples(6), request)
    assert len(plan.media) == 16
    assert balance_of(plan).rater_spread <= 1
