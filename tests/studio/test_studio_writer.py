"""The order of writing: the journal, the reply, the board; and a board that can't be written for a while."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from evalkit.errors import InputError, StorageError
from evalkit.studio.feeding import Feeder, Waiting
from evalkit.studio.journal import Journal, Place, StoredAnswer, add_answer, add_place, mark_on_board, set_paused
from evalkit.studio.serving import _teller
from evalkit.studio.writer import NotStoredError, Writer

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def answer(number: int, *, rater: str = "r1", on_board: bool = False) -> StoredAnswer:
    name = f"answer-{number}"
    return StoredAnswer(name, rater, f"item-{number}", {"sync": 3}, NOW, 4.0, 3.5, (1.0,), "", "", on_board)


class Database:
    """A board that can be locked by somebody else, and that can be slow."""

    def __init__(self) -> None:
        self.locked = False
        self.batches: list[list[str]] = []
        self.again: list[bool] = []
        self.begun, self.free = threading.Event(), threading.Event()
        self.free.set()

    def write(self, given: Sequence[StoredAnswer], *, again: bool = False) -> None:
        self.begun.set()
        assert self.free.wait(60)
        if self.locked:
            raise StorageError("The board is locked.")
        self.batches.append([one.id for one in given])
        self.again.append(again)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal.open(tmp_path / "studio.sqlite", "a" * 64)


@contextmanager
def writing(
    journal: Journal, board: Database, told: Callable[[str | None], None] = lambda _: None
) -> Iterator[tuple[Writer, Feeder]]:
    """Run both threads until the block ends."""
    feeder = Feeder(journal, board.write, told, pause=0)
    writer = Writer(journal, feeder.wake)
    writer.start()
    feeder.start()
    try:
        yield writer, feeder
    finally:
        board.free.set()
        writer.close()
        feeder.close()


def test_answers_that_the_board_does_not_take_are_kept_and_given_to_it_later(journal: Journal) -> None:
    board, told = Database(), []
    with writing(journal, board, told.append) as (writer, feeder):
        writer.write(answers=[answer(1)]).result(10)
        assert feeder.flush(10)
        assert feeder.waiting() == Waiting()
        board.locked = True
        writer.write(answers=[answer(2)]).result(10)
        assert not feeder.flush(10)
        assert feeder.waiting() == Waiting(1, NOW, "The board is locked.")
        writer.write([set_paused(paused=True)]).result(10)
        board.locked = False
        writer.write(answers=[answer(3)]).result(10)
        assert feeder.flush(10)
    assert [name for batch in board.batches for name in batch] == ["answer-1", "answer-2", "answer-3"]
    assert {one for one in told if one} == {"The board is locked."}
    assert told[-1] is None
    assert [one.on_board for one in journal.answers()] == [True] * 3
    assert journal.held().paused


def test_after_a_crash_the_board_gets_what_it_did_not_have(journal: Journal, tmp_path: Path) -> None:
    locked = Database()
    locked.locked = True
    with writing(journal, locked) as (writer, feeder):
        writer.write(answers=[answer(1), answer(2, on_board=True)]).result(10)
    assert feeder.waiting().answers == 1
    journal.close()
    again, board = Journal.open(tmp_path / "studio.sqlite", "a" * 64), Database()
    with writing(again, board):
        pass
    assert board.batches == [["answer-1"]], "what is not for the board is not given to it"
    assert board.again == [True], "the board is asked whether it has them"
    assert [one.on_board for one in again.answers()] == [True, True]
    assert again.answers()[0] == StoredAnswer(
        "answer-1", "r1", "item-1", {"sync": 3}, NOW, 4.0, 3.5, (1.0,), "", "", on_board=True, number=1
    )
    again.close()


def test_what_the_journal_can_not_store_is_told_and_what_follows_is_stored(journal: Journal) -> None:
    board = Database()
    with writing(journal, board) as (writer, _):
        place = Place("r1", "join", "digest")
        writer.write([add_place(place, NOW)]).result(10)
        with pytest.raises(NotStoredError, match="can't be written"):
            writer.write([add_place(place, NOW)], [answer(1)]).result(10)
        assert journal.answers() == []
        writer.write(answers=[answer(2)]).result(10)
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


def test_a_disk_that_is_full_when_the_board_has_an_answer_gives_it_no_answer_twice(journal: Journal) -> None:
    board = Database()
    why = "SELECT RAISE(ROLLBACK, 'database or disk is full')"
    journal._connection.execute(f"CREATE TEMP TRIGGER full_disk BEFORE UPDATE ON answers BEGIN {why}; END")
    with writing(journal, board) as (writer, feeder):
        for number in (1, 2):
            writer.write(answers=[answer(number)]).result(10)
            assert feeder.flush(10)
        assert feeder.waiting().answers == 0
    assert [one.on_board for one in journal.answers()] == [False] * 2, "the next process asks the board"
    assert board.batches == [["answer-1"], ["answer-2"]]


def test_who_goes_away_stops_nobody_from_writing(journal: Journal) -> None:
    writer = Writer(journal)
    gone = writer.write(answers=[answer(1)])
    assert not gone.cancel(), "as when the server ends a request that takes too long"
    writer.start()
    writer.write(answers=[answer(2)]).result(10)
    writer.close()
    assert [one.id for one in journal.answers()] == ["answer-1", "answer-2"]


def test_nothing_waits_for_a_board_that_somebody_else_is_writing(journal: Journal) -> None:
    board = Database()
    board.free.clear()
    with writing(journal, board) as (writer, feeder):
        writer.write(answers=[answer(1)]).result(10)
        assert board.begun.wait(10), "the board is being written, and for as long as this test wants"
        writer.write(answers=[answer(2)]).result(10)
        writer.write([set_paused(paused=True)]).result(10)
        assert board.batches == []
        assert feeder.waiting() == Waiting(2, NOW)
        board.free.set()
        assert feeder.flush(10)
    assert [name for batch in board.batches for name in batch] == ["answer-1", "answer-2"]


def test_after_a_failure_the_board_is_asked_what_it_has(journal: Journal) -> None:
    board = Database()
    board.locked = True
    with writing(journal, board) as (writer, feeder):
        writer.write(answers=[answer(1)]).result(10)
        assert not feeder.flush(10)
        board.locked = False
        assert feeder.flush(10)
        writer.write(answers=[answer(2)]).result(10)
        assert feeder.flush(10)
    assert (board.batches, board.again) == ([["answer-1"], ["answer-2"]], [True, False])


def test_answers_that_came_first_are_the_first_to_be_given_and_many_are_given_in_parts(journal: Journal) -> None:
    journal.apply([add_answer(answer(number)) for number in range(1200)])
    assert journal.count_waiting(0) == (1200, NOW)
    journal.apply([mark_on_board(100)])
    board = Database()
    with writing(journal, board):
        pass
    assert [len(batch) for batch in board.batches] == [500, 500, 100]
    assert [name for batch in board.batches for name in batch] == [f"answer-{number}" for number in range(100, 1200)]
    assert (journal.last_waiting(), journal.count_waiting(0)) == (0, (0, None))


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
