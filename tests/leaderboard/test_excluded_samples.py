"""Samples that a decision excludes: means, coverage, ratings and comparisons without them, computed by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from builders.boards import make_card, make_snapshot

from evalkit.board.excluded_samples import numbers_with_excluded, without_excluded_samples
from evalkit.board.filtering import filter_answers
from evalkit.board.model import Snapshot, Target
from evalkit.board.scorecard_check import check_numbers
from evalkit.leaderboard.compute import compute_leaderboard
from evalkit.leaderboard.effect import compare_boards
from evalkit.leaderboard.model import Leaderboard, Points
from evalkit.leaderboard.serialise import as_dict
from evalkit.leaderboard.table import Row
from evalkit.reports.leaderboard.tables import leaderboard_latex, leaderboard_markdown
from evalkit.scoring.aggregate import bootstrap_interval

RULES = """
schema: 1
id: c
title: The challenge
coverage: 0.75
metrics:
  - {id: psnr.rgb, weight: 1, range: [0, 100]}
  - {id: fid.pytorch, rank: false}
ranking: weighted-sum
"""
RATED = RULES.replace(
    "ranking:", "ratings: {method: mos, dimensions: [{id: sync, title: Sync, scale: [1, 5]}]}\nranking:"
)
PAIRED = RULES.replace("ranking:", "ratings: {method: pairs}\nranking:")
VALUES: dict[str, Any] = {
    "alpha": {"psnr.rgb": [40.0, 4.0, 42.0, 44.0], "fid.pytorch": 10.0},  # mean 32.5, without s2 42
    "beta": {"psnr.rgb": [36.0, 36.0, 36.0, 36.0], "fid.pytorch": 20.0},
    "gamma": {"psnr.rgb": [None, 90.0, 50.0, 40.0], "fid.pytorch": 30.0},  # 3 of 4, without s2 2 of 3
    "delta": {"psnr.rgb": [10.0, None, 20.0, 30.0], "fid.pytorch": None},  # 3 of 4, without s2 3 of 3
}
EXCLUDED: tuple[Target, str, str, str] = ("sample", "s2", "manual", "the reference has no face")
BETTER = {"fid.pytorch": False}


def board(rules: str = RULES, decisions: Any = (EXCLUDED,), values: Any = None, **more: Any) -> Snapshot:
    return make_snapshot(rules, values or VALUES, decisions=decisions, better=BETTER, **more)


def ranked(snapshot: Snapshot) -> tuple[Leaderboard, dict[str, Row]]:
    made = compute_leaderboard(snapshot, draws=100)
    return made, {row.team: row for row in made.rows}


def test_means_counts_coverage_intervals_and_ranks() -> None:
    before = ranked(board(decisions=()))[1]
    assert {team: row.rank for team, row in before.items()} == {"gamma": 1, "beta": 2, "alpha": 3, "delta": 4}
    rows = ranked(board())[1]
    cells = {team: row.cells["psnr.rgb"] for team, row in rows.items()}
    assert {team: cell.value for team, cell in cells.items()} == {"alpha": 42, "beta": 36, "gamma": 45, "delta": 20}
    assert {team: cell.n for team, cell in cells.items()} == {"alpha": 3, "beta": 3, "gamma": 2, "delta": 3}
    assert {team: cell.coverage for team, cell in cells.items()} == pytest.approx(
        {"alpha": 1, "beta": 1, "gamma": 2 / 3, "delta": 1}
    )
    assert {team: row.rank for team, row in rows.items()} == {"alpha": 1, "beta": 2, "delta": 3, "gamma": None}
    assert rows["alpha"].score == pytest.approx(0.42)
    assert cells["alpha"].ci == bootstrap_interval(np.array([40.0, 42.0, 44.0]), "psnr.rgb")
    assert [reason.code for reason in rows["gamma"].reasons] == ["coverage"]


def test_the_leaderboard_is_that_of_a_test_set_without_the_sample() -> None:
    """All of it: distributions, breakdowns, rank intervals, sensitivity."""
    groups = {f"s{at}": {"subset": "ab"[at % 2]} for at in range(1, 5)}
    short = {
        team: {"psnr.rgb": [value for at, value in enumerate(values["psnr.rgb"]) if at != 1]}
        for team, values in VALUES.items()
    }
    long = {team: {"psnr.rgb": values["psnr.rgb"]} for team, values in VALUES.items()}
    expected = board(decisions=(), values=short, samples=["s1", "s3", "s4"], groups=groups)
    found = as_dict(ranked(board(values=long, groups=groups))[0])
    assert found.pop("excluded_samples") == [{"sample": "s2", "reason": EXCLUDED[3], "decision": 1}]
    wanted = as_dict(ranked(with_intervals(expected))[0])
    wanted.pop("excluded_samples")
    assert found == wanted


def test_ranks_with_ratings_are_those_of_a_test_set_without_the_sample() -> None:
    """Raters and videos are resampled together; two teams' ratings of the sample change nothing any more."""
    values = {team: VALUES[team] for team in ("alpha", "beta")}
    short = {
        team: make_card(
            f"{team}.zip",
            {**one, "psnr.rgb": [value for at, value in enumerate(one["psnr.rgb"]) if at != 1]},
            samples=["s1", "s3", "s4"],
            better=BETTER,
        )
        for team, one in values.items()
    }
    kept = [one for one in rated(1) if one[2] != "s2"]
    expected = as_dict(ranked(board(RATED, decisions=(), values=short, ratings=kept))[0])
    for low in (1, 2, 5):
        found = as_dict(ranked(board(RATED, values=values, ratings=rated(low)))[0])
        for part in ("phases", "tie_groups", "sensitivity"):
            assert found[part] == expected[part]
        for one, other in zip(found["rows"], expected["rows"], strict=True):
            assert {**one, "cells": one["cells"]["sync"]} == {**other, "cells": other["cells"]["sync"]}


def with_intervals(snapshot: Snapshot) -> Snapshot:
    """Give scorecards made in a test the intervals that scoring would have given them."""
    runs = []
    for run in snapshot.runs:
        metrics = {}
        for name, score in run.card.metrics.items():
            known = [value for video in run.card.videos if (value := video.values[name]) is not None]
            metrics[name] = score.model_copy(update={"ci95": bootstrap_interval(np.array(known), name)})
        runs.append(replace(run, card=run.card.model_copy(update={"metrics": metrics})))
    return replace(snapshot, runs=tuple(runs))


def test_what_is_computed_again_passes_the_check_of_scorecards() -> None:
    per_video = {team: {"psnr.rgb": values["psnr.rgb"]} for team, values in VALUES.items()}
    for run in without_excluded_samples(board(values=per_video)).runs:
        check_numbers(run.card)
        assert [video.sample for video in run.card.videos] == ["s1", "s3", "s4"]


def test_without_exclusions_nothing_is_touched() -> None:
    untouched = board(decisions=())
    assert without_excluded_samples(untouched) is untouched
    assert numbers_with_excluded(untouched) == {}
    other = board(decisions=[("sample", "of-no-run", "manual", "why")])
    assert without_excluded_samples(other).runs == other.runs


def test_numbers_of_the_whole_set_keep_their_value_and_say_so() -> None:
    made, rows = ranked(board())
    assert [rows[team].cells["fid.pytorch"].value for team in ("alpha", "beta", "gamma")] == [10, 20, 30]
    assert {column.id: column.includes_excluded for column in made.columns} == {
        "psnr.rgb": (),
        "fid.pytorch": ("s2",),
    }


def test_a_number_of_the_set_that_equals_the_mean_of_its_videos_by_chance_stays() -> None:
    """FID is a set metric whatever its videos say; the same numbers under an unknown name are a mean."""
    card = make_card("alpha.zip", {"fid.pytorch": [1.0, 2.0, 3.0], "house.brightness": [1.0, 2.0, 6.0]})
    snapshot = make_snapshot(RULES, {"alpha": card}, decisions=[("sample", "s3", "manual", "why")])
    (run,) = without_excluded_samples(snapshot).runs
    assert (run.card.metrics["fid.pytorch"].value, run.card.metrics["house.brightness"].value) == (2.0, 1.5)
    assert numbers_with_excluded(snapshot) == {"fid.pytorch": ("s3",)}


def test_an_excluded_sample_that_a_number_of_the_set_lacks_is_no_gap_of_it_any_more() -> None:
    card = make_card("alpha.zip", {"psnr.rgb": [40.0, None, 42.0, 44.0], "fid.pytorch": 10.0})
    missing = card.videos[1].model_copy(update={"verdict": "missing"})
    fid = card.metrics["fid.pytorch"].model_copy(update={"n": 3, "coverage": 0.75})
    card = card.model_copy(
        update={
            "videos": (card.videos[0], missing, *card.videos[2:]),
            "metrics": {**card.metrics, "fid.pytorch": fid},
        }
    )
    snapshot = make_snapshot(RULES, {"alpha": card}, decisions=[EXCLUDED])
    assert without_excluded_samples(snapshot).runs[0].card.metrics["fid.pytorch"].coverage == 1.0
    assert numbers_with_excluded(snapshot) == {}


def test_a_run_of_which_no_sample_is_left_has_no_value_and_a_reason() -> None:
    values = {**VALUES, "epsilon": make_card("e.zip", {"psnr.rgb": [99.0]}, samples=["s2"])}
    rows = ranked(board(values=values))[1]
    cell = rows["epsilon"].cells["psnr.rgb"]
    assert (cell.value, cell.reason, cell.n, cell.coverage, rows["epsilon"].rank) == (None, "no_video", 0, 0.0, None)
    only = {"alpha": {"psnr.rgb": [None, 4.0, None]}, "beta": {"psnr.rgb": [1.0, 2.0, 3.0]}}
    assert ranked(board(values=only))[1]["alpha"].cells["psnr.rgb"].reason == "no_face"


def rated(sample_two: float) -> list[tuple[Any, ...]]:
    """Alpha gets 5 but on s2, beta 3 on every sample, by two raters."""
    return [
        (rater, team, f"s{at}", "sync", (sample_two if at == 2 else 5) if team == "alpha" else 3)
        for rater in ("r1", "r2")
        for team in ("alpha", "beta")
        for at in range(1, 5)
    ]


def test_ratings_of_the_sample_count_no_more() -> None:
    before = ranked(board(RATED, decisions=(), ratings=rated(1)))[1]["alpha"].cells["sync"]
    made, rows = ranked(board(RATED, ratings=rated(1)))
    assert (before.value, before.n, before.coverage) == (4.0, 8, 1.0)
    cell = rows["alpha"].cells["sync"]
    assert (cell.value, cell.n, cell.coverage) == (5.0, 6, 1.0)
    assert made.ratings is not None
    assert (made.ratings.counted, made.ratings.total, made.ratings.reasons) == (12, 16, {"excluded-sample": 4})
    (points,) = (one for one in made.points if one.metric == "psnr.rgb")
    assert isinstance(points, Points)
    assert "s2" not in points.samples


def test_comparisons_of_the_sample_count_no_more() -> None:
    pairs = [
        (rater, f"s{at}", "alpha", "beta", 0.0 if at == 2 else 1.0) for rater in ("r1", "r2") for at in range(1, 5)
    ]
    before = ranked(board(PAIRED, decisions=(), pairs=pairs))[1]["alpha"].cells["pairs"]
    cell = ranked(board(PAIRED, pairs=pairs))[1]["alpha"].cells["pairs"]
    assert (before.value, before.n) == (0.75, 8)
    assert (cell.value, cell.n, cell.coverage) == (1.0, 6, 1.0)


def test_the_verdict_on_an_answer_names_the_reason_of_the_exclusion() -> None:
    verdicts = filter_answers(board(RATED, ratings=rated(1))).verdicts
    left_out = [verdict for verdict in verdicts if not verdict.counted]
    assert {verdict.entry.sample for verdict in left_out if verdict.entry} == {"s2"}
    assert {(verdict.codes, verdict.reasons[0].sentence) for verdict in left_out} == {
        (("excluded-sample",), "the reference has no face")
    }


def test_the_effect_is_the_difference_of_both_leaderboards() -> None:
    change = compare_boards(board(RATED, decisions=(), ratings=rated(1)), board(RATED, ratings=rated(1)))
    assert (change.samples, change.ratings, change.comparisons) == ((4, 3), (16, 12), (0, 0))
    runs = {run.team: run for run in change.runs}
    assert set(runs) == set(VALUES)
    psnr = next(number for number in runs["alpha"].numbers if number.id == "psnr.rgb")
    assert (psnr.before.value, psnr.after.value) == (32.5, 42.0)
    gamma = next(number for number in runs["gamma"].numbers if number.id == "psnr.rgb")
    assert (gamma.before.coverage, gamma.after.coverage) == (0.75, pytest.approx(2 / 3))


def test_many_samples_and_two_means_that_agree_to_the_last_digit() -> None:
    """One function makes the mean in a scorecard, in its check and on the leaderboard."""
    rng = np.random.default_rng(3)
    values = [float(one) for one in rng.normal(30, 5, 500)]
    snapshot = board(values={"alpha": {"psnr.rgb": values}}, decisions=[("sample", "s500", "manual", "why")])
    found = without_excluded_samples(snapshot).runs[0].card.metrics["psnr.rgb"].value
    assert found == float(np.array(values[:-1]).mean())
    assert found is not None
    assert math.isclose(found, math.fsum(values[:-1]) / 499, rel_tol=1e-12)


def test_tables_mark_the_columns_that_still_include_the_sample() -> None:
    rules = RULES.replace("rank: false", "weight: 1, range: [0, 100], direction: lower")
    snapshot = board(rules)
    made = compute_leaderboard(snapshot, draws=100)
    latex, markdown = leaderboard_latex(snapshot, made), leaderboard_markdown(snapshot, made)
    assert r"FID$^{\dagger}$ $\downarrow$" in latex
    assert r"PSNR $\uparrow$" in latex
    assert r"\par $^{\dagger}$ FID still includes excluded samples" in latex
    assert "FID\u2020" in markdown
    assert "\u2020 FID still includes" in markdown
    change = compare_boards(board(rules, decisions=()), snapshot)
    assert {number.id: number.still_included for number in change.runs[0].numbers} == {
        "psnr.rgb": (),
        "fid.pytorch": ("s2",),
    }
