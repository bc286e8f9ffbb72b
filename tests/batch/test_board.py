"""Scorecards of a night on a board: each once, with the checks of every scorecard."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from evalkit.board import Board
from evalkit.challenges.model import load_challenge, preset_text
from evalkit.errors import InputError, UsageError


@pytest.fixture
def board(tmp_path: Path) -> Path:
    place = tmp_path / "board.sqlite"
    Board.create(place, load_challenge("talking-head"), preset_text("talking-head"), by="olga").close()
    return place


def log(place: Path) -> list[tuple[str, str]]:
    with Board.open(place) as opened:
        assert opened.verify() == []
        return [(entry.action, entry.subject) for entry in opened.log()]


def test_each_scorecard_is_added_once_and_runs_again_add_nothing(night: Any, tmp_path: Path, board: Path) -> None:
    first = night.score_all(night.zips, tmp_path, board=board, by="olga")
    assert {one.entry.team: one.board for one in first.outcomes if one.metrics} == dict.fromkeys(
        ("alpha", "beta", "gamma", "missing"), "added"
    )
    before = log(board)
    assert sorted(before[1:]) == [("add-run", f"{name}/1") for name in ("alpha", "beta", "gamma", "missing")]
    with Board.open(board) as opened:
        runs = {run.team: run for run in opened.snapshot().runs}
    assert {run.origin for run in runs.values()} == {"scored-here"}
    assert all(run.primary and run.strips for run in runs.values())
    again = night.score_all(night.zips, tmp_path, board=board, by="olga")
    assert {one.board for one in again.outcomes if one.metrics} == {"unchanged"}
    assert all(one.earlier for one in again.outcomes if one.metrics)
    assert log(board) == before


def test_what_lies_in_the_folder_is_computed_again_before_it_counts_as_scored_here(
    night: Any, tmp_path: Path, board: Path
) -> None:
    """A run without a board, then one with: nothing is decoded, and the scorecard is not taken from the folder."""
    zips = night.copy(tmp_path, "alpha")
    night.score_all(zips, tmp_path)
    card = tmp_path / "out" / "alpha" / "scorecard.json"
    forged = card.read_text().replace('"ssim.gray"', '"ssim.gray"', 1)
    card.write_text(forged.replace('"finished_at": "2', '"finished_at": "3', 1))
    (row,) = night.score_all(zips, tmp_path, board=board, by="olga").outcomes
    assert (row.earlier, row.board) == (False, "added")
    assert '"videos_decoded": 0' in card.read_text()
    assert '"finished_at": "3' not in card.read_text()


def test_a_shared_submission_and_a_replaced_scorecard_are_rows(night: Any, tmp_path: Path, board: Path) -> None:
    zips = night.copy(tmp_path, "alpha", "beta")
    shutil.copy(zips / "alpha.zip", zips / "copy.zip")
    result = night.score_all(zips, tmp_path, board=board, by="olga")
    assert [(one.state, one.board) for one in result.outcomes] == [
        ("scored", "added"), ("scored", "added"), ("scored", None)
    ]  # fmt: skip
    assert "alpha" in str(result.outcomes[2].board_error)
    assert result.exit_code == 1
    shutil.copy(night.zips / "gamma.zip", zips / "beta.zip")  # handed in again
    refused = night.score_all(zips, tmp_path, board=board, by="olga").outcomes[1]
    assert "another scorecard" in str(refused.board_error)
    replaced = night.score_all(zips, tmp_path, board=board, by="olga", why="handed in again").outcomes[1]
    assert (replaced.board, replaced.board_error) == ("updated", None)


def test_runs_that_compete_are_those_of_the_list_and_later_choices_stay(
    night: Any, tmp_path: Path, board: Path
) -> None:
    three = preset_text("talking-head") + "\n"
    rules = tmp_path / "mine.yaml"
    rules.write_text(three.replace("submission:\n", "submission:\n  runs: {max: 2, primary: 1}\n", 1))
    challenge = load_challenge(rules)
    assert challenge.submission.runs.max == 2
    with Board.open(board) as opened:
        opened.set_challenge(challenge, rules.read_text(), by="olga")
    runs = tmp_path / "runs.csv"
    runs.write_text(f"team,run,path,primary\nlumen,a,{night.zips}/alpha.zip,no\nlumen,b,{night.zips}/beta.zip,yes\n")
    from evalkit import api

    def night_again() -> None:
        api.score_all(
            runs, challenge, night.testset, tmp_path / "out", metrics=["psnr", "ssim"], workers=2,
            cache=tmp_path / "cache", board=board, by="olga",
        )  # fmt: skip

    night_again()
    with Board.open(board) as opened:
        assert {run.name: run.primary for run in opened.snapshot().runs} == {"a": False, "b": True}
        opened.set_primary("lumen", ["a"], by="olga")
    night_again()
    with Board.open(board) as opened:
        assert {run.name: run.primary for run in opened.snapshot().runs} == {"a": True, "b": False}


def test_a_board_of_another_challenge_is_refused_before_anything_is_scored(
    night: Any, tmp_path: Path, board: Path
) -> None:
    place = tmp_path / "other.sqlite"
    text = preset_text("facevid1k-t2v")
    Board.create(place, load_challenge("facevid1k-t2v"), text, by="olga").close()
    with pytest.raises(InputError, match="of another challenge"):
        night.score_all(night.zips, tmp_path, board=place, by="olga")
    with pytest.raises(UsageError, match="Nobody is named"):
        night.score_all(night.zips, tmp_path, board=board)
    assert not (tmp_path / "out").exists()
