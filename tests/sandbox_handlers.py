"""What confined worker processes try in test_sandbox.py."""

from __future__ import annotations

import ctypes
import mmap
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def tries(config: Any) -> Callable[[Any], Any]:
    """Return what is asked for, or the system's refusal as a word; a thread runs since before the confinement."""
    early = _EarlyThread()

    def handle(job: tuple[Any, ...]) -> Any:
        if job[0] == "in early thread":
            return early.call(lambda: _told(job[1:]))
        return _told(job)

    return handle


class _EarlyThread:
    """A thread that was there before the limits, as those of numeric libraries are."""

    def __init__(self) -> None:
        self._work: list[Callable[[], Any]] = []
        self._done: list[Any] = []
        self._wake = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            self._done.append(self._work.pop()())

    def call(self, work: Callable[[], Any]) -> Any:
        self._work.append(work)
        self._wake.set()
        while not self._done:
            time.sleep(0.01)
        return self._done.pop()


def _told(job: tuple[Any, ...]) -> Any:
    try:
        return _ACTS[job[0]](*job[1:])
    except OSError as error:
        return f"refused: {error.strerror}"


def _socket(family: int) -> str:
    socket.socket(family, socket.SOCK_STREAM).close()
    return "open"


def _socketpair() -> str:
    for end in socket.socketpair():
        end.close()
    return "open"


def _run() -> str:
    subprocess.run([sys.executable, "-c", ""], check=True)
    return "ran"


def _fork() -> str:
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    return "forked"


def _thread() -> str:
    found: list[str] = []
    thread = threading.Thread(target=lambda: found.append("threaded"))
    thread.start()
    thread.join()
    return found[0]


def _attach(pid: int) -> str:
    library = ctypes.CDLL(None, use_errno=True)
    if library.ptrace(16, pid, 0, 0) != 0:  # PTRACE_ATTACH
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return "attached"


def _files(count: int) -> int:
    kept = []
    try:
        for _ in range(count):
            kept.append(Path(os.devnull).open())  # noqa: SIM115 - kept open on purpose
    except OSError:
        return len(kept)
    finally:
        for file in kept:
            file.close()
    return count


def _write(size: int) -> int:
    path = Path("big")
    try:
        with path.open("wb") as file:
            for _ in range(size >> 20):
                file.write(bytes(1 << 20))
    except OSError:
        pass
    return path.stat().st_size


def _take(size: int) -> int:
    return int(np.ones(size, np.uint8)[::4096].sum())


def _map(size: int) -> int:
    _KEPT.append(mmap.mmap(-1, size, prot=0, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
    return size


_KEPT: list[Any] = []


def _keep(size: int) -> int:
    _KEPT.append(np.ones(size, np.uint8))
    return os.getpid()


def _crash_if_kept() -> str:
    if _KEPT:
        os.kill(os.getpid(), signal.SIGKILL)
    return "not crashed"


def _burn() -> None:
    while True:
        pass


def _done(act: Callable[..., Any]) -> Callable[..., str]:
    def doing(*words: Any) -> str:
        act(*words)
        return "done"

    return doing


def _memfd() -> None:
    os.close(os.memfd_create("kept"))


_ACTS: dict[str, Callable[..., Any]] = {
    "create": _done(lambda path: Path(path).write_text("new")),
    "append": _done(lambda path: Path(path).open("a").close()),
    "truncate": _done(lambda path: os.truncate(path, 0)),
    "rename": _done(os.rename),
    "link": _done(os.link),
    "remove": _done(os.unlink),
    "mode": _done(lambda path: Path(path).chmod(0o600)),
    "signal": _done(lambda process: os.kill(process, 0)),
    "signal group": _done(lambda: os.killpg(os.getppid(), 0)),
    "signal self": _done(lambda: os.kill(os.getpid(), 0)),
    "prlimit": _done(lambda process: resource.prlimit(process, resource.RLIMIT_NOFILE)),
    "memfd": _done(_memfd),
    "socket": _socket,
    "socketpair": _socketpair,
    "run": _run,
    "fork": _fork,
    "thread": _thread,
    "attach": _attach,
    "files": _files,
    "write": _write,
    "take": _take,
    "keep": _keep,
    "map": _map,
    "crash_if_kept": _crash_if_kept,
    "burn": _burn,
    "pid": os.getpid,
    "folder": lambda: str(Path.cwd()),
    "listing": lambda: sorted(path.name for path in Path().iterdir()),
    "cpu": lambda: resource.getrlimit(resource.RLIMIT_CPU)[0],
}


def refusals(config: Any) -> Callable[[Any], Any]:
    """Return as times of frames how many of a socket, a file beside its folder and a program are refused."""

    def handle(job: Any) -> Any:
        def beside() -> None:
            (Path.cwd().parent / f"beside-{os.getpid()}").touch()

        acts = (socket.socket, beside, lambda: subprocess.run([sys.executable, "-c", ""], check=False))
        return np.array([_refused(act) for act in acts], np.float64)

    return handle


def _refused(act: Callable[[], Any]) -> bool:
    try:
        act()
    except PermissionError:
        return True
    return False
