"""The memory of a channel, and the messages that describe what lies in it."""

from __future__ import annotations

import json
import math
import mmap
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from evalkit.workers.devices.channel import ANSWER, DTYPES, MOST_AXES, MOST_JSON, REQUEST, WINDOW_BYTES

Kind = Literal["ready", "arrays", "error"]


class Window:
    """The memory of a channel.

    Args:
        descriptor: of it; it may be closed afterwards.
    """

    def __init__(self, descriptor: int) -> None:
        self._memory = mmap.mmap(descriptor, WINDOW_BYTES)

    def write(self, arrays: Sequence[NDArray[Any]]) -> None:
        """Put arrays, one after the other, at the start.

        Raises:
            ValueError: they don't fit.
        """
        if sum(array.nbytes for array in arrays) > WINDOW_BYTES:
            raise ValueError(f"more than {WINDOW_BYTES >> 20} MiB")
        at = 0
        for array in arrays:
            place = np.frombuffer(self._memory, array.dtype, array.size, at).reshape(array.shape)
            np.copyto(place, array)
            at += array.nbytes

    def view(self, dtype: str, shape: Sequence[int], at: int = 0) -> NDArray[Any]:
        """Return what lies ``at`` bytes after the start, not copied: the other side can change it."""
        return np.frombuffer(self._memory, dtype, math.prod(shape), at).reshape(tuple(shape))

    def read(self, described: Sequence[tuple[str, Sequence[int]]]) -> list[NDArray[Any]]:
        """Return copies of arrays that were put there; of each its dtype and shape."""
        found, at = [], 0
        for dtype, shape in described:
            array = self.view(dtype, shape, at)
            found.append(array.copy())
            at += array.nbytes
        return found

    def close(self) -> None:
        """Give the memory back."""
        self._memory.close()


def packed_request(number: int, array: NDArray[Any]) -> bytes:
    """Return the request for a part of a network.

    Raises:
        ValueError: its dtype or number of axes can't be sent.
    """
    if array.dtype.name not in DTYPES or not 1 <= array.ndim <= MOST_AXES:
        raise ValueError(f"a batch of {array.dtype} with {array.ndim} axes can't be sent to a device process")
    sizes = (*array.shape, *([0] * (MOST_AXES - array.ndim)))
    return REQUEST.pack(number, DTYPES.index(array.dtype.name), array.ndim, *sizes)


def packed_answer(kind: Kind, **content: Any) -> bytes:
    """Return an answer.

    Raises:
        ValueError: it is too long.
    """
    text = json.dumps([kind, content], separators=(",", ":")).encode("ascii")
    if len(text) > MOST_JSON:
        raise ValueError(f"an answer has at most {MOST_JSON} bytes")
    return ANSWER.pack(len(text)) + text
