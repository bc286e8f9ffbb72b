"""Stands in for a worker that a video took over: tries to reach everything, and says what the system answered.

``python -m taken_over`` is the parent of such a worker, and prints what it found: started by root or by another user,
it shows what each reaches.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import resource
import socket
import stat
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from evalkit.workers.pool import Workers
from evalkit.workers.sandbox import Limits, enter

MEMORY = "write the parent's memory"
LIMITS = Limits(job_cpu_seconds=60.0)
OPEN_MEMORY = "import os; open(f'/proc/{os.getppid()}/mem', 'r+b', buffering=0)"


def main(folder: str, confined: Literal["full", "late", "off"]) -> None:
    """Hand all attempts to one worker; print what it found, and what a program without any confinement may do."""
    files = {name: f"{folder}/{name}" for name in ("module", "entry", "other")}
    for path in files.values():
        Path(path).write_text("x = 1\n")
    where = {"folder": folder, **files, "late": confined == "late"}
    limits = LIMITS if confined == "full" else Limits("off")
    names, found = list(ATTEMPTS), {}
    for result in Workers("taken_over:attempts", where, 1, 60.0, limits).run(names):
        found[names[result.index]] = result.value if result.failure is None else str(result)
    opened = subprocess.run([sys.executable, "-c", OPEN_MEMORY], capture_output=True, check=False).returncode == 0
    for left in Path("/dev/shm").glob(f"evalkit-{os.getpid()}-*"):
        left.unlink()
    print(json.dumps({"user": os.geteuid(), "found": found, "memory is open to programs": opened}))


def attempts(config: dict[str, Any]) -> Callable[[str], str]:
    """Return what tries one attempt; ``late`` puts the system call filter on without Landlock."""
    if config.get("late"):
        enter(LIMITS)

    def handle(name: str) -> str:
        if name == "crowd":
            _crowd()
        try:
            ATTEMPTS[name](config)
        except (OSError, ValueError):  # setrlimit raises the second
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


def _flags(path: str) -> None:
    """Set the flag of a file that backups leave it out (chattr +d), which root could also use to make it immutable."""
    with Path(path).open("rb") as stream:
        held = struct.unpack("l", fcntl.ioctl(stream, 0x80086601, bytes(8)))[0]
        fcntl.ioctl(stream, 0x40086602, struct.pack("l", held | 0x40))


def _attribute(path: str) -> None:
    value = ctypes.create_string_buffer(b"x")
    arguments = struct.pack("QII", ctypes.addressof(value), 1, 0)
    _system_call(463, -100, _address(path), 0, _address("user.evalkit"), _address(arguments), len(arguments))


_KEPT: list[Any] = []  # what a system call reads


def _address(content: str | bytes) -> int:
    buffer = ctypes.create_string_buffer(content.encode() if isinstance(content, str) else content)
    _KEPT.append(buffer)
    return ctypes.addressof(buffer)


def _by_handle(path: str) -> None:
    """Open a file for writing by the number that its file system knows it by."""
    handle = ctypes.create_string_buffer(struct.pack("Ii", 128, 0) + bytes(128))
    mount = ctypes.c_int()
    _call("name_to_handle_at", -100, path.encode(), handle, ctypes.byref(mount), 0)
    folder = os.open(str(Path(path).parent), os.O_RDONLY)
    _call("open_by_handle_at", folder, handle, os.O_WRONLY)


def _link(path: str) -> None:
    os.link(path, "linked")
    _append("linked")


def _lock(path: str) -> None:
    with Path(path).open("rb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _no_limit(kind: int) -> None:
    resource.setrlimit(kind, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def _more_processor_time() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (soft + 1000, hard))


def _write_to_open_files() -> None:
    for place in Path(f"/proc/{os.getppid()}/fd").iterdir():
        with contextlib.suppress(OSError):
            os.close(os.open(place, os.O_WRONLY | os.O_NONBLOCK))
            return
    raise PermissionError


def _mount() -> None:
    Path("mounted").mkdir(exist_ok=True)
    _call("mount", b"none", b"mounted", b"tmpfs", 0, 0)
    _call("umount2", b"mounted", 2)


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
    "change a file's mode": lambda config: Path(config["other"]).chmod(0o600),
    "link a module into its own folder": lambda config: _link(config["other"]),
    "change a file's times": lambda config: os.utime(config["other"]),
    "change a file's flags": lambda config: _flags(config["other"]),
    "change a file's attributes": lambda config: os.setxattr(config["other"], "user.evalkit", b"x"),
    "change a file's attributes (setxattrat)": lambda config: _attribute(config["other"]),
    "open a file by its number": lambda config: _by_handle(config["other"]),
    "make a device in its own folder": lambda config: os.mknod("device", stat.S_IFCHR | 0o666, os.makedev(1, 3)),
    "write to /dev/shm": lambda config: Path(f"/dev/shm/evalkit-{os.getppid()}-{os.getpid()}").write_text("x"),
    "read a file elsewhere": lambda config: Path(config["other"]).read_bytes(),
    "lock a file elsewhere": lambda config: _lock(config["other"]),
    "watch and hold up all files (fanotify)": lambda config: _call("fanotify_init", 4, 0),
    "signal the parent": lambda config: os.kill(os.getppid(), 0),
    "signal by a file of the process": lambda config: os.pidfd_open(os.getppid()),
    "limit the parent": lambda config: resource.prlimit(os.getppid(), resource.RLIMIT_CPU),
    "trace the parent": lambda config: _call("ptrace", 0x4206, os.getppid(), 0, 0),
    MEMORY: lambda config: Path(f"/proc/{os.getppid()}/mem").open("r+b", buffering=0).close(),
    "write to what the parent has open": lambda config: _write_to_open_files(),
    "slow the parent": lambda config: os.setpriority(os.PRIO_PROCESS, os.getppid(), 19),
    "pin the parent to a core": lambda config: os.sched_setaffinity(os.getppid(), os.sched_getaffinity(0)),
    "take the terminal": lambda config: Path("/dev/tty").open("r+b", buffering=0).close(),
    "type into the terminal": lambda config: fcntl.ioctl(2, termios.TIOCSTI, b"x"),
    "open a socket": lambda config: socket.socket().close(),
    "open a local socket": lambda config: socket.socket(socket.AF_UNIX).close(),
    "fork": lambda config: _fork(),
    "run a program": lambda config: subprocess.run([sys.executable, "-c", ""], check=True),
    "memory outside of the limit (memfd)": lambda config: os.close(os.memfd_create("x")),
    "memory outside of the limit (System V)": lambda config: _call("shmget", 0, 4096, 0o1600),
    "messages outside of the limit (System V)": lambda config: _call("msgget", 0, 0o1600),
    "reach around the filter (io_uring)": lambda config: _system_call(425, 1, _address(bytes(120))),
    "namespaces": lambda config: _call("unshare", 0x04000000),
    "mount": lambda config: _mount(),
    "lift its limit on memory": lambda config: _no_limit(resource.RLIMIT_AS),
    "lift its limit on open files": lambda config: _no_limit(resource.RLIMIT_NOFILE),
    "lift its limit on processor time": lambda config: _more_processor_time(),
    "signal itself": lambda config: os.kill(os.getpid(), 0),
    "20 threads": lambda config: _threads(20),
}


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])  # type: ignore[arg-type]
