"""Time spent in networks, for the scorecard's account of the run time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

WAITING = "waiting for the device"  # in place of a network's name
_seconds: dict[str, float] = {}
_waited = 0.0  # seconds, since the process began


@contextmanager
def running(network: str) -> Iterator[None]:
    """Count the time of the block as forward time of ``network``, in this process; less what it `waited`."""
    started, before = time.perf_counter(), _waited
    try:
        yield
    finally:
        took = time.perf_counter() - started - (_waited - before)
        _seconds[network] = _seconds.get(network, 0.0) + max(0.0, took)


def waited(seconds: float) -> None:
    """Count seconds as waiting for a device that serves others too, and not as a network's."""
    global _waited  # noqa: PLW0603 - one clock per process, as the seconds
    _waited += seconds
    _seconds[WAITING] = _seconds.get(WAITING, 0.0) + seconds


def take() -> dict[str, float]:
    """Return the seconds by network since the last call, and start again from zero."""
    taken = dict(_seconds)
    _seconds.clear()
    return taken
