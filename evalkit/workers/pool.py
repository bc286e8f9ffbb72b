"""Worker processes that survive their work: a crash or a hang costs one job, not the run.

Each worker is a fresh interpreter started with ``python -c``, so a script that calls evalkit needs no
``if __name__ == "__main__"``. `evalkit.workers.process` is one of them.

A `Pool` has a fixed number of workers for the batches of any number of runs. A process serves one batch and no other:
one that a file of a batch took over can say nothing about another batch, and its successor finds nothing of it. The
exception is a process that has read nothing of a submission yet (`Workers.trusted`): it goes on with the next batch
that starts its processes alike, so that networks are loaded once. A worker turns to the first batch in the queue that
has a job to give, so it is idle only when none has one.

What a parent that was killed leaves, the next run removes. A run that is stopped gives workers in the middle of a job
a moment to clean up, and then kills them. With `evalkit.workers.sandbox.Limits` a worker is confined before its first
job, and replaced when it has served long enough.
"""

from __future__ import annotations

import itertools
import os
import queue
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from evalkit.errors import MachineError
from evalkit.files import sweep_folders
from evalkit.workers.batch_clock import BatchClock, Shares
from evalkit.workers.child import GRACE_SECONDS
from evalkit.workers.devices.process import DevicePool, DeviceWork
from evalkit.workers.process import FOLDERS, Accept, JobResult, Start, WorkerProcess
from evalkit.workers.sandbox import Limits
from evalkit.workers.waiting import WaitingJobs

__all__ = ["FOLDERS", "Accept", "JobResult", "Pool", "Workers", "default_workers"]
_STOP_SECONDS = 1.0  # for workers that are stopped in the middle of a job to clean up, all of them together


def default_workers() -> int:
    """Return the number of processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return max(1, os.cpu_count() or 1)


class Workers:
    """What is needed to do a list of jobs in worker processes.

    Args:
        handler: ``module:name`` of a callable; it is called with ``config`` once per worker and returns the function
            that is called with each job and returns plain values, or records announced with
            `evalkit.workers.messages.answer_record`.
        config: what the handler gets; pickled.
        count: number of processes.
        timeout: time limit for one job in seconds, or that of each; ``None`` for no limit.
        limits: a worker's limits from its first job on; ``None`` for none. Confined workers work in their own
            temporary folder, so paths in jobs must be absolute.
        accept: called here with a job's index and what the worker answered; it returns the value of the result, and
            raises `evalkit.workers.messages.BadAnswerError` for a false answer, after which the worker is replaced. It
            is called in several threads.
        total: time limit for all jobs in seconds, from when the first one is given to a worker; jobs that are not done
            by then fail. ``None`` for no limit. See `evalkit.workers.batch_clock` for workers that are shared.
        trusted: whether the jobs read only what the one who runs them chose, and nothing of a submission. Processes
            that have done only such jobs may do those of another batch.
        devices: the networks that device processes run for the workers; ``None`` for none.
    """

    def __init__(  # noqa: PLR0917
        self,
        handler: str,
        config: Any,
        count: int,
        timeout: float | Sequence[float] | None = None,
        limits: Limits | None = None,
        accept: Accept | None = None,
        total: float | None = None,
        *,
        trusted: bool = False,
        devices: DeviceWork | None = None,
    ) -> None:
        _check_count(count)
        self.start: Start = (handler, config, limits)
        self.count = count
        self.timeout = timeout
        self.accept = accept
        self.total = total
        self.trusted = trusted
        self.devices = devices

    def run(self, jobs: Sequence[Any], after: Mapping[int, int] | None = None) -> Generator[JobResult, None, None]:
        """Yield a result per job, in the order in which they finish. Leaving the loop ends all workers.

        Args:
            jobs: what to do, by number.
            after: job -> an earlier job that must be done before this one is started.

        Raises:
            EvalkitError: when a worker can't start, or a job raises one (the disk is full): the run can't continue.
        """
        with Pool(self.count) as pool:
            yield from pool.run(self, jobs, after)


@dataclass(eq=False)
class _Batch:
    """Jobs under way: those that wait, the results of the others, the workers that serve it now."""

    place: tuple[int, int]
    work: Workers
    jobs: Sequence[Any]
    clock: BatchClock
    waiting: WaitingJobs
    done: queue.SimpleQueue[JobResult | BaseException] = field(default_factory=queue.SimpleQueue)
    workers: set[WorkerProcess] = field(default_factory=set)


class Pool:
    """A fixed number of workers for the batches of several runs.

    Args:
        count: number of processes at once.

    Attributes:
        peak_bytes: the most memory that one of the processes that ended so far was seen to hold.
        devices: the device processes of its workers, if any.
    """

    def __init__(self, count: int) -> None:
        _check_count(count)
        self.count = count
        self.peak_bytes = 0
        self.devices = DevicePool()
        self._shares = Shares()
        self._batches: list[_Batch] = []  # in the order of the queue
        self._numbers = itertools.count()
        self._closed = False
        self._change = threading.Condition()
        self._threads: list[threading.Thread] = []
        sweep_folders(FOLDERS)

    def run(
        self,
        work: Workers,
        jobs: Sequence[Any],
        after: Mapping[int, int] | None = None,
        rank: int = 0,
        queued: Callable[[], None] = lambda: None,
    ) -> Generator[JobResult, None, None]:
        """Yield a result per job, in the order in which they finish. Leaving the loop ends this batch of jobs.

        Args:
            work: how to do them; the number of processes is that of the pool.
            jobs: what to do, by number.
            after: job -> an earlier job that must be done before this one is started.
            rank: place in the queue; of two batches of one rank, the one that came first is served first.
            queued: called when the jobs are in the queue.

        Raises:
            EvalkitError: when a worker can't start, or a job raises one (the disk is full): the run can't continue.
        """
        clock = BatchClock(work.timeout, work.total, self._shares)
        batch = _Batch((rank, next(self._numbers)), work, jobs, clock, WaitingJobs(len(jobs), after))
        try:  # a run that is stopped while the workers start must not leave one behind
            self._add(batch)
            queued()
            for _ in range(len(jobs)):
                result = batch.done.get()
                if isinstance(result, BaseException):
                    raise result
                yield result
        finally:
            self._remove(batch)

    def wants_more(self) -> bool:
        """Return whether fewer jobs are ready than there are workers: some are idle, or will soon be."""
        with self._change:
            return sum(batch.waiting.ready for batch in self._batches) < self.count

    def close(self) -> None:
        """End all workers, also in the middle of their jobs; runs that wait for a result raise `MachineError`."""
        with self._change:
            self._closed = True
            batches = list(self._batches)
            self._change.notify_all()
        for batch in batches:
            batch.done.put(_stopped())
            self._remove(batch)
        self.devices.close()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(GRACE_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _add(self, batch: _Batch) -> None:
        with self._change:
            if self._closed:
                raise _stopped()
            self._batches.append(batch)
            self._batches.sort(key=lambda one: one.place)
            wanted = min(self.count, len(self._threads) + len(batch.jobs))
            new = [threading.Thread(target=self._serve, daemon=True) for _ in range(wanted - len(self._threads))]
            self._threads += new
            self._change.notify_all()
        for thread in new:
            thread.start()

    def _remove(self, batch: _Batch) -> None:
        """Drop the jobs of a batch that wait, and end its workers."""
        with self._change:
            batch.waiting.clear()
            if batch in self._batches:
                self._batches.remove(batch)
            workers = list(batch.workers)
            self._change.notify_all()
        for worker in workers:
            worker.request_exit()
        until = time.monotonic() + _STOP_SECONDS
        for worker in workers:
            worker.close(until)

    def _serve(self) -> None:
        """Serve one batch after the other; each gets a process of its own, or one that served trusted batches only."""
        spare: WorkerProcess | None = None
        while (first := self._next(spare)) is not None:
            batch, worker, index = first
            if spare is not None and spare is not worker:
                self._end(spare)
            spare = None
            try:
                self._work(batch, worker, index)
                if batch.work.trusted and worker.usable:
                    spare = worker
            finally:
                with self._change:
                    batch.workers.discard(worker)
                if spare is None:
                    self._end(worker)
        if spare is not None:
            self._end(spare)

    def _end(self, worker: WorkerProcess) -> None:
        worker.stop()
        with self._change:
            self.peak_bytes = max(self.peak_bytes, worker.peak_bytes)

    def _next(self, spare: WorkerProcess | None) -> tuple[_Batch, WorkerProcess, int] | None:
        """Wait for a job; return its batch with a worker, or ``None`` when the pool was closed.

        The worker is ``spare`` where its process is started as those of the batch, else a new one.
        """
        with self._change:
            while not self._closed:
                batch = self._first()
                if batch is not None:
                    if spare is not None and spare.usable and spare.start == batch.work.start:
                        worker = spare
                        worker.turn_to(batch.clock, batch.work.accept)
                    else:
                        worker = WorkerProcess(
                            batch.work.start, batch.clock, batch.work.accept, self.devices, batch.work.devices
                        )
                    batch.workers.add(worker)
                    return batch, worker, batch.waiting.take()
                self._change.wait()
        return None

    def _first(self) -> _Batch | None:
        return next((batch for batch in self._batches if batch.waiting.ready), None)

    def _work(self, batch: _Batch, worker: WorkerProcess, first: int) -> None:
        """Do jobs of the batch until none waits, or one of an earlier batch does."""
        index: int | None = first
        while index is not None:
            self._shares.enter(batch.clock)
            try:
                result = worker.call(index, batch.jobs[index])
            except BaseException as error:  # noqa: BLE001 - passed to the thread of the run, which raises it
                with self._change:
                    batch.waiting.clear()
                batch.done.put(error)
                return
            finally:
                self._shares.leave(batch.clock)
            if batch.work.trusted:  # before the run, which ends with this result, ends its workers
                with self._change:
                    batch.workers.discard(worker)
            batch.done.put(result)
            index = self._another(batch, worker, index)

    def _another(self, batch: _Batch, worker: WorkerProcess, done: int) -> int | None:
        """Return the next job of the batch, once one may be started; ``None`` when its worker is not needed now."""
        with self._change:
            batch.waiting.finish(done)
            self._change.notify_all()
            while not self._closed:
                first = self._first()
                if first is batch:
                    batch.workers.add(worker)
                    return batch.waiting.take()
                if first is not None or not batch.waiting.held:
                    return None
                self._change.wait()
        return None


def _check_count(count: int) -> None:
    if count < 1:
        raise ValueError(f"count must be at least 1, found {count}")


def _stopped() -> MachineError:
    return MachineError("The run was stopped.")
