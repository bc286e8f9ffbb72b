"""One thread that writes: changes that wait together are one transaction, in the journal and then on the board."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field

from evalkit.errors import EvalkitError, MachineError, StorageError
from evalkit.studio.journal import Change, Journal, StoredAnswer, add_answer, mark_on_board


class NotStoredError(MachineError):
    """The journal can't be written: nothing of a change is stored."""


class NotOnBoardError(StorageError):
    """The board can't be written now: the journal has the answers, and gives them to the board later."""


_MOST = 500  # changes in one transaction
_RETRY_SECONDS = 5.0


@dataclass
class _Work:
    changes: Sequence[Change]
    answers: Sequence[StoredAnswer]
    done: Future[None] = field(default_factory=Future)


class Writer:
    """Makes changes durable, in the order in which they were given.

    Args:
        journal: of this studio.
        to_board: gives answers to the board; it raises `EvalkitError` when the board can't take them now.
        told: is called with a sentence when the board can't be written, and with ``None`` when it can again.
    """

    def __init__(
        self,
        journal: Journal,
        to_board: Callable[[Sequence[StoredAnswer]], None],
        told: Callable[[str | None], None] = lambda _: None,
    ) -> None:
        self._journal = journal
        self._to_board = to_board
        self._told = told
        self._queue: queue.Queue[_Work | None] = queue.Queue()
        self._waiting: dict[str, StoredAnswer] = {}
        self._marks: list[str] = []
        self._thread = threading.Thread(target=self._run, name="studio-writer", daemon=True)
        self.waiting = 0

    def start(self) -> None:
        """Give the board what it did not get before a crash, and begin.

        Raises:
            EvalkitError: when the board can't take it.
        """
        self._waiting = {answer.id: answer for answer in self._journal.answers(only_waiting=True)}
        self._flush()
        self._thread.start()

    def write(self, changes: Sequence[Change] = (), answers: Sequence[StoredAnswer] = ()) -> Future[None]:
        """Write changes of the journal, and answers: the future is done when both are durable.

        It holds an `EvalkitError` when they are not; answers in the journal are given to the board again later.
        """
        work = _Work(changes, answers)
        work.done.set_running_or_notify_cancel()  # who waits may go away: it is written all the same
        self._queue.put(work)
        return work.done

    def unwritten(self, ids: Iterable[str]) -> set[str]:
        """Return which of these answers the journal has and the board has not."""
        return {one for one in ids if one in self._waiting}

    def close(self) -> None:
        """Write what waits, and end."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()

    def _run(self) -> None:
        end = False
        while not end:
            batch: list[_Work] = []
            try:
                first = self._queue.get(timeout=_RETRY_SECONDS if self._waiting else None)
            except queue.Empty:
                self._try_board()
                continue
            while first is not None:
                batch.append(first)
                if len(batch) == _MOST:
                    break
                try:
                    first = self._queue.get_nowait()
                except queue.Empty:
                    break
            end = first is None
            if batch:
                self._do(batch)
        if self._marks:
            with suppress(StorageError):  # the board is given them once more, and takes nothing twice
                self._journal.apply(mark_on_board(self._marks))

    def _do(self, batch: Sequence[_Work]) -> None:
        marks, self._marks = self._marks, []
        new = [answer for work in batch for answer in work.answers]
        changes = [*mark_on_board(marks), *(one for work in batch for one in work.changes), *map(add_answer, new)]
        try:
            self._journal.apply(changes)
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it, and the thread goes on
            self._marks = marks
            for work in batch:
                work.done.set_exception(NotStoredError("The studio's file can't be written.", found=str(error)))
            return
        for work in batch:
            if not work.answers:  # need not wait for a board that somebody else is writing
                work.done.set_result(None)
        self._waiting |= {answer.id: answer for answer in new if not answer.on_board}
        failure = self._try_board()
        for work in batch:
            if not work.answers:
                continue
            if failure is not None and any(answer.id in self._waiting for answer in work.answers):
                work.done.set_exception(failure)
            else:
                work.done.set_result(None)

    def _try_board(self) -> Exception | None:
        try:
            self._flush()
        except Exception as error:  # noqa: BLE001 - the journal has the answers: they are tried again
            self.waiting = len(self._waiting)
            why = str(error) if isinstance(error, EvalkitError) else type(error).__name__
            self._told(why)
            return NotOnBoardError("The board can't be written now.", found=why)
        return None

    def _flush(self) -> None:
        if self._waiting:
            self._to_board(list(self._waiting.values()))
            self._marks += self._waiting
            self._waiting.clear()
            self._told(None)
        self.waiting = 0
