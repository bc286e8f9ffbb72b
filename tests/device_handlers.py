"""What device processes and their workers run in tests/workers: arithmetic in place of networks."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.workers.devices.channel import WINDOW_BYTES
from evalkit.workers.devices.client import client
from evalkit.workers.devices.parts import Inputs, Network

WIDTH, BATCH, WORDS = 3, 4, 100


def doubled(batch: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Return twice the batch, and its rows' sums."""
    return [2 * batch, batch.sum(axis=1)]


def fatal(batch: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """End the process, as a fault of a driver would."""
    os.kill(os.getpid(), signal.SIGKILL)
    return [batch]


def slow(batch: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """Take half a second."""
    time.sleep(0.5)
    return [batch]


def networks(config: Any = None, device: str = "cpu") -> dict[str, Network]:
    """Return what a device process serves."""
    del config, device
    return {
        "sums": Network({"rows": doubled}, {"rows": Inputs("float32", (WIDTH,), BATCH)}, {"width": WIDTH}),
        "words": Network({"words": lambda batch: [batch]}, {"words": Inputs("int64", (2,), BATCH, below=WORDS)}),
        "fatal": Network({"any": fatal}, {"any": Inputs("uint8", (1,))}),
        "slow": Network({"any": slow}, {"any": Inputs("uint8", (1,))}),
        "where": Network({"pid": lambda batch: [np.array([os.getpid()])]}, {"pid": Inputs("uint8", (1,), None)}),
    }


def uses(config: Any) -> Callable[[tuple[Any, ...]], Any]:
    """Return a worker's handler: ``(act, ...)`` by `_ACTS`."""
    return lambda job: _ACTS[job[0]](*job[1:])


def run_part(network: str, part: str, batch: NDArray[Any]) -> list[NDArray[Any]]:
    """Ask the device process of this worker."""
    device = client()
    assert device is not None
    return device.run(device.networks[network]["parts"][part], batch)[0]


def _sums(value: float, rows: int) -> list[Any]:
    return run_part("sums", "rows", np.full((rows, WIDTH), value, np.float32))


def _pid() -> int:
    return int(run_part("where", "pid", np.zeros((1, 1), np.uint8))[0][0])


def _fatal() -> None:
    run_part("fatal", "any", np.zeros((1, 1), np.uint8))


def _kill_once(mark: str) -> list[Any]:
    """Kill the device process from outside while it runs, the first time; then work."""
    if not Path(mark).exists():
        Path(mark).touch()
        os.kill(_pid(), signal.SIGKILL)
    return _sums(1.0, 2)


def _killed_under_way() -> None:
    """Ask for something slow, and die before the answer."""
    device = client()
    assert device is not None
    number = device.networks["slow"]["parts"]["any"]
    device._window.write([np.zeros((1, 1), np.uint8)])
    from evalkit.workers.devices.window import packed_request

    os.write(device._ends.writing, packed_request(number, np.zeros((1, 1), np.uint8)))
    os.kill(os.getpid(), signal.SIGKILL)


def _babble() -> str:
    """Send what is no request; the channel is closed, and what this job asks then fails."""
    device = client()
    assert device is not None
    os.write(device._ends.writing, b"\xff" * 72)
    _sums(1.0, 1)
    return "answered"


def _shrink() -> str:
    """Try to take the window from under the device process."""
    device = client()
    assert device is not None
    try:
        os.ftruncate(device._ends.window, 0)
    except OSError:
        return f"refused, {os.fstat(device._ends.window).st_size == WINDOW_BYTES}"
    return "done"


_ACTS: dict[str, Callable[..., Any]] = {
    "sums": _sums,
    "pid": _pid,
    "fatal": _fatal,
    "kill once": _kill_once,
    "killed under way": _killed_under_way,
    "babble": _babble,
    "shrink": _shrink,
    "wait": lambda: time.sleep(60),
    "refused": lambda: run_part("sums", "rows", np.zeros((2, WIDTH + 1), np.float32)),
}
