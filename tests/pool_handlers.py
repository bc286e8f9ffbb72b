"""What worker processes run in test_pool.py: each handler gets a config once and then jobs."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import struct
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from evalkit.errors import StorageError, WeightsError
from evalkit.files import atomic_write

Handle = Callable[[Any], Any]


class _Fragile:
    """Is no plain value."""


def acts(config: Any) -> Handle:
    """Do what the job says; the config is given back by the job ``("config",)``."""

    def handle(job: tuple[Any, ...]) -> Any:
        return _ACTS[job[0]](config, *job[1:])

    return handle


def _sleep(config: Any, seconds: float, value: Any) -> Any:
    time.sleep(seconds)
    return value


def _wait(config: Any, path: str) -> str:
    for _ in range(600):
        if Path(path).exists():
            return "waited"
        time.sleep(0.1)
    return "nobody came"


def _segfault(config: Any) -> None:
    ctypes.string_at(0)


def _raise(config: Any, message: str) -> None:
    raise ValueError(message)


def _flood(config: Any, text: str) -> str:
    os.write(2, text.encode())
    return "done"


def _chatter(config: Any, value: Any) -> Any:
    print("a line from print")
    sys.stdout.flush()
    os.write(1, b"bytes from below\n")
    subprocess.run(["echo", "a line from a program"], check=True)
    assert sys.stdin.read() == ""
    return value


def _stop(config: Any, kind: str) -> None:
    raise StorageError("There is no space left.", found="0 bytes", fix="Free some.")


def _leave_file(config: Any, size: int, ending: str) -> None:
    folder = Path(tempfile.mkdtemp(prefix="job-"))
    (folder / "big").write_bytes(bytes(size))
    Path(config, f"{os.getpid()}.temp").write_text(str(folder))
    if ending == "crash":
        os._exit(3)
    time.sleep(600)


def _fork(config: Any) -> None:
    """Leave a process behind that holds the pipe, and hang."""
    child = os.fork()
    if child:
        Path(config, "grandchild").write_text(str(child))
    time.sleep(600)


def _pid(config: Any, seconds: float = 0.0) -> int:
    (Path(config) / f"{os.getpid()}.pid").touch()
    time.sleep(seconds)
    return os.getpid()


def _close_pipe(config: Any) -> None:
    """Close every file, the answers' pipe among them, and live on."""
    os.closerange(3, 64)
    time.sleep(600)


def _write_half(config: Any) -> None:
    """Write a file as the cache does, and hang in the middle of it."""
    with atomic_write(Path(config, "whole")) as stream, zipfile.ZipFile(stream, "w") as archive:
        member = archive.open("array.npy", "w")
        member.write(b"half")
        time.sleep(600)


def _forge(config: Any, body: bytes, lengths: tuple[int, int] | None, data: bytes = b"") -> None:
    """Write to every pipe what a decoder that was compromised might."""
    header = struct.pack("<QQ", *(lengths or (len(body), len(data))))
    for entry in range(3, 64):
        with contextlib.suppress(OSError):
            if str(Path(f"/proc/self/fd/{entry}").readlink()).startswith("pipe:"):
                os.write(entry, header + body + data)
    time.sleep(600)


def _extraction(config: Any) -> Any:
    from evalkit.scoring.jobs import VideoAnswer

    return VideoAnswer(problem="lost", errors={"f": "k"}, notes=("f",))


def _stubborn(config: Any) -> None:
    """Be deaf to what asks it to leave."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _pid(config, 600)


_ACTS: dict[str, Callable[..., Any]] = {
    "config": lambda config: config,
    "echo": lambda config, value: value,
    "double": lambda config, value: value + value,
    "sleep": _sleep,
    "wait": _wait,
    "exit": lambda config, code: os._exit(code),
    "sys.exit": lambda config: sys.exit(0),
    "sigkill": lambda config: os.kill(os.getpid(), signal.SIGKILL),
    "flood": _flood,
    "segfault": _segfault,
    "raise": _raise,
    "chatter": _chatter,
    "stop": _stop,
    "lambda": lambda config: lambda: None,
    "fragile": lambda config: _Fragile(),
    "leave": _leave_file,
    "fork": _fork,
    "pid": _pid,
    "own pid": lambda config, seconds=0.0: (time.sleep(seconds), os.getpid())[1],
    "close pipe": _close_pipe,
    "write half": _write_half,
    "stubborn": _stubborn,
    "forge": _forge,
    "extraction": _extraction,
    "path": lambda config: list(sys.path),
    "environment": lambda config, name: os.environ.get(name),
}


def weights_missing(config: Any) -> Handle:
    """Fail at the start, as an extractor without its network does."""
    raise WeightsError("The weights are missing.", expected=str(config), fix="Put them there.")


def broken_start(config: Any) -> Handle:
    """Fail at the start by a bug."""
    raise RuntimeError(f"no start with {config}")


def crash_at_start(config: Any) -> Handle:
    """Die at the start."""
    os._exit(7)


def crash_at_first_start(config: Any) -> Handle:
    """Be killed at the start, once: ``config`` is a folder that remembers it."""
    mark = Path(config) / "was-here"
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return lambda job: job
