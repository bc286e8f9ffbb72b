"""Frames kept until tracks are known, without unbounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.features.base import FeatureUnavailableError, Picture, Times

MEMORY = 384 * 2**20  # bytes: 78 s at 256 x 256, 2.6 s at 1920 x 1080 (25 frames/s)
_chosen = MEMORY

Take = Callable[[int, Picture], None]


def choose_memory(size: int) -> None:
    """Let the stores of this process keep up to ``size`` bytes each; results don't depend on it."""
    global _chosen  # noqa: PLW0603 - one choice for a process, as its limit on memory
    _chosen = size


class FrameStore:
    """Keeps frames as long as they fit into memory; when they don't, the file is decoded once more.

    Args:
        path: the file that the frames come from.
        limit: bytes; ``None`` for what `choose_memory` says.

    Attributes:
        decodes: how often the file was decoded once more.
    """

    def __init__(self, path: Path, limit: int | None = None) -> None:
        self._path, self._limit = path, _chosen if limit is None else limit
        self._frames: dict[int, Picture] = {}
        self._bytes = 0
        self.overflowed = False
        self.decodes = 0

    def add(self, index: int, rgb: Picture) -> None:
        """Keep a copy of frame ``index``, or forget all frames when there are too many."""
        if self.overflowed:
            return
        self._bytes += rgb.nbytes
        if self._bytes > self._limit:
            self.overflowed = True
            self._frames.clear()
            return
        self._frames[index] = rgb.copy()

    def visit(self, wanted: Iterable[int], take: Take) -> None:
        """Call ``take`` with number and picture of each wanted frame, in order.

        Raises:
            FeatureUnavailableError: ``not_decoded_twice`` when a second pass shows fewer frames than the first.
        """
        from evalkit.media.inspect import inspect_media

        numbers = sorted(set(wanted))
        if self.overflowed:
            again = _SecondPass(numbers, take)
            self.decodes += inspect_media(self._path, [again]).passes
            if again.seen != len(numbers):
                detail = f"{again.seen} of {len(numbers)} frames were decoded again in a second pass"
                raise FeatureUnavailableError("not_decoded_twice", detail)
            return
        for number in numbers:
            take(number, self._frames[number])


class _SecondPass:
    """A frame sink for the frames that are wanted again."""

    def __init__(self, numbers: list[int], take: Take) -> None:
        self._numbers, self._take = np.array(numbers, dtype=np.int64), take
        self.seen = 0

    def plan(self, times: Times) -> NDArray[np.bool_]:
        """Return the mask of the wanted frames that are still to come; the file may be read twice (a wrong index)."""
        mask = np.zeros(len(times), dtype=bool)
        missing = self._numbers[self.seen :]
        mask[missing[missing < len(times)]] = True
        return mask

    def frame(self, index: int, time: float, rgb: Picture) -> None:
        """Hand the frame on."""
        self.seen += 1
        self._take(index, rgb)
