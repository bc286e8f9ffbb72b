"""Stands in for a worker that a video took over: tries to reach everything, and says what the system answered."""

from __future__ import annotations

import ctypes
import fcntl
import os
import resource
import socket
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from evalkit.workers.sandbox import Limits, enter

NOBODY = 65534


def attempts(config: dict[str, Any]) -> Callable[[str], str]:
    """Return what tries one attempt; ``user`` drops root's rights, ``late`` puts the filter on without Landlock."""
    import encodings.ascii  # noqa: F401 - what is needed later lies where an ordinary user may not read

    import pyseccomp  # noqa: F401

    if config.get("user"):
        os.chown(os.environ["TMPDIR"], NOBODY, NOBODY)
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    if config.get("late"):
        enter(Limits())

    def handle(name: str) -> str:
        if name == "crowd":
            _crowd()
        try:
            ATTEMPTS[name](config)
        except OSError:
            return "refused"
        return "done"

    return handle


def _system_call(number: int, *arguments: Any) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments)) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _call(name: str, *arguments: Any) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if getattr(library, name)(*arguments) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _fork() -> None:
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)


def _append(path: str) -> None:
    with Path(path).open("a") as stream:
        stream.write("x = 2\n")


def _fill_own_folder() -> None:
    Path("own").write_bytes(b"x")


def _threads(count: int) -> None:
    stop = threading.Event()
    threading.stack_size(64 << 10)
    threads = [threading.Thread(target=stop.wait, daemon=True) for _ in range(count)]
    try:
        for thread in threads:
            thread.start()
    except RuntimeError as error:
        raise OSError(str(error)) from None
    finally:
        stop.set()


def _crowd() -> None:
    """Start threads until somebody ends it, which takes no memory to speak of."""
    threading.stack_size(64 << 10)
    for _ in range(3000):
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
    time.sleep(60)


ATTEMPTS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "write in its own folder": lambda config: _fill_own_folder(),
    "create a file elsewhere": lambda config: Path(config["folder"], "new").write_text("x"),
    "change a module": lambda config: _append(config["module"]),
    "change a cache entry": lambda config: _append(config["entry"]),
    "rename over a module": lambda config: (Path("mine").write_text("x"), Path("mine").rename(config["module"])),
    "remove a cache entry": lambda config: Path(config["entry"]).unlink(),
    "change a file's mode": lambda config: Path(config["module"]).chmod(0o600),
    "write to /dev/shm": lambda config: Path(f"/dev/shm/evalkit-{os.getpid()}").write_text("x"),
    "signal the parent": lambda config: os.kill(os.getppid(), 0),
    "signal by a file of the process": lambda config: os.pidfd_open(os.getppid()),
    "limit the parent": lambda config: resource.prlimit(os.getppid(), resource.RLIMIT_CPU),
    "trace the parent": lambda config: _call("ptrace", 16, os.getppid(), 0, 0),
    "write the parent's memory": lambda config: Path(f"/proc/{os.getppid()}/mem").open("r+b", buffering=0).close(),
    "take the terminal": lambda config: Path("/dev/tty").open("r+b", buffering=0).close(),
    "type into the terminal": lambda config: fcntl.ioctl(2, termios.TIOCSTI, b"x"),
    "open a socket": lambda config: socket.socket().close(),
    "open a local socket": lambda config: socket.socket(socket.AF_UNIX).close(),
    "fork": lambda config: _fork(),
    "run a program": lambda config: subprocess.run([sys.executable, "-c", ""], check=True),
    "memory outside of the limit (memfd)": lambda config: os.close(os.memfd_create("x")),
    "memory outside of the limit (System V)": lambda config: _call("shmget", 0, 4096, 0o1600),
    "messages outside of the limit (System V)": lambda config: _call("msgget", 0, 0o1600),
    "reach around the filter (io_uring)": lambda config: _system_call(425, 1, 0),
    "namespaces": lambda config: _call("unshare", 0x10000000),
    "mount": lambda config: _call("mount", b"none", b"/mnt", b"tmpfs", 0, 0),
    "signal itself": lambda config: os.kill(os.getpid(), 0),
    "20 threads": lambda config: _threads(20),
}
