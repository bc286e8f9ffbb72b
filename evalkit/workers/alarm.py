"""End a job whose time is used up, by its own limit or by that of its batch, whose clock may run slower than time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_LEAST_WAIT_SECONDS = 0.02  # between two looks at a clock that runs slower than time


class Alarm:
    """Calls ``ring`` when the time of a job is used up, unless it is stopped before.

    Args:
        timeout: seconds from now on; ``None`` for any time.
        left: returns the seconds that are left of another limit, at least; ``None`` for any time.
        ring: ends what takes too long.

    Attributes:
        rang: whether it did.
    """

    def __init__(self, timeout: float | None, left: Callable[[], float | None], ring: Callable[[], None]) -> None:
        self._end = None if timeout is None else time.monotonic() + timeout
        self._left, self._ring = left, ring
        self._guard = threading.Lock()
        self._stopped = False
        self._timer: threading.Timer | None = None
        self.rang = False
        self._wind(self._seconds())

    def stop(self) -> None:
        """Let it ring no more."""
        with self._guard:
            self._stopped = True
        if self._timer is not None:
            self._timer.cancel()

    def _seconds(self) -> float | None:
        """Return the time until the nearer limit; ``None`` without one."""
        own = None if self._end is None else self._end - time.monotonic()
        given = [seconds for seconds in (own, self._left()) if seconds is not None]
        return min(given) if given else None

    def _wind(self, seconds: float | None, least: float = 0.001) -> None:
        if seconds is not None:
            self._timer = threading.Timer(max(seconds, least), self._look)
            self._timer.daemon = True
            self._timer.start()

    def _look(self) -> None:
        with self._guard:
            if self._stopped:
                return
            seconds = self._seconds()
            if seconds is not None and seconds > 0:  # the clock of the batch ran slower: its workers served others
                self._wind(seconds, _LEAST_WAIT_SECONDS)
                return
            self.rang = True
            self._ring()
