from __future__ import annotations

from itertools import pairwise, takewhile
from typing import Any

import pytest
from board_tools import card, comparisons, take_ratings

from evalkit.board import Board
from evalkit.errors import InputError, UsageError


@pytest.fixture
def board(board: Board) -> Board:
    board.add_team("alpha", by="olga")
    board.add_run("alpha", "main", card(), by="olga")
    take_ratings(board, 20)
    board.import_answers(comparisons(5), source="p", sha256="", form="", by="olga")
    return board


def manual(*subjects: str) -> list[tuple[str, str, str]]:
    return [(subject, "manual", f"because of {subject}") for subject in subjects]


def test_a_decision_says_who_when_and_why(board: Board) -> None:
    assert board.exclude("rater", [("r01", "speeder", "2 s per item")], by="pia") == [1]
    (one,) = board.snapshot().decisions
    assert (one.number, one.target, one.subject, one.code, one.reason) == (1, "rater", "r01", "speeder", "2 s per item")
    entry = board.log()[-1]
    assert (one.by, one.at, one.holds) == ("pia", entry.at, True)
    assert (entry.action, entry.by, entry.details["numbers"]) == ("exclude", "pia", [1])
    assert board.snapshot().excluded("rater") == {"r01": one}


def test_every_kind_of_subject(board: Board) -> None:
    now = board.snapshot()
    assert board.exclude("answer", manual(now.answers[3].id), by="pia") == [1]
    comparison = next(one for one in now.answers if one.kind == "comparison")
    assert board.exclude("answer", manual(comparison.id), by="pia") == [2]
    assert board.exclude("run", manual("alpha/main"), by="pia") == [3]
    assert board.exclude("team", manual("alpha"), by="pia") == [4]
    board.add_team("beta", by="olga")
    board.set_rater_team("never-rated", "beta", by="olga")
    assert board.exclude("rater", manual("r00", "never-rated"), by="pia") == [5, 6]


def test_many_at_once_are_one_entry_and_known_ones_are_passed_over(board: Board) -> None:
    board.exclude("rater", manual("r01"), by="pia")
    number = board.snapshot().number
    assert board.exclude("rater", manual("r00", "r01", "r02", "r00"), by="pia") == [2, 3]
    assert board.snapshot().number == number + 1
    assert board.exclude("rater", manual("r02", "r01"), by="pia") == []
    assert board.exclude("rater", [], by="pia") == []
    assert board.snapshot().number == number + 1


def test_unknown_subjects_are_errors(board: Board) -> None:
    before = board.snapshot()
    wrong: list[tuple[Any, str, str]] = [
        ("rater", "r0l", "no rater 'r0l'.*Did you mean 'r0"),
        ("answer", "ab" * 32, "no answer"),
        ("run", "alpha/mian", "Did you mean 'alpha/main'"),
        ("run", "alpha", "no run"),
        ("team", "alfa", "Did you mean 'alpha'"),
        ("team", "x" * 300, "300 characters"),
    ]
    for target, subject, message in wrong:
        known = {"rater": "r00", "run": "alpha/main", "team": "alpha"}.get(target)
        subjects = manual(*([known] if known else []), subject)
        with pytest.raises(InputError, match=message):
            board.exclude(target, subjects, by="pia")
    assert board.snapshot() == before


def test_codes_and_reasons_are_checked(board: Board) -> None:
    for code in ("", "Speeder", "a b", "-x", "x" * 65):
        with pytest.raises(InputError, match="not a code"):
            board.exclude("rater", [("r00", code, "why")], by="pia")
    with pytest.raises(InputError, match="needs a reason"):
        board.exclude("rater", [("r00", "manual", " ")], by="pia")
    with pytest.raises(UsageError, match="'item' can't be excluded"):
        board.exclude("item", manual("item00001"), by="pia")  # type: ignore[arg-type]


def test_a_decision_is_taken_back_and_not_deleted(board: Board) -> None:
    board.exclude("rater", manual("r00", "r01"), by="pia")
    held = board.snapshot()
    board.include([1, 1], by="quinn", why="the clock was wrong")
    one, two = board.snapshot().decisions
    assert (one.revoked_by, one.revoked_at, one.revoked_why) == ("quinn", board.log()[-1].at, "the clock was wrong")
    assert (one.by, one.reason, one.holds, two.holds) == ("pia", "because of r00", False, True)
    assert board.snapshot().excluded("rater") == {"r01": two}
    assert board.snapshot(held.at).decisions == held.decisions  # then it held
    number = board.snapshot().number
    board.include([1], by="pia", why="again")
    assert board.snapshot().number == number
    assert board.exclude("rater", manual("r00"), by="pia") == [3]
    assert [one.number for one in board.snapshot().decisions] == [1, 2, 3]


def test_only_decisions_that_were_made_can_be_taken_back(board: Board) -> None:
    with pytest.raises(InputError, match="no decision 1"):
        board.include([1], by="pia", why="w")
    board.exclude("rater", manual("r00"), by="pia")
    for numbers in ([2], [0], [-1], [1, 7]):
        with pytest.raises(InputError, match="There is no decision"):
            board.include(numbers, by="pia", why="w")
    with pytest.raises(InputError, match="needs a reason"):
        board.include([1], by="pia", why="")
    assert board.snapshot().decisions[0].holds


def test_thousands_of_ratings(board: Board) -> None:
    take_ratings(board, 1300, start=100)
    ids = [one.id for one in board.snapshot().answers]
    assert board.exclude("answer", manual(*ids), by="pia") == list(range(1, len(ids) + 1))
    board.include(range(1, 1200), by="pia", why="too many")
    assert sum(one.holds for one in board.snapshot().decisions) == len(ids) - 1199
    assert board.verify() == []


def common(one: str, other: str) -> str:
    """Return how both begin."""
    return "".join(left for left, _ in takewhile(lambda two: two[0] == two[1], zip(one, other, strict=True)))


def test_first_digits_that_several_identities_share_name_none(board: Board) -> None:
    take_ratings(board, 1200)
    names = sorted(one.id for one in board.snapshot().answers)
    pair = max(pairwise(names), key=lambda two: len(common(*two)))
    shared = common(*pair)
    assert len(shared) >= 4
    before = len(board.log())
    with pytest.raises(InputError, match="The id of more than one answer begins"):
        board.exclude("answer", [(shared, "manual", "no")], by="olga")
    assert len(board.log()) == before
    board.exclude("answer", [(pair[0][: len(shared) + 1], "manual", "no")], by="olga")
    assert list(board.snapshot().excluded("answer")) == [pair[0]]
