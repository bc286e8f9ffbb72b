"""What a network is to the device process: functions of batches, and what each takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Run = Callable[[Any], list[NDArray[Any]]]


@dataclass(frozen=True)
class Inputs:
    """What a part of a network takes.

    Args:
        dtype: of a batch: ``uint8``, ``float32`` or ``int64``.
        shape: of one item; ``None`` where it differs from one to the next.
        batch: how many items share a pass, of items of a given shape or of all: items are independent, and outputs have
            one each. ``None`` where that is not so: each batch then runs as it is sent.
        below: numbers are at least 0 and below this one; ``None`` for any.
    """

    dtype: str
    shape: tuple[int | None, ...]
    batch: int | Callable[[tuple[int, ...]], int] | None = 1
    below: int | None = None

    def size(self, batch: NDArray[Any]) -> int:
        """Return how many items like those of ``batch`` share a pass."""
        if self.batch is None:
            return len(batch)
        return self.batch if isinstance(self.batch, int) else self.batch(batch.shape[1:])

    def mismatch(self, dtype: str, shape: Sequence[int]) -> str | None:
        """Return what is wrong with a batch of this dtype and shape, items first; ``None`` if nothing is."""
        wanted = "x".join(["N", *("?" if size is None else str(size) for size in self.shape)])
        fits = (
            dtype == self.dtype
            and len(shape) == len(self.shape) + 1
            and all(size > 0 for size in shape)
            and all(want in (None, have) for want, have in zip(self.shape, shape[1:], strict=True))
        )
        return None if fits else f"it takes {self.dtype} {wanted}, not {dtype} {'x'.join(map(str, shape))}"

    def out_of_range(self, batch: NDArray[Any]) -> str | None:
        """Return what is wrong with the numbers of a batch; ``None`` if nothing is."""
        if self.below is None or (batch.min(initial=0) >= 0 and batch.max(initial=0) < self.below):
            return None
        return f"it takes numbers from 0 to {self.below - 1}"


@dataclass(frozen=True)
class Network:
    """A network that is ready to run.

    Args:
        runners: name of each part -> what runs it.
        inputs: what each takes.
        facts: plain values that callers need, such as the length of a vector.
    """

    runners: Mapping[str, Run]
    inputs: Mapping[str, Inputs] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


def zeros_after(batch: NDArray[Any], size: int) -> NDArray[Any]:
    """Return the batch with items of zeros after it, ``size`` items in all."""
    if len(batch) >= size:
        return batch
    return np.concatenate([batch, np.zeros((size - len(batch), *batch.shape[1:]), batch.dtype)])
