"""One worker process, as its parent sees it: started when first needed, and again after it died.

Parent and worker communicate over the worker's standard input and output, which nothing else can write to; what
libraries print goes to the parent's standard error (`evalkit.workers.output_relay`). Questions are pickles, answers are
plain data (`evalkit.workers.messages`): a worker may have been compromised by a file that it read.

Each worker has a temporary folder of its own, in which it works and which the parent removes with it: a worker that is
killed can't clean up. What runs in it is `evalkit.workers.child`.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

from evalkit.errors import MachineError
from evalkit.files import OwnFolder
from evalkit.text import how_it_ended
from evalkit.workers.alarm import Alarm
from evalkit.workers.batch_clock import BatchClock
from evalkit.workers.child import GRACE_SECONDS
from evalkit.workers.devices.process import DevicePool, DeviceWork, Lease
from evalkit.workers.messages import Answer, BadAnswerError, receive_answer, send
from evalkit.workers.output_relay import relay
from evalkit.workers.sandbox import Limits
from evalkit.workers.surroundings import environment, kill
from evalkit.workers.thread_watch import MOST_THREADS, ThreadWatch

FOLDERS = "evalkit-worker-"  # how the names of the workers' temporary folders begin
JOBS_PER_WORKER = 250  # of a confined one, so that damage done by a file does not last
Accept = Callable[[int, Any], Any]
Start = tuple[str, Any, Limits | None]  # handler, its config, limits
_STARTUP_SECONDS = 300.0
_OUTPUT_SECONDS = 1.0  # for the last words of a worker; one that it started may hold the pipe open
DEVICE_TRIES = 3  # of a job whose device process ended; the last without another job under way
_PROGRAM = "import sys; from evalkit.workers.child import main; main(sys.argv[1], tuple(map(int, sys.argv[2:])))"


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


class WorkerProcess:
    """One worker process, started when first needed and again after it died.

    Args:
        start: what the process is started with.
        clock: of the batch that it serves.
        accept: see `evalkit.workers.pool.Workers`.
        devices: the device processes of the pool, with ``device_work``.
        device_work: which networks a device process runs for it; ``None`` for none.

    Attributes:
        start: as given.
        peak_bytes: the most memory that a process of this worker was seen to hold; 0 where the system does not say.
    """

    def __init__(
        self,
        start: Start,
        clock: BatchClock,
        accept: Accept | None,
        devices: DevicePool | None = None,
        device_work: DeviceWork | None = None,
    ) -> None:
        self.start = start
        self._devices, self._device_work = devices or DevicePool(), device_work
        self._lease: Lease | None = None
        self._device_lost = False  # the device process ended during the last job
        self._clock = clock
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
        self.peak_bytes = 0

    @property
    def usable(self) -> bool:
        """Whether its process runs and may be given more jobs."""
        return not self.closed and self._process is not None and self._process.poll() is None

    def turn_to(self, clock: BatchClock, accept: Accept | None) -> None:
        """Serve another batch from now on, with the same process."""
        self._clock, self._accept = clock, accept

    def call(self, index: int, job: Any) -> JobResult:
        """Do one job; return its result, whatever becomes of the process.

        Raises:
            EvalkitError: when the process can't start, or the job raised one.
        """
        for tries in range(1, DEVICE_TRIES + 1):
            late = self._too_late(index)
            if late is not None:
                return late
            if self._device_work is None:
                return self._served_job(index, job)
            with self._devices.use(alone=tries == DEVICE_TRIES):
                result = self._served_job(index, job)
            if not self._device_lost or self.closed:
                return result
            self.stop()  # its channel ended with the device process
        return JobResult(index, failure="crashed", detail=f"lost its device process {DEVICE_TRIES} times")

    def _served_job(self, index: int, job: Any) -> JobResult:
        result = self._attempt(index, job)
        if self._served > 1 and result.failure in ("memory", "crashed") and not self.closed:
            # What the jobs before it left in the process may be the cause: only a fresh one can say.
            self.stop()
            result = self._attempt(index, job)
        if self._recycle or (self.start[2] is not None and self._served >= JOBS_PER_WORKER):
            self.stop()  # the next job finds a fresh one
        return result

    def _attempt(self, index: int, job: Any) -> JobResult:
        process = self._ready()
        self._device_lost = False
        self._served += 1
        self._recycle = False
        try:
            self._busy = True
            self._clock.start()
            kind, value, self._recycle = self._exchange(process, job, self._clock.own(index), self._clock.left)
        except _TookTooLongError as late:
            return self._too_late(index) or JobResult(index, failure="timeout", detail=str(late))
        except _LostError as lost:
            return JobResult(index, failure="crashed", detail=str(lost))
        finally:
            self._busy = False
        if kind == "stop":
            raise value
        if kind == "device" and self._device_work is not None:
            self._device_lost = True
            return JobResult(index, failure="crashed", detail=value)
        if kind in ("error", "memory"):
            return JobResult(index, failure=kind, detail=value)
        try:
            return JobResult(index, value=value if self._accept is None else self._accept(index, value))
        except BadAnswerError as false:
            self.stop()
            return JobResult(index, failure="crashed", detail=f"gave a false answer: {false}")

    def _too_late(self, index: int) -> JobResult | None:
        """Return the failure of a job for which no time is left."""
        left = self._clock.left()
        if left is None or left > 0:
            return None
        return JobResult(index, failure="total-timeout", detail=f"more than {self._clock.total:g} s for all of them")

    def _ready(self) -> subprocess.Popen[bytes]:
        """Return the running process.

        Raises:
            MachineError: it can't start.
            EvalkitError: the handler raised one.
        """
        with contextlib.suppress(_LostError):  # something killed it while it started: it may be started once more
            return self._running()
        try:
            return self._running()
        except _LostError as lost:
            raise _not_started(f"it {lost}") from None

    def _running(self) -> subprocess.Popen[bytes]:
        if self.usable and self._process is not None:
            return self._process
        self.stop()
        lease = self._leased()  # may take long, and who ends this worker must not wait for it
        with self._lock:
            self._lease = lease
            if self.closed:
                self.stop()
                raise MachineError("The run was stopped.")
            process = self._process = self._spawn()
            self._served = 0
        try:
            kind, value, _ = self._exchange(process, self.start, _STARTUP_SECONDS)
        except _TookTooLongError:
            raise _not_started(f"no answer in {_STARTUP_SECONDS:g} s") from None
        if kind == "stop":
            raise value
        if kind == "device":
            self.stop()
            raise _LostError(value)
        if kind in ("error", "memory"):
            raise _not_started(value)
        return process

    def _leased(self) -> Lease | None:
        if self.closed:
            raise MachineError("The run was stopped.")
        return None if self._device_work is None else self._devices.lease(self._device_work)

    def _spawn(self) -> subprocess.Popen[bytes]:
        ends = self._lease.ends if self._lease is not None else None
        inherited = () if ends is None else (ends.reading, ends.writing, ends.window)
        try:
            self._folder = OwnFolder(FOLDERS)
            # A session of its own: Ctrl-C reaches the parent only, and what a job starts can be ended with it.
            # -P: a random.py in the user's folder must not be imported by the worker.
            process = subprocess.Popen(  # noqa: S603 - this interpreter and this module
                [sys.executable, "-P", "-c", _PROGRAM, str(self._folder.path), *map(str, inherited)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**environment(), "TMPDIR": str(self._folder.path)},
                pass_fds=inherited,
                start_new_session=True,
            )
            self._output = relay(_pipe(process.stderr))
            if self.start[2] is not None and self.start[2].level != "off":
                self._threads = ThreadWatch(process.pid, lambda: kill(process))
                self._threads.start()
        except OSError as error:
            raise MachineError("A worker process could not start.", found=str(error)) from None
        finally:
            if self._lease is not None:
                self._lease.close()
        return process

    def _exchange(
        self,
        process: subprocess.Popen[bytes],
        message: Any,
        timeout: float | None,
        left: Callable[[], float | None] = lambda: None,
    ) -> Answer:
        """Send ``message`` and return the answer; a worker that gives none in time is killed.

        Args:
            process: the worker.
            message: to send.
            timeout: seconds that it may take; ``None`` for any.
            left: returns how many are left of another limit, at least; ``None`` for any.
        """
        alarm = Alarm(timeout, left, lambda: kill(process))
        try:
            send(_pipe(process.stdin), message)
            answer = receive_answer(_pipe(process.stdout))
            alarm.stop()
        except (EOFError, OSError, BadAnswerError) as error:
            # It is exiting, or it has closed the pipe and still runs.
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(GRACE_SECONDS if isinstance(error, EOFError | OSError) else 0)
            code = process.poll()
            watch = self._threads
            self.stop()
            if watch is not None and watch.found:
                raise _LostError(f"had {watch.found} threads, at most {MOST_THREADS} are allowed") from None
            if alarm.rang:
                raise _TookTooLongError(f"more than {timeout or 0:g} s") from None
            if code == -signal.SIGXCPU:
                raise _TookTooLongError("more processor time than one job may take") from None
            raise _LostError(_death(code) if code is not None else f"gave no answer: {error}") from None
        finally:
            alarm.stop()
        if alarm.rang:
            self.stop()  # the answer came as the time ran out: it counts, but the worker was killed
        return answer

    def stop(self) -> None:
        """End the process; a later call starts a new one."""
        with self._lock:
            process, self._process = self._process, None
            folder, self._folder = self._folder, None
            threads, self._threads = self._threads, None
            lease, self._lease = self._lease, None
        if lease is not None:
            self._devices.release(lease)
        if threads is not None:
            threads.stop()
        if process is not None:
            self.peak_bytes = max(self.peak_bytes, _peak_bytes(process))
            kill(process)
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


def _not_started(found: str) -> MachineError:
    return MachineError("A worker process could not start.", found=found)


class _TookTooLongError(Exception):
    pass


class _LostError(Exception):
    pass


def _peak_bytes(process: subprocess.Popen[bytes]) -> int:
    """Return the most memory that the process held so far; 0 where the system does not say, or it has ended."""
    try:
        lines = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return 0
    found = next((line for line in lines if line.startswith("VmHWM:")), "")
    return int(found.split()[1]) << 10 if found else 0


def _death(code: int | None) -> str:
    return how_it_ended(code).removeprefix("was ") if code is not None else "ended"


def _pipe(stream: Any) -> BinaryIO:
    if stream is None:
        raise OSError("no pipe")
    return stream  # type: ignore[no-any-return]
