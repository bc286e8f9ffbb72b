"""Who is ranked and who is not, rules that can't be applied, and the same leaderboard again."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from builders.boards import make_run, make_snapshot
from builders.computed import OBJECTIVE, RATED, codes, make, ranks, rated_board, row_of, scored

from evalkit.challenges.model import preset_ids
from evalkit.leaderboard.compute import compute_leaderboard
from evalkit.leaderboard.model import Leaderboard
from evalkit.leaderboard.serialise import as_dict


def test_only_the_primary_run_competes() -> None:
    runs = [make_run("alpha", scored([30.0, 31.0]), better={"fid": False, "niqe": None})]
    runs += [make_run("alpha", scored([90.0, 90.0], fid=1.0), name="second", primary=False, better={"fid": False})]
    leaderboard = make(OBJECTIVE, {"alpha": runs, "beta": scored([20.0, 21.0], fid=11.0)}, details=None)
    assert ranks(leaderboard) == {"alpha/main": 1, "beta/main": 2, "alpha/second": None}
    second = row_of(leaderboard, "alpha", "second")
    assert codes(second) == ["not_primary"]
    assert second.cells["psnr"].value == 90
    assert second.cells["psnr"].points is None
    assert not any(cell.best for cell in second.cells.values())
    # Its better values take nothing from the others' points: alpha is first in both, equal in speed.
    assert row_of(leaderboard, "alpha").score == 1 + 1 + 1.5


@pytest.mark.parametrize("target", ["team", "run"])
def test_who_is_left_out_by_a_decision_is_shown_and_in_nobodys_way(target: str) -> None:
    teams = {"alpha": scored([30.0, 31.0]), "beta": scored([29.0, 28.0]), "gamma": scored([28.0, 27.0])}
    subject = "alpha" if target == "team" else "alpha/main"
    leaderboard = make(OBJECTIVE, teams, decisions=[(target, subject, "manual", "Used the <b>test</b> set.")])
    assert ranks(leaderboard) == {"beta/main": 1, "gamma/main": 2, "alpha/main": None}
    assert codes(row_of(leaderboard, "alpha")) == ["excluded"]
    assert row_of(leaderboard, "alpha").reasons[0].sentence == "Used the <b>test</b> set."
    assert row_of(leaderboard, "alpha").cells["psnr"].value == 30.5
    assert row_of(leaderboard, "beta").cells["psnr"].best
    assert {one.team for one in leaderboard.distributions} == {"beta", "gamma"}
    assert leaderboard.uncertainty is not None
    assert all(row.interval is None for row in leaderboard.rows if row.rank is None)


def test_the_other_run_of_a_team_whose_primary_one_is_left_out() -> None:
    runs = [make_run("alpha", scored([30.0, 31.0])), make_run("alpha", scored([1.0, 1.0]), name="b", primary=False)]
    leaderboard = make(
        OBJECTIVE, {"alpha": runs, "beta": scored([9.0, 9.0])}, decisions=[("run", "alpha/main", "manual", "Late.")]
    )
    why = row_of(leaderboard, "alpha", "b").reasons
    assert [reason.code for reason in why] == ["not_primary"]
    assert "main" in why[0].sentence
    assert "left out" in why[0].sentence


def test_a_revoked_decision_leaves_nobody_out() -> None:
    snapshot = make_snapshot(OBJECTIVE, {"alpha": scored([30.0, 31.0])}, decisions=[("team", "alpha", "manual", "No.")])
    revoked = replace(snapshot.decisions[0], revoked_at=snapshot.at)
    leaderboard = compute_leaderboard(replace(snapshot, decisions=(revoked,)), draws=200)
    assert ranks(leaderboard) == {"alpha/main": 1}


def test_coverage_that_is_too_small() -> None:
    leaderboard = make(OBJECTIVE, {"alpha": scored([30.0, None]), "beta": scored([20.0, 21.0])})
    assert codes(row_of(leaderboard, "alpha")) == ["coverage"]
    assert row_of(leaderboard, "alpha").cells["psnr"].coverage == 0.5


def test_a_weighted_sum_without_ranges_is_a_problem_and_the_values_are_shown() -> None:
    leaderboard = make(OBJECTIVE.replace("rank-sum", "weighted-sum"), {"alpha": scored([30.0, 31.0])})
    assert leaderboard.problem is not None
    assert "range" in leaderboard.problem
    assert "psnr" in leaderboard.problem
    assert row_of(leaderboard, "alpha").rank is None
    assert codes(row_of(leaderboard, "alpha")) == ["problem"]
    assert row_of(leaderboard, "alpha").cells["psnr"].value == 30.5
    assert leaderboard.uncertainty is None
    assert leaderboard.no_uncertainty
    assert leaderboard.sensitivity is None


def test_a_metric_without_direction_is_a_problem() -> None:
    challenge = "schema: 1\nid: c\ntitle: C\nmetrics: [{id: niqe}]\nranking: borda\n"
    leaderboard = make(challenge, {"alpha": {"niqe": [1.0, 2.0]}})
    assert leaderboard.problem is not None
    assert "niqe" in leaderboard.problem


def test_the_challenge_decides_which_side_is_better_and_a_contradiction_is_a_note() -> None:
    challenge = "schema: 1\nid: c\ntitle: C\nmetrics: [{id: psnr, direction: lower}]\nranking: borda\n"
    leaderboard = make(challenge, {"alpha": {"psnr": [1.0, 2.0]}, "beta": {"psnr": [3.0, 4.0]}})
    assert ranks(leaderboard) == {"alpha/main": 1, "beta/main": 2}
    assert leaderboard.columns[0].higher_is_better is False
    assert leaderboard.columns[0].notes == (
        "In the challenge lower values are better, in the metric's definition higher ones.",
    )
    assert row_of(leaderboard, "alpha").cells["psnr"].best


def test_standardised_scores_in_a_weighted_sum_are_a_problem() -> None:
    challenge = RATED.replace("mean-rank", "weighted-sum").replace(
        "method: mos", "method: mos\n  estimator: mos.zscore"
    )
    teams = {"alpha": {"psnr": [1.0, 1.0]}}
    ratings = [("r1", "alpha", "s1", "sync", 3), ("r1", "alpha", "s2", "sync", 4)]
    leaderboard = make(challenge, teams, ratings=ratings)
    assert leaderboard.problem is not None
    assert "mos.zscore" in leaderboard.problem
    by_rank = make(challenge.replace("weighted-sum", "mean-rank"), teams, ratings=ratings)
    assert by_rank.problem is None
    assert ranks(by_rank) == {"alpha/main": 1}


def test_two_primary_runs_of_a_team_are_a_problem_unless_allowed() -> None:
    runs = [make_run("alpha", scored([30.0, 31.0])), make_run("alpha", scored([33.0, 33.0]), name="b")]
    teams = {"alpha": runs, "beta": scored([31.0, 32.0])}
    refused = make(OBJECTIVE, teams, better=None, details=None)
    assert refused.problem is not None
    assert "primary" in refused.problem
    allowed = make(OBJECTIVE.replace("primary: 1", "primary: 2"), teams, better=None, details=None)
    assert ranks(allowed) == {"alpha/b": 1, "beta/main": 2, "alpha/main": 3}
    assert allowed.uncertainty is not None
    named = {name for tier in allowed.uncertainty.tiers for name in tier}
    assert named == {"alpha/b", "beta", "alpha/main"}


def test_columns_of_one_name_are_a_problem() -> None:
    challenge = RATED.replace("ranking:", "metrics: [{id: sync, direction: higher}]\nranking:")
    leaderboard = make(challenge, {"alpha": {"sync": [1.0, 2.0]}})
    assert leaderboard.problem is not None
    assert "'sync'" in leaderboard.problem


def test_a_challenge_without_ranking() -> None:
    leaderboard = make(OBJECTIVE.replace("rank-sum", "none"), {"alpha": scored([30.0, 31.0])})
    assert leaderboard.problem is None
    assert codes(row_of(leaderboard, "alpha")) == ["no_ranking"]
    assert leaderboard.no_uncertainty == "Nobody is ranked."


@pytest.mark.parametrize("preset", preset_ids())
def test_an_empty_board_of_every_preset(preset: str) -> None:
    leaderboard = compute_leaderboard(make_snapshot(preset, {}))
    assert leaderboard.rows == ()
    assert leaderboard.uncertainty is None
    assert not (leaderboard.points or leaderboard.distributions or leaderboard.breakdowns or leaderboard.strengths)
    json.dumps(as_dict(leaderboard), allow_nan=False)


def test_teams_without_runs_are_no_rows() -> None:
    assert make(RATED, {"alpha": []}).rows == ()


def text(leaderboard: Leaderboard) -> str:
    return json.dumps(as_dict(leaderboard), allow_nan=False)


def test_the_same_board_gives_the_same_leaderboard_whatever_the_order_of_the_ratings() -> None:
    snapshot = rated_board(datetime(2026, 3, 2, tzinfo=UTC))
    shuffled = replace(snapshot, answers=snapshot.answers[::-1])
    first = text(compute_leaderboard(snapshot, draws=300))
    assert text(compute_leaderboard(snapshot, draws=300)) == first
    assert text(compute_leaderboard(shuffled, draws=300)) == first
    assert text(compute_leaderboard(snapshot, draws=300, seed=1)) != first


def test_ranks_without_a_column_keep_the_tie_breaks() -> None:
    """Without y, a and b are equal in x and share nothing: z, which doesn't rank, tells b before a.

    Without x, y puts a first; c is last in both.
    """
    challenge = """
schema: 1
id: c
title: C
metrics:
  - {id: m.x, direction: higher}
  - {id: m.y, direction: higher}
  - {id: m.z, direction: lower, rank: false}
ranking: rank-sum
ranking_rules: {tie_breaks: [m.z]}
"""
    values = {
        "a": {"m.x": [0.5, 0.6], "m.y": [0.9, 0.8], "m.z": [0.3, 0.4]},
        "b": {"m.x": [0.5, 0.6], "m.y": [0.7, 0.6], "m.z": [0.1, 0.2]},
        "c": {"m.x": [0.1, 0.2], "m.y": [0.1, 0.2], "m.z": [0.0, 0.1]},
    }
    made = compute_leaderboard(make_snapshot(challenge, values, better={"m.z": False}), draws=100)
    assert made.sensitivity is not None
    assert made.sensitivity.without["m.y"] == {"b": 1, "a": 2, "c": 3}
    assert made.sensitivity.without["m.x"] == {"a": 1, "b": 2, "c": 3}
