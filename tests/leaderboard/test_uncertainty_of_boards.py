"""The evidence behind the uncertainty of a board: videos, intervals and ratings of the ranked runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from builders.boards import make_run, make_snapshot

from evalkit.board.filtering import filter_answers
from evalkit.board.model import Snapshot
from evalkit.leaderboard.bootstrap import Evidence
from evalkit.leaderboard.columns import make_rows, read_columns
from evalkit.leaderboard.compute import compute_leaderboard
from evalkit.leaderboard.rank_intervals import rank_uncertainty
from evalkit.leaderboard.ranking import Ranking, rank_board
from evalkit.leaderboard.rated_columns import read_rated_columns
from evalkit.leaderboard.runs import read_runs
from evalkit.leaderboard.table import Row, value_matrix
from evalkit.leaderboard.uncertainty import collect_evidence
from evalkit.reports.leaderboard.words import summary

CHALLENGE = """
schema: 1
id: rules
title: Rules
metrics:
  - {id: psnr, direction: higher, range: [20, 40], weight: 2}
  - {id: fid, direction: lower, range: [0, 50]}
  - {id: niqe, direction: lower, range: [0, 10]}
  - {id: fps, direction: higher, range: [0, 50], group: speed}
ranking: RULE
ratings: {method: mos, finalists: 3, dimensions: [{id: sync, title: Sync, weight: 2}, {id: look, title: Look}]}
"""
COUNT = 30


def board(rule: str, *, teams: int = 5, seed: int = 0, **more: Any) -> Snapshot:
    random = np.random.default_rng(seed)
    runs, ratings = {}, []
    for at in range(teams):
        team = f"t{at}"
        made = {
            "psnr": list(random.normal(30 - at / 2, 2, COUNT)),
            "fid": 10.0 + at,
            "niqe": list(random.normal(5 + at / 9, 1, COUNT)),
            "fps": 25.0,
        }
        runs[team] = [make_run(team, made, ci95={"fid": (9.0 + at, 11.0 + at)}, better={"fid": False, "niqe": False})]
        ratings += [
            (f"r{rater}", team, f"s{sample}", dimension, float(np.clip(np.rint(random.normal(4 - at / 3, 1)), 1, 5)))
            for rater in range(8)
            for sample in range(1, 7)
            for dimension in ("sync", "look")
        ]
    return make_snapshot(CHALLENGE.replace("RULE", rule), runs, ratings=ratings, **more)


def ranked(snapshot: Snapshot) -> Ranking:
    runs = read_runs(snapshot)
    columns = read_columns(snapshot.challenge, runs)
    rated = read_rated_columns(snapshot, runs, filter_answers(snapshot), None, draws=100, seed=0)
    return rank_board(snapshot.challenge, make_rows(runs, columns, rated.by_id), columns)


def evidence(snapshot: Snapshot) -> tuple[Evidence, dict[str, tuple[str, ...]]]:
    ranking, runs = ranked(snapshot), read_runs(snapshot)
    rated = read_rated_columns(snapshot, runs, filter_answers(snapshot), None, draws=100, seed=0)
    return collect_evidence(ranking.ranked, ranking.phases[0].plan, runs, rated.by_id)


@pytest.mark.parametrize("rule", ["weighted-sum", "rank-sum", "mean-rank", "borda", "two-phase"])
def test_the_phases_are_what_the_ranking_did(rule: str) -> None:
    """Scored by the phases' plans, the teams have the scores that the ranking says."""
    ranking = ranked(board(rule))
    assert [phase.name for phase in ranking.phases] == (["shortlist", "final"] if rule == "two-phase" else ["ranking"])
    rows: tuple[Row, ...] = ranking.ranked
    assert {row.label for row in rows} == set(ranking.phases[0].order)
    if rule == "two-phase":
        plan = ranking.phases[0].plan
        listed = [row.shortlist_score for row in rows]
        assert list(plan.scores(value_matrix(rows, plan.columns))) == pytest.approx(listed)
        rows = tuple(row for row in rows if row.finalist)
    assert tuple(row.label for row in rows) == ranking.phases[-1].order
    plan = ranking.phases[-1].plan
    values = value_matrix(rows, plan.columns)
    assert list(plan.scores(values)) == pytest.approx([row.score for row in rows])
    for row, points in zip(rows, plan.points(values), strict=True):
        assert [row.cells[column.id].points for column in plan.columns] == pytest.approx(list(points))


def test_evidence_is_videos_errors_and_ratings() -> None:
    made, notes = evidence(board("mean-rank"))
    assert notes == {}
    assert [column.id for column in made.columns] == ["psnr", "fid", "niqe", "fps", "sync", "look"]
    assert set(made.videos) == {"psnr", "niqe"}
    assert made.videos["psnr"].shape == (5, COUNT)
    assert made.videos["psnr"].mean(axis=1) == pytest.approx(made.values[:, 0])
    # fid -+ 1 is a 95 % interval
    assert set(made.errors) == {"fid"}
    assert made.errors["fid"] == pytest.approx(np.full(5, 1 / 1.959964))
    assert tuple(made.held_fixed) == ("fps",)
    assert made.ratings is not None
    assert len(made.ratings.value) == 5 * 8 * 6 * 2
    assert set(made.ratings.column) == {4, 5}


def test_videos_are_aligned_by_sample_not_by_place() -> None:
    turned = {"psnr": [31.0, 29.0, 30.0], "fid": 10.0, "niqe": [5.0] * 3, "fps": 25.0}
    plain = {"psnr": [30.0, 31.0, 29.0], "fid": 11.0, "niqe": [5.0] * 3, "fps": 25.0}
    runs = {
        "a": [make_run("a", turned, samples=["x", "y", "z"])],
        "b": [make_run("b", plain, samples=["z", "x", "y"])],
    }
    made, _ = evidence(make_snapshot(CHALLENGE.replace("RULE", "rank-sum"), runs))
    assert made.videos["psnr"].tolist() == [[31, 29, 30], [31, 29, 30]]


def test_a_number_that_is_not_the_mean_of_its_videos_brings_its_interval() -> None:
    """A mean over frames, say: 30.01 where the videos' mean is 30."""
    runs = {}
    for team in "ab":
        run = make_run(team, {"psnr": [29.0, 31.0], "fid": 9.0, "niqe": [5.0, 6.0], "fps": 25.0})
        score = run.card.metrics["psnr"].model_copy(update={"value": 30.01, "ci95": (29.01, 31.01)})
        card = run.card.model_copy(update={"metrics": {**run.card.metrics, "psnr": score}})
        runs[team] = [make_run(team, card)]
    made, _ = evidence(make_snapshot(CHALLENGE.replace("RULE", "rank-sum"), runs))
    assert "psnr" not in made.videos
    assert made.errors["psnr"] == pytest.approx([1 / 1.959964] * 2)
    assert set(made.videos) == {"niqe"}


def test_who_lacks_an_interval_is_as_uncertain_as_the_most_uncertain() -> None:
    runs = {}
    for team, half in (("a", 1.0), ("b", 3.0), ("c", None)):
        given = {"psnr": [29.0, 31.0], "fid": 9.0, "niqe": [5.0, 6.0], "fps": 25.0}
        ci = {} if half is None else {"fid": (9.0 - half, 9.0 + half)}
        runs[team] = [make_run(team, given, ci95={**ci, "fps": (25.0, 25.0)})]
    snapshot = make_snapshot(CHALLENGE.replace("RULE", "rank-sum"), runs)
    made, notes = evidence(snapshot)
    assert made.errors["fid"] == pytest.approx(np.array([1.0, 3.0, 3.0]) / 1.959964)
    assert notes == {"fid": ("Without an interval, taken as uncertain as the most uncertain other: c.",)}
    fid = next(column for column in compute_leaderboard(snapshot, draws=100).columns if column.id == "fid")
    assert fid.notes[-1:] == notes["fid"]


def test_the_board_says_what_the_uncertainty_says() -> None:
    snapshot = board("mean-rank")
    made, _ = evidence(snapshot)
    found = rank_uncertainty(made, ranked(snapshot).phases[0].plan, draws=500, seed=3, confidence=0.9)
    leaderboard = compute_leaderboard(snapshot, draws=500, seed=3, confidence=0.9)
    assert [row.interval for row in leaderboard.rows] == list(zip(found.low, found.high, strict=True))
    assert np.array([row.probability for row in leaderboard.rows]) == pytest.approx(found.rank_probability)
    uncertainty = leaderboard.uncertainty
    assert uncertainty is not None
    assert (uncertainty.confidence, uncertainty.draws, uncertainty.seed) == (0.9, 500, 3)
    assert tuple(uncertainty.held_fixed) == ("fps",)
    names = [row.team for row in leaderboard.rows]
    assert all(len(group) > 1 for group in uncertainty.groups)
    assert [tuple(names[first - 1 : last]) for first, last in found.groups if last > first] == list(uncertainty.groups)
    assert [name for tier in uncertainty.tiers for name in tier] == names


def test_unranked_runs_are_no_evidence() -> None:
    snapshot = board("mean-rank", decisions=[("team", "t0", "manual", "No.")])
    made, _ = evidence(snapshot)
    assert sorted(made.teams) == ["t1", "t2", "t3", "t4"]
    assert made.ratings is not None
    assert len(made.ratings.value) == 4 * 8 * 6 * 2


def test_two_phases_by_opinions() -> None:
    leaderboard = compute_leaderboard(board("two-phase"), draws=300)
    assert sum(bool(row.finalist) for row in leaderboard.rows) == 3
    assert leaderboard.uncertainty is not None
    assert [phase.name for phase in leaderboard.phases] == ["shortlist", "final"]
    assert leaderboard.phases[0].uncertainty is not None
    shares = {column.id: column.share for column in leaderboard.columns}
    assert (shares["sync"], shares["look"]) == pytest.approx((2 / 3, 1 / 3))
    assert shares["psnr"] == pytest.approx(2 / 5)
    assert leaderboard.sensitivity is not None  # two dimensions decide among the finalists
    assert {one.name for one in leaderboard.sensitivity.intervals} == {"sync", "look"}
    assert len(leaderboard.sensitivity.random.teams) == 3


def test_samples_that_nobody_rated_do_not_make_ratings_more_certain() -> None:
    """Six rated samples are six, whether the scorecards hold thirty or six: the degrees of freedom are 5, not 29."""
    only = CHALLENGE.replace("RULE", "mean-rank").replace("{id: ", "{rank: false, id: ", 4)
    full, small = board("mean-rank"), board("mean-rank")
    last = [f"s{at}" for at in range(COUNT, 0, -1)]  # the rated ones stand last in the scorecard
    many = make_snapshot(only, {team.name: {"psnr": [1.0] * COUNT} for team in full.teams}, samples=last)
    few = make_snapshot(only, {team.name: {"psnr": [1.0] * 6} for team in small.teams})
    made, _ = evidence(replace(many, answers=full.answers, key=full.key))
    same, _ = evidence(replace(few, answers=small.answers, key=small.key))
    assert made.video_count == same.video_count == 6
    assert made.rater_count == 8


def test_samples_of_runs_that_do_not_compete_are_not_drawn() -> None:
    old = make_run("t0", {"psnr": [1.0] * 3}, name="old", primary=False, samples=["x", "y", "z"])
    snapshot = board("mean-rank")
    made, _ = evidence(replace(snapshot, runs=(*snapshot.runs, old)))
    assert made.video_count == COUNT


def test_too_few_ratings_leave_the_ranking_without_uncertainty() -> None:
    """Two raters each, others for every team: most draws leave a team without any."""
    challenge = "schema: 1\nid: c\ntitle: C\nranking: mean-rank\n"
    challenge += "ratings: {method: mos, dimensions: [{id: sync, title: Sync}]}\n"
    teams = {f"t{at}": {"psnr": [1.0] * 2} for at in range(8)}
    ratings = [
        (f"r{at}-{rater}", f"t{at}", sample, "sync", 5 - at // 2)
        for at in range(8)
        for rater in (0, 1)
        for sample in ("s1", "s2")
    ]
    leaderboard = compute_leaderboard(make_snapshot(challenge, teams, ratings=ratings), draws=200)
    assert [row.rank for row in leaderboard.rows] == [1, 1, 3, 3, 5, 5, 7, 7]
    assert leaderboard.uncertainty is None
    assert leaderboard.no_uncertainty is not None
    assert "leave a team without ratings" in leaderboard.no_uncertainty
    assert all(row.interval is None and row.probability == () for row in leaderboard.rows)


SMALL = "schema: 1\nid: c\ntitle: C\nmetrics:\n  - {id: psnr, direction: higher}\n  - {id: fid, direction: lower}\n"


@pytest.mark.parametrize(
    ("values", "ratings", "note"),
    [
        ({"a": {"psnr": [30.1], "fid": 9.0}, "b": {"psnr": [30.0], "fid": 9.5}}, (), "one video"),
        (
            {"a": {"psnr": [1.0] * 8, "fid": 9.0}, "b": {"psnr": [1.0] * 8, "fid": 9.5}},
            [("r", team, f"s{at}", "sync", 4 - (team == "b")) for at in range(1, 9) for team in "ab"],
            "one rater",
        ),
        ({"a": {"psnr": None, "fid": 9.0}, "b": {"psnr": None, "fid": 9.5}}, (), ""),
    ],
)
def test_what_nothing_moves_is_not_certain(values: Any, ratings: Any, note: str) -> None:
    challenge = SMALL + "ranking: rank-sum\n"
    if ratings:
        challenge = "schema: 1\nid: c\ntitle: C\nranking: mean-rank\n"
        challenge += "ratings: {method: mos, dimensions: [{id: sync, title: Sync}]}\n"
    snapshot = make_snapshot(challenge, values, ratings=ratings, better={"fid": False})
    leaderboard = compute_leaderboard(snapshot, draws=200)
    assert [(row.team, row.rank) for row in leaderboard.rows] == [("a", 1), ("b", 2)]
    assert leaderboard.uncertainty is None
    assert leaderboard.no_uncertainty == "No column that ranks shows how far its values vary."
    assert all(row.interval is None and row.probability == () for row in leaderboard.rows)
    assert any(note in said for column in leaderboard.columns for said in column.notes) == bool(note)
    assert "how certain that is can't be computed" in summary(snapshot, leaderboard)


def test_the_lead_names_what_it_takes_as_certain() -> None:
    values = {"a": {"psnr": [40.0, 41.0, 40.5], "fid": 9.0}, "b": {"psnr": [30.0, 31.5, 30.2], "fid": 9.5}}
    snapshot = make_snapshot(SMALL + "ranking: borda\n", values, better={"fid": False})
    leaderboard = compute_leaderboard(snapshot, draws=200)
    assert leaderboard.uncertainty is not None
    assert leaderboard.uncertainty.held_fixed == {"fid": "no interval"}
    assert "(95 % confidence, taking FID as certain)" in summary(snapshot, leaderboard)


def test_a_final_phase_without_uncertainty_has_no_intervals_of_the_shortlist() -> None:
    """Three finalists judged by one rater: the objective phase's intervals say nothing of the final order."""
    challenge = SMALL.replace("  - {id: fid, direction: lower}\n", "")
    challenge += "ranking: two-phase\nratings: {method: pairs, finalists: 3}\n"
    random = np.random.default_rng(0)
    values = {f"t{at}": {"psnr": list(random.normal(30 - at / 10, 1, 6))} for at in range(5)}
    first = compute_leaderboard(make_snapshot(challenge, values), draws=200)
    one, two, three = (row.team for row in first.rows if row.finalist)
    assert all(row.interval for row in first.rows)
    pairs = [("r", f"s{at}", *pair, 1.0) for at in range(1, 7) for pair in ((one, two), (two, three), (one, three))]
    snapshot = make_snapshot(challenge, values, pairs=pairs)
    leaderboard = compute_leaderboard(snapshot, draws=200)
    assert leaderboard.no_uncertainty == "No column that ranks shows how far its values vary."
    assert [bool(row.interval) for row in leaderboard.rows] == [False] * 3 + [True] * 2
    assert not {label for group in leaderboard.tie_groups for label in group.labels} & {one, two, three}


def test_one_team_is_certain() -> None:
    leaderboard = compute_leaderboard(board("mean-rank", teams=1), draws=200)
    assert (leaderboard.rows[0].rank, leaderboard.rows[0].interval) == (1, (1, 1))
    assert leaderboard.uncertainty is not None
    assert leaderboard.uncertainty.groups == ()
    assert leaderboard.sensitivity is None
