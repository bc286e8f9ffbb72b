"""The thread that writes the studio's file: changes that wait together are one transaction."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from evalkit.errors import MachineError
from evalkit.studio.journal import Change, Journal, StoredAnswer, add_answer


class NotStoredError(MachineError):
    """The journal can't be written: nothing of a change is stored."""


_MOST = 500  # changes in one transaction


@dataclass
class _Work:
    changes: Sequence[Change]
    answers: Sequence[StoredAnswer]
    done: Future[None] = field(default_factory=Future)


class Writer:
    """Makes changes durable, in the order in which they were given.

    It knows nothing of the board: whoever holds its lock keeps nobody from being told that an answer is stored.

    Args:
        journal: of this studio.
        stored: is called after a transaction that stored answers; it must not wait for anything.
    """

    def __init__(self, journal: Journal, stored: Callable[[], None] = lambda: None) -> None:
        self._journal = journal
        self._stored = stored
        self._queue: queue.Queue[_Work | None] = queue.Queue()
        self._thread = threading.Thread(target=self._run, name="studio-writer", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def write(self, changes: Sequence[Change] = (), answers: Sequence[StoredAnswer] = ()) -> Future[None]:
        """Write changes, and answers: the future is done when all of them are durable.

        It holds a `NotStoredError` when none of them is.
        """
        work = _Work(changes, answers)
        work.done.set_running_or_notify_cancel()  # who waits may go away: it is written all the same
        self._queue.put(work)
        return work.done

    def close(self) -> None:
        """Write what waits, and end."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()

    def _run(self) -> None:
        end = False
        while not end:
            batch: list[_Work] = []
            first = self._queue.get()
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

    def _do(self, batch: Sequence[_Work]) -> None:
        new = [answer for work in batch for answer in work.answers]
        try:
            self._journal.apply([*(one for work in batch for one in work.changes), *map(add_answer, new)])
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it, and the thread goes on
            for work in batch:
                work.done.set_exception(NotStoredError("The studio's file can't be written.", found=str(error)))
            return
        for work in batch:
            work.done.set_result(None)
        if new:
            self._stored()
