"""Time spent in networks, for the scorecard's account of the run time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

_seconds: dict[str, float] = {}


@contextmanager
def running(network: str) -> Iterator[None]:
    """Count the time of the block as forward time of ``network``, in this process."""
    started = time.perf_counter()
    try:
        yield
    finally:
        _seconds[network] = _seconds.get(network, 0.0) + time.perf_counter() - started


def take() -> dict[str, float]:
    """Return the seconds by network since the last call, and start again from zero."""
    taken = dict(_seconds)
    _seconds.clear()
    return taken
