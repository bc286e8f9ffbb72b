"""How much time a job may take: its own limit, and what is left of the limit for its whole batch.

The clock of a batch runs while the workers are its own: where they serve several batches, it runs by the share of them
that it has. So a batch that waits for workers loses no time, and one that shares them has the time that it would have
alone.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence


class Shares:
    """Which batch each worker of a pool serves at the moment.

    Args:
        now: a clock that never goes back, in seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._busy: Counter[BatchClock] = Counter()
        self._last = now()
        self.lock = threading.RLock()

    def enter(self, clock: BatchClock) -> None:
        """One more worker serves the batch."""
        with self.lock:
            self.settle()
            self._busy[clock] += 1

    def leave(self, clock: BatchClock) -> None:
        """One worker less serves the batch."""
        with self.lock:
            self.settle()
            self._busy[clock] -= 1
            if not self._busy[clock]:
                del self._busy[clock]

    def settle(self) -> None:
        """Let every clock run to this moment."""
        with self.lock:
            now = self._now()
            passed, self._last = now - self._last, now
            busy = self._busy.total()
            for clock, workers in self._busy.items():
                clock.run(passed * workers / busy)


class BatchClock:
    """The time limits of one batch of jobs.

    Args:
        each: time limit for one job in seconds, or that of each; ``None`` for no limit.
        total: time limit for all jobs in seconds, from when the first one is given to a worker; ``None`` for no limit.
        shares: of the pool that serves the batch.
    """

    def __init__(self, each: float | Sequence[float] | None, total: float | None, shares: Shares) -> None:
        self._each = each
        self._shares = shares
        self._started = False
        self._elapsed = 0.0
        self.total = total

    def start(self) -> None:
        """Start the clock, unless it runs already."""
        if not self._started:
            with self._shares.lock:
                self._shares.settle()
                self._started = True

    def run(self, seconds: float) -> None:
        """Let ``seconds`` pass, once it was started."""
        if self._started:
            self._elapsed += seconds

    def own(self, index: int) -> float | None:
        """Return the limit of one job; ``None`` without one."""
        return self._each if self._each is None or isinstance(self._each, float | int) else self._each[index]

    def left(self) -> float | None:
        """Return what is left for the batch: it lasts at least that long from now on; ``None`` for any time."""
        if self.total is None:
            return None
        with self._shares.lock:
            self._shares.settle()
            return self.total - self._elapsed
