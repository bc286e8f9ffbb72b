"""Excluding samples of the test set on a board, on both kinds of database."""

from __future__ import annotations

from typing import Any

import pytest
from board_tools import Database, card

from evalkit.board import Board
from evalkit.errors import InputError
from evalkit.scoring.scorecard import Scorecard

HOSTILE = (
    "<script>alert(1)</script>",
    "=HYPERLINK(1)",
    "s\u202e1",
    "a'; DROP TABLE decisions; --",
    "line\nfeed",
    "%s",
    "1",
)


def renamed(names: tuple[str, ...], team: str = "alpha") -> Scorecard:
    """Return a scorecard with samples of these names."""
    made = card(team)
    video = made.videos[0]
    videos = tuple(video.model_copy(update={"sample": name}) for name in names)
    score = made.metrics["identity.strict"].model_copy(update={"n": len(names)})
    return made.model_copy(update={"videos": videos, "metrics": {"identity.strict": score}})


@pytest.fixture
def board(board: Board) -> Board:
    board.add_team("alpha", by="olga")
    board.add_run("alpha", "main", renamed(("p001", "p002", "p003")), by="olga")
    return board


def reasons(*samples: str, why: str = "the reference has no face") -> list[tuple[str, str, str]]:
    return [(sample, "manual", why) for sample in samples]


def test_a_sample_is_excluded_once_with_a_reason_in_the_log_and_taken_back(board: Board, database: Database) -> None:
    before = board.snapshot()
    assert board.exclude("sample", reasons("p002"), by="pia") == [1]
    (one,) = board.snapshot().decisions
    assert (one.target, one.subject, one.reason, one.by) == ("sample", "p002", "the reference has no face", "pia")
    entry = board.log()[-1]
    assert (entry.action, entry.subject, entry.details["target"]) == ("exclude", "p002", "sample")
    number = board.snapshot().number
    assert board.exclude("sample", reasons("p002", why="again"), by="pia") == []
    assert board.snapshot().number == number
    assert board.decisions_on("sample", ["p002"]) == [1]
    board.include([1], by="quinn", why="it was mended")
    assert board.snapshot().excluded("sample") == {}
    assert board.decisions_on("sample", ["p002"]) == []
    assert board.snapshot(before.number) == before
    assert board.verify() == []
    database.tamper("UPDATE decisions SET subject = 'p001' WHERE id = 1")
    assert any("decisions" in problem for problem in board.verify())


def test_unknown_samples_and_missing_reasons_are_refused(board: Board) -> None:
    before = board.snapshot()
    wrong = [
        (reasons("p01"), "no sample 'p01'.*Did you mean 'p0"),
        (reasons("p002", "zzz", "yyy"), "no sample 'zzz' and 1 more"),
        (reasons("p002", why=" "), "needs a reason"),
        (reasons("x" * 401), "401 characters"),
    ]
    for subjects, message in wrong:
        with pytest.raises(InputError, match=message):
            board.exclude("sample", subjects, by="pia")
    with pytest.raises(InputError, match="No decision excludes the sample 'p002'"):
        board.decisions_on("sample", ["p002"])
    assert board.snapshot() == before


def test_not_all_samples_can_be_excluded(board: Board) -> None:
    with pytest.raises(InputError, match=r"No sample would be left.*3 samples on the board, of which 0"):
        board.exclude("sample", reasons("p001", "p002", "p003"), by="pia")
    board.exclude("sample", reasons("p001", "p002"), by="pia")
    with pytest.raises(InputError, match="No sample would be left"):
        board.exclude("sample", reasons("p003"), by="pia")
    assert board.exclude("sample", reasons("p001", "p002"), by="pia") == []
    board.add_run("alpha", "main", renamed(("p003", "p004")), by="olga", why="the test set was mended")
    assert board.exclude("sample", reasons("p003"), by="pia") == [3]


@pytest.mark.parametrize("sample", HOSTILE)
def test_names_of_any_kind(board: Board, sample: str) -> None:
    board.add_run("alpha", "main", renamed(("p001", sample)), by="olga", why="the test set was mended")
    assert board.exclude("sample", reasons(sample, why=sample), by="pia") == [1]
    assert set(board.snapshot().excluded("sample")) == {sample}
    assert board.verify() == []
    board.include(board.decisions_on("sample", [sample]), by="pia", why=sample)
    assert board.snapshot().excluded("sample") == {}


def test_a_name_that_no_database_keeps(board: Board) -> None:
    board.add_team("beta", by="olga")
    with pytest.raises(InputError, match="can't be kept"):
        board.exclude("sample", reasons("nul\0"), by="pia")


def test_the_board_before_and_after_and_a_dry_run(board: Board) -> None:
    before = board.snapshot()
    for keep in (False, True):
        done = board.exclude_and_compare("sample", reasons("p002"), by="pia", keep=keep)
        assert done.before == before
        assert done.decisions == (1,)
        assert set(done.after.excluded("sample")) == {"p002"}
        assert (board.snapshot() == done.after) is keep
    again = board.exclude_and_compare("sample", reasons("p002"), by="pia")
    assert again.decisions == ()
    assert again.before == again.after
    for keep in (False, True):
        back = board.include_and_compare([1], by="pia", why="mended", keep=keep)
        assert back.decisions == (1,)
        assert back.after.excluded("sample") == {}
        assert (board.snapshot() == back.after) is keep
    assert board.include_and_compare([1], by="pia", why="mended").decisions == ()


def test_other_kinds_of_subjects_are_found_by_name_too(board: Board) -> None:
    subjects: Any = [("alpha/main", "manual", "why")]
    board.exclude("run", subjects, by="pia")
    assert board.decisions_on("run", ["alpha/main"]) == [1]
    with pytest.raises(InputError, match=r"No decision excludes the run 'alpha/mian'. Did you mean 'alpha/main'"):
        board.decisions_on("run", ["alpha/mian"])
