"""Scorecards, leaderboards and batches as tables of pandas: missing is NaN, and the reason stands beside it."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders.leaderboards import plain
from scorecards import make_scorecard, small_card

from evalkit.batch.entries import Entry
from evalkit.batch.outcome import outcome_of_card, outcome_of_error
from evalkit.batch.result import BatchResult
from evalkit.challenges.model import load_challenge
from evalkit.errors import SubmissionError, UsageError
from evalkit.leaderboard.table import Cell, CodedReason, Column


def test_a_scorecard_in_the_long_form_has_a_row_for_each_sample_and_metric() -> None:
    card = make_scorecard(12, 3)
    frame = card.to_pandas("long")
    expected = [(video.sample, name) for video in card.videos for name in video.values]
    assert list(zip(frame["sample"], frame["metric"], strict=True)) == expected
    by_sample = {video.sample: video for video in card.videos}
    for row in frame.to_dict("records"):
        value = by_sample[row["sample"]].values[row["metric"]]
        assert row["group.subset"] == by_sample[row["sample"]].groups["subset"]
        assert row["higher_is_better"] == card.metrics[row["metric"]].higher_is_better
        assert row["unit"] == card.metrics[row["metric"]].unit
        if value is None:
            assert math.isnan(row["value"])
            assert row["reason"] == by_sample[row["sample"]].reasons[row["metric"]]
        else:
            assert row["value"] == value
    assert frame["value"].dtype == np.float64
    assert (frame["value"] == 0).sum() == 0


def test_both_forms_have_the_same_numbers() -> None:
    card = make_scorecard(12, 3)
    wide, long = card.to_pandas(), card.to_pandas("long")
    pivoted = long.pivot(index="sample", columns="metric", values="value")
    for name in pivoted.columns:
        assert wide.set_index("sample")[name].equals(pivoted[name].loc[wide["sample"]].rename(name))


def test_the_metrics_of_a_scorecard_as_a_table() -> None:
    card = make_scorecard(12, 3)
    frame = card.to_pandas("metrics").set_index("metric")
    assert list(frame.index) == list(card.metrics)
    fid, gap = frame.loc["fid.pytorch"], frame.loc["ssim.gray"]
    score = card.metrics["fid.pytorch"]
    assert (fid["value"], (fid["low"], fid["high"]), fid["n"]) == (score.value, score.ci95, score.n)
    assert math.isnan(gap["value"]) and math.isnan(gap["low"])
    assert (gap["reason"], gap["coverage"]) == ("no_reference_video", 0)


def test_a_metric_that_is_called_like_a_column_of_samples_hides_none() -> None:
    frame = small_card("a", {"sample": [1.0, 2.0], "verdict": [None, 3.0]}).to_pandas()
    assert list(frame["sample"]) == ["s1", "s2"]
    assert list(frame["verdict"]) == ["ok", "ok"]
    assert list(frame["value.sample"]) == [1.0, 2.0]
    assert math.isnan(frame["value.verdict"][0])
    assert frame["reason.verdict"][0] == "no_face"


@pytest.mark.parametrize("form", ["tall", "", None])
def test_another_form_is_refused(form: str) -> None:
    _, board = plain(("a", "b"))
    for value in (make_scorecard(2, 1), board, BatchResult(load_challenge("talking-head"), Path("out"), ())):
        with pytest.raises(UsageError, match="no such form"):
            value.to_pandas(form)


def test_a_leaderboard_in_the_wide_form() -> None:
    _, board = plain(("lumen", "aurora", "beta"))
    why = (CodedReason("coverage", "It answers 1 of 4."), CodedReason("late", "It came late."))
    rows = (*board.rows[:2], replace(board.rows[2], rank=None, score=None, interval=None, reasons=why))
    frame = replace(board, rows=rows).to_pandas()
    assert list(frame["team"]) == ["lumen", "aurora", "beta"]
    assert list(frame["rank"][:2]) == [1, 2]
    assert math.isnan(frame["rank"][2]) and math.isnan(frame["score"][2]) and math.isnan(frame["rank_low"][2])
    assert frame["reasons"][2] == "It answers 1 of 4.; It came late."
    assert list(frame["tied_with"]) == ["aurora", "lumen", ""]
    assert (frame["m.id"][0], frame["m.id.low"][0], frame["m.id.high"][0]) == (1.0, 0.99, 1.01)
    assert math.isnan(frame["look.low"][0])
    assert frame["m.diag"].isna().all()
    assert list(frame["reason.m.diag"]) == ["no_face"] * 3
    assert frame["reason.m.id"].isna().all()


def test_a_leaderboard_in_the_long_form() -> None:
    _, board = plain(("lumen", "aurora"))
    frame = board.to_pandas("long")
    assert len(frame) == 2 * len(board.columns)
    error = frame[(frame["team"] == "aurora") & (frame["column"] == "m.err")].iloc[0]
    assert (error["value"], error["low"], error["high"], error["n"]) == (5.0, 4.5, 5.25, 4)
    assert (error["higher_is_better"], error["unit"], error["ranks"]) == (False, "px", True)
    gap = frame[frame["column"] == "m.diag"].iloc[0]
    assert math.isnan(gap["value"]) and gap["reason"] == "no_face"


def test_a_dimension_that_is_called_like_a_column_of_runs_hides_none() -> None:
    _, board = plain(("lumen",))
    rows = (replace(board.rows[0], cells={"score": Cell(4.5), "team": Cell(None, None, "no_ratings")}),)
    frame = replace(board, rows=rows, columns=(Column("score", True), Column("team", True))).to_pandas()
    assert (frame["team"][0], frame["score"][0], frame["value.score"][0]) == ("lumen", 1.0, 4.5)
    assert math.isnan(frame["value.team"][0]) and frame["reason.team"][0] == "no_ratings"


def batch() -> BatchResult:
    scored = outcome_of_card(Entry("lumen", "1", Path("lumen.zip"), True), make_scorecard(20, 1))
    refused = outcome_of_error(Entry("bad", "2", Path("bad.zip")), SubmissionError("It is no ZIP."))
    return BatchResult(load_challenge("talking-head"), Path("out"), (scored, refused))


def test_a_batch_in_the_wide_form() -> None:
    frame = batch().to_pandas().set_index("team")
    assert frame.loc["lumen", "fid.pytorch"] == 24.8
    assert (frame.loc["lumen", "videos"], frame.loc["lumen", "scored_videos"]) == (20, 16)
    assert math.isnan(frame.loc["bad", "fid.pytorch"])
    assert frame.loc["bad", "reason.fid.pytorch"] == "refused"
    assert (frame.loc["bad", "state"], frame.loc["bad", "reasons"]) == ("refused", "It is no ZIP.")
    assert frame.loc["lumen", "reason.ssim.gray"] == "no_reference_video"
    assert frame["fid.pytorch"].dtype == np.float64


def test_a_batch_in_the_long_form() -> None:
    made = batch()
    frame = made.to_pandas("long")
    assert len(frame) == 2 * len(made.outcomes[0].metrics)
    psnr = frame[frame["metric"] == "psnr.rgb"].set_index("team")
    assert psnr.loc["lumen", "value"] == made.outcomes[0].metrics["psnr.rgb"].value
    assert (psnr.loc["lumen", "unit"], psnr.loc["bad", "unit"]) == ("dB", "dB")
    assert math.isnan(psnr.loc["bad", "value"]) and psnr.loc["bad", "reason"] == "refused"
    assert len(BatchResult(load_challenge("talking-head"), Path("out"), ()).to_pandas("long")) == 0
