"""The planted faults of the simulated rating files are found, and the planted order of the teams comes out."""

from __future__ import annotations

import csv
from datetime import datetime

import numpy as np
import pytest

from evalkit.statistics.bradley_terry import bradley_terry
from evalkit.statistics.mos import mean_scores
from evalkit.statistics.opinion_table import OpinionTable, opinion_table
from evalkit.statistics.pair_points import win_matrix
from evalkit.statistics.rater_correlation import p913_correlation, rest_correlation
from evalkit.statistics.screening import bt500, rejected_raters, speeders, straight_liners
from evalkit.statistics.subject_model import projected_scores

pytestmark = pytest.mark.shared
SPEEDER, STRAIGHT_LINER = "r13", "r14"


def rows_of(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def rows(shared):
    return rows_of(shared / "data" / "talking-heads" / "ratings" / "long.csv")


@pytest.fixture(scope="module")
def tables(rows) -> dict[str, OpinionTable]:
    """Return a table per dimension."""
    raters, items = (sorted({row[column] for row in rows}) for column in ("rater_id", "item_id"))
    return {
        dimension: opinion_table(
            [raters.index(row["rater_id"]) for row in chosen],
            [items.index(row["item_id"]) for row in chosen],
            [float(row["score"]) for row in chosen],
            rater_names=raters,
            item_names=items,
        )
        for dimension in sorted({row["dimension"] for row in rows})
        for chosen in [[row for row in rows if row["dimension"] == dimension]]
    }


def names(table, verdicts) -> set[str]:
    return {table.name_rater(rater) for rater in rejected_raters(verdicts)}


def test_the_straight_liner_is_found_and_nobody_else(tables) -> None:
    assert len(tables) == 4
    for table in tables.values():
        assert names(table, straight_liners(table)) == {STRAIGHT_LINER}


def test_the_speeder_is_found_and_nobody_else(rows, tables) -> None:
    raters = next(iter(tables.values())).rater_names
    screens = {
        (row["rater_id"], row["item_id"]): datetime.fromisoformat(row["submitted_at"])
        - datetime.fromisoformat(row["started_at"])
        for row in rows
    }
    who = [raters.index(rater) for rater, _ in screens]
    seconds = [time.total_seconds() for time in screens.values()]
    for options in ({"least": 4.0}, {}):
        verdicts = speeders(who, seconds, raters, **options)
        assert {raters[rater] for rater in rejected_raters(verdicts)} == {SPEEDER}


def test_who_answers_at_random_does_not_go_with_the_others(tables) -> None:
    for table in tables.values():
        for rule in (rest_correlation, p913_correlation):
            assert SPEEDER in names(table, rule(table))
        assert all(verdict.sentence for verdict in bt500(table))


def test_the_planted_order_comes_out(shared, tables) -> None:
    key = {row["item_id"]: row["team"] for row in rows_of(shared / "data" / "talking-heads" / "ratings" / "key.csv")}
    means: dict[str, list[float]] = {}
    for table in tables.values():
        clean = table.without([table.rater_names.index(name) for name in (SPEEDER, STRAIGHT_LINER)])
        for estimate in (mean_scores(clean), projected_scores(clean)):
            for item, score in zip(table.item_names, estimate.score, strict=True):
                means.setdefault(key[item], []).append(score)
    order = sorted(means, key=lambda team: -np.nanmean(means[team]))
    assert order[0] == "faithful"
    assert set(order[1:3]) == {"late", "blurred"}
    assert set(order[3:]) == {"frozen", "swapped"}


def test_pairs_put_the_faithful_first(shared) -> None:
    rows = rows_of(shared / "data" / "talking-heads" / "ratings" / "pairs.csv")
    teams = sorted({row[side] for row in rows for side in ("left", "right")})
    results = {"left": 1.0, "tie": 0.5, "right": 0.0}
    points = win_matrix(
        [teams.index(row["left"]) for row in rows],
        [teams.index(row["right"]) for row in rows],
        [results[row["winner"]] for row in rows],
        len(teams),
    )
    assert points.sum() == len(rows) == 600
    found = bradley_terry(points, names=teams)
    assert teams[int(found.theta.argmax())] == "faithful"
    assert {teams[rank] for rank in np.argsort(found.theta)[:2]} == {"frozen", "swapped"}
    best, worst = int(found.theta.argmax()), int(found.theta.argmin())
    sides = np.eye(len(teams))[best] - np.eye(len(teams))[worst]
    assert sides @ found.theta > 3 * np.sqrt(sides @ found.covariance @ sides)
