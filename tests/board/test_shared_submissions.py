"""One submission, or most of its videos, under two teams; and a scorecard that takes another's place."""

from __future__ import annotations

from typing import Any

import pytest
from board_tools import card

from evalkit.board import Board
from evalkit.errors import InputError
from evalkit.scoring.scorecard import Scorecard

SAMPLES = 12


@pytest.fixture
def board(board: Board) -> Board:
    for team in ("alpha", "beta"):
        board.add_team(team, by="olga")
    board.add_run("alpha", "main", card("alpha"), by="olga")
    return board


def fingerprint(letter: str) -> dict[str, Any]:
    """Return the fingerprint of a file."""
    return {"sha256": letter * 64, "motion": 1.0, "picture": "0" * 16}


def with_files(name: str, files: str) -> Scorecard:
    """Return a scorecard of a file for each letter of ``files``, the same letter the same file; the others unknown."""
    document = card(name).model_dump(mode="json", by_alias=True)
    video = document["videos"][0]
    document["videos"] = [
        {**video, "sample": f"s{at}", "fingerprint": fingerprint(files[at]) if at < len(files) else None}
        for at in range(SAMPLES)
    ]
    document["metrics"]["identity.strict"] |= {"n": SAMPLES, "coverage": 1.0}
    return Scorecard.model_validate(document)


def same_submission(value: float = 0.5) -> Scorecard:
    """Return alpha's submission under another name, its digest written in another way."""
    digest = card("alpha").submission.sha256.upper()
    return card("stolen", value, submission={"name": "beta.zip", "sha256": f" {digest} "})


@pytest.mark.parametrize("value", [0.5, 0.75])
def test_the_submission_of_another_team_is_refused(board: Board, value: float) -> None:
    before = board.snapshot()
    with pytest.raises(InputError, match=r"alpha/main: the same submission.*board remove alpha --run main.*--allow-sh"):
        board.add_run("beta", "main", same_submission(value), by="olga")
    with pytest.raises(InputError, match="same submission"):
        board.add_run("beta", "main", same_submission(value), by="olga", why="they say it is theirs")
    assert board.snapshot() == before


def test_it_is_added_when_both_may_have_it_and_the_log_says_why(board: Board) -> None:
    with pytest.raises(InputError, match="needs a reason"):
        board.add_run("beta", "main", same_submission(), by="olga", allow_shared=True)
    why = "two names of one group"
    assert board.add_run("beta", "main", same_submission(), by="olga", allow_shared=True, why=why) == "added"
    details = board.log()[-1].details
    assert (details["why"], details["shared_with"]) == (why, ["alpha/main"])
    assert board.add_run("beta", "main", same_submission(), by="olga") == "unchanged"


def test_runs_of_one_team_may_share_and_what_was_taken_off_is_free(board: Board) -> None:
    assert board.add_run("alpha", "two", card("alpha"), by="olga") == "added"
    board.remove_team("alpha", by="olga", why="added under the wrong name")
    assert board.add_run("beta", "main", same_submission(), by="olga") == "added"


@pytest.mark.parametrize(
    ("files", "shared"),
    [
        ("abcd", "4 of 4 files"),
        ("abcx", "3 of 4 files"),
        ("abxy", None),
        ("abcxyzvwut", "3 of 4 files"),  # padded with others
        ("ab", "2 of 2 files"),  # most left out
        ("axxxxxxxxxx", None),  # one file many times counts once
        ("", None),
    ],
)
def test_most_of_the_videos_of_another_team_are_refused(board: Board, files: str, shared: str | None) -> None:
    board.remove_run("alpha", "main", by="olga", why="of other samples")
    board.add_run("alpha", "files", with_files("alpha files", "abcd"), by="olga")
    stolen = with_files("beta", files)
    if shared is None:
        assert board.add_run("beta", "main", stolen, by="olga") == "added"
        return
    with pytest.raises(InputError, match=f"alpha/files: {shared} the same"):
        board.add_run("beta", "main", stolen, by="olga")


@pytest.mark.parametrize("newer", [card("alpha", 0.75), card("other")])
def test_a_scorecard_takes_anothers_place_with_a_reason_only(board: Board, newer: Scorecard) -> None:
    before = board.snapshot()
    with pytest.raises(InputError, match=r"has another scorecard on the board.*--why TEXT"):
        board.add_run("alpha", "main", newer, by="olga")
    with pytest.raises(InputError, match="reason"):
        board.add_run("alpha", "main", newer, by="olga", why="  ")
    assert board.snapshot() == before
    assert board.add_run("alpha", "main", newer, by="olga", why="s07 had a wrong reference") == "updated"
    assert board.log()[-1].details["why"] == "s07 had a wrong reference"
    assert board.snapshot(before.number) == before


def test_the_same_scorecard_with_another_timing_changes_nothing(board: Board) -> None:
    assert board.add_run("alpha", "main", card("alpha"), by="olga") == "unchanged"
    timed: Any = card("alpha").model_copy(update={"timing": {"wall_s": 3.5}})
    assert board.add_run("alpha", "main", timed, by="olga") == "unchanged"
    assert board.add_run("alpha", "main", timed, by="olga", scored_here=True) == "updated"
    assert board.add_run("alpha", "main", card("alpha"), by="olga") == "unchanged"
    assert board.snapshot().runs[0].origin == "scored-here"


def test_a_new_team_comes_with_its_run_or_not_at_all(board: Board) -> None:
    before = board.snapshot()
    with pytest.raises(InputError, match="same submission"):
        board.add_run("gamma", "main", same_submission(), by="olga", new_team=True)
    with pytest.raises(InputError, match="empty"):
        board.add_run(" ", "main", card("gamma"), by="olga", new_team=True)
    assert board.snapshot() == before
    assert board.add_run("gamma", "main", card("gamma"), by="olga", new_team=True) == "added"
    assert board.log()[-1].details["new_team"] is True
    assert board.add_run("Gamma", "two", card("gamma 2"), by="olga", new_team=True) == "added"
    assert [team.name for team in board.snapshot().teams] == ["alpha", "beta", "gamma"]
