"""Count the threads of a worker process, and end it when it has too many.

No system call filter counts, and ``RLIMIT_NPROC`` counts all processes of the user and doesn't hold for root.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

MOST_THREADS = 512  # decoders and networks start some dozens
_INTERVAL_SECONDS = 0.5


class ThreadWatch:
    """Looks at a process twice a second until `stop`. It does nothing where there is no ``/proc``.

    Args:
        pid: of the process.
        end: called once, when it has more than `MOST_THREADS`.

    Attributes:
        found: how many it had then; 0 before.
    """

    def __init__(self, pid: int, end: Callable[[], None]) -> None:
        self.found = 0
        self._folder, self._end = f"/proc/{pid}/task", end
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def start(self) -> None:
        """Begin."""
        if Path(self._folder).is_dir():
            self._thread.start()

    def stop(self) -> None:
        """End the watch; return when it has ended."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _watch(self) -> None:
        while not self._stopped.wait(_INTERVAL_SECONDS):
            try:
                count = sum(1 for _ in Path(self._folder).iterdir())
            except OSError:  # it has ended
                return
            if count > MOST_THREADS:
                self.found = count
                self._end()
                return
