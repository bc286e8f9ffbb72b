"""What counts, who is ranked and who is not, on boards that are made to go wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from builders.boards import make_rating, make_run, make_snapshot

from evalkit.board.model import Snapshot
from evalkit.challenges.model import load_challenge, preset_ids
from evalkit.leaderboard.compute import compute_leaderboard
from evalkit.leaderboard.model import Leaderboard
from evalkit.leaderboard.serialise import as_dict
from evalkit.leaderboard.table import Row

OBJECTIVE = """
schema: 1
id: objective
title: Objective
submission: {runs: {max: 3, primary: 1}}
metrics:
  - {id: psnr, direction: higher}
  - {id: fid, direction: lower}
  - {id: niqe, rank: false, group: diagnostic}
  - {id: fps, group: speed, direction: higher}
ranking: rank-sum
"""
RATED = """
schema: 1
id: rated
title: Rated
ranking: mean-rank
ratings:
  method: mos
  dimensions: [{id: sync, title: Lip sync}]
  window: {opens: "2026-03-01 AoE", closes: "2026-03-05T23:59:59 AoE"}
"""
SIZES = {"fid": {"n": 500.0, "n_reference": 500.0, "dimension": 2048.0}}


def scored(psnr: list[float | None], fid: float | None = 10.0, fps: float = 25.0) -> dict[str, Any]:
    return {"psnr": psnr, "fid": fid, "niqe": [5.0 for _ in psnr], "fps": fps}


def make(challenge: str, teams: Mapping[str, Any], **more: Any) -> Leaderboard:
    options: dict[str, Any] = {"better": {"fid": False, "niqe": None}, "details": SIZES, "draws": 200, **more}
    draws = options.pop("draws")
    return compute_leaderboard(make_snapshot(challenge, teams, **options), draws=draws)


def ranks(leaderboard: Leaderboard) -> dict[str, int | None]:
    return {f"{row.team}/{row.run}": row.rank for row in leaderboard.rows}


def row_of(leaderboard: Leaderboard, team: str, run: str = "main") -> Row:
    return next(row for row in leaderboard.rows if (row.team, row.run) == (team, run))


def codes(row: Row) -> list[str]:
    return [reason.code for reason in row.reasons]


# ---- columns ---------------------------------------------------------------------------------------------------------


def test_columns_come_by_group_those_that_rank_first() -> None:
    challenge = """
schema: 1
id: many
title: Many
metrics:
  - {id: explains, rank: false}
  - {id: fps, group: speed, direction: higher}
  - {id: describes, group: diagnostic}
  - {id: psnr, published_as: PSNR, weight: 2}
ranking: rank-sum
ratings: {method: mos, dimensions: [{id: sync, title: Lip sync, weight: 3}]}
"""
    leaderboard = make(
        challenge,
        {"alpha": {"psnr": [1.0, 2.0], "explains": [1.0, 1.0], "fps": 25.0}},
        units={"psnr": "dB"},
        ratings=[("r1", "alpha", "s1", "sync", 4)],
    )
    assert [(c.id, c.group, c.ranks, c.weight) for c in leaderboard.columns] == [
        ("psnr", "objective", True, 2),
        ("explains", "objective", False, 0),
        ("sync", "subjective", True, 3),
        ("fps", "speed", True, 1),
        ("describes", "diagnostic", False, 0),
    ]
    psnr = leaderboard.columns[0]
    assert (psnr.title, psnr.published_as, psnr.unit, psnr.protocol) == ("PSNR", "PSNR", "dB", 1)
    assert [column.share for column in leaderboard.columns] == pytest.approx([2 / 6, 0, 3 / 6, 1 / 6, 0])


def test_what_a_scorecard_does_not_hold_is_a_gap_with_a_reason() -> None:
    leaderboard = make(OBJECTIVE, {"alpha": {"psnr": [30.0, 31.0], "fid": 9.0}, "beta": scored([29.0, 28.0])})
    gap = row_of(leaderboard, "alpha").cells["fps"]
    assert (gap.value, gap.reason, gap.coverage, gap.n) == (None, "not_scored", 0.0, 0)
    assert ranks(leaderboard) == {"beta/main": 1, "alpha/main": None}
    assert codes(row_of(leaderboard, "alpha")) == ["unscored"]


def test_a_metric_without_value_keeps_the_reason_of_the_scorecard() -> None:
    leaderboard = make(OBJECTIVE, {"alpha": scored([30.0, 31.0], fid=None), "beta": scored([29.0, 28.0])})
    assert row_of(leaderboard, "alpha").cells["fid"].reason == "no_face"
    assert row_of(leaderboard, "alpha").rank is None


def test_titles_and_directions_of_a_metric_nobody_has_come_from_the_installed_one() -> None:
    leaderboard = compute_leaderboard(make_snapshot(load_challenge("talking-head"), {}), draws=200)
    for column in leaderboard.columns:
        if column.kind == "metric" and column.id.startswith("fid."):
            assert column.higher_is_better is False
            assert column.title != column.id


# ---- who is ranked ---------------------------------------------------------------------------------------------------


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


# ---- columns that rank nobody ----------------------------------------------------------------------------------------


def test_scorecards_of_different_protocols_refuse_the_column() -> None:
    teams = {
        "alpha": [make_run("alpha", scored([30.0, 31.0]), protocols={"psnr": 2})],
        "beta": [make_run("beta", scored([39.0, 38.0], fps=26.0))],
    }
    leaderboard = make(OBJECTIVE, teams)
    psnr = leaderboard.columns[0]
    assert psnr.id == "psnr"
    assert psnr.ranks
    assert psnr.refused is not None
    assert psnr.refused.code == "protocol"
    assert "protocol 2, higher is better (alpha)" in psnr.refused.sentence
    assert "protocol 1, higher is better (beta)" in psnr.refused.sentence
    assert (psnr.protocol, psnr.share) == (None, 0)
    # fid is equal: 1.5 each; speed decides.
    assert [(row.team, row.score) for row in leaderboard.rows] == [("beta", 2.5), ("alpha", 3.5)]
    assert not any(row.cells["psnr"].best for row in leaderboard.rows)
    assert all(row.cells["psnr"].points is None for row in leaderboard.rows)


def test_a_refused_metric_breaks_no_tie() -> None:
    challenge = OBJECTIVE + "ranking_rules: {tie_breaks: [psnr, niqe]}\n"
    challenge = challenge.replace("{id: niqe,", "{id: niqe, direction: lower,")
    teams = {
        "alpha": [make_run("alpha", {**scored([39.0, 38.0]), "niqe": [5.0, 5.0]}, protocols={"psnr": 2})],
        "beta": [make_run("beta", {**scored([30.0, 31.0]), "niqe": [4.0, 4.0]})],
    }
    leaderboard = make(challenge, teams)
    assert [(row.team, row.rank, row.tie_break) for row in leaderboard.rows] == [
        ("beta", 1, "niqe"),
        ("alpha", 2, "niqe"),
    ]


def test_a_run_that_does_not_compete_refuses_nothing() -> None:
    old = make_run("beta", scored([10.0, 10.0]), name="old", primary=False, protocols={"psnr": 7})
    leaderboard = make(
        OBJECTIVE,
        {"alpha": [make_run("alpha", scored([30.0, 31.0]))], "beta": [make_run("beta", scored([20.0, 20.0])), old]},
    )
    psnr = leaderboard.columns[0]
    assert psnr.refused is None
    assert psnr.protocol == 1
    assert "protocol 7" in psnr.notes[0]
    assert ranks(leaderboard)["alpha/main"] == 1


def test_sets_of_unequal_size_refuse_the_column() -> None:
    details = {"fid": {"n": 400.0, "n_reference": 500.0}}
    teams = {
        "alpha": [make_run("alpha", scored([30.0, 31.0], fid=1.0), details=details, better={"fid": False})],
        "beta": [make_run("beta", scored([39.0, 38.0], fid=9.0), details=SIZES, better={"fid": False})],
    }
    leaderboard = make(OBJECTIVE, teams)
    fid = leaderboard.columns[1]
    assert fid.refused is not None
    assert fid.refused.code == "unequal_n"
    assert "n differs, 400 (alpha), 500 (beta)" in fid.refused.sentence
    assert fid.share == 0
    assert leaderboard.columns[0].share == 0.5
    assert ranks(leaderboard) == {"beta/main": 1, "alpha/main": 2}
    assert not any(row.cells["fid"].best for row in leaderboard.rows)


def test_metrics_per_video_need_no_equal_number() -> None:
    loose = OBJECTIVE + "coverage: 0.5\n"
    leaderboard = make(loose, {"alpha": scored([30.0, None, 31.0]), "beta": scored([20.0, 20.0, 20.0])})
    assert all(column.refused is None for column in leaderboard.columns)
    assert ranks(leaderboard)["alpha/main"] == 1


def test_everything_refused_is_a_problem() -> None:
    challenge = "schema: 1\nid: one\ntitle: One\nmetrics: [{id: fid, direction: lower}]\nranking: rank-sum\n"
    details = {"fid": {"n": 400.0, "n_reference": 500.0}}
    teams = {
        "alpha": [make_run("alpha", {"fid": 1.0}, details=details)],
        "beta": [make_run("beta", {"fid": 9.0}, details=SIZES)],
    }
    leaderboard = make(challenge, teams)
    assert leaderboard.problem is not None
    assert "n differs" in leaderboard.problem
    assert set(ranks(leaderboard).values()) == {None}
    assert [codes(row) for row in leaderboard.rows] == [["unequal_n", "nothing_to_rank_by"]] * 2
    assert leaderboard.no_uncertainty == "Nobody is ranked."


# ---- rules that can't be applied -------------------------------------------------------------------------------------


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


def test_the_challenge_decides_which_side_is_better_and_a_contradiction_is_told() -> None:
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


# ---- ratings that count ----------------------------------------------------------------------------------------------


def rated_board(*late: datetime) -> Snapshot:
    ratings = [
        make_rating(f"r{rater}", team, sample, "sync", score + rater % 2)
        for rater in range(1, 5)
        for team, score in (("alpha", 3), ("beta", 2))
        for sample in ("s1", "s2")
    ]
    ratings += [make_rating("r9", "beta", "s1", "sync", 5, at) for at in late]
    return make_snapshot(RATED, {"alpha": {"psnr": [1.0, 1.0]}, "beta": {"psnr": [1.0, 1.0]}}, ratings=ratings)


def test_one_second_after_the_window_closes_anywhere_on_earth() -> None:
    """It closes at 23:59:59 UTC-12, which is 11:59:59 UTC of the next day."""
    last = datetime(2026, 3, 6, 11, 59, 59, tzinfo=UTC)
    without = compute_leaderboard(rated_board(), draws=200)
    in_time = compute_leaderboard(rated_board(last), draws=200)
    late = compute_leaderboard(rated_board(last + timedelta(seconds=1)), draws=200)
    assert late.ratings is not None
    assert (late.ratings.total, late.ratings.counted, dict(late.ratings.reasons)) == (17, 16, {"late": 1})
    assert next((one.ratings, one.counted) for one in late.ratings.raters if one.rater == "r9") == (1, 0)
    assert late.rows == without.rows
    assert in_time.ratings is not None
    assert in_time.ratings.counted == 17
    # (2 + 3 + 2 + 3 + 5) / 5 = 3 for s1, 2.5 for s2.
    assert row_of(in_time, "beta").cells["sync"].value == pytest.approx(2.75)
    assert row_of(late, "beta").cells["sync"].value == pytest.approx(2.5)


def test_a_rater_who_is_left_out_counts_for_nothing_and_is_named() -> None:
    snapshot = rated_board(datetime(2026, 3, 2, tzinfo=UTC))
    with_decision = replace(
        snapshot,
        decisions=make_snapshot(RATED, {}, decisions=[("rater", "r9", "speeder", "Half a second each.")]).decisions,
    )
    leaderboard = compute_leaderboard(with_decision, draws=200)
    assert row_of(leaderboard, "beta").cells["sync"].value == pytest.approx(2.5)
    assert leaderboard.ratings is not None
    assert leaderboard.ratings.reasons == {"excluded": 1}
    assert [one.excluded for one in leaderboard.ratings.raters if one.rater == "r9"] == ["Half a second each."]
    assert [one.excluded for one in leaderboard.ratings.raters if one.rater == "r1"] == [None]


def test_nobody_rated_yet() -> None:
    leaderboard = make(RATED, {"alpha": {"psnr": [1.0, 1.0]}})
    cell = row_of(leaderboard, "alpha").cells["sync"]
    assert (cell.value, cell.reason) == (None, "no_ratings")
    assert codes(row_of(leaderboard, "alpha")) == ["nobody_scored", "nothing_to_rank_by"]
    assert leaderboard.problem is not None
    assert "sync" in leaderboard.problem
    assert leaderboard.ratings is not None
    assert leaderboard.ratings.total == 0


def test_before_the_first_rating_the_metrics_rank_and_it_is_provisional() -> None:
    challenge = RATED.replace("ranking:", "metrics: [{id: psnr, direction: higher}]\nranking:")
    teams = {"alpha": {"psnr": [1.0, 1.0]}, "beta": {"psnr": [3.0, 2.0]}}
    leaderboard = make(challenge, teams)
    assert ranks(leaderboard) == {"beta/main": 1, "alpha/main": 2}
    assert leaderboard.provisional is not None
    assert "sync" in leaderboard.provisional.sentence
    sync = next(column for column in leaderboard.columns if column.id == "sync")
    assert sync.refused is not None
    assert (sync.refused.code, sync.share) == ("nobody_scored", 0)
    assert leaderboard.uncertainty is not None
    assert sum(column.share for column in leaderboard.columns) == pytest.approx(1)


def test_hostile_names_are_kept_as_they_are_in_data_and_shown_in_sentences() -> None:
    team = "<script>\u202e\x1b[31m"
    runs = [make_run(team, scored([30.0, 31.0])), make_run(team, scored([1.0, 2.0]), name="=1+1", primary=False)]
    leaderboard = make(OBJECTIVE, {team: runs, "beta": [make_run("beta", scored([1.0, 2.0]), protocols={"psnr": 2})]})
    assert ranks(leaderboard)[f"{team}/main"] is not None
    told = [reason.sentence for row in leaderboard.rows for reason in row.reasons]
    told += [column.refused.sentence for column in leaderboard.columns if column.refused]
    told += [note for column in leaderboard.columns for note in column.notes]
    assert len(told) >= 2
    assert not any("\x1b" in sentence or "\u202e" in sentence for sentence in told)
    json.dumps(as_dict(leaderboard), allow_nan=False)


def test_as_plain_data_everything_stands_in_order_and_what_is_not_finite_is_null() -> None:
    leaderboard = make(OBJECTIVE, {"alpha": scored([30.0, 31.0]), "beta": scored([29.0, 28.0])})
    row = replace(leaderboard.rows[0], score=float("nan"), probability=(float("inf"), 0.5))
    plain = as_dict(replace(leaderboard, rows=(row, *leaderboard.rows[1:])))
    assert list(plain) == [part.name for part in fields(Leaderboard)]
    assert list(plain["rows"][0]) == [part.name for part in fields(Row)]
    assert list(plain["rows"][0]["cells"]) == ["psnr", "fid", "fps", "niqe"]
    assert plain["rows"][0]["score"] is None
    assert plain["rows"][0]["probability"] == [None, 0.5]
    assert plain["sensitivity"]["random"]["wins"] == [1.0, 0.0]
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain


# ---- the same again --------------------------------------------------------------------------------------------------


def text(leaderboard: Leaderboard) -> str:
    return json.dumps(as_dict(leaderboard), allow_nan=False)


def test_the_same_board_gives_the_same_leaderboard_whatever_the_order_of_the_ratings() -> None:
    snapshot = rated_board(datetime(2026, 3, 2, tzinfo=UTC))
    shuffled = replace(snapshot, ratings=snapshot.ratings[::-1])
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
