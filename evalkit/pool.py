"""Worker processes that survive their work: a crash or a hang costs one job, not the run.

Each worker is a fresh interpreter started with ``python -c``, so a script that calls evalkit needs no
``if __name__ == "__main__"``. Parent and worker speak length-prefixed pickles over the worker's standard input and
output, which nobody else can write to; what libraries print goes to standard error. Each worker has a folder of its own
for temporary files, which the parent removes with it: a worker that is killed can't tidy up. Limits on memory, CPU and
system calls belong into `child_main`.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import pickle
import queue
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, NoReturn

from evalkit.errors import EvalkitError, MachineError

_HEADER = struct.Struct("<Q")
_STARTUP_SECONDS = 300.0
_GRACE_SECONDS = 5.0
_PROGRAM = "import sys; from evalkit.pool import child_main; child_main(sys.argv[1])"


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
            for thread in threads:
                thread.join(_GRACE_SECONDS)


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
        self._folder: str | None = None
        self._lock = threading.Lock()
        self.closed = False

    def call(self, index: int, job: Any) -> JobResult:
        process = self._ready()
        try:
            kind, value = self._exchange(process, job, self._timeout)
        except _TookTooLongError:
            return JobResult(index, failure="timeout", detail=f"more than {self._timeout:g} s")
        except _LostError as lost:
            return JobResult(index, failure="crashed", detail=str(lost))
        if kind == "stop":
            raise value
        if kind == "error":
            return JobResult(index, failure="error", detail=value)
        return JobResult(index, value=value)

    def _ready(self) -> subprocess.Popen[bytes]:
        with self._lock:
            if self.closed:
                raise MachineError("The run was stopped.")
            process = self._process
            if process is not None and process.poll() is None:
                return process
            self.stop()
            process = self._process = self._spawn()
        try:
            kind, value = self._exchange(process, self._start, _STARTUP_SECONDS)
        except _TookTooLongError:
            raise MachineError(
                "A worker process could not start.", found=f"no sign in {_STARTUP_SECONDS:g} s"
            ) from None
        except _LostError as lost:
            raise MachineError("A worker process could not start.", found=f"it {lost}") from None
        if kind == "stop":
            raise value
        if kind == "error":
            raise MachineError("A worker process could not start.", found=value)
        return process

    def _spawn(self) -> subprocess.Popen[bytes]:
        try:
            self._folder = tempfile.mkdtemp(prefix="evalkit-")
            # A session of its own: Ctrl-C reaches the parent only, and what a job starts can be ended with it.
            # -P: the folder that somebody works in must not lend its random.py to the worker.
            return subprocess.Popen(  # noqa: S603 - this interpreter and this module
                [sys.executable, "-P", "-c", _PROGRAM, self._folder],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**_environment(), "TMPDIR": self._folder},
                start_new_session=True,
            )
        except OSError as error:
            raise MachineError("A worker process could not start.", found=str(error)) from None

    def _exchange(self, process: subprocess.Popen[bytes], message: Any, timeout: float | None) -> tuple[str, Any]:
        """Send ``message`` and return the answer; a worker that gives none is ended."""
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
            _send(_pipe(process.stdin), message)
            answer: tuple[str, Any] = _receive(_pipe(process.stdout))
            with guard:
                answered = True
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            # It is dying, or it has closed the pipe and lives on.
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE_SECONDS if isinstance(error, EOFError | OSError) else 0)
            code = process.poll()
            self.stop()
            if late:
                raise _TookTooLongError from None
            raise _LostError(_death(code) if code is not None else f"gave no answer: {error}") from None
        finally:
            if timer:
                timer.cancel()
        if late:
            self.stop()  # the answer came as the time ran out: it counts, but the worker is lost
        return answer

    def stop(self) -> None:
        """End the process; a later call starts a new one."""
        process, self._process = self._process, None
        folder, self._folder = self._folder, None
        if process is not None:
            _kill(process)
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe:
                    with contextlib.suppress(OSError):
                        pipe.close()
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """End the process for good."""
        self.closed = True
        with self._lock:
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
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return f"ended by {signal.Signals(-code).name}"
    return f"ended with code {code}"


def _environment() -> dict[str, str]:
    """One thread per library and process: results must not depend on the number of cores."""
    single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1")
    paths = [path or str(Path.cwd()) for path in sys.path]
    return {**os.environ, **single, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}


def _pipe(stream: Any) -> BinaryIO:
    if stream is None:
        raise OSError("no pipe")
    return stream  # type: ignore[no-any-return]


def _send(stream: BinaryIO, message: Any) -> None:
    _write(stream, pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL))


def _write(stream: BinaryIO, body: bytes) -> None:
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
    try:
        return pickle.loads(body)  # noqa: S301 - written by this program's own other half
    except Exception as error:
        raise pickle.UnpicklingError(f"{type(error).__name__}: {error}") from error


def child_main(folder: str) -> None:
    """Serve jobs until the parent closes the pipe; remove ``folder`` at the end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C means
    signal.signal(signal.SIGTERM, _leave)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not get between the messages
    questions = os.fdopen(os.dup(0), "rb")
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    threading.Thread(target=_end_with_parent, args=(questions.fileno(), folder), daemon=True).start()
    try:
        _answer_all(questions, answers)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _answer_all(questions: BinaryIO, answers: BinaryIO) -> None:
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
            body = pickle.dumps(answer, protocol=pickle.HIGHEST_PROTOCOL)
        except Exception as error:  # noqa: BLE001 - what the job returned is at fault, not the worker
            body = pickle.dumps(("error", f"The answer can't be sent: {type(error).__name__}: {error}"))
        try:
            _write(answers, body)
        except OSError:
            return


def _leave(number: int, frame: Any) -> NoReturn:
    del frame
    raise SystemExit(128 + number)


def _end_with_parent(pipe: int, folder: str) -> None:
    """Leave when the parent is gone, also in the middle of a job: first in good order, then at once."""
    watch = select.poll()
    watch.register(pipe, 0)  # asks for nothing, so that only the pipe's end is reported
    watch.poll()
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
    time.sleep(_GRACE_SECONDS)
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)
