"""Samples that a metric is not applicable to, on a board: they are the test set's, and no team may choose them."""

from __future__ import annotations

import json

import pytest
from builders.mixed import make_mixed_card as mixed

from evalkit.board import Board
from evalkit.errors import InputError
from evalkit.scoring.scorecard import Scorecard


def test_the_board_takes_samples_that_a_metric_is_not_about(board: Board) -> None:
    for team, values in {"alpha": [0.5, 0.7, None], "beta": [0.4, 0.4, None]}.items():
        board.add_team(team, by="olga")
        board.add_run(team, "main", mixed(team, values), by="olga")
    assert [run.card.metrics["identity.strict"].coverage for run in board.snapshot().runs] == [1.0, 1.0]


@pytest.mark.parametrize(
    ("forged", "message"),
    [
        (mixed("beta", [0.9, None, None], ("s2", "s3")), "says of other samples than the runs on the board"),
        (mixed("beta", [None, 0.9, 0.8], ("s1",)), "says of other samples than the runs on the board"),
        (mixed("beta", [0.9, 0.9, 0.9], ()), "says of other samples than the runs on the board"),
    ],
)
def test_a_team_can_not_choose_what_is_not_applicable(board: Board, forged: Scorecard, message: str) -> None:
    for team in ("alpha", "beta"):
        board.add_team(team, by="olga")
    board.add_run("alpha", "main", mixed("alpha", [0.5, 0.7, None]), by="olga")
    with pytest.raises(InputError, match=message):
        board.add_run("beta", "main", forged, by="olga")


@pytest.mark.parametrize("number", [0, 2, 3])
def test_the_number_of_samples_outside_must_agree_with_the_rows(board: Board, number: int) -> None:
    held = mixed("alpha", [0.5, 0.7, None])
    score = held.metrics["identity.strict"].model_copy(update={"not_applicable": number})
    board.add_team("alpha", by="olga")
    with pytest.raises(InputError, match="not applicable"):
        board.add_run("alpha", "main", held.model_copy(update={"metrics": {"identity.strict": score}}), by="olga")


def test_an_installed_metric_about_everything_has_no_samples_outside(board: Board) -> None:
    document = mixed("alpha", [0.5, 0.7, None]).model_dump(mode="json", by_alias=True)
    document = json.loads(json.dumps(document).replace("identity.strict", "ssim.gray"))
    board.add_team("alpha", by="olga")
    with pytest.raises(InputError, match=r"ssim\.gray is applicable to every sample"):
        board.add_run("alpha", "main", Scorecard.model_validate(document), by="olga")
