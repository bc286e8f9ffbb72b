"""Worker processes that survive their work: a crash or a hang costs one job, not the run.

Each worker is a fresh interpreter started with ``python -c``, so a script that calls evalkit needs no
``if __name__ == "__main__"``. Parent and worker speak length-prefixed pickles over the worker's standard input and
output, which nobody else can write to; what libraries print goes to standard error. Limits on memory, CPU and system
calls belong into `child_main`.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import pickle
import queue
import signal
import struct
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal

from evalkit.errors import EvalkitError, MachineError

_HEADER = struct.Struct("<Q")
_STARTUP_SECONDS = 300.0


@dataclass(frozen=True)
class JobResult:
    """What became of one job.

    Args:
        index: its place in the list of jobs.
        value: what the handler returned, when ``failure`` is ``None``.
        failure: ``crashed`` (the process died), ``timeout``, or ``error`` (the handler raised).
        detail: for people: the exception, the signal.
    """

    index: int
    value: Any = None
    failure: Literal["crashed", "timeout", "error"] | None = None
    detail: str = ""


class Workers:
    """A fixed number of worker processes that share a list of jobs.

    Args:
        handler: ``module:name`` of a callable; it is called with ``config`` once per worker and returns the function
            that is called with each job.
        config: what the handler gets; pickled.
        count: number of processes.
        timeout: seconds that one job may take, ``None`` for no limit.
    """

    def __init__(self, handler: str, config: Any, count: int, timeout: float | None = None) -> None:
        if count < 1:
            raise ValueError(f"count must be at least 1, found {count}")
        self._start = (handler, config)
        self._count = count
        self._timeout = timeout

    def run(self, jobs: Sequence[Any]) -> Iterator[JobResult]:
        """Yield a result per job, in the order in which they finish. Leaving the loop ends all workers.

        Raises:
            EvalkitError: when a worker can't start, or a job raises one (the disk is full): the run can't go on.
        """
        waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
        for index in range(len(jobs)):
            waiting.put(index)
        done: queue.SimpleQueue[JobResult | BaseException] = queue.SimpleQueue()
        children = [_Child(self._start, self._timeout) for _ in range(min(self._count, len(jobs)))]
        threads = [
            threading.Thread(target=_serve, args=(child, jobs, waiting, done), daemon=True) for child in children
        ]
        for thread in threads:
            thread.start()
        try:
            for _ in range(len(jobs)):
                result = done.get()
                if isinstance(result, BaseException):
                    raise result
                yield result
        finally:
            for child in children:
                child.close()


def _serve(
    child: _Child,
    jobs: Sequence[Any],
    waiting: queue.SimpleQueue[int],
    done: queue.SimpleQueue[JobResult | BaseException],
) -> None:
    while not child.closed:
        try:
            index = waiting.get_nowait()
        except queue.Empty:
            return
        try:
            done.put(child.call(index, jobs[index]))
        except BaseException as error:  # noqa: BLE001 - handed to the caller's thread, which raises it
            done.put(error)
            return


class _Child:
    """One worker process, started when first needed and again after it died."""

    def __init__(self, start: tuple[str, Any], timeout: float | None) -> None:
        self._start = start
        self._timeout = timeout
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self.closed = False

    def call(self, index: int, job: Any) -> JobResult:
        try:
            process = self._ready()
        except (EOFError, OSError) as error:
            self.stop()
            raise MachineError("A worker process could not start.", found=str(error) or "it ended at once") from None
        try:
            kind, value = self._exchange(process, job, self._timeout)
        except _TookTooLongError:
            return JobResult(index, failure="timeout", detail=f"more than {self._timeout:g} s")
        except (EOFError, OSError, pickle.UnpicklingError):
            self.stop()
            return JobResult(index, failure="crashed", detail=_death(process.poll()))
        if kind == "stop":
            raise value
        if kind == "error":
            return JobResult(index, failure="error", detail=value)
        return JobResult(index, value=value)

    def _ready(self) -> subprocess.Popen[bytes]:
        with self._lock:
            if self.closed:
                raise OSError("the run was stopped")
            if self._process is not None and self._process.poll() is None:
                return self._process
            self._process = subprocess.Popen(
                [sys.executable, "-c", "from evalkit.pool import child_main; child_main()"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=_environment(),
            )
        kind, value = self._exchange(self._process, self._start, _STARTUP_SECONDS)
        if kind == "stop":
            raise value
        if kind == "error":
            raise MachineError("A worker process could not start.", found=value)
        return self._process

    def _exchange(self, process: subprocess.Popen[bytes], message: Any, timeout: float | None) -> tuple[str, Any]:
        late = threading.Event()

        def expire() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(timeout, expire) if timeout else None
        if timer:
            timer.daemon = True
            timer.start()
        try:
            _send(_pipe(process.stdin), message)
            answer: tuple[str, Any] = _receive(_pipe(process.stdout))
        except (EOFError, OSError, pickle.UnpicklingError):
            process.wait()
            if late.is_set():
                self.stop()
                raise _TookTooLongError from None
            raise
        else:
            return answer
        finally:
            if timer:
                timer.cancel()

    def stop(self) -> None:
        """End the process; a later call starts a new one."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe:
                with contextlib.suppress(OSError):
                    pipe.close()

    def close(self) -> None:
        """End the process for good."""
        self.closed = True
        with self._lock:
            self.stop()


class _TookTooLongError(Exception):
    pass


def _death(code: int | None) -> str:
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return f"ended by {signal.Signals(-code).name}"
    return f"ended with code {code}"


def _environment() -> dict[str, str]:
    """One thread per library and process: results must not depend on the number of cores."""
    single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1")
    paths = [path for path in sys.path if path]
    return {**os.environ, **single, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}


def _pipe(stream: Any) -> BinaryIO:
    if stream is None:
        raise OSError("no pipe")
    return stream  # type: ignore[no-any-return]


def _send(stream: BinaryIO, message: Any) -> None:
    body = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    stream.write(_HEADER.pack(len(body)) + body)
    stream.flush()


def _receive(stream: BinaryIO) -> Any:
    header = stream.read(_HEADER.size)
    if len(header) < _HEADER.size:
        raise EOFError
    (length,) = _HEADER.unpack(header)
    body = stream.read(length)
    if len(body) < length:
        raise EOFError
    return pickle.loads(body)  # noqa: S301 - written by this program's own other half


def child_main() -> None:
    """Serve jobs until the parent closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C means
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not get between the messages
    questions = os.fdopen(os.dup(0), "rb")
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    handle: Callable[[Any], Any] | None = None
    while True:
        try:
            message = _receive(questions)
        except (EOFError, OSError):
            return
        try:
            if handle is None:
                module, _, name = message[0].partition(":")
                handle = getattr(importlib.import_module(module), name)(message[1])
                answer: tuple[str, Any] = ("ok", None)
            else:
                answer = ("ok", handle(message))
        except EvalkitError as error:
            answer = ("stop", error)
        except Exception:  # noqa: BLE001 - reported to the parent, which goes on with the next job
            answer = ("error", traceback.format_exc(limit=-8))
        try:
            _send(answers, answer)
        except OSError:
            return
