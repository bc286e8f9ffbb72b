"""The map over videos on this machine: one process per worker, each video in one of them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from evalkit.pool import JobResult, Workers
from evalkit.scoring.extract import Config, Job

HANDLER = "evalkit.scoring.extract:Handler"
JOB_SECONDS = 1800.0


def default_workers() -> int:
    """Return the number of processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return max(1, os.cpu_count() or 1)


class LocalEngine:
    """Worker processes on this machine.

    Args:
        workers: how many; ``None`` for one per core.
        timeout: seconds that one video may take.
    """

    name = "local"

    def __init__(self, workers: int | None = None, timeout: float = JOB_SECONDS) -> None:
        self.workers = workers or default_workers()
        self.timeout = timeout

    def run(self, config: Config, jobs: Sequence[Job]) -> Iterator[JobResult]:
        """Yield an `evalkit.scoring.extract.Extraction` (or a failure) per job, in the order they finish."""
        if not jobs:
            return iter(())
        return Workers(HANDLER, config, self.workers, self.timeout).run(jobs)
