"""From the crops and the audio of a track to the distances of its windows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.features.audio import RATE, Samples, official_audio, own_audio
from evalkit.metrics.features.base import Arrays, FeatureOptions, Item, Picture, described
from evalkit.metrics.sync.distances import (
    CURVE,
    FRAMES_PER_WINDOW,
    SAMPLES_PER_FRAME,
    SHIFTS,
    shift_distances,
    silent_distances,
    window_count,
)
from evalkit.metrics.sync.mfcc import mfcc
from evalkit.metrics.sync.networks import SyncNetwork

AUDIO_NAMES = ("official", "own")
_CHUNK = 12  # crops that are embedded at once: eight windows
WINDOW_ARRAYS = {
    "window_track": "(W,) int64: row of the track that the window of five frames belongs to",
    "official": "(W, 31) float32: distance of the lips to the test set's speech at 31 shifts, NaN beyond its end",
    "own": "(W, 31) float32: the same with the video file's own audio",
    "silent": "(W,) float32: distance of the lips to the zero vector",
    "has_official": "() bool: whether the test set has speech for the sample",
    "has_own": "() bool: whether the video file has audio that can be decoded",
}


@dataclass(frozen=True)
class AudioOptions(FeatureOptions):
    """The audio that the video is compared with."""

    official: str = described("the test set's")
    own: str = described("the file's, as it plays beside the frames")
    rate: int = described(RATE)
    shifts: int = described(SHIFTS)


class LipStream:
    """Embeds the lips of one track while its crops come in, a few crops in memory.

    Args:
        network: SyncNetwork.
        windows: no more than this many are embedded.
    """

    def __init__(self, network: SyncNetwork, windows: int) -> None:
        self._network, self._left = network, windows
        self._crops: list[Picture] = []
        self._parts: list[NDArray[np.float32]] = []

    def add(self, crop: Picture) -> None:
        """Take the next (224, 224, 3) uint8 BGR crop."""
        if self._left > 0:
            self._crops.append(crop)
            if len(self._crops) == min(_CHUNK, self._left + FRAMES_PER_WINDOW - 1):
                self._embed()

    def _embed(self) -> None:
        part = self._network.lips(np.stack(self._crops))
        self._parts.append(part)
        self._left -= len(part)
        self._crops = self._crops[len(part) :]

    def finish(self) -> NDArray[np.float32]:
        """Return the embeddings (n, 1024)."""
        return np.concatenate(self._parts) if self._parts else np.empty((0, 1024), dtype=np.float32)


class Comparison:
    """The audio of one video, and the distances of its tracks to it."""

    def __init__(self, network: SyncNetwork, item: Item, video_start: float) -> None:
        self._network = network
        self.audio: dict[str, Samples | None] = {
            "official": official_audio(item.audio),
            "own": own_audio(item.video, video_start),
        }

    def windows(self, first: int, frames: int) -> int:
        """Return how many windows of a track the audio reaches."""
        return max(window_count(frames, len(self._cut(name, first, frames))) for name in AUDIO_NAMES)

    def distances(self, lips: list[NDArray[np.float32]], spans: list[tuple[int, int]]) -> Arrays:
        """Return the arrays of all windows, a (first frame, frames) span per track."""
        parts: dict[str, list[NDArray[Any]]] = {name: [] for name in (*AUDIO_NAMES, "silent", "window_track")}
        for row, (track, (first, frames)) in enumerate(zip(lips, spans, strict=True)):
            for name in AUDIO_NAMES:
                parts[name].append(self._compare(name, track, first, frames))
            parts["silent"].append(silent_distances(track))
            parts["window_track"].append(np.full(len(track), row, dtype=np.int64))
        empty = {"silent": np.empty(0, np.float32), "window_track": np.empty(0, np.int64)}
        return {
            **{name: np.concatenate([empty.get(name, _nothing(0)), *part]) for name, part in parts.items()},
            **{f"has_{name}": np.array(self.audio[name] is not None) for name in AUDIO_NAMES},
        }

    def _cut(self, name: str, first: int, frames: int) -> Samples:
        """Return the audio from a track's first frame to the end of its last one."""
        audio = self.audio[name]
        if audio is None:
            return np.empty(0, dtype=np.int16)
        return audio[first * SAMPLES_PER_FRAME : (first + frames) * SAMPLES_PER_FRAME]

    def _compare(self, name: str, lips: NDArray[np.float32], first: int, frames: int) -> NDArray[np.float32]:
        return compare(self._network, lips, self._cut(name, first, frames), frames)


def compare(network: SyncNetwork, lips: NDArray[np.float32], audio: Samples, frames: int) -> NDArray[np.float32]:
    """Return the distances (n, 31) of a track's lips (n, 1024) to its audio; NaN for windows that it doesn't reach.

    Args:
        network: SyncNetwork.
        lips: embeddings of the first n windows.
        audio: at 16 kHz, from the track's first frame on.
        frames: of the track.
    """
    count = window_count(frames, len(audio))
    result = _nothing(len(lips))
    if count:
        result[:count] = shift_distances(lips[:count], network.audio(mfcc(audio), count))
    return result


def _nothing(windows: int) -> NDArray[np.float32]:
    return np.full((windows, CURVE), np.nan, dtype=np.float32)
