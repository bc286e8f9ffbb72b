"""Choose which frames of a video are used. Every policy is a pure function of the frames' times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.float64]
Indices = NDArray[np.int64]
MAX_TICKS = 1_000_000  # eleven hours at 25 frames/s; a time stamp may be years ahead


class Sampling(Protocol):
    """A rule that selects frames."""

    @property
    def id(self) -> str:
        """The name under which cache keys and protocol records know the rule."""

    def select(self, times: Times) -> Indices:
        """Return the indices of the frames to take, in order, repeats allowed.

        Args:
            times: (N,) float64 seconds, non-decreasing, the display time of every frame.
        """


@dataclass(frozen=True)
class AllFrames:
    """Every decoded frame at its native rate."""

    id: str = "all"

    def select(self, times: Times) -> Indices:
        """Return 0..N-1."""
        return np.arange(len(times), dtype=np.int64)


@dataclass(frozen=True)
class Uniform:
    """``count`` frames spread over the whole video; short videos repeat frames.

    ``floor``: ``linspace(0, N-1, count)`` cut to integers, as ConsisID does for faces. ``round``: the same, rounded
    (``fid.pytorch.uniform16``). ``step``: ``int(i*N/count)``, as ConsisID does for CLIPScore. See
    docs/definitions/frames-and-audio.md#which-frames.
    """

    count: int
    rounding: Literal["floor", "round", "step"] = "floor"

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"count must be at least 1, found {self.count}")

    @property
    def id(self) -> str:
        """``uniform-16-floor`` and the like."""
        return f"uniform-{self.count}-{self.rounding}"

    def select(self, times: Times) -> Indices:
        """Return ``count`` indices, or none of an empty video."""
        total = len(times)
        if total == 0:
            return np.empty(0, dtype=np.int64)
        if self.rounding == "step":
            return np.array([i * total // self.count for i in range(self.count)], dtype=np.int64)
        spread = np.linspace(0, total - 1, self.count)
        return (np.round(spread) if self.rounding == "round" else spread).astype(np.int64)


@dataclass(frozen=True)
class AtRate:
    """The frame nearest to ``k / fps`` seconds after the first one, for k = 0, 1, ...

    Frames are repeated when the video is slower than ``fps`` and left out when it is faster. There are as many samples
    as the length, to the end of the last frame (which lasts the median interval), holds to the nearest whole number.

    FFmpeg's ``fps`` filter makes the same number of frames but may show a neighbour of the nearest one (60 to 25: 1, 3,
    5, 8 where this is 0, 2, 5, 7); ``-r 25`` moreover keeps the first frames and lags behind from then on, by an amount
    that depends on the container. The nearest frame has no lag against the audio.
    """

    fps: float

    def __post_init__(self) -> None:
        if not self.fps > 0:
            raise ValueError(f"fps must be positive, found {self.fps}")

    @property
    def id(self) -> str:
        """``rate-25`` and the like."""
        return f"rate-{self.fps:g}"

    def select(self, times: Times) -> Indices:
        """Return one index per tick of the clock."""
        if len(times) == 0:
            return np.empty(0, dtype=np.int64)
        relative = times - times[0]
        length = relative[-1] + frame_interval(times, default=1.0 / self.fps)
        whole = np.floor(length * self.fps + 0.5 + 1e-6)  # half a tick counts, however the times were rounded
        ticks = int(min(max(1.0, whole), MAX_TICKS))
        return at_times(times, times[0] + np.arange(ticks) / self.fps)


@dataclass(frozen=True)
class EveryNth:
    """Every n-th frame, n such that about ``fps`` frames a second are taken: ``max(1, round(rate / fps))``.

    Halves are rounded to the even number: 60 frames a second and 8 give 8, not 7. The video's rate is the mean over its
    length, to one decimal, so that the container's clock doesn't decide on halves.
    """

    fps: float

    def __post_init__(self) -> None:
        if not self.fps > 0:
            raise ValueError(f"fps must be positive, found {self.fps}")

    @property
    def id(self) -> str:
        """``every-nth-8`` and the like."""
        return f"every-nth-{self.fps:g}"

    def select(self, times: Times) -> Indices:
        """Return 0, n, 2 n, ..."""
        length = float(times[-1] - times[0]) if len(times) else 0.0
        rate = round((len(times) - 1) / length, 1) if length > 0 else self.fps
        return np.arange(0, len(times), max(1, round(rate / self.fps)), dtype=np.int64)


def at_times(times: Times, wanted: Times) -> Indices:
    """Return for every wanted time the index of the nearest frame; of two equally near ones the earlier.

    Args:
        times: (N,) seconds, non-decreasing, N >= 1.
        wanted: (K,) seconds.
    """
    right = np.clip(np.searchsorted(times, wanted, side="left"), 0, len(times) - 1)
    left = np.maximum(right - 1, 0)
    # Half a microsecond of slack: time stamps are rounded to the container's clock.
    nearer_left = np.abs(wanted - times[left]) <= np.abs(times[right] - wanted) + 5e-7
    return np.where(nearer_left, left, right).astype(np.int64)


def frame_interval(times: Times, default: float) -> float:
    """Return the median interval between frames in seconds, or ``default`` for fewer than two frames."""
    steps = np.diff(times)
    steps = steps[steps > 0]
    return float(np.median(steps)) if len(steps) else default
