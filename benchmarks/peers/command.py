"""Run a command on given processor cores and account for it and everything that it started."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Spent:
    """Seconds of processor time, of the command and of all that it started, and of wall time."""

    cpu: float
    wall: float


def run(command: Sequence[str | Path], log: Path, cores: Sequence[int], environment: Mapping[str, str]) -> Spent:
    """Run ``command``; its output goes into ``log``.

    Raises:
        SystemExit: it failed; with the end of its output.
    """
    # Python's bytecode is kept, as in an installation.
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before, started = os.times(), time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**inherited, **environment},
            preexec_fn=lambda: os.sched_setaffinity(0, cores),  # noqa: PLW1509 - there are no threads here
        )
        code = process.wait()
    wall, after = time.perf_counter() - started, os.times()
    if code:
        end = log.read_text(errors="replace")[-2000:]
        raise SystemExit(f"{' '.join(map(str, command))} ended with {code}:\n{end}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Spent(cpu, wall)
