"""Audio for SyncNet: 16 kHz mono int16 that begins with the video's first frame."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import MediaError
from evalkit.media.held import HeldVideo, SoundSource, VideoSource
from evalkit.metrics.features.base import FeatureUnavailableError

RATE = 16000
_BLOCK = 1 << 20  # samples converted at once

Samples = NDArray[np.int16]


@dataclass(frozen=True)
class Sound:
    """One side's audio.

    Args:
        samples: (N,) int16 at 16 kHz, the average of the channels.
        mix_energy: energy of that average relative to the average of independent channels
            (`evalkit.media.audio.MonoMix`); NaN for one channel and for silence.
    """

    samples: Samples
    mix_energy: float = math.nan


def official_audio(path: SoundSource | None) -> Sound | None:
    """Return the test set's speech, whose start belongs to the video's start; ``None`` where there is none.

    Raises:
        FeatureUnavailableError: ``official_audio_unreadable``.
    """
    if path is None:
        return None
    try:
        return _read(path)
    except MediaError as error:
        raise FeatureUnavailableError("official_audio_unreadable", str(error)) from None


def own_audio(path: VideoSource, video_start: float) -> Sound | None:
    """Return the video file's own audio as it plays beside the frames; ``None`` without any that can be decoded.

    Args:
        video_start: time of the first frame in seconds. Audio that starts later is preceded by silence, audio that
            starts earlier is cut.
    """
    try:
        sound = _read(path)
        shift = round((first_audio_time(path) - video_start) * RATE)
    except MediaError:
        return None
    samples = np.pad(sound.samples, (shift, 0)) if shift > 0 else sound.samples[-shift:]
    return replace(sound, samples=samples)


def _read(path: SoundSource) -> Sound:
    from evalkit.media.audio import read_mix

    mix = read_mix(path, RATE)
    return Sound(to_int16(mix.samples), math.nan if mix.energy is None else mix.energy)


def to_int16(samples: NDArray[np.float32]) -> Samples:
    """Return samples of about -1..1 as int16, rounded and clipped; those of a 16-bit file come back unchanged."""
    found = np.empty(len(samples), np.int16)
    for start in range(0, len(samples), _BLOCK):
        block = samples[start : start + _BLOCK].astype(np.float64)
        found[start : start + _BLOCK] = np.clip(np.rint(block * 32768), -32768, 32767)
    return found


def first_audio_time(path: VideoSource) -> float:
    """Return when the first audio frame is played, in seconds."""
    if isinstance(path, HeldVideo):
        return float(path.times[0]) if len(path.times) else 0.0
    import av

    from evalkit.media.container import open_media

    with open_media(path) as container:
        frames: Any = container.decode(container.streams.audio[0])
        try:
            frame = next(frames, None)
        except (av.error.FFmpegError, ValueError):
            frame = None
        return float(frame.time) if frame is not None and frame.pts is not None else 0.0
