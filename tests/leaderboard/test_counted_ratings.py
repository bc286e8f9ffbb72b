"""Ratings that count, from the window to excluded raters; names and gaps in the output."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

import pytest
from builders.boards import make_run, make_snapshot
from builders.computed import OBJECTIVE, RATED, codes, make, ranks, rated_board, row_of, scored

from evalkit.leaderboard.compute import compute_leaderboard
from evalkit.leaderboard.model import Leaderboard
from evalkit.leaderboard.serialise import as_dict
from evalkit.leaderboard.table import Row


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


def test_plain_data_keeps_the_order_and_what_is_not_finite_is_null() -> None:
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
