"""What counts on a board: the challenge's rules, decisions on top, and boards that lack something."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from builders.boards import NOW, WHEN, item_of, make_rating, make_snapshot

from evalkit.board.filtering import filter_ratings
from evalkit.board.model import Decision, Snapshot
from evalkit.ratings import Comparison, Key, Rating

CHALLENGE = """
id: c
title: The challenge
ratings:
  method: mos
  dimensions: [{id: sync, title: Sync}]
  blind: true
"""
PAIRS = "id: c\ntitle: The challenge\nratings: {method: pairs}\n"
TEAMS: dict[str, Any] = {"alpha": {"psnr": [30, 31]}, "beta": {"psnr": [20, 21]}}
RATINGS = [("r1", "alpha", "s1", "sync", 4), ("r1", "beta", "s1", "sync", 2), ("r2", "alpha", "s1", "sync", 5)]


def codes(snapshot: Snapshot) -> list[tuple[str, ...]]:
    return [verdict.codes for verdict in filter_ratings(snapshot).verdicts]


def pair_codes(snapshot: Snapshot) -> list[tuple[str, ...]]:
    return [verdict.codes for verdict in filter_ratings(snapshot).pair_verdicts]


def test_verdicts_stand_in_the_order_of_the_board() -> None:
    snapshot = make_snapshot(CHALLENGE, TEAMS, ratings=RATINGS)
    judged = filter_ratings(snapshot)
    assert [verdict.rating for verdict in judged.verdicts] == [stored.rating for stored in snapshot.ratings]
    assert [verdict.entry and verdict.entry.team for verdict in judged.verdicts] == ["alpha", "beta", "alpha"]
    assert judged.counted == judged.verdicts
    summary = judged.summary()
    assert (summary.total, summary.counted, summary.items) == (3, 3, 2)


def test_decisions_come_on_top_and_can_be_taken_back() -> None:
    snapshot = make_snapshot(CHALLENGE, TEAMS, ratings=RATINGS)
    third = snapshot.ratings[2].id
    decisions = (
        Decision(1, "rater", "r1", "manual", "Slept\x1b[2J.", "organizer", NOW),
        Decision(2, "rating", third, "manual", "A slip.", "organizer", NOW),
        Decision(3, "pair", third, "manual", "Of another kind.", "organizer", NOW),
    )
    judged = filter_ratings(replace(snapshot, decisions=decisions))
    assert [verdict.codes for verdict in judged.verdicts] == [("excluded",)] * 3
    sentences = [verdict.reasons[0].sentence for verdict in judged.verdicts]
    assert sentences == [r"Slept\x1b[2J.", r"Slept\x1b[2J.", "A slip."]
    revoked = tuple(replace(one, revoked_at=NOW, revoked_by="organizer", revoked_why="Awake.") for one in decisions)
    assert filter_ratings(replace(snapshot, decisions=revoked)) == filter_ratings(snapshot)


def test_a_decision_is_added_to_the_rules_and_brings_no_other_answer_in() -> None:
    again = make_rating("r1", "alpha", "s1", "sync", 1, WHEN + timedelta(hours=1))
    snapshot = make_snapshot(CHALLENGE, TEAMS, ratings=[RATINGS[0], again])
    decided = replace(
        snapshot,
        decisions=(
            Decision(1, "rating", snapshot.ratings[0].id, "manual", "Wrong.", "organizer", NOW),
            Decision(2, "rating", snapshot.ratings[1].id, "manual", "Wrong, too.", "organizer", NOW),
        ),
    )
    assert codes(snapshot) == [(), ("duplicate",)]
    assert codes(decided) == [("excluded",), ("duplicate", "excluded")]


def test_a_blind_challenge_without_a_key_has_unknown_items() -> None:
    snapshot = replace(make_snapshot(CHALLENGE, TEAMS, ratings=RATINGS, raters={"r1": "alpha"}), key=None)
    judged = filter_ratings(snapshot)
    assert [verdict.codes for verdict in judged.verdicts] == [("unknown-item",)] * 3
    item = item_of("alpha", "s1")
    assert judged.verdicts[0].reasons[0].sentence == f"'{item}' is not in the board's key: none was given yet."
    assert judged.summary().counted == 0


def test_without_a_key_and_not_blind_nobody_is_own_team() -> None:
    snapshot = make_snapshot(CHALLENGE.replace("true", "false"), TEAMS, ratings=RATINGS, raters={"r1": "alpha"})
    assert codes(snapshot) == [("own-team",), (), ()]
    judged = filter_ratings(replace(snapshot, key=None))
    assert [verdict.codes for verdict in judged.verdicts] == [()] * 3
    assert {verdict.entry for verdict in judged.verdicts} == {None}


def test_a_team_that_is_not_on_the_board() -> None:
    snapshot = make_snapshot(CHALLENGE, TEAMS, ratings=RATINGS)
    without = replace(snapshot, teams=snapshot.teams[:1])
    assert codes(without) == [(), ("unknown-team",), ()]
    assert filter_ratings(without).verdicts[1].reasons[0].sentence == "The item is of 'beta', who does not take part."


def test_ratings_of_unknown_teams_use_up_no_limit() -> None:
    limited = CHALLENGE + "  max_items_per_rater: 1\n"
    snapshot = make_snapshot(
        limited,
        TEAMS,
        ratings=[("r1", "beta", "s1", "sync", 2, WHEN), ("r1", "alpha", "s1", "sync", 4, WHEN + timedelta(hours=1))],
    )
    assert codes(snapshot) == [(), ("over-limit",)]
    assert codes(replace(snapshot, teams=snapshot.teams[:1])) == [("unknown-team",), ()]


def test_comparisons() -> None:
    pairs = [
        ("r1", "s1", "alpha", "beta", 1.0),
        ("r1", "s9", "alpha", "beta", 1.0),
        ("r1", "s1", "alpha", "omega", 1.0),
        ("r2", "s1", "alpha", "beta", 0.5),
        ("r3", "s1", "alpha", "beta", 0.0),
        ("r4", "s1", "alpha", "beta", 0.0),
    ]
    snapshot = make_snapshot(PAIRS, TEAMS, pairs=pairs, raters={"r2": "beta"})
    decided = replace(
        snapshot,
        decisions=(
            Decision(1, "rater", "r3", "speeder", "Quick.", "organizer", NOW),
            Decision(2, "pair", snapshot.pairs[5].id, "manual", "A slip.", "organizer", NOW),
            Decision(3, "rating", snapshot.pairs[0].id, "manual", "Of another kind.", "organizer", NOW),
        ),
    )
    expected = [(), ("unknown-sample",), ("unknown-team",), ("own-team",), ("excluded",), ("excluded",)]
    assert pair_codes(decided) == expected
    judged = filter_ratings(decided)
    assert [verdict.comparison for verdict in judged.pair_verdicts] == [one.comparison for one in snapshot.pairs]
    assert len(judged.counted_pairs) == 1
    summary = judged.pair_summary()
    assert (summary.total, summary.counted, summary.reasons["excluded"]) == (6, 1, 2)
    # Without runs nobody knows the samples; that alone speaks against no comparison.
    assert pair_codes(replace(snapshot, runs=()))[:2] == [(), ()]


def test_an_empty_board() -> None:
    judged = filter_ratings(make_snapshot(CHALLENGE, {}))
    assert (judged.verdicts, judged.pair_verdicts) == ((), ())
    assert (judged.summary().total, judged.pair_summary().total) == (0, 0)


def test_the_order_in_which_ratings_came_changes_no_verdict() -> None:
    given = [
        Rating(f"r{at % 5}", item_of("alpha", "s1"), "sync", 1 + at % 5, WHEN + timedelta(minutes=at), 9.0, at)
        for at in range(20)
    ]
    key: Key | None = make_snapshot(CHALLENGE, TEAMS, ratings=RATINGS).key
    forward = filter_ratings(make_snapshot(CHALLENGE, TEAMS, ratings=given, key=key))
    backward = filter_ratings(make_snapshot(CHALLENGE, TEAMS, ratings=given[::-1], key=key))
    assert {(v.rating.row, v.codes) for v in forward.verdicts} == {(v.rating.row, v.codes) for v in backward.verdicts}
    assert [v.rating.row for v in forward.counted] == [0, 1, 2, 3, 4]


@pytest.mark.shared
def test_the_late_rows_of_the_real_file_are_kept_and_not_counted(shared: Path, real_board: Snapshot) -> None:
    judged = filter_ratings(real_board)
    late = [verdict for verdict in judged.verdicts if "late" in verdict.codes]
    assert {verdict.rating.rater for verdict in late} == {"r12"}
    assert len(late) == 52
    assert all(verdict.rating.at and verdict.rating.at > datetime(2026, 3, 6, 12, tzinfo=UTC) for verdict in late)
    assert judged.summary().reasons == {"late": 52, "too-quick": 296}
    assert all(isinstance(verdict.comparison, Comparison) for verdict in judged.pair_verdicts)
