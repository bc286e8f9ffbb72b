"""Running jobs in workers and watching processes: waiting for a state, listing children."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from evalkit.workers.pool import Workers

ACTS = "pool_handlers:acts"


def eventually(condition: Callable[[], bool]) -> bool:
    """Wait until ``condition`` holds; give up after a minute."""
    for _ in range(600):
        if condition():
            return True
        time.sleep(0.1)
    return False


def alive(pid: int) -> bool:
    """Return whether the process runs; one that only waits to be collected doesn't."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in {"Z", "X"}


def children(of: int) -> set[int]:
    """Return the processes that ``of`` started and that are still there, zombies included."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, ValueError):
                continue
            if parent == of:
                found.add(int(entry.name))
    return found


def worker_processes(of: int) -> set[int]:
    """Return the worker processes of evalkit that ``of`` started and that run."""
    return {pid for pid in children(of) if b"evalkit.workers" in _command_line(pid)}


def kill(pid: int) -> None:
    """Kill the process, unless it ended by itself in this moment."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _command_line(pid: int) -> bytes:
    """Return the words of its command; none of a process that has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def results(jobs: list[tuple[object, ...]], count: int = 2, timeout: float | None = 60.0, **options: object):
    """Return the results of all jobs by index; every job must have exactly one."""
    total = options.pop("total", None)
    workers = Workers(options.pop("handler", ACTS), options.pop("config", None), count, timeout, total=total)
    found = list(workers.run(jobs))
    assert sorted(result.index for result in found) == list(range(len(jobs)))
    return {result.index: result for result in found}
