"""By how much a value would have to change: moved there, the order turns; a little less, and it doesn't."""

from __future__ import annotations

import numpy as np
import pytest

from evalkit.leaderboard.scoring_rules import ScoringPlan
from evalkit.leaderboard.table import Cell, Column, Row
from evalkit.leaderboard.turning_points import turning_points

COLUMNS = (
    Column("up", True, weight=3.0, range=(0.0, 100.0)),
    Column("down", False, weight=1.0, range=(0.0, 20.0)),
    Column("other", True, weight=2.0, range=(0.0, 1.0)),
)


def rows_of(values):
    return [
        Row(f"t{at}", "main", {column.id: Cell(float(v)) for column, v in zip(COLUMNS, line, strict=True)})
        for at, line in enumerate(values)
    ]


def ordered(plan, values):
    scores = plan.scores(np.array(values)) * (-1.0 if plan.lower_wins else 1.0)
    return [values[at] for at in np.argsort(-scores, kind="stable")]


def test_a_weighted_sum_by_hand():
    # Weights 3/6, 1/6, 2/6. t0: 0.5*0.4 + (1-0.5)/6 + 0.9/3 = 0.58333; t1: 0.5*0.5 + (1-0.5)/6 + 0.6/3 = 0.53333
    plan = ScoringPlan("weighted-sum", COLUMNS)
    found = {
        (one.run, one.column): one for one in turning_points("ranking", rows_of([[40, 10, 0.9], [50, 10, 0.6]]), plan)
    }
    assert len(found) == 6
    up, down, other = (found["t1", name] for name in ("up", "down", "other"))
    assert (up.rival, up.behind, up.value) == ("t0", True, 50.0)
    assert up.to == pytest.approx(60.0)  # 0.05 / 0.5 = 0.1 of 100
    assert down.to == pytest.approx(4.0)  # 0.05 * 6 = 0.3 of 20, lower
    assert other.to == pytest.approx(0.75)  # 0.05 * 3 = 0.15
    assert found["t0", "up"].behind is False
    assert found["t0", "up"].to == pytest.approx(30.0)
    assert found["t0", "down"].to == pytest.approx(16.0)


def test_no_value_may_do():
    plan = ScoringPlan("weighted-sum", COLUMNS)
    found = turning_points("ranking", rows_of([[100, 10, 1.0], [0, 10, 0.0]]), plan)
    assert [one.to for one in found if one.run == "t1"] == [None, None, None]


@pytest.mark.parametrize("method", ["weighted-sum", "rank-sum", "mean-rank", "borda"])
def test_the_order_turns_there_and_not_before(method):
    """Against the rule itself: at the turning point (or just beyond) the order of the two has changed, before not."""
    plan = ScoringPlan(method, COLUMNS)
    sign = -1.0 if plan.lower_wins else 1.0
    checked = {True: 0, False: 0}
    for seed in range(12):
        random = np.random.default_rng(seed)
        values = ordered(
            plan, np.column_stack([random.uniform(20, 80, 6), random.uniform(2, 18, 6), random.random(6)]).tolist()
        )
        for one in turning_points("ranking", rows_of(values), plan):
            at, rival = int(one.run[1:]), int(one.rival[1:])
            index = [column.id for column in COLUMNS].index(one.column)
            better = (1.0 if COLUMNS[index].higher_is_better else -1.0) * (1.0 if one.behind else -1.0)

            def lead(value, values=values, at=at, rival=rival, index=index):
                moved = np.array(values)
                moved[at, index] = value
                scores = sign * plan.scores(moved)
                return float(scores[at] - scores[rival])

            before = lead(one.value)
            assert (before < 0) == one.behind
            if one.to is None:
                far = lead(one.value + better * 1000.0)
                assert np.sign(far) == np.sign(before)
                continue
            checked[one.beyond] += 1
            there = lead(one.to + (better * 1e-9 if one.beyond else 0.0))
            assert abs(there) < 1e-9 or np.sign(there) != np.sign(before)
            short = lead(one.to - better * 1e-6)
            assert np.sign(short) == np.sign(before)
    assert checked[False] > 20
    assert checked[True] > (0 if method == "weighted-sum" else 20) - 1


def test_one_column_alone_turns_at_the_rivals_value():
    plan = ScoringPlan("value", (COLUMNS[1],))
    rows = rows_of([[1, 3.0, 0], [1, 4.0, 0], [1, 4.0, 0], [1, 9.0, 0]])
    found = [(one.run, one.rival, one.to) for one in turning_points("final", rows, plan)]
    assert found == [
        ("t0", "t1", 4.0),
        ("t1", "t0", 3.0),
        ("t1", "t3", 9.0),
        ("t2", "t0", 3.0),
        ("t2", "t3", 9.0),
        ("t3", "t2", 4.0),
    ]
