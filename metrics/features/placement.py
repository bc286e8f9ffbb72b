"""Where networks are run: in this process, or in a device process that serves all workers (design/025).

A network's class opens it by `placed`. In a process by itself, that builds it. In a worker with a device process, it
asks there and reads no weights; in the device process it builds the network and keeps it for the workers.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import MachineError
from evalkit.metrics.features import stopwatch
from evalkit.workers.devices.client import DeviceClient, client
from evalkit.workers.devices.parts import Inputs, Network

__all__ = ["Inputs", "Network", "RemoteRunner", "collecting", "placed"]

_collected: dict[str, Network] | None = None


class RemoteRunner:
    """Runs a part of a network in the device process (`evalkit.metrics.features.runner.Runner`).

    Args:
        device: the connection.
        number: of the part.
    """

    backend = "device process"

    def __init__(self, device: DeviceClient, number: int) -> None:
        self._device, self._number = device, number

    def __call__(self, batch: Any) -> list[NDArray[Any]]:
        """Return the outputs of the network for one input: an array, or a tensor on the CPU.

        Raises:
            DeviceLostError: the device process has ended.
            DeviceRefusedError: it could not run the batch.
        """
        started = time.perf_counter()
        outputs, seconds = self._device.run(self._number, np.ascontiguousarray(batch))
        stopwatch.waited(max(0.0, time.perf_counter() - started - seconds))
        return outputs


def placed(key: tuple[object, ...], build: Callable[[], Network]) -> Network:
    """Return a network: from ``build``, or in a worker with a device process what runs it there.

    Args:
        key: what the network depends on but the device: class, file, options. Paths and plain values.
        build: loads the weights and makes the runners.

    Raises:
        MachineError: the device process has not opened such a network.
    """
    name = json.dumps(key, default=str)
    device = client()
    if device is not None:
        found = device.networks.get(name)
        if found is None:
            raise MachineError("The device process has no such network.", found=name)
        runners = {part: RemoteRunner(device, number) for part, number in found["parts"].items()}
        return Network(runners, facts=found["facts"])
    if _collected is None:
        return build()
    if name not in _collected:
        _collected[name] = build()
    return _collected[name]


@contextmanager
def collecting(networks: dict[str, Network]) -> Iterator[None]:
    """Keep every network that is opened inside in ``networks``, by its key, and open none a second time."""
    global _collected  # noqa: PLW0603 - networks are opened by many callers, and a device process is one process
    before, _collected = _collected, networks
    try:
        yield
    finally:
        _collected = before
