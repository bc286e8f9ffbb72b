"""Read audio streams as arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from evalkit.errors import MediaError
from evalkit.media.container import DECODER_ERRORS, check_memory, open_media, reason


class NoAudioError(MediaError):
    """A file without an audio stream, which is not always a fault."""


def read_audio(path: Path, rate: int) -> NDArray[np.float32]:
    """Return the first audio stream as mono samples at ``rate`` Hz: (N,) float32 in about -1..1.

    Any codec, sample rate and number of channels; resampled by FFmpeg's swresample. Channels are averaged (FFmpeg's own
    mix of stereo to mono is 3 dB louder for decoders that give floats, and may clip). The first sample is the first one
    that the stream presents: the encoder's delay is cut off as the container states, the padding of the last block is
    not, and a stream that starts later than the video is not shifted.

    Raises:
        MediaError: when there is no audio stream or it can't be decoded.
    """
    if rate < 1:
        raise ValueError(f"rate must be positive, found {rate}")
    with open_media(path) as container:
        if not container.streams.audio:
            raise NoAudioError(f"{path} has no audio stream.")
        resampler = av.AudioResampler(format="flt", rate=rate)
        parts: list[NDArray[np.float32]] = []
        try:
            for frame in container.decode(container.streams.audio[0]):
                parts += _samples(resampler, frame)
            parts += _samples(resampler, None)
        except DECODER_ERRORS as error:  # ValueError: channels or rate change within the stream
            check_memory(error)
            raise MediaError(f"The audio of {path} can't be decoded.", found=reason(error)) from None
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.float32)


def _samples(resampler: Any, frame: Any) -> list[NDArray[np.float32]]:
    return [channels_of(part).mean(axis=0, dtype=np.float64).astype(np.float32) for part in resampler.resample(frame)]


def channels_of(frame: Any) -> NDArray[np.float32]:
    """Return (channels, N) of a frame whose samples are packed floats (``flt``).

    Do not read planar frames: PyAV counts their planes up to a null pointer, which is missing after the eighth.
    """
    count = len(frame.layout.channels)
    packed: NDArray[np.float32] = frame.to_ndarray()
    return packed.reshape(-1, count).T


def audio_seconds(path: Path) -> float:
    """Return the length of the first audio stream in seconds, by its decoded samples.

    Raises:
        MediaError: when there is no audio stream or it can't be decoded.
    """
    with open_media(path) as container:
        if not container.streams.audio:
            raise NoAudioError(f"{path} has no audio stream.")
        stream = container.streams.audio[0]
        try:
            samples = sum(frame.samples for frame in container.decode(stream))
        except DECODER_ERRORS as error:
            check_memory(error)
            raise MediaError(f"The audio of {path} can't be decoded.", found=reason(error)) from None
        return float(samples / stream.codec_context.sample_rate)
