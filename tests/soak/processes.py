"""Start evalkit, find everything that it started, and kill some of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Target = Literal["parent", "group", "everything", "worker"]
MARK = "EVALKIT_SOAK"


@dataclass(frozen=True)
class Environment:
    """The variables of a run: places inside its working folder, and a mark by which its processes are found."""

    temporary: Path

    def variables(self, mark: str) -> dict[str, str]:
        self.temporary.mkdir(parents=True, exist_ok=True)
        more = {"EVALKIT_WEIGHTS": "weights", "EVALKIT_CACHE": "cache", "TMPDIR": str(self.temporary), MARK: mark}
        return {**os.environ, **more, "EVALKIT_BY": "olga", "PYTHONDONTWRITEBYTECODE": "1"}


def start(words: Sequence[str], place: Path, environment: Environment, mark: str) -> subprocess.Popen[str]:
    """Start ``evalkit WORDS`` in ``place`` as the leader of a group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "evalkit", *words],
        cwd=place, env=environment.variables(mark), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def alive(mark: str) -> list[int]:
    """Return the numbers of the processes that carry ``mark``, whoever is their parent now."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with suppress(OSError):
                variables = Path(entry.path, "environ").read_bytes().split(b"\0")
                if wanted in variables:  # a zombie's are gone
                    found.append(int(entry.name))
    return found


def kill(process: subprocess.Popen[str], target: Target, mark: str) -> bool:
    """Kill what ``target`` says, at once; return whether anything was there to kill."""
    if process.poll() is not None:
        return False
    others = [number for number in alive(mark) if number != process.pid] if target in {"everything", "worker"} else []
    if target == "worker":
        _end(others[:1])
        return bool(others)
    if target == "group":
        os.killpg(process.pid, signal.SIGKILL)
    else:
        _end([process.pid, *others])
    return True


def _end(numbers: Sequence[int]) -> None:
    for number in numbers:
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)


def wait_until(condition: Callable[[], bool], seconds: float, pause: float = 0.002) -> bool:
    """Wait until ``condition`` holds, or for ``seconds``; return whether it came to hold."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(pause)
    return True
