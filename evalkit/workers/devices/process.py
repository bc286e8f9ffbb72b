"""The device processes of a pool, as the parent sees them: started when first needed, and again after they died."""

from __future__ import annotations

import contextlib
import os
import pickle
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from evalkit.errors import MachineError
from evalkit.text import how_it_ended
from evalkit.workers.alarm import Alarm
from evalkit.workers.devices.channel import Ends, open_channel
from evalkit.workers.messages import BadAnswerError, receive_answer, send
from evalkit.workers.output_relay import relay
from evalkit.workers.surroundings import environment, kill

_PROGRAM = "import sys; from evalkit.workers.devices.main import main; main(int(sys.argv[1]))"
_OPENING_SECONDS = 600.0  # for all networks
_TRIES = 2  # to start a process, or to reach one that dies meanwhile
VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True)
class DeviceWork:
    """What device processes open, and where.

    Args:
        opener: ``module:name`` of a callable; called in the process with ``config`` and ``cpu`` or ``cuda``, it returns
            the networks by key (`evalkit.workers.devices.parts.Network`).
        config: what the opener gets; pickled.
        places: one process for each: ``cpu``, or ``cuda:0`` and so on, numbered as this process sees them.
    """

    opener: str
    config: Any
    places: tuple[str, ...]


@dataclass
class Lease:
    """A worker's place at a device process.

    Args:
        process: of it.
        ends: the worker's ends of the channel, which it inherits.
    """

    process: DeviceProcess
    ends: Ends
    _open: bool = True

    def close(self) -> None:
        """Close the ends here, once the worker has inherited them: who holds none notices when the other has ended."""
        if self._open:
            self._open = False
            self.ends.close()


class DeviceProcess:
    """One process for one device.

    Args:
        place: see `DeviceWork`.

    Attributes:
        workers: how many have a channel to it.
    """

    def __init__(self, place: str) -> None:
        self.place = place
        self.workers = 0
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._sending: socket.socket | None = None
        self._output: threading.Thread | None = None
        self._opened: set[bytes] = set()
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The number of the process; ``None`` before it was started."""
        return None if self._process is None else self._process.pid

    def lease(self, work: DeviceWork) -> Lease:
        """Return a channel for a new worker, after the networks of its work were opened.

        Raises:
            MachineError: the process can't start.
            EvalkitError: a network can't be opened.
        """
        with self._lock:
            for tries in range(1, _TRIES + 1):
                try:
                    return self._leased(work)
                except _LostError as lost:
                    self._stop()
                    if tries == _TRIES:
                        found = str(lost)
                        break
        raise MachineError("The device process could not start.", found=found)

    def close(self) -> None:
        """End the process for good, also in the middle of a batch."""
        self._closed = True
        process = self._process
        if process is not None:  # before the lock: somebody may wait for an answer under it
            kill(process)
        with self._lock:
            self._stop()

    def _leased(self, work: DeviceWork) -> Lease:
        if self._process is None or self._process.poll() is not None:
            self._stop()
            if self._closed:
                raise MachineError("The run was stopped.")
            self._start()
        content = pickle.dumps((work.opener, work.config), protocol=pickle.HIGHEST_PROTOCOL)
        if content not in self._opened:
            self._ask("open", work.opener, work.config, self.place.partition(":")[0])
            self._opened.add(content)
        ours, theirs = open_channel()
        try:
            try:
                assert self._sending is not None  # noqa: S101 - `_start` made it
                socket.send_fds(self._sending, [b"c"], [theirs.reading, theirs.writing, theirs.window])
            except OSError as error:
                raise _LostError(str(error)) from None
            finally:
                theirs.close()
            self._ask("attach")
        except BaseException:
            ours.close()
            raise
        self.workers += 1
        return Lease(self, ours)

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter and this module
                [sys.executable, "-P", "-c", _PROGRAM, str(theirs.fileno())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**environment(), **visible_device(self.place)},
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # Ctrl-C reaches the parent only
            )
        except OSError as error:
            ours.close()
            raise MachineError("The device process could not start.", found=str(error)) from None
        finally:
            theirs.close()
        self._sending = ours
        self._output = relay(_pipe(self._process.stderr))
        self._opened = set()

    def _ask(self, *message: Any) -> None:
        """Ask the process to do something, and wait until it has.

        Raises:
            EvalkitError: what it raised.
            MachineError: it failed in another way.
            _LostError: it has ended.
        """
        process = self._process
        assert process is not None  # noqa: S101 - `_start` made it
        alarm = Alarm(_OPENING_SECONDS, lambda: None, lambda: kill(process))
        try:
            send(_pipe(process.stdin), message)
            kind, value, _ = receive_answer(_pipe(process.stdout))
        except (EOFError, OSError, BadAnswerError) as error:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(1.0)
            code = process.poll()
            raise _LostError(how_it_ended(code) if code is not None else f"it gave no answer: {error}") from None
        finally:
            alarm.stop()
        if kind == "stop":
            raise value
        if kind != "ok":
            raise MachineError("The device process could not open the networks.", found=str(value).strip()[-500:])

    def _stop(self) -> None:
        process, self._process = self._process, None
        sending, self._sending = self._sending, None
        if sending is not None:
            sending.close()
        if process is not None:
            kill(process)
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
        if self._output is not None and not sys.is_finalizing():
            self._output.join(1.0)


class DevicePool:
    """The device processes of a pool of workers, and who may use them when."""

    def __init__(self) -> None:
        self._processes: dict[str, DeviceProcess] = {}
        self._change = threading.Condition()
        self._using = 0  # jobs under way
        self._asked = 0  # jobs that wait until no other is under way
        self._alone = False  # one of them has the devices to itself
        self._closed = False

    def lease(self, work: DeviceWork) -> Lease:
        """Return a channel to the process with the fewest workers; see `DeviceProcess.lease`."""
        with self._change:
            if self._closed:
                raise MachineError("The run was stopped.")
            for place in work.places:
                self._processes.setdefault(place, DeviceProcess(place))
            process = min((self._processes[place] for place in work.places), key=lambda one: one.workers)
        return process.lease(work)

    def release(self, lease: Lease) -> None:
        """Take back the place of a worker that has ended."""
        lease.close()
        with self._change:
            lease.process.workers -= 1

    @contextlib.contextmanager
    def use(self, *, alone: bool = False) -> Iterator[None]:
        """Do a job that uses the devices; ``alone`` waits until no other is under way, and lets none begin."""
        with self._change:
            self._asked += alone
            while self._alone or (self._using if alone else self._asked):
                self._change.wait()
            self._asked -= alone
            self._alone = alone
            self._using += 1
        try:
            yield
        finally:
            with self._change:
                self._using -= 1
                self._alone = False if alone else self._alone
                self._change.notify_all()

    def pids(self) -> dict[str, int]:
        """Return the number of each process that was started, by its place."""
        with self._change:
            return {place: process.pid for place, process in self._processes.items() if process.pid is not None}

    def close(self) -> None:
        """End all processes."""
        with self._change:
            self._closed = True
            processes = list(self._processes.values())
        for process in processes:
            process.close()


def visible_device(place: str) -> dict[str, str]:
    """Return the environment in which a process sees one GPU alone: that of this process's number ``place``."""
    kind, _, number = place.partition(":")
    if kind != "cuda":
        return {}
    shown = [one.strip() for one in os.environ.get(VISIBLE, "").split(",") if one.strip()]
    at = int(number or 0)
    return {VISIBLE: shown[at] if at < len(shown) else str(at)}


class _LostError(Exception):
    """The process has ended."""


def _pipe(stream: Any) -> BinaryIO:
    if stream is None:
        raise OSError("no pipe")
    return stream  # type: ignore[no-any-return]
