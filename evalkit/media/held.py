"""Videos and sounds that are in memory already: the readers of this package take them in place of a file's path.

They are the caller's own, checked where they were taken (`evalkit.arrays.checks`), and nothing of them is decoded. What
follows, from the selection of frames to the resampling of audio, is the code that files go through.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BLOCK = 4096  # samples given to the resampler at once, as a decoder does


@dataclass(frozen=True, eq=False)
class HeldSound:
    """A sound in memory.

    Args:
        samples: (channels, N) int16, or float32 in about -1..1.
        rate: samples per second.
    """

    samples: NDArray[Any]
    rate: int

    def frames(self) -> Iterator[Any]:
        """Yield the sound as a decoder does: frames of PyAV, in blocks."""
        import av

        form = "s16" if self.samples.dtype == np.int16 else "flt"
        layout = av.AudioLayout(_layout(len(self.samples)))
        for start in range(0, self.samples.shape[1], _BLOCK):
            block = np.ascontiguousarray(self.samples[:, start : start + _BLOCK].T).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(block, format=form, layout=layout)
            frame.sample_rate = self.rate
            yield frame


@dataclass(frozen=True, eq=False)
class HeldVideo:
    """A video in memory.

    Args:
        frames: (H, W, 3) uint8 RGB each: a list, or an array (T, H, W, 3).
        times: (T,) float64 seconds, non-decreasing: when each frame is shown.
        sound: its own audio, which begins with the first frame.
    """

    frames: Sequence[NDArray[np.uint8]] | NDArray[np.uint8]
    times: NDArray[np.float64]
    sound: HeldSound | None = None

    def __str__(self) -> str:
        return "the array"


# What a reader takes: a file, or what is in memory already.
VideoSource = Path | HeldVideo
SoundSource = Path | HeldSound | HeldVideo
StillSource = Path | NDArray[np.uint8]


def _layout(channels: int) -> str:
    return {1: "mono", 2: "stereo"}.get(channels, f"{channels} channels")
