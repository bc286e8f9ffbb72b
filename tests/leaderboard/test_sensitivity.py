"""Which weights make the podium: hand arithmetic, and ranking again on both sides of every edge."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evalkit.errors import InputError
from evalkit.leaderboard.scoring_rules import ScoringPlan
from evalkit.leaderboard.sensitivity import leave_one_out, random_weights, weight_intervals
from evalkit.leaderboard.table import Column

UNIT = (0.0, 1.0)
X, Y = Column("x", True, weight=1, range=UNIT), Column("y", True, weight=1, range=UNIT)


def test_two_columns_by_hand():
    """a (.9, .2), b (.6, .4), c (.1, .7) with weights x 1, y 1: sums 1.1, 1.0, .8.

    With the weight of x as w: a before b: .3 w - .2 >= 0, w >= 2/3; b before c: .5 w - .3 >= 0, w >= .6.
    With the weight of y as w: a before b: .3 - .2 w >= 0, w <= 1.5; b before c: .5 - .3 w >= 0, w <= 5/3.
    """
    values = np.array([[0.9, 0.2], [0.6, 0.4], [0.1, 0.7]])
    x, y = weight_intervals("abc", values, ScoringPlan("weighted-sum", (X, Y)), [0, 1, 2])
    assert (x.name, x.weight, x.high, x.below, x.above) == ("x", 1, None, ("a", "b"), None)
    assert x.low == pytest.approx(2 / 3, rel=1e-12)
    assert (y.name, y.low, y.below, y.above) == ("y", 0, None, ("a", "b"))
    assert y.high == pytest.approx(1.5, rel=1e-12)


def test_an_edge_at_nothing_is_exactly_nothing():
    """a wins .4 and .1 of the weights, b .2 and .3: the edge of .1 is at .1, of a weight that could be 0 at 0."""
    columns = tuple(
        Column(name, True, weight=weight) for name, weight in zip("abcd", (0.1, 0.2, 0.3, 0.4), strict=True)
    )
    for flips in np.ndindex(2, 2, 2, 2):
        values = np.array([flips, [1 - flip for flip in flips]], dtype=float)
        plan = ScoringPlan("rank-sum", columns)
        order = np.argsort(plan.scores(values), kind="stable")
        for one in weight_intervals("ab", values, plan, order):
            assert one.low == 0 or one.low > 1e-9
            assert one.below is None or one.low > 0


def test_random_weights_by_hand():
    """The same three teams: x has the share s, evenly from 0 to 1. c wins below 3/8 + ..., by the lines crossing.

    a = .2 + .7 s, b = .4 + .2 s, c = .7 - .6 s. a and b cross at .4, a and c at 5/13, b and c at 3/8.
    So c wins below 3/8, b from there to .4, a above; a b c in this order only above .4.
    """
    values = np.array([[0.9, 0.2], [0.6, 0.4], [0.1, 0.7]])
    made = random_weights("abc", values, ScoringPlan("weighted-sum", (X, Y)), [0, 1, 2], draws=40_000)
    assert made.wins == pytest.approx([0.6, 0.025, 0.375], abs=0.01)
    assert made.podium == pytest.approx(0.6, abs=0.01)
    assert made.wins.sum() == pytest.approx(1)
    again = random_weights("abc", values, ScoringPlan("weighted-sum", (X, Y)), [0, 1, 2], draws=40_000)
    assert np.array_equal(made.wins, again.wins)
    # wins belong to names, whatever the order of the table
    turned = random_weights("cba", values[::-1], ScoringPlan("weighted-sum", (X, Y)), [2, 1, 0], draws=40_000)
    assert turned.wins.tolist() == made.wins[::-1].tolist()


def test_equals_share_a_win():
    made = random_weights("ab", np.full((2, 2), 0.5), ScoringPlan("borda", (X, Y)), [0, 1], draws=100)
    assert made.wins.tolist() == [0.5, 0.5]
    assert made.podium == 1


def test_random_group_weights_are_drawn_by_group():
    """One column against two that say the opposite: by columns 1/3 : 2/3 on average, by groups one half each.

    a wins when the first column's share exceeds 1/2: by columns (1 - 1/2)^2 = 1/4 of the weightings, by groups 1/2.
    """
    kept = (X, replace(Y, group="subjective"), Column("z", True, "subjective", range=UNIT))
    values = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]])
    flat = random_weights("ab", values, ScoringPlan("weighted-sum", kept), [1, 0], draws=40_000)
    grouped = ScoringPlan("weighted-sum", kept, {"objective": 1, "subjective": 1})
    assert flat.wins == pytest.approx([0.25, 0.75], abs=0.01)
    assert random_weights("ab", values, grouped, [1, 0], draws=40_000).wins == pytest.approx([0.5, 0.5], abs=0.01)


def podium(plan: ScoringPlan, values: np.ndarray) -> list[int]:
    scores = plan.scores(values) * (-1 if plan.lower_wins else 1)
    return np.argsort(-scores, kind="stable")[:3].tolist()


def with_weight(plan: ScoringPlan, name: str, weight: float) -> ScoringPlan:
    if plan.group_weights is not None and name in plan.group_weights:
        return replace(plan, group_weights={**plan.group_weights, name: weight})
    return replace(plan, columns=tuple(replace(c, weight=weight) if c.id == name else c for c in plan.columns))


@pytest.mark.parametrize("rule", ["weighted-sum", "rank-sum", "mean-rank", "borda"])
@pytest.mark.parametrize("grouped", [False, True])
def test_ranking_again_on_both_sides_of_every_edge(rule, grouped):
    random = np.random.default_rng(3)
    edges = 0
    for _ in range(25):
        names = ("objective", "objective", "subjective", "subjective")
        kept = tuple(
            Column(f"m{i}", bool(random.random() < 0.5), group, float(random.uniform(0.5, 3)), UNIT)
            for i, group in enumerate(names)
        )
        groups = {"objective": float(random.uniform(0.5, 2)), "subjective": 1.0} if grouped else None
        plan, values = ScoringPlan(rule, kept, groups), random.random((6, 4))
        order = np.argsort(plan.scores(values) * (1 if plan.lower_wins else -1), kind="stable").tolist()
        found = weight_intervals("abcdef", values, plan, order)
        assert [one.name for one in found] == [c.id for c in kept] + (list(groups) if groups else [])
        for one in found:
            assert one.low <= one.weight <= (np.inf if one.high is None else one.high)
            top = one.high if one.high is not None else 1e4
            for inside in (one.low + 1e-6 * (top - one.low), one.weight, top - 1e-6 * (top - one.low)):
                assert podium(with_weight(plan, one.name, inside), values) == order[:3]
            if one.low > 1e-4:
                edges += 1
                assert podium(with_weight(plan, one.name, one.low - 1e-5), values) != order[:3]
            if one.high is not None:
                edges += 1
                assert podium(with_weight(plan, one.name, one.high + 1e-5), values) != order[:3]
            assert (one.below is None) == (one.low == 0)
            assert (one.above is None) == (one.high is None)
    assert edges > 50


def test_a_broken_tie_is_an_edge():
    """a and b are equal, a stands first by a tie break: more of y makes b first, more of x keeps a."""
    values = np.array([[0.8, 0.2], [0.2, 0.8], [0.0, 0.0]])
    x, y = weight_intervals("abc", values, ScoringPlan("weighted-sum", (X, Y)), [0, 1, 2])
    assert (x.low, x.high, x.below) == (1, None, ("a", "b"))
    assert (y.low, y.high, y.above) == (0, 1, ("a", "b"))
    x, _ = weight_intervals("abc", values, ScoringPlan("weighted-sum", (X, Y)), [1, 0, 2])
    assert (x.low, x.high) == (0, 1)


def test_one_team_and_a_small_podium():
    (alone,) = weight_intervals("a", np.array([[0.5]]), ScoringPlan("weighted-sum", (X,)), [0])
    assert (alone.low, alone.high) == (0, None)
    values = np.array([[0.9, 0.2], [0.6, 0.4], [0.5, 0.39]])
    # Only the winner is asked: a before b .3 w >= .2; b against c, whatever the weights, is no edge.
    x, _ = weight_intervals("abc", values, ScoringPlan("weighted-sum", (X, Y)), [0, 1, 2], podium=1)
    assert x.low == pytest.approx(2 / 3)


def test_leave_one_out():
    values = np.array([[0.9, 0.2], [0.6, 0.4], [0.1, 0.4]])
    made = leave_one_out("abc", values, ScoringPlan("rank-sum", (X, Y)))
    assert made == {"x": {"a": 3, "b": 1, "c": 1}, "y": {"a": 1, "b": 2, "c": 3}}
    assert leave_one_out("abc", values[:, :1], ScoringPlan("rank-sum", (X,))) == {}


@pytest.mark.parametrize(
    ("values", "order", "words"),
    [
        (np.array([[0.9, 0.2], [0.6, 0.4]]), [1, 0], "contradicts"),
        (np.array([[0.9, 0.2], [0.6, 0.4]]), [0, 0], "every team once"),
        (np.array([[0.9, 0.2]]), [0, 1], "finite value per team"),
        (np.array([[0.9, np.nan], [0.6, 0.4]]), [0, 1], "finite value per team"),
    ],
)
def test_faulty_requests(values, order, words):
    with pytest.raises(InputError, match=words):
        weight_intervals("ab", values, ScoringPlan("weighted-sum", (X, Y)), order)
