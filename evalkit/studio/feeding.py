"""The thread that gives the board what the studio's file has: in the order in which it came, and each answer once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from evalkit.errors import EvalkitError, StorageError
from evalkit.studio.journal import Journal, StoredAnswer, mark_on_board

PAUSE_SECONDS = 1.0  # between two transactions of the board: what comes meanwhile shares an entry of its log
_RETRY_SECONDS = 5.0
_MOST = 500  # answers in one transaction


class ToBoard(Protocol):
    """Gives answers to the board."""

    def __call__(self, given: Sequence[StoredAnswer], *, again: bool = False) -> None:
        """Give them.

        Args:
            given: the answers.
            again: whether the board may have taken some of them already, and an undone import may hold them.

        Raises:
            EvalkitError: the board can't take them now; it has taken none.
        """


@dataclass(frozen=True)
class Waiting:
    """Answers that are stored and not on the board yet.

    Args:
        answers: how many.
        since: when the first of them came; ``None`` where there are none.
        why: what the last attempt said; empty where none has failed since the board was last written.
    """

    answers: int = 0
    since: datetime | None = None
    why: str = ""


class Feeder:
    """Gives stored answers to the board as soon as it can be written.

    Args:
        journal: of this studio.
        to_board: see `ToBoard`.
        told: is called with a sentence when the board can't be written, and with ``None`` when it can again.
        pause: seconds between two transactions of the board.
    """

    def __init__(
        self,
        journal: Journal,
        to_board: ToBoard,
        told: Callable[[str | None], None] = lambda _: None,
        pause: float = PAUSE_SECONDS,
    ) -> None:
        self._journal = journal
        self._to_board = to_board
        self._told = told
        self._pause = pause
        self._turn = threading.Condition()
        self._news = True  # a process before this one may have left answers
        self._hurry = self._ending = False
        self._given_to = 0  # the board has all that the journal has up to this number
        self._doubtful_to = 0  # up to this number the board may have some that the journal does not know of
        self._failures = 0
        self._why = ""
        self._thread = threading.Thread(target=self._run, name="studio-board", daemon=True)

    def start(self) -> None:
        """Begin, with what the board did not get before."""
        self._doubtful_to = self._journal.last_waiting()
        self._thread.start()

    def wake(self) -> None:
        """Say that the journal has more answers."""
        with self._turn:
            self._news = True
            self._turn.notify_all()

    def waiting(self) -> Waiting:
        """Return what waits for the board."""
        with self._turn:
            given_to, why = self._given_to, self._why
        answers, since = self._journal.count_waiting(given_to)
        return Waiting(answers, since, why if answers else "")

    def flush(self, seconds: float) -> bool:
        """Give the board now what the journal has, and return whether it has all of that.

        Args:
            seconds: to wait at most; less where the board says that it can't be written.
        """
        target = self._journal.last_waiting()
        with self._turn:
            failures = self._failures
            self._hurry = True
            self._turn.notify_all()
            self._turn.wait_for(lambda: self._given_to >= target or self._failures > failures, seconds)
            return self._given_to >= target

    def close(self) -> None:
        """Give the board what waits, and end: after one more attempt, should it fail."""
        if self._thread.is_alive():
            with self._turn:
                self._ending = True
                self._turn.notify_all()
            self._thread.join()

    def _run(self) -> None:
        failed = False
        while True:
            with self._turn:
                if failed:  # news don't make a board writable
                    self._turn.wait_for(lambda: self._hurry or self._ending, _RETRY_SECONDS)
                else:
                    self._turn.wait_for(lambda: self._news or self._hurry or self._ending)
                ending = self._ending
                self._news = self._hurry = False
            failed = not self._give()
            with self._turn:
                if ending or (self._ending and failed):
                    return
                if not failed:
                    self._turn.wait_for(lambda: self._hurry or self._ending, self._pause)

    def _give(self) -> bool:
        """Give the board all that waits; return whether it has it."""
        batch: list[StoredAnswer] = []
        try:
            while batch := self._journal.waiting(self._given_to, _MOST):
                self._to_board(batch, again=batch[0].number <= self._doubtful_to)
                with self._turn:
                    self._given_to = batch[-1].number
                    self._turn.notify_all()
                with suppress(StorageError):  # should the process end here, the board is asked before it is given them
                    self._journal.apply([mark_on_board(self._given_to)])
        except Exception as error:  # noqa: BLE001 - the journal has the answers: they are tried again
            why = str(error) if isinstance(error, EvalkitError) else type(error).__name__
            with self._turn:
                self._failures += 1
                self._why = why
                self._turn.notify_all()
            self._doubtful_to = max([self._doubtful_to, *(one.number for one in batch)])
            self._told(why)
            return False
        with self._turn:
            self._why = ""
        self._told(None)
        return True
