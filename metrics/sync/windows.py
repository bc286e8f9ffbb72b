"""From the crops and the audio of a track to the distances of its windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.features.audio import RATE, Samples, Sound, official_audio, own_audio
from evalkit.metrics.features.base import Arrays, FeatureOptions, Item, Picture, described
from evalkit.metrics.sync.distances import (
    CURVE,
    FRAMES_PER_WINDOW,
    ROWS_PER_WINDOW,
    SAMPLES_PER_FRAME,
    SHIFTS,
    padded_distances,
    silent_distances,
    window_count,
)
from evalkit.metrics.sync.mfcc import mfcc
from evalkit.metrics.sync.networks import LimitedNetwork, SyncNetwork

AUDIO_NAMES = ("official", "own")
LIP_ARRAYS = ("silent", "ood_score", "motion")
_NONE = np.empty(0, dtype=np.float32)
_MOUTH_ROWS, _MOUTH_COLUMNS = slice(74, 162), slice(68, 156)  # of a crop of 224
_MOUTH_SIDE = 40
_AUDIO_WINDOWS = 1536  # windows (61 s) whose audio is embedded at once; a multiple of the networks' batches
_CHUNK = 12  # crops that are embedded at once: eight windows
WINDOW_ARRAYS = {
    "window_track": "(W,) int64: row of the track that the window of five frames belongs to",
    "official": "(W, 31) float32: distance of the lips to the test set's speech at 31 shifts, NaN beyond its end",
    "own": "(W, 31) float32: the same with the video file's own audio",
    "silent": "(W,) float32: distance of the lips to the zero vector",
    "ood_score": "(W,) float32: how unlike the faces that the network knows, above 1 outside; 0 without a limit",
    "motion": "(W,) float32: change of the mouth's area to the next frame, mean over 40 x 40 in grey levels",
    "has_official": "() bool: whether the test set has speech for the sample",
    "has_own": "() bool: whether the video file has audio that can be decoded",
    "mix_official": "() float64: energy of the speech's averaged channels, 1 if independent; NaN for one channel",
    "mix_own": "() float64: the same of the video file's own audio",
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
        self._ood_scores: list[NDArray[np.float32]] = []
        self._moved: list[NDArray[np.float32]] = []

    def add(self, crop: Picture) -> None:
        """Take the next (224, 224, 3) uint8 BGR crop."""
        if self._left > 0:
            self._crops.append(crop)
            if len(self._crops) == min(_CHUNK, self._left + FRAMES_PER_WINDOW - 1):
                self._embed()

    def _embed(self) -> None:
        part = self._network.lips(np.stack(self._crops))
        self._parts.append(part)
        first = np.stack(self._crops[: len(part)])
        ood_score = (
            self._network.ood_score(first)
            if isinstance(self._network, LimitedNetwork)
            else np.zeros(len(part), np.float32)
        )
        self._ood_scores.append(ood_score)
        self._moved.append(mouth_motion(self._crops[: len(part) + 1]))
        self._left -= len(part)
        self._crops = self._crops[len(part) :]

    def finish(self) -> NDArray[np.float32]:
        """Return the embeddings (n, 1024)."""
        if len(self._parts) != 1:  # joined once, so that they are not held twice
            self._parts = [np.concatenate(self._parts) if self._parts else np.empty((0, 1024), dtype=np.float32)]
        return self._parts[0]

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """Return what `WINDOW_ARRAYS` says of ``silent``, ``ood_score`` and ``motion``, a row per window."""
        return {
            "silent": silent_distances(self.finish()),
            "ood_score": np.concatenate([_NONE, *self._ood_scores]),
            "motion": np.concatenate([_NONE, *self._moved]),
        }


def lip_arrays(streams: Sequence[LipStream]) -> Arrays:
    """Return the arrays of all windows that don't depend on the audio, a stream per track."""
    parts = [stream.arrays() for stream in streams]
    return {
        "window_track": np.repeat(np.arange(len(parts)), [len(part["silent"]) for part in parts]).astype(np.int64),
        **{name: np.concatenate([_NONE, *(part[name] for part in parts)]) for name in LIP_ARRAYS},
    }


def mouth_motion(crops: Sequence[Picture]) -> NDArray[np.float32]:
    """Return how much the mouth's area changes from each crop to the next (n - 1,), in grey levels of 0..255."""
    import cv2

    areas = [crop[_MOUTH_ROWS, _MOUTH_COLUMNS].mean(axis=2, dtype=np.float32) for crop in crops]
    small = [cv2.resize(area, (_MOUTH_SIDE, _MOUTH_SIDE), interpolation=cv2.INTER_AREA) for area in areas]
    return np.array([np.abs(b - a).mean() for a, b in pairwise(small)], dtype=np.float32)


class Comparison:
    """The audio of one video, and the distances of its tracks to it."""

    def __init__(self, network: SyncNetwork, item: Item, video_start: float) -> None:
        self._network = network
        self.audio: dict[str, Sound | None] = {
            "official": official_audio(item.audio),
            "own": own_audio(item.video, video_start),
        }

    def windows(self, first: int, frames: int) -> int:
        """Return how many windows of a track the audio reaches."""
        return max(window_count(frames, len(self._cut(name, first, frames))) for name in AUDIO_NAMES)

    def distances(self, streams: Sequence[LipStream], spans: Sequence[tuple[int, int]]) -> Arrays:
        """Return the arrays of all windows; a stream and a (first frame, frames) span per track."""
        lips = [stream.finish() for stream in streams]
        return {
            **lip_arrays(streams),
            **{
                name: np.concatenate(
                    [_nothing(0), *(self._compare(name, track, *span) for track, span in zip(lips, spans, strict=True))]
                )
                for name in AUDIO_NAMES
            },
            **{f"has_{name}": np.array(sound is not None) for name, sound in self.audio.items()},
            **{
                f"mix_{name}": np.array(np.nan if sound is None else sound.mix_energy)
                for name, sound in self.audio.items()
            },
        }

    def _cut(self, name: str, first: int, frames: int) -> Samples:
        """Return the audio from a track's first frame to the end of its last one."""
        audio = self.audio[name]
        if audio is None:
            return np.empty(0, dtype=np.int16)
        return audio.samples[first * SAMPLES_PER_FRAME : (first + frames) * SAMPLES_PER_FRAME]

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
    coefficients = mfcc(audio) if count else np.empty((0, 0))
    done = 0  # windows that have distances
    held = np.zeros((SHIFTS, lips.shape[1]), np.float32)  # the audio from `SHIFTS` windows before the next one on
    for start in range(0, count, _AUDIO_WINDOWS):
        some = min(_AUDIO_WINDOWS, count - start)
        held = np.concatenate([held, network.audio(coefficients[ROWS_PER_WINDOW * start :], some)])
        if start + some == count:
            held = np.concatenate([held, np.zeros((SHIFTS, lips.shape[1]), np.float32)])
        ready = len(held) - 2 * SHIFTS
        if ready > 0:
            result[done : done + ready] = padded_distances(lips[done : done + ready], held)
            held, done = held[ready:], done + ready
    return result


def _nothing(windows: int) -> NDArray[np.float32]:
    return np.full((windows, CURVE), np.nan, dtype=np.float32)
