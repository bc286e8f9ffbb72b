"""The worker's side: which networks the device process has, and one batch after the other."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.workers.devices.channel import ANSWER, WINDOW_BYTES, DeviceLostError, Ends
from evalkit.workers.devices.window import Window, packed_request

_current: DeviceClient | None = None


class DeviceRefusedError(RuntimeError):
    """The device process could not run a batch; others may still do."""


class DeviceClient:
    """Sends batches to the device process; used by one job at a time.

    Args:
        ends: the worker's.

    Attributes:
        networks: key -> its facts, and of each of its parts the number; from `evalkit.workers.devices.service`.

    Raises:
        DeviceLostError: the process has ended.
    """

    def __init__(self, ends: Ends) -> None:
        self._ends, self._window, self._lock = ends, Window(ends.window), threading.Lock()
        content = self._answer()[1]
        text = self._window.view("uint8", (content["length"],)).tobytes()
        self.networks: Mapping[str, Mapping[str, Any]] = json.loads(text)

    def run(self, number: int, batch: NDArray[Any]) -> tuple[list[NDArray[Any]], float]:
        """Return the outputs of a part of a network, and the seconds that it ran.

        Args:
            number: of the part.
            batch: its input, items first. What doesn't fit into the window goes in pieces.

        Raises:
            DeviceLostError: the process has ended.
            DeviceRefusedError: it could not run the batch.
        """
        items = max(1, len(batch))
        most = max(1, WINDOW_BYTES * items // max(1, batch.nbytes))
        pieces = [self._piece(number, batch[start : start + most]) for start in range(0, items, most)]
        seconds = sum(seconds for _, seconds in pieces)
        if len(pieces) == 1:
            return pieces[0]
        return [np.concatenate(outputs) for outputs in zip(*(made for made, _ in pieces), strict=True)], seconds

    def _piece(self, number: int, batch: NDArray[Any]) -> tuple[list[NDArray[Any]], float]:
        with self._lock:
            try:
                self._window.write([batch])
            except ValueError as error:
                raise DeviceRefusedError(f"an item of a batch is too large for the device process: {error}") from None
            try:
                os.write(self._ends.writing, packed_request(number, batch))
            except OSError:
                raise DeviceLostError("the device process has ended") from None
            kind, content = self._answer()
            if kind != "arrays":
                raise DeviceRefusedError(str(content["text"]))
            return self._window.read(content["arrays"]), float(content["seconds"])

    def _answer(self) -> tuple[str, dict[str, Any]]:
        (length,) = ANSWER.unpack(self._exactly(ANSWER.size))
        kind, content = json.loads(self._exactly(length))
        return kind, content

    def _exactly(self, length: int) -> bytes:
        found = b""
        while len(found) < length:
            part = os.read(self._ends.reading, length - len(found))
            if not part:
                raise DeviceLostError("the device process has ended")
            found += part
        return found


def connect(ends: Ends) -> None:
    """Connect this process to its device process, for good; `client` returns the connection."""
    global _current  # noqa: PLW0603 - a process has one
    _current = DeviceClient(ends)


def client() -> DeviceClient | None:
    """Return the connection of this process; ``None`` where networks are run in this process itself."""
    return _current
