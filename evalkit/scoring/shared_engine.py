"""The engine of one submission among several: they share the workers of one pool."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from evalkit.scoring.engine import LocalEngine, RunJobs
from evalkit.scoring.jobs import Config, Job
from evalkit.workers.pool import Accept, JobResult, Pool, Workers


class SharedEngine(LocalEngine):
    """Worker processes of a pool that other submissions use too.

    A process never has videos of two submissions (`evalkit.workers.pool`), and the time limits are those of a
    submission that is alone (`evalkit.workers.batch_clock`).

    Args:
        pool: the workers.
        rank: place of the submission in the queue; the first is served first.
        references: held while features of the test set are computed, which all submissions need: the next submission
            then finds them in the cache.
        like: the engine of a submission that is alone, with its limits.

    Attributes:
        begun: whether the submission's videos were put into the queue.
    """

    def __init__(
        self,
        pool: Pool,
        rank: int,
        references: threading.Lock,
        like: LocalEngine,
    ) -> None:
        super().__init__(pool.count, like.timeout, like.sandbox, like.submission_timeout, like.memory)
        self.begun = False
        self._alone = False  # features of the test set are computed
        self._pool, self._rank, self._references = pool, rank, references

    def run(self, config: Config, jobs: Sequence[Job], accept: Accept) -> Iterator[JobResult]:
        """Yield what ``accept`` returns (or a failure) per job, in the order they finish."""
        if config.video_seconds:
            return super().run(config, jobs, accept)
        return self._run_alone(config, jobs, accept)

    @contextmanager
    def session(self) -> Iterator[RunJobs]:
        """Return `run`: the pool keeps its processes."""
        yield self.run

    def _run_alone(self, config: Config, jobs: Sequence[Job], accept: Accept) -> Iterator[JobResult]:
        with self._references:
            self._alone = True
            try:
                yield from super().run(config, jobs, accept)
            finally:
                self._alone = False

    def _results(
        self, pool: Pool | None, work: Workers, jobs: Sequence[Job], after: Mapping[int, int]
    ) -> Iterator[JobResult]:
        return self._pool.run(work, jobs, after, self._rank, self._queued)

    def _queued(self) -> None:
        self.begun = self.begun or not self._alone
