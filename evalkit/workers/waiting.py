"""The jobs of a batch: which of them may be started now, and which wait for another to be done first."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping


class WaitingJobs:
    """The numbers of jobs that no worker has yet, in their order. Not safe for several threads: the pool has the lock.

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
        self._ready = deque(index for index in range(count) if index not in held)
        self._held: dict[int, list[int]] = {}
        for index in sorted(held):
            self._held.setdefault(held[index], []).append(index)

    @property
    def ready(self) -> int:
        """How many jobs may be started now."""
        return len(self._ready)

    @property
    def held(self) -> bool:
        """Whether jobs wait for others to be done."""
        return bool(self._held)

    def take(self) -> int:
        """Return a job that may be started.

        Raises:
            IndexError: when there is none.
        """
        return self._ready.popleft()

    def finish(self, index: int) -> None:
        """Release the jobs that waited for ``index``, whatever became of it."""
        self._ready.extend(self._held.pop(index, ()))

    def clear(self) -> None:
        """Give out no more jobs."""
        self._ready.clear()
        self._held.clear()
