"""The columns of a leaderboard, and those that can't rank anybody."""

from __future__ import annotations

import pytest
from builders.boards import make_run, make_snapshot
from builders.computed import OBJECTIVE, SIZES, codes, make, ranks, row_of, scored

from evalkit.challenges.model import load_challenge
from evalkit.leaderboard.compute import compute_leaderboard


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
