"""Columns of speed: whose measurement counts, which runs are compared, and the numbers by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from builders.boards import make_card, make_snapshot

from evalkit.board.model import Decision, MeasuredSpeed, Snapshot
from evalkit.board.speeds import counting_speed, with_measured_speed
from evalkit.challenges.model import parse_challenge
from evalkit.leaderboard.compute import compute_leaderboard
from evalkit.leaderboard.model import Leaderboard
from evalkit.leaderboard.serialise import as_dict
from evalkit.speed.model import SampleSpeed

RULES = """
id: c
title: c
submission: {runs: {max: 2, primary: 1}}
metrics:
  - {id: psnr.rgb, range: [0, 50]}
  - {id: speed.fps, group: speed, range: [0, 100]}
  - {id: speed.rtf, group: speed, rank: false}
ranking: weighted-sum
speed: {RULES}
"""


def measured(team: str, seconds: tuple[float, ...] = (4.0, 8.0), **changes: Any) -> MeasuredSpeed:
    """100 frames of a clip of 4 s, in so many seconds for each sample."""
    samples = {f"s{at}": SampleSpeed(f"s{at}", time, 100, 4.0, runs=3) for at, time in enumerate(seconds, 1)}
    given = {"run": None, "source": "measured", "hardware": "A, 16 cores", "timed": "call", "who": "olga", "number": 1}
    return MeasuredSpeed(team=team, samples=samples, **{**given, **changes})


def board(*speeds: MeasuredSpeed, rules: str = "{}", values: Any = None, **changes: Any) -> Snapshot:
    challenge = parse_challenge(RULES.replace("{RULES}", rules), "test")
    given = values or {team: {"psnr.rgb": [30.0, 32.0]} for team in ("alpha", "beta")}
    return replace(make_snapshot(challenge, given), speeds=speeds, **changes)


def leaderboard(snapshot: Snapshot) -> Leaderboard:
    return compute_leaderboard(snapshot, draws=100)


def column(made: Leaderboard, name: str = "speed.fps") -> Any:
    return next(one for one in made.columns if one.id == name)


def row(made: Leaderboard, team: str) -> Any:
    return next(one for one in made.rows if one.team == team)


def test_measurements_rank_like_any_other_number() -> None:
    made = leaderboard(board(measured("alpha"), measured("beta", (2.0, 4.0))))
    assert made.problem is None
    cell = row(made, "alpha").cells["speed.fps"]
    assert (cell.value, cell.n, cell.coverage) == (18.75, 2, 1.0)  # the median of 100/4 and 100/8
    assert (cell.source, cell.hardware) == ("measured", "A, 16 cores")
    assert row(made, "alpha").cells["speed.rtf"].value == 1.5  # the median of 4/4 and 8/4
    assert row(made, "beta").cells["speed.fps"].value == 37.5
    assert cell.points == pytest.approx(0.1875)
    assert [one.team for one in made.rows] == ["beta", "alpha"]
    assert column(made).refused is None
    assert column(made).share == 0.5
    assert as_dict(made)["rows"][0]["cells"]["speed.fps"]["hardware"] == "A, 16 cores"


def test_different_hardware_is_shown_and_does_not_rank() -> None:
    made = leaderboard(board(measured("alpha"), measured("beta", (2.0, 4.0), hardware="B, 8 cores")))
    refused = column(made).refused
    assert refused.code == "hardware"
    assert "A, 16 cores (alpha); B, 8 cores (beta)" in refused.sentence
    assert "across_hardware" in refused.sentence
    assert row(made, "beta").cells["speed.fps"].value == 37.5
    assert row(made, "beta").cells["speed.fps"].points is None
    assert row(made, "alpha").rank == row(made, "beta").rank == 1  # by PSNR alone
    assert refused.sentence.replace("speed.fps", "speed.rtf") in column(made, "speed.rtf").notes


def test_the_challenge_may_rank_across_hardware() -> None:
    two = (measured("alpha"), measured("beta", (2.0, 4.0), hardware="B"))
    made = leaderboard(board(*two, rules="{across_hardware: true}"))
    assert column(made).refused is None
    assert [one.team for one in made.rows] == ["beta", "alpha"]


def test_case_and_spaces_make_no_other_hardware() -> None:
    made = leaderboard(board(measured("alpha"), measured("beta", hardware="a,  16 CORES")))
    assert column(made).refused is None


def test_seconds_that_include_something_else_do_not_rank_together() -> None:
    two = (measured("alpha"), measured("beta", timed="frames"))
    made = leaderboard(board(*two, rules="{across_hardware: true}"))
    assert column(made).refused.code == "timed"
    assert "the whole call, with loading and encoding (alpha)" in column(made).refused.sentence


def test_runs_that_do_not_compete_have_no_say_about_hardware() -> None:
    values = {"alpha": {"psnr.rgb": [30.0, 32.0]}, "beta": {"psnr.rgb": [30.0, 32.0]}, "gone": {"psnr.rgb": [1.0, 2.0]}}
    snapshot = board(measured("alpha"), measured("beta"), measured("gone", hardware="C"), values=values)
    assert column(leaderboard(snapshot)).refused.code == "hardware"
    left_out = Decision(1, "team", "gone", "manual", "It withdrew.", "olga", snapshot.at)
    assert column(leaderboard(replace(snapshot, decisions=(left_out,)))).refused is None


def reported(team: str, seconds: float, hardware: str | None = "A, 16 cores") -> Any:
    """A scorecard with the team's own measurement."""
    units = {"speed.fps": "frames/s", "psnr.rgb": "dB"}
    card = make_card(team, {"psnr.rgb": [30.0, 32.0], "speed.fps": [100 / seconds] * 2}, units=units)
    metrics = dict(card.metrics)
    metrics["speed.fps"] = metrics["speed.fps"].model_copy(update={"aggregate": "median"})
    provenance = {"speed": {"hardware": hardware, "timed": "call"}} if hardware is not None else {}
    return card.model_copy(update={"provenance": provenance, "metrics": metrics})


def with_cards(snapshot: Snapshot, *cards: Any) -> Snapshot:
    runs = tuple(replace(run, card=card) for run, card in zip(snapshot.runs, cards, strict=True))
    return replace(snapshot, runs=runs)


def test_what_the_organizer_measured_takes_the_place_of_what_teams_report() -> None:
    snapshot = with_cards(board(measured("alpha")), reported("alpha", 1.0), reported("beta", 2.0))
    made = leaderboard(snapshot)
    assert (row(made, "alpha").cells["speed.fps"].value, row(made, "alpha").cells["speed.fps"].source) == (
        18.75,
        "measured",
    )
    assert (row(made, "beta").cells["speed.fps"].value, row(made, "beta").cells["speed.fps"].source) == (
        50.0,
        "reported",
    )
    assert snapshot.runs[0].card.metrics["speed.fps"].value == 100.0  # the scorecard stays


def odd_for(team: str, hardware: str, timed: str) -> Any:
    card = reported(team, 0.5, hardware)
    card.provenance["speed"]["timed"] = timed
    return card


@pytest.mark.parametrize(("hardware", "timed"), [("B", "call"), ("", "call"), ("A, 16 cores", "frames")])
def test_what_one_team_writes_of_its_hardware_costs_that_team_alone(hardware: str, timed: str) -> None:
    values = {team: {"psnr.rgb": [30.0, 32.0]} for team in ("alpha", "beta", "gamma")}
    odd = odd_for("gamma", hardware, timed)
    cards = (reported("alpha", 1.0), reported("beta", 2.0), odd)
    made = leaderboard(with_cards(board(measured("alpha"), values=values), *cards))
    assert column(made).refused is None
    assert [row(made, team).rank for team in ("beta", "alpha", "gamma")] == [1, 2, None]
    assert [reason.code for reason in row(made, "gamma").reasons] == ["hardware"]
    assert row(made, "gamma").cells["speed.fps"].value == 200.0
    # Two runs have no majority, but a measurement by the organizer says which machine it is.
    two = leaderboard(with_cards(board(measured("alpha")), reported("alpha", 1.0), odd_for("beta", hardware, timed)))
    assert column(two).refused is None
    assert [row(two, team).rank for team in ("alpha", "beta")] == [1, None]
    # What the organizer measured on another machine is the organizer's to settle: it ranks nobody.
    mixed = board(measured("alpha"), measured("beta"), measured("gamma", hardware="B"), values=values)
    assert column(leaderboard(mixed)).refused.code == "hardware"


def test_reports_need_not_count() -> None:
    cards = (reported("alpha", 1.0), reported("beta", 2.0))
    made = leaderboard(with_cards(board(measured("alpha"), rules="{sources: [measured]}"), *cards))
    cell = row(made, "beta").cells["speed.fps"]
    assert (cell.value, cell.reason) == (None, "reported_by_the_team_only")
    assert row(made, "beta").rank is None
    assert row(made, "alpha").rank == 1


@pytest.mark.parametrize("hardware", [None, ["A"], ""])
def test_hardware_that_nothing_names_is_never_the_same(hardware: Any) -> None:
    made = leaderboard(with_cards(board(), reported("alpha", 1.0, hardware), reported("beta", 2.0, hardware)))
    assert column(made).refused.code == "hardware"
    assert "unnamed hardware (alpha); unnamed hardware (beta)" in column(made).refused.sentence


def test_the_newest_import_of_the_most_trusted_source_counts() -> None:
    table = measured("alpha", (1.0, 1.0), source="imported", number=9)
    first, second = measured("alpha", number=2), measured("alpha", (40.0, 40.0), number=5)
    snapshot = board(table, first, second)
    assert counting_speed(snapshot, snapshot.runs[0]) == second
    assert counting_speed(replace(snapshot, speeds=(table, first)), snapshot.runs[0]) == first
    assert counting_speed(replace(snapshot, speeds=(table,)), snapshot.runs[0]) == table
    assert counting_speed(snapshot, snapshot.runs[1]) is None


def test_without_a_measurement_there_is_no_number() -> None:
    made = leaderboard(board(measured("alpha")))
    assert (row(made, "beta").cells["speed.fps"].value, row(made, "beta").cells["speed.fps"].reason) == (
        None,
        "not_scored",
    )
    assert row(made, "beta").rank is None
    assert "speed.fps has no value" in row(made, "beta").reasons[0].sentence


def test_a_part_of_the_samples_is_enough_unless_the_challenge_asks_for_more() -> None:
    two = (measured("alpha", (4.0,)), measured("beta", (2.0,)))
    made = leaderboard(board(*two))
    assert (row(made, "alpha").rank, row(made, "alpha").cells["speed.fps"].coverage) == (2, 0.5)
    made = leaderboard(board(*two, rules="{min_samples: 2}"))
    assert row(made, "alpha").rank is None
    assert row(made, "alpha").reasons[0].sentence == "speed.fps rests on 1; 2 measured samples are needed."


def test_frames_above_the_rate_do_not_count() -> None:
    doubled = measured("beta")
    samples = {name: replace(one, frames=200) for name, one in doubled.samples.items()}
    made = leaderboard(board(measured("alpha"), replace(doubled, samples=samples)))
    assert row(made, "beta").cells["speed.fps"].value == row(made, "alpha").cells["speed.fps"].value == 18.75


def test_without_a_length_the_scorecard_or_the_rate_says_it() -> None:
    samples = {"s1": SampleSpeed("s1", 10.0, 100), "s2": SampleSpeed("s2", 10.0, 100)}
    values = {team: {"psnr.rgb": [30.0, 32.0], "video.duration": [2.0, None]} for team in ("alpha", "beta")}
    joined = with_measured_speed(board(replace(measured("alpha"), samples=samples), values=values))
    first, second = joined.runs[0].card.videos
    assert (first.values["speed.fps"], first.values["speed.rtf"]) == (5.0, 5.0)  # 25 frames/s of 2 s: 50 of 100 count
    assert (second.values["speed.fps"], second.values["speed.rtf"]) == (10.0, 2.5)  # 100 frames are 4 s


def test_an_excluded_sample_leaves_the_median() -> None:
    snapshot = board(measured("alpha"), measured("beta"))
    gone = Decision(1, "sample", "s2", "manual", "No face.", "olga", snapshot.at)
    made = leaderboard(replace(snapshot, decisions=(gone,)))
    cell = row(made, "alpha").cells["speed.fps"]
    assert (cell.value, cell.n) == (25.0, 1)
