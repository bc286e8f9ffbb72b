"""Jobs on the nodes of a Ray cluster.

Which jobs there are, what a worker does, and how its answer is judged are those of one machine: `RayEngine` is
`evalkit.scoring.engine.LocalEngine` with workers elsewhere. `evalkit.cluster.ray.nodes` has the nodes; here is who gets
which job, and what becomes of the jobs of a node that is lost.
"""

from __future__ import annotations

import logging
import os
import queue
import signal
import socket
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from evalkit.cluster.ray.jobs import JobSender
from evalkit.cluster.ray.nodes import NodeLostError, RemoteNode, start_nodes
from evalkit.errors import MachineError
from evalkit.scoring.engine import LocalEngine, RunJobs
from evalkit.scoring.jobs import Config, Job
from evalkit.text import escape_for_display
from evalkit.workers.batch_clock import BatchClock, Shares
from evalkit.workers.pool import Accept, JobResult, Pool, Workers
from evalkit.workers.sandbox import Level
from evalkit.workers.waiting import WaitingJobs

MOST_LOSSES = 3  # of nodes that had a job, until it is the job's fault
CONNECT_SECONDS = 10.0
_JOIN_SECONDS = 10.0  # for the threads of a run that is stopped


class RayEngine(LocalEngine):
    """Confined worker processes on the nodes of a Ray cluster. A context manager: leaving it ends them.

    Args:
        address: of the cluster, as ``HOST:PORT``, or ``auto`` for the one that this machine is a node of; ``None`` for
            ``RAY_ADDRESS``, else ``auto``.
        workers: processes of each node; ``None`` for one per core that Ray counts there.
        timeout, sandbox, submission_timeout: see `LocalEngine`; they hold on every node.
        shared_files: whether nodes look for weights and reference files at the paths that they have here, before these
            are sent. What they find there counts only with the same digest.
        warn: told of nodes that are lost.
    """

    name = "ray"

    def __init__(
        self,
        address: str | None = None,
        workers: int | None = None,
        timeout: float | None = None,
        sandbox: Level | None = None,
        submission_timeout: float | None = None,
        *,
        shared_files: bool = True,
        warn: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(workers, timeout, sandbox, submission_timeout)
        self._address = address
        self._each = workers
        self._shared_files = shared_files
        self._warn = warn or (lambda _: None)
        self._nodes: list[RemoteNode] = []
        self._connected = False

    def __enter__(self) -> Self:
        """Connect, and start a process on every node.

        Raises:
            MachineError: when Ray is not installed or does not answer, or a node has other versions.
        """
        ray = _load_ray()
        if not ray.is_initialized():
            self._connect(ray)
        try:
            self._nodes = start_nodes(ray, self._each, shared_files=self._shared_files)
        except BaseException:
            self.close()
            raise
        self.workers = sum(node.workers for node in self._nodes)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the workers of all nodes, and leave the cluster where this engine connected to it."""
        nodes, self._nodes = self._nodes, []
        for node in nodes:
            node.close()
        if self._connected:
            _load_ray().shutdown()
            self._connected = False

    def connected(self) -> AbstractContextManager[object]:
        """Return this engine, which is a context itself."""
        return self

    @contextmanager
    def session(self) -> Iterator[RunJobs]:
        """Yield `run`: processes that read references are not kept for videos."""
        yield self.run

    def run(self, config: Config, jobs: Sequence[Job], accept: Accept) -> Iterator[JobResult]:
        """Yield what ``accept`` returns (or a failure) per job, in the order they finish."""
        if jobs and not self._nodes:
            raise MachineError("The nodes of the cluster are gone.", fix="Use a RayEngine in a 'with' block.")
        return super().run(config, jobs, accept)

    def _results(
        self, pool: Pool | None, work: Workers, jobs: Sequence[Job], after: Mapping[int, int]
    ) -> Iterator[JobResult]:
        del pool  # its processes are on this machine
        return self._shared_out(work, jobs, after)

    def _shared_out(
        self, work: Workers, jobs: Sequence[Job], after: Mapping[int, int]
    ) -> Generator[JobResult, None, None]:
        nodes = [node for node in self._nodes if node.prepare(work.start)]
        batch = _Batch(work, jobs, WaitingJobs(len(jobs), after), JobSender(work.start[1]), self._warn)
        threads = [
            threading.Thread(target=batch.serve, args=(node, worker), daemon=True)
            for node in nodes
            for worker in range(node.workers)
        ][: len(jobs)]
        batch.serving = len(threads)
        try:
            for thread in threads:
                thread.start()
            if not threads:
                raise _all_lost()
            for _ in range(len(jobs)):
                result = batch.done.get()
                if isinstance(result, BaseException):
                    raise result
                yield result
        finally:
            batch.close()
            for node in nodes:
                node.stop_workers()  # what is in the middle of a job ends, and with it the thread that waits for it
            for thread in threads:
                if thread.ident is not None:
                    thread.join(_JOIN_SECONDS)

    def _connect(self, ray: Any) -> None:
        """Connect to a cluster; none is started here, since Ray listens on all networks of a machine."""
        address = self._address or os.environ.get("RAY_ADDRESS") or "auto"
        _require_server(address)
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
        except Exception as error:
            if not isinstance(error, ConnectionError | RuntimeError | ValueError | OSError | ray.exceptions.RayError):
                raise
            raise _no_cluster(address, str(error)) from None
        self._connected = True
        with suppress(ValueError):  # not in the main thread
            for number, handler in handlers.items():
                signal.signal(number, handler)  # Ray's own ends the process in the middle of the run


@dataclass
class _Batch:
    """The jobs of one run of the engine: those that wait, and the results of the others."""

    work: Workers
    jobs: Sequence[Job]
    waiting: WaitingJobs
    sender: JobSender
    warn: Callable[[str], None]
    serving: int = 0  # threads that still serve
    done: queue.SimpleQueue[JobResult | BaseException] = field(default_factory=queue.SimpleQueue)

    def __post_init__(self) -> None:
        self._change = threading.Condition()
        self._again: deque[int] = deque()  # jobs whose node was lost
        self._losses = [0] * len(self.jobs)
        self._left = len(self.jobs)
        self._closed = False
        self._shares = Shares()
        self._clock = BatchClock(self.work.timeout, self.work.total, self._shares)

    def serve(self, node: RemoteNode, worker: int) -> None:
        """Do jobs with one worker of a node until none is left, or the node is."""
        try:
            while (index := self._take()) is not None:
                try:
                    self._finish(index, self._result(node, worker, index))
                except NodeLostError as lost:
                    self._lose(index, node, lost)
                    if not node.revive(self.work.start):
                        return
        except BaseException as error:  # noqa: BLE001 - passed to the thread of the run, which raises it
            self.done.put(error)
        finally:
            with self._change:
                self.serving -= 1
                if not self.serving and self._left and not self._closed:
                    self.done.put(_all_lost())

    def close(self) -> None:
        """Give out no more jobs."""
        with self._change:
            self._closed = True
            self._change.notify_all()

    def _take(self) -> int | None:
        """Return the next job, once there is one; ``None`` when none will come."""
        with self._change:
            while not self._closed and self._left:
                if self._again:
                    return self._again.popleft()
                if self.waiting.ready:
                    return self.waiting.take()
                self._change.wait()
        return None

    def _result(self, node: RemoteNode, worker: int, index: int) -> JobResult:
        late = self._too_late(index)
        if late is not None:
            return late
        self._clock.start()
        self._shares.enter(self._clock)
        try:
            given = [one for one in (self._clock.own(index), self._clock.left()) if one is not None]
            seconds = max(0.001, min(given)) if given else None
            result = self.sender.result(node, worker, index, self.jobs[index], seconds, self.work.accept)
        finally:
            self._shares.leave(self._clock)
        return (self._too_late(index) or result) if result.failure == "timeout" else result

    def _too_late(self, index: int) -> JobResult | None:
        left = self._clock.left()
        if left is None or left > 0:
            return None
        return JobResult(index, failure="total-timeout", detail=f"more than {self._clock.total:g} s for all of them")

    def _finish(self, index: int, result: JobResult) -> None:
        with self._change:
            self._left -= 1
            self.waiting.finish(index)
            self._change.notify_all()
        self.done.put(result)

    def _lose(self, index: int, node: RemoteNode, lost: NodeLostError) -> None:
        """Let another worker do the job again, unless it was the last of too many nodes."""
        with self._change:
            if self._closed:
                return
            self._losses[index] += 1
            again = self._losses[index] < MOST_LOSSES
            if again:
                self._again.append(index)
                self._change.notify_all()
        if node.say_lost():
            self.warn(
                f"node {node.shown} was lost ({escape_for_display(str(lost), 200)}); its videos are read elsewhere"
            )
        if not again:
            detail = f"{MOST_LOSSES} nodes were lost while they read it"
            self._finish(index, JobResult(index, failure="crashed", detail=detail))


def _require_server(address: str) -> None:
    """Make sure that something listens at ``HOST:PORT``, for which Ray itself would wait for minutes."""
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise _no_cluster(address, str(error)) from None


def _no_cluster(address: str, reason: str) -> MachineError:
    return MachineError(
        "There is no Ray cluster that answers.",
        found=f"{escape_for_display(address)}: {escape_for_display(reason, 300)}",
        fix="Start one with 'ray start', or give its address with --address HOST:PORT.",
    )


def _all_lost() -> MachineError:
    return MachineError(
        "All nodes of the cluster were lost.",
        fix="Finished videos are in the cache: run the same command again when the cluster is back.",
    )


def _load_ray() -> Any:
    # Before Ray is imported: it reports its use to its makers otherwise.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    with suppress(ImportError):
        import ray

        return ray
    raise MachineError("The engine 'ray' needs the package ray.", fix="Run: pip install 'evalkit-video[cluster]'")
