"""The jobs that workers share: which of them may be started now, and which wait for another to be done first."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping


class WaitingJobs:
    """The numbers of jobs that no worker has yet, in their order. Safe for several threads.

    Args:
        count: how many jobs there are.
        after: job -> an earlier job that must be done before it is started.

    Raises:
        ValueError: when a job would wait for itself or a later one, and so perhaps for ever.
    """

    def __init__(self, count: int, after: Mapping[int, int] | None = None) -> None:
        held = after or {}
        if any(not 0 <= first < index < count for index, first in held.items()):
            raise ValueError("a job can only wait for an earlier one")
        self._changed = threading.Condition()
        self._ready = deque(index for index in range(count) if index not in held)
        self._held: dict[int, list[int]] = {}
        for index in sorted(held):
            self._held.setdefault(held[index], []).append(index)
        self._closed = False

    def take(self) -> int | None:
        """Return a job, once there is one that may be started; ``None`` when there will be none."""
        with self._changed:
            while not self._closed:
                if self._ready:
                    return self._ready.popleft()
                if not self._held:
                    return None
                self._changed.wait()
            return None

    def finish(self, index: int) -> None:
        """Release the jobs that waited for ``index``, whatever became of it."""
        with self._changed:
            self._ready.extend(self._held.pop(index, ()))
            self._changed.notify_all()

    def close(self) -> None:
        """Give out no more jobs, and wake who waits for one."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
