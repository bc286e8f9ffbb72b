from __future__ import annotations

import pytest
from board_tools import take_ratings

from evalkit.board import Board
from evalkit.board.model import Team
from evalkit.errors import InputError
from evalkit.ratings.model import Answer


def actions(board: Board) -> list[str]:
    return [entry.action for entry in board.log()]


def test_teams_and_their_people(board: Board) -> None:
    board.add_team("  beta ", ["p3"], by="olga")
    board.add_team("alpha", ["p2", "p1"], by="olga")
    board.add_members("alpha", ["p4", "p1"], by="olga")
    board.remove_member("alpha", "p2", by="olga")
    assert board.snapshot().teams == (Team("alpha", ("p1", "p4")), Team("beta", ("p3",)))
    assert actions(board) == ["init", "add-team", "add-team", "add-members", "remove-member"]
    assert [entry.details.get("members") for entry in board.log()] == [None, ["p3"], ["p2", "p1"], ["p4"], None]


def test_members_who_are_there_change_nothing(board: Board) -> None:
    board.add_team("alpha", ["p1"], by="olga")
    before = board.snapshot()
    board.add_members("alpha", ["p1", " P1"], by="olga")
    assert board.snapshot() == before


def test_names_of_teams_are_unique_whatever_their_case(board: Board) -> None:
    board.add_team("Alpha", by="olga")
    for name in ("alpha", "ALPHA", " Alpha\n", "alpha "):
        with pytest.raises(InputError, match="'Alpha' is on the board already"):
            board.add_team(name, by="olga")


def test_names_are_the_same_however_their_accents_are_written(board: Board) -> None:
    board.add_team("Zo\u00eb", by="olga")
    with pytest.raises(InputError, match="already"):
        board.add_team("zoe\u0308", by="olga")
    assert board.snapshot().teams[0].name == "Zo\u00eb"


def test_names_are_refused(board: Board) -> None:
    for name, message in (
        ("", "empty"),
        (" \t ", "empty"),
        ("x" * 101, "101 characters"),
        ("gpm\u202eexe", r"\\u202e"),
        ("a\0b", r"\\x00"),
        ("a\ud800b", r"\\ud800"),
        ("a\u200bb", r"\\u200b"),
    ):
        with pytest.raises(InputError, match=message):
            board.add_team(name, by="olga")
        with pytest.raises(InputError, match=message):
            board.add_team("alpha", [name], by="olga")
        with pytest.raises(InputError, match=message):
            board.add_team("alpha", by=name)
    assert actions(board) == ["init"]


def test_a_name_may_have_a_hundred_characters_and_be_hostile(board: Board) -> None:
    hostile = "<script>alert('1')</script>\"; DROP TABLE teams; --"
    board.add_team("x" * 100, by="olga")
    board.add_team(hostile, by="olga")
    assert {team.name for team in board.snapshot().teams} == {"x" * 100, hostile}


def test_nobody_is_in_two_teams(board: Board) -> None:
    board.add_team("alpha", ["P1"], by="olga")
    with pytest.raises(InputError, match="'p1' is in the team 'alpha' already"):
        board.add_team("beta", ["p2", "p1"], by="olga")
    assert [team.name for team in board.snapshot().teams] == ["alpha"]  # beta was not made either
    board.add_team("beta", by="olga")
    with pytest.raises(InputError, match="'P1' is in the team 'alpha' already"):
        board.add_members("beta", ["P1"], by="olga")
    board.remove_member("alpha", "p1", by="olga")
    board.add_members("beta", ["P1"], by="olga")
    assert board.snapshot().teams == (Team("alpha"), Team("beta", ("P1",)))


def test_unknown_names_come_with_the_nearest(board: Board) -> None:
    board.add_team("alpha", ["person1"], by="olga")
    with pytest.raises(InputError, match="Did you mean 'alpha'"):
        board.remove_team("alpa", by="olga", why="typing")
    with pytest.raises(InputError, match="Did you mean 'person1'"):
        board.remove_member("alpha", "person", by="olga")
    with pytest.raises(InputError, match="no team 'zeta'"):
        board.add_members("zeta", ["p"], by="olga")


def test_removing_a_team_frees_its_people_and_its_name(board: Board) -> None:
    board.add_team("alpha", ["p1"], by="olga")
    board.add_team("beta", by="olga")
    board.set_rater_team("r77", "alpha", by="olga")
    board.remove_team("alpha", by="olga", why="withdrew")
    assert board.snapshot().teams == (Team("beta"),)
    assert board.snapshot().raters == {}
    assert board.log()[-1].details["why"] == "withdrew"
    board.add_members("beta", ["p1"], by="olga")
    board.add_team("ALPHA", by="olga")
    assert board.snapshot().teams == (Team("ALPHA"), Team("beta", ("p1",)))


def test_removing_a_team_needs_a_reason(board: Board) -> None:
    board.add_team("alpha", by="olga")
    for why in ("", "  ", "x" * 2001, "a\0b"):
        with pytest.raises(InputError, match="reason"):
            board.remove_team("alpha", by="olga", why=why)
    assert len(board.snapshot().teams) == 1


def test_raters_of_teams(board: Board) -> None:
    board.add_team("alpha", ["R01", "someone"], by="olga")
    board.add_team("beta", by="olga")
    board.add_members("beta", ["shouter"], by="olga")
    take_ratings(board, 10)  # by r00 to r04
    shouted = [Answer("SHOUTER", "i", "overall", 5, None, None, 2)]
    board.import_answers(shouted, source="r", sha256="", form="", by="olga")
    board.set_rater_team("r02", "beta", by="olga")
    board.set_rater_team("r02", "beta", by="olga")
    # r01 is a member of alpha whatever the case; the member who never rated is no rater.
    assert board.snapshot().raters == {"SHOUTER": "beta", "r01": "alpha", "r02": "beta"}
    board.set_rater_team("r02", "alpha", by="olga")
    assert board.snapshot().raters == {"SHOUTER": "beta", "r01": "alpha", "r02": "alpha"}
    board.set_rater_team("r02", None, by="olga")
    board.set_rater_team("r02", None, by="olga")
    assert board.snapshot().raters == {"SHOUTER": "beta", "r01": "alpha"}
    assert actions(board).count("set-rater-team") == 3


def test_a_rater_is_not_of_two_teams(board: Board) -> None:
    board.add_team("alpha", ["r01"], by="olga")
    board.add_team("beta", by="olga")
    with pytest.raises(InputError, match="'r01' is in the team 'alpha'"):
        board.set_rater_team("r01", "beta", by="olga")
    board.set_rater_team("r02", "alpha", by="olga")
    with pytest.raises(InputError, match="'r02' is noted as one of the team 'alpha'"):
        board.add_members("beta", ["R02"], by="olga")
    with pytest.raises(InputError, match="empty"):
        board.set_rater_team(" ", "alpha", by="olga")
