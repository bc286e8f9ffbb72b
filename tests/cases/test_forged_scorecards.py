"""Edited scorecards are refused by the check that 'board add' makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from evalkit.board.scorecard_check import check_alike, check_numbers
from evalkit.errors import InputError
from evalkit.scoring.scorecard import Scorecard


def test_aggregates_that_their_videos_contradict_are_refused(shared: Path) -> None:
    forged = Scorecard.load(shared / "data/cases/forged-scorecard/agg_only.json")
    with pytest.raises(InputError, match=r"not the mean|outside its range"):
        check_numbers(forged)


def test_values_that_overflow_are_refused(shared: Path) -> None:
    huge = Scorecard.load(shared / "data/cases/scorecard-knocks-out-everybody/huge_values.json")
    with pytest.raises(InputError, match="no possible number"):
        check_numbers(huge)


def test_hostile_units_are_refused_beside_another_run(shared: Path) -> None:
    hostile = Scorecard.load(shared / "data/cases/scorecard-knocks-out-everybody/hostile_text.json")
    honest = Scorecard.load(shared / "data/cases/forged-scorecard/agg_only.json")
    with pytest.raises(InputError, match="another unit"):
        check_alike(hostile, [honest])
