"""The map over videos on this machine: one process per worker, each video in one of them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, cast

from evalkit.errors import UsageError
from evalkit.scoring.jobs import Config, Job
from evalkit.text import escape_for_display
from evalkit.workers.pool import JobResult, Workers
from evalkit.workers.sandbox import LEVELS, Level, Limits

HANDLER = "evalkit.scoring.extract:Handler"
JOB_SECONDS = 1800.0
SANDBOX_VARIABLE = "EVALKIT_SANDBOX"
_Value = TypeVar("_Value")


def default_workers() -> int:
    """Return the number of processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return max(1, os.cpu_count() or 1)


def default_sandbox() -> Level:
    """Return the level that ``EVALKIT_SANDBOX`` asks for; ``full`` when it is not set.

    Raises:
        UsageError: for a word that is no level.
    """
    asked = os.environ.get(SANDBOX_VARIABLE) or "full"
    for level in LEVELS:
        if level == asked:
            return level
    raise UsageError(
        f"{SANDBOX_VARIABLE} names no level.", found=escape_for_display(asked, limit=80), expected=", ".join(LEVELS)
    )


class LocalEngine:
    """Worker processes on this machine.

    Args:
        workers: how many; ``None`` for one per core.
        timeout: seconds that one video may take.
        sandbox: what the workers are held to, see `evalkit.workers.sandbox`; ``None`` for ``EVALKIT_SANDBOX``.
    """

    name = "local"

    def __init__(self, workers: int | None = None, timeout: float | None = None, sandbox: Level | None = None) -> None:
        self.workers = workers or default_workers()
        self.timeout = JOB_SECONDS if timeout is None else timeout
        self.sandbox = default_sandbox() if sandbox is None else sandbox

    def run(self, config: Config, jobs: Sequence[Job]) -> Iterator[JobResult]:
        """Yield an `evalkit.scoring.jobs.Extraction` (or a failure) per job, in the order they finish."""
        if not jobs:
            return iter(())
        limits = Limits(
            level=self.sandbox,
            job_cpu_seconds=2 * self.timeout,  # only when nobody is left to watch the clock
            file_bytes=max(Limits.file_bytes, 2 * config.rules.archive.max_file_bytes),
            graphics=config.device != "cpu",
        )
        placed = [absolute(job) for job in jobs]
        return Workers(HANDLER, absolute(config), self.workers, self.timeout, limits).run(placed)


def absolute(value: _Value) -> _Value:
    """Return ``value``, a dataclass or a container of plain values, with every path in it made absolute.

    ``Path()``, which stands for a file that is not there yet, stays.
    """
    found: Any = value
    if isinstance(value, Path):
        found = value if value == Path() else value.absolute()
    elif isinstance(value, Mapping):
        found = {name: absolute(part) for name, part in value.items()}
    elif isinstance(value, tuple):
        parts = [absolute(part) for part in value]
        found = type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    elif is_dataclass(value) and not isinstance(value, type):
        found = replace(value, **{field.name: absolute(getattr(value, field.name)) for field in fields(value)})
    return cast(_Value, found)
