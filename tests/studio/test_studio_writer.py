"""The order of writing: the journal, the board, the reply; and a board that can't be written for a while."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from evalkit.errors import InputError, StorageError
from evalkit.studio.journal import Journal, Place, StoredAnswer, add_answer, add_place, set_paused
from evalkit.studio.serving import _teller
from evalkit.studio.writer import NotOnBoardError, NotStoredError, Writer

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def answer(number: int, *, rater: str = "r1", on_board: bool = False) -> StoredAnswer:
    name = f"answer-{number}"
    return StoredAnswer(name, rater, f"item-{number}", {"sync": 3}, NOW, 4.0, 3.5, (1.0,), "", "", on_board)


class Database:
    """A board that can be locked by somebody else."""

    def __init__(self, journal: Journal | None = None) -> None:
        self.locked = False
        self.batches: list[list[str]] = []

    def write(self, given: Sequence[StoredAnswer]) -> None:
        if self.locked:
            raise StorageError("The board is locked.")
        self.batches.append([one.id for one in given])


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal.open(tmp_path / "studio.sqlite", "a" * 64)


def test_answers_that_the_board_does_not_take_are_kept_and_given_to_it_later(journal: Journal) -> None:
    board, told = Database(), []
    writer = Writer(journal, board.write, told.append)
    writer.start()
    writer.write(answers=[answer(1)]).result(10)
    board.locked = True
    with pytest.raises(NotOnBoardError, match="The board is locked"):
        writer.write(answers=[answer(2)]).result(10)
    assert writer.unwritten(["answer-1", "answer-2"]) == {"answer-2"}
    writer.write([set_paused(paused=True)]).result(10)
    board.locked = False
    writer.write(answers=[answer(3)]).result(10)
    assert board.batches == [["answer-1"], ["answer-2", "answer-3"]]
    assert writer.unwritten(["answer-1", "answer-2", "answer-3"]) == set()
    assert [one for one in told if one] == ["The board is locked."] * 2
    writer.close()
    assert [one.on_board for one in journal.answers()] == [True] * 3
    assert journal.held().paused


def test_after_a_crash_the_board_gets_what_it_did_not_have(journal: Journal, tmp_path: Path) -> None:
    locked = Database()
    locked.locked = True
    first = Writer(journal, locked.write)
    first.start()
    with pytest.raises(StorageError):
        first.write(answers=[answer(1), answer(2, on_board=True)]).result(10)
    first.close()
    journal.close()
    again, board = Journal.open(tmp_path / "studio.sqlite", "a" * 64), Database()
    second = Writer(again, board.write)
    second.start()
    assert board.batches == [["answer-1"]], "what is not for the board is not given to it"
    second.close()
    assert [one.on_board for one in again.answers()] == [True, True]
    assert again.answers()[0] == StoredAnswer(
        "answer-1", "r1", "item-1", {"sync": 3}, NOW, 4.0, 3.5, (1.0,), "", "", on_board=True, number=1
    )
    again.close()


def test_what_the_journal_can_not_store_is_told_and_what_follows_is_stored(journal: Journal) -> None:
    board = Database()
    writer = Writer(journal, board.write)
    writer.start()
    place = Place("r1", "join", "digest")
    writer.write([add_place(place, NOW)]).result(10)
    with pytest.raises(NotStoredError, match="can't be written"):
        writer.write([add_place(place, NOW)], [answer(1)]).result(10)
    assert journal.answers() == []
    writer.write(answers=[answer(2)]).result(10)
    writer.close()
    assert board.batches == [["answer-2"]]
    journal.close()


def test_the_terminal_hears_once_that_answers_wait_and_once_that_they_are_written(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tell = _teller([None])
    for problem in ("It is locked.", "It is locked.", None, None):
        tell(problem)
    assert [one.getMessage() for one in caplog.records] == [
        "Answers wait in the studio's file until the board can be written; it is tried again by itself. It is locked.",
        "The board is written again.",
    ]


def test_a_disk_that_is_full_at_the_end_ends_nothing_badly(journal: Journal) -> None:
    board = Database()
    writer = Writer(journal, board.write)
    writer.start()
    writer.write(answers=[answer(1)]).result(10)
    why = "SELECT RAISE(ROLLBACK, 'database or disk is full')"
    journal._connection.execute(f"CREATE TEMP TRIGGER full_disk BEFORE UPDATE ON answers BEGIN {why}; END")
    writer.close()
    assert [one.on_board for one in journal.answers()] == [False], "it is given to the board once more"
    assert board.batches == [["answer-1"]]


def test_who_goes_away_stops_nobody_from_writing(journal: Journal) -> None:
    board = Database()
    writer = Writer(journal, board.write)
    gone = writer.write(answers=[answer(1)])
    assert not gone.cancel(), "as when the server ends a request that takes too long"
    writer.start()
    writer.write(answers=[answer(2)]).result(10)
    writer.close()
    assert [one.id for one in journal.answers()] == ["answer-1", "answer-2"]


def test_what_is_not_for_the_board_does_not_wait_for_it(journal: Journal) -> None:
    free, begun = threading.Event(), threading.Event()

    def slow(given: Sequence[StoredAnswer]) -> None:
        begun.set()
        assert free.wait(20)

    writer = Writer(journal, slow)
    taken, paused = writer.write(answers=[answer(1)]), writer.write([set_paused(paused=True)])
    writer.start()
    assert begun.wait(10)
    paused.result(10)
    assert not taken.done()
    free.set()
    taken.result(10)
    writer.close()


def test_a_full_disk_is_told_as_such(journal: Journal) -> None:
    run = journal._connection.execute
    why = "SELECT RAISE(ROLLBACK, 'database or disk is full')"  # as SQLite does it: the transaction is over
    run(f"CREATE TEMP TRIGGER full_disk BEFORE INSERT ON answers BEGIN {why}; END")
    with pytest.raises(StorageError, match="Found database or disk is full"):
        journal.apply([add_answer(answer(1))])
    run("DROP TRIGGER full_disk")
    journal.apply([add_answer(answer(1))])
    assert len(journal.answers()) == 1


def test_a_journal_has_one_user_and_one_plan(journal: Journal, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="another 'evalkit studio serve'"):
        Journal.open(tmp_path / "studio.sqlite", "a" * 64)
    secret = journal.secret
    journal.close()
    with pytest.raises(InputError, match="belongs to another plan"):
        Journal.open(tmp_path / "studio.sqlite", "b" * 64)
    again = Journal.open(tmp_path / "studio.sqlite", "a" * 64)
    assert again.secret == secret
    again.close()
