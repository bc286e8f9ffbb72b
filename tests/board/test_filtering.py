"""What counts on a board: the challenge's rules, decisions on top, and boards that lack something."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from builders.boards import NOW, WHEN, item_of, make_rating, make_snapshot

from evalkit.board.filtering import filter_answers
from evalkit.board.model import Decision, Snapshot
from evalkit.ratings import Answer, Key

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
    return [verdict.codes for verdict in filter_answers(snapshot).verdicts]


def pair_codes(snapshot: Snapshot) -> list[tuple[str, ...]]:
    return [verdict.codes for verdict in filter_answers(snapshot).of("comparison")]


def test_verdicts_stand_in_the_order_of_the_board() -> None:
    snapshot = make_snapshot(CHALLENGE, TEAMS, ratings=RATINGS)
    judged = filter_answers(snapshot)
    assert [verdict.answer for verdict in judged.verdicts] == list(snapshot.answers)
    assert [verdict.entry and verdict.entry.team for verdict in judged.verdicts] == ["alpha", "beta", "alpha"]
    assert judged.counted("rating") == judged.verdicts
    summary = judged.summary("rating")
    assert (summary.total, summary.counted, summary.items) == (3, 3, 2)


def test_decisions_come_on_top_and_can_be_taken_back() -> None:
    snapshot = make_snapshot(CHALLENGE, TEAMS, ratings=RATINGS)
    third = snapshot.answers[2].id
    decisions = (
        Decision(1, "rater", "r1", "manual", "Slept\x1b[2J.", "organizer", NOW),
        Decision(2, "answer", third, "manual", "A slip.", "organizer", NOW),
        Decision(3, "run", third, "manual", "Of another kind.", "organizer", NOW),
    )
    judged = filter_answers(replace(snapshot, decisions=decisions))
    assert [verdict.codes for verdict in judged.verdicts] == [("excluded",)] * 3
    sentences = [verdict.reasons[0].sentence for verdict in judged.verdicts]
    assert sentences == [r"Slept\x1b[2J.", r"Slept\x1b[2J.", "A slip."]
    revoked = tuple(replace(one, revoked_at=NOW, revoked_by="organizer", revoked_why="Awake.") for one in decisions)
    assert filter_answers(replace(snapshot, decisions=revoked)) == filter_answers(snapshot)


def test_a_duplicate_of_an_excluded_answer_counts_until_the_decision_is_taken_back() -> None:
    again = make_rating("r1", "alpha", "s1", "sync", 1, WHEN + timedelta(hours=1))
    snapshot = make_snapshot(CHALLENGE, TEAMS, ratings=[RATINGS[0], again])
    decided = replace(
        snapshot,
        decisions=(
            Decision(1, "answer", snapshot.answers[0].id, "manual", "Wrong.", "organizer", NOW),
            Decision(2, "answer", snapshot.answers[1].id, "manual", "Wrong, too.", "organizer", NOW),
        ),
    )
    assert codes(snapshot) == [(), ("duplicate",)]
    assert codes(decided) == [("excluded",), ("excluded",)]
    first_only = replace(decided, decisions=decided.decisions[:1])
    assert codes(first_only) == [("excluded",), ()]
    revoked = tuple(replace(one, revoked_at=NOW, revoked_by="o", revoked_why="Right.") for one in first_only.decisions)
    assert codes(replace(first_only, decisions=revoked)) == codes(snapshot)


def test_an_excluded_answer_uses_up_no_limit() -> None:
    given = [("r1", "beta", "s1", "sync", 2, WHEN), ("r1", "alpha", "s1", "sync", 4, WHEN + timedelta(hours=1))]
    snapshot = make_snapshot(CHALLENGE + "  max_items_per_rater: 1\n", TEAMS, ratings=given)
    decision = Decision(1, "answer", snapshot.answers[0].id, "manual", "Wrong.", "organizer", NOW)
    assert codes(snapshot) == [(), ("over-limit",)]
    assert codes(replace(snapshot, decisions=(decision,))) == [("excluded",), ()]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ("method: mos, dimensions: [{id: sync, title: Sync}]", [(), ("not-asked-for", "unknown-dimension")]),
        ("method: pairs", [("not-asked-for", "unknown-dimension"), ()]),
        ("method: none", [("not-asked-for", "unknown-dimension"), ("not-asked-for",)]),
    ],
)
def test_answers_of_a_kind_that_is_not_asked_for_do_not_count(rules: str, expected: list[tuple[str, ...]]) -> None:
    challenge = f"id: c\ntitle: The challenge\nratings: {{{rules}}}\n"
    snapshot = make_snapshot(challenge, TEAMS, ratings=RATINGS[:1], pairs=[("r1", "s1", "alpha", "beta", 1.0)])
    assert codes(snapshot) == expected


def test_a_blind_challenge_without_a_key_has_unknown_items() -> None:
    snapshot = replace(make_snapshot(CHALLENGE, TEAMS, ratings=RATINGS, raters={"r1": "alpha"}), key=None)
    judged = filter_answers(snapshot)
    assert [verdict.codes for verdict in judged.verdicts] == [("unknown-item",)] * 3
    item = item_of("alpha", "s1")
    assert judged.verdicts[0].reasons[0].sentence == f"'{item}' is not in the board's key: none was given yet."
    assert judged.summary("rating").counted == 0


def test_without_a_key_and_not_blind_nobody_is_own_team() -> None:
    snapshot = make_snapshot(CHALLENGE.replace("true", "false"), TEAMS, ratings=RATINGS, raters={"r1": "alpha"})
    assert codes(snapshot) == [("own-team",), (), ()]
    judged = filter_answers(replace(snapshot, key=None))
    assert [verdict.codes for verdict in judged.verdicts] == [()] * 3
    assert {verdict.entry for verdict in judged.verdicts} == {None}


def test_a_team_that_is_not_on_the_board() -> None:
    snapshot = make_snapshot(CHALLENGE, TEAMS, ratings=RATINGS)
    without = replace(snapshot, teams=snapshot.teams[:1])
    assert codes(without) == [(), ("unknown-team",), ()]
    assert filter_answers(without).verdicts[1].reasons[0].sentence == "The item is of 'beta', who does not take part."


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
            Decision(2, "answer", snapshot.answers[5].id, "manual", "A slip.", "organizer", NOW),
            Decision(3, "run", snapshot.answers[0].id, "manual", "Of another kind.", "organizer", NOW),
        ),
    )
    expected = [(), ("unknown-sample",), ("unknown-team",), ("own-team",), ("excluded",), ("excluded",)]
    assert pair_codes(decided) == expected
    judged = filter_answers(decided)
    assert [verdict.answer for verdict in judged.of("comparison")] == list(snapshot.answers)
    assert len(judged.counted("comparison")) == 1
    summary = judged.summary("comparison")
    assert (summary.total, summary.counted, summary.reasons["excluded"]) == (6, 1, 2)
    # Without runs nobody knows the samples; that alone speaks against no comparison.
    assert pair_codes(replace(snapshot, runs=()))[:2] == [(), ()]


def test_an_empty_board() -> None:
    judged = filter_answers(make_snapshot(CHALLENGE, {}))
    assert judged.verdicts == ()
    assert (judged.summary("rating").total, judged.summary("comparison").total) == (0, 0)


def test_the_order_in_which_ratings_came_changes_no_verdict() -> None:
    given = [
        Answer(f"r{at % 5}", item_of("alpha", "s1"), "sync", 1 + at % 5, WHEN + timedelta(minutes=at), 9.0, at)
        for at in range(20)
    ]
    key: Key | None = make_snapshot(CHALLENGE, TEAMS, ratings=RATINGS).key
    forward = filter_answers(make_snapshot(CHALLENGE, TEAMS, ratings=given, key=key))
    backward = filter_answers(make_snapshot(CHALLENGE, TEAMS, ratings=given[::-1], key=key))
    assert {(v.answer.row, v.codes) for v in forward.verdicts} == {(v.answer.row, v.codes) for v in backward.verdicts}
    assert [v.answer.row for v in forward.counted("rating")] == [0, 1, 2, 3, 4]


@pytest.mark.shared
def test_the_late_rows_of_the_real_file_are_kept_and_not_counted(shared: Path, real_board: Snapshot) -> None:
    judged = filter_answers(real_board)
    late = [verdict for verdict in judged.verdicts if "late" in verdict.codes]
    assert {verdict.answer.rater for verdict in late} == {"r12"}
    assert len(late) == 52
    assert all(verdict.answer.at and verdict.answer.at > datetime(2026, 3, 6, 12, tzinfo=UTC) for verdict in late)
    assert judged.summary("rating").reasons == {"late": 52, "too-quick": 296}
    assert {len(verdict.answer.teams) for verdict in judged.of("comparison")} == {2}
