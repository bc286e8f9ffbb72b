"""Worker processes that survive their work: a crash or a hang costs one job, not the run.

Each worker is a fresh interpreter started with ``python -c``, so a script that calls evalkit needs no
``if __name__ == "__main__"``; what runs in it is `evalkit.workers.child`. Parent and worker communicate over the
worker's standard input and output, which nothing else can write to; what libraries print goes to the parent's standard
error (`evalkit.workers.output_relay`). Questions are pickles, answers are plain data (`evalkit.workers.messages`): a
worker may have been compromised by a file that it read.

Each worker has a temporary folder of its own, in which it works and which the parent removes with it: a worker that is
killed can't clean up. What a parent that was killed leaves, the next run removes. A run that is stopped gives workers
in the middle of a job a moment to clean up, and then kills them. With `evalkit.workers.sandbox.Limits` a worker is
confined before its first job, and replaced when it has served long enough.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

from evalkit.errors import MachineError
from evalkit.files import OwnFolder, sweep_folders
from evalkit.text import how_it_ended
from evalkit.workers.child import GRACE_SECONDS
from evalkit.workers.messages import Answer, BadAnswerError, receive_answer, send
from evalkit.workers.output_relay import relay
from evalkit.workers.sandbox import Limits
from evalkit.workers.thread_watch import MOST_THREADS, ThreadWatch
from evalkit.workers.waiting import WaitingJobs

FOLDERS = "evalkit-worker-"  # how the names of the workers' temporary folders begin
_STARTUP_SECONDS = 300.0
_STOP_SECONDS = 1.0  # for workers that are stopped in the middle of a job to clean up, all of them together
_OUTPUT_SECONDS = 1.0  # for the last words of a worker; one that it started may hold the pipe open
_JOBS_PER_WORKER = 250  # of a confined one, so that damage done by a file does not last
Accept = Callable[[int, Any], Any]
_PROGRAM = "import sys; from evalkit.workers.child import main; main(sys.argv[1])"


@dataclass(frozen=True)
class JobResult:
    """The result of one job.

    Args:
        index: its place in the list of jobs.
        value: what the handler returned, when ``failure`` is ``None``.
        failure: ``crashed`` (the process died), ``timeout``, ``memory`` (it exceeded its limit),
            ``error`` (the handler raised), or ``total-timeout`` (the time for all jobs was used up).
        detail: for messages: the exception, the signal.
    """

    index: int
    value: Any = None
    failure: Literal["crashed", "timeout", "memory", "error", "total-timeout"] | None = None
    detail: str = ""


def default_workers() -> int:
    """Return the number of processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return max(1, os.cpu_count() or 1)


class Workers:
    """A fixed number of worker processes that share a list of jobs.

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
            by then fail. ``None`` for no limit.
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
    ) -> None:
        if count < 1:
            raise ValueError(f"count must be at least 1, found {count}")
        self._start = (handler, config, limits)
        self._count = count
        self._timeout = timeout
        self._accept = accept
        self._total = total

    def run(self, jobs: Sequence[Any], after: Mapping[int, int] | None = None) -> Generator[JobResult, None, None]:
        """Yield a result per job, in the order in which they finish. Leaving the loop ends all workers.

        Args:
            jobs: what to do, by number.
            after: job -> an earlier job that must be done before this one is started.

        Raises:
            EvalkitError: when a worker can't start, or a job raises one (the disk is full): the run can't continue.
        """
        waiting = WaitingJobs(len(jobs), after)
        done: queue.SimpleQueue[JobResult | BaseException] = queue.SimpleQueue()
        sweep_folders(FOLDERS)
        clock = _Clock(self._timeout, self._total)
        children = [_Child(self._start, clock, self._accept) for _ in range(min(self._count, len(jobs)))]
        threads = [
            threading.Thread(target=_serve, args=(child, jobs, waiting, done), daemon=True) for child in children
        ]
        try:  # a run that is stopped while the workers start must not leave one behind
            for thread in threads:
                thread.start()
            for _ in range(len(jobs)):
                result = done.get()
                if isinstance(result, BaseException):
                    raise result
                yield result
        finally:
            waiting.close()
            for child in children:
                child.request_exit()
            until = time.monotonic() + _STOP_SECONDS
            for child in children:
                child.close(until)
            for thread in threads:
                if thread.ident is not None:
                    thread.join(GRACE_SECONDS)


def _serve(
    child: _Child,
    jobs: Sequence[Any],
    waiting: WaitingJobs,
    done: queue.SimpleQueue[JobResult | BaseException],
) -> None:
    while not child.closed:
        index = waiting.take()
        if index is None:
            return
        try:
            done.put(child.clock.used_up(index) or child.call(index, jobs[index]))
        except BaseException as error:  # noqa: BLE001 - passed to the caller's thread, which raises it
            done.put(error)
            return
        waiting.finish(index)


class _Clock:
    """How much time a job may take: its own limit, or what is left of the limit for all."""

    def __init__(self, each: float | Sequence[float] | None, total: float | None) -> None:
        self._each = each
        self._total = total
        self._end: float | None = None
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start the clock, unless it runs already."""
        with self._lock:
            if self._total is not None and self._end is None:
                self._end = time.monotonic() + self._total

    def used_up(self, index: int) -> JobResult | None:
        """Return the failure of a job for which no time is left."""
        if self._end is None or time.monotonic() < self._end:
            return None
        return JobResult(index, failure="total-timeout", detail=f"more than {self._total:g} s for all of them")

    def seconds(self, index: int) -> float | None:
        """Return how long the job may take from now on; ``None`` for any time."""
        own = self._each if self._each is None or isinstance(self._each, float | int) else self._each[index]
        if self._end is None:
            return own
        left = max(1e-3, self._end - time.monotonic())
        return left if own is None else min(own, left)


class _Child:
    """One worker process, started when first needed and again after it died."""

    def __init__(self, start: tuple[str, Any, Limits | None], clock: _Clock, accept: Accept | None) -> None:
        self._start = start
        self.clock = clock
        self._accept = accept
        self._served = 0  # jobs that the process was given
        self._recycle = False  # the last answer asked for a fresh process
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: OwnFolder | None = None
        self._output: threading.Thread | None = None
        self._threads: ThreadWatch | None = None
        self._lock = threading.RLock()
        self._busy = False  # in the middle of a job
        self.closed = False

    def call(self, index: int, job: Any) -> JobResult:
        result = self._attempt(index, job)
        if self._served > 1 and result.failure in ("memory", "crashed") and not self.closed:
            # What the jobs before it left in the process may be the cause: only a fresh one can say.
            self.stop()
            result = self._attempt(index, job)
        if self._recycle or (self._start[2] is not None and self._served >= _JOBS_PER_WORKER):
            self.stop()  # the next job finds a fresh one
        return result

    def _attempt(self, index: int, job: Any) -> JobResult:
        process = self._ready()
        self._served += 1
        self._recycle = False
        try:
            self._busy = True
            self.clock.start()
            kind, value, self._recycle = self._exchange(process, job, self.clock.seconds(index))
        except _TookTooLongError as late:
            return self.clock.used_up(index) or JobResult(index, failure="timeout", detail=str(late))
        except _LostError as lost:
            return JobResult(index, failure="crashed", detail=str(lost))
        finally:
            self._busy = False
        if kind == "stop":
            raise value
        if kind in ("error", "memory"):
            return JobResult(index, failure=kind, detail=value)
        try:
            return JobResult(index, value=value if self._accept is None else self._accept(index, value))
        except BadAnswerError as false:
            self.stop()
            return JobResult(index, failure="crashed", detail=f"gave a false answer: {false}")

    def _ready(self) -> subprocess.Popen[bytes]:
        with self._lock:
            if self.closed:
                raise MachineError("The run was stopped.")
            process = self._process
            if process is not None and process.poll() is None:
                return process
            self.stop()
            process = self._process = self._spawn()
            self._served = 0
        try:
            kind, value, _ = self._exchange(process, self._start, _STARTUP_SECONDS)
        except _TookTooLongError:
            raise MachineError(
                "A worker process could not start.", found=f"no answer in {_STARTUP_SECONDS:g} s"
            ) from None
        except _LostError as lost:
            raise MachineError("A worker process could not start.", found=f"it {lost}") from None
        if kind == "stop":
            raise value
        if kind in ("error", "memory"):
            raise MachineError("A worker process could not start.", found=value)
        return process

    def _spawn(self) -> subprocess.Popen[bytes]:
        try:
            self._folder = OwnFolder(FOLDERS)
            # A session of its own: Ctrl-C reaches the parent only, and what a job starts can be ended with it.
            # -P: a random.py in the user's folder must not be imported by the worker.
            process = subprocess.Popen(  # noqa: S603 - this interpreter and this module
                [sys.executable, "-P", "-c", _PROGRAM, str(self._folder.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**_environment(), "TMPDIR": str(self._folder.path)},
                start_new_session=True,
            )
            self._output = relay(_pipe(process.stderr))
            if self._start[2] is not None and self._start[2].level != "off":
                self._threads = ThreadWatch(process.pid, lambda: _kill(process))
                self._threads.start()
        except OSError as error:
            raise MachineError("A worker process could not start.", found=str(error)) from None
        return process

    def _exchange(self, process: subprocess.Popen[bytes], message: Any, timeout: float | None) -> Answer:
        """Send ``message`` and return the answer; a worker that gives none is killed."""
        guard = threading.Lock()
        late = answered = False

        def expire() -> None:
            nonlocal late
            with guard:
                if not answered:
                    late = True
                    _kill(process)

        timer = threading.Timer(timeout, expire) if timeout else None
        if timer:
            timer.daemon = True
            timer.start()
        try:
            send(_pipe(process.stdin), message)
            answer = receive_answer(_pipe(process.stdout))
            with guard:
                answered = True
        except (EOFError, OSError, BadAnswerError) as error:
            # It is exiting, or it has closed the pipe and still runs.
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(GRACE_SECONDS if isinstance(error, EOFError | OSError) else 0)
            code = process.poll()
            watch = self._threads
            self.stop()
            if watch is not None and watch.found:
                raise _LostError(f"had {watch.found} threads, at most {MOST_THREADS} are allowed") from None
            if late:
                raise _TookTooLongError(f"more than {timeout:g} s") from None
            if code == -signal.SIGXCPU:
                raise _TookTooLongError("more processor time than one job may take") from None
            raise _LostError(_death(code) if code is not None else f"gave no answer: {error}") from None
        finally:
            if timer:
                timer.cancel()
        if late:
            self.stop()  # the answer came as the time ran out: it counts, but the worker was killed
        return answer

    def stop(self) -> None:
        """End the process; a later call starts a new one."""
        with self._lock:
            process, self._process = self._process, None
            folder, self._folder = self._folder, None
        if self._threads is not None:
            self._threads.stop()
            self._threads = None
        if process is not None:
            _kill(process)
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe and not sys.is_finalizing():  # then a thread that waits for it never releases it
                    with contextlib.suppress(OSError):
                        pipe.close()
            if self._output is not None and not sys.is_finalizing():
                self._output.join(_OUTPUT_SECONDS)
        if folder is not None:
            folder.remove()

    def request_exit(self) -> None:
        """Begin no further job, and ask a worker in the middle of one to exit cleanly."""
        self.closed = True
        with self._lock:  # nothing is started from here on
            if self._busy and self._process is not None:
                self._process.terminate()

    def close(self, until: float) -> None:
        """End the process for good; one that was asked to exit may take until ``until`` (``time.monotonic``)."""
        process = self._process
        if self._busy and process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, until - time.monotonic()))
        self.stop()


class _TookTooLongError(Exception):
    pass


class _LostError(Exception):
    pass


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the process and whatever it started, unless its number may already belong to another."""
    if process.returncode is not None:
        return
    with contextlib.suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(OSError):
        process.kill()


def _death(code: int | None) -> str:
    return how_it_ended(code).removeprefix("was ") if code is not None else "ended"


def _environment() -> dict[str, str]:
    """One thread per library and process: results must not depend on the number of cores."""
    single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1")
    paths = [path or str(Path.cwd()) for path in sys.path]
    return {**os.environ, **single, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}


def _pipe(stream: Any) -> BinaryIO:
    if stream is None:
        raise OSError("no pipe")
    return stream  # type: ignore[no-any-return]
