"""Read audio streams as arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from evalkit.errors import MediaError
from evalkit.media.container import DECODER_ERRORS, check_memory, open_media, reason
from evalkit.media.facts import CANCELLED
from evalkit.media.held import HeldVideo, SoundSource


class NoAudioError(MediaError):
    """A file without an audio stream, which is not always a fault."""


@dataclass(frozen=True)
class MonoMix:
    """The average of the channels, and what it lost.

    Args:
        samples: (N,) float32 in about -1..1.
        energy: relative to that of as many independent channels; `AudioFacts.mix_energy` says the same of the file's
            own rate. ``None`` for one channel and for silence.
    """

    samples: NDArray[np.float32]
    energy: float | None = None

    @property
    def cancels(self) -> bool:
        """Whether most of the sound is lost because the channels oppose each other."""
        return self.energy is not None and self.energy < CANCELLED


class MixEnergy:
    """Adds up the energy of the channels and of their average, block by block."""

    def __init__(self) -> None:
        self._mixed = self._independent = 0.0
        self._several = False

    def add(self, channels: NDArray[Any]) -> None:
        """Take a block (channels, samples)."""
        wave = channels.astype(np.float64)
        self._several |= len(wave) > 1
        self._mixed += float(np.square(wave.mean(axis=0)).sum())
        self._independent += float(np.square(wave).sum()) / len(wave) ** 2

    @property
    def share(self) -> float | None:
        """The energy of the average relative to that of independent channels; ``None`` for mono and for silence."""
        return self._mixed / self._independent if self._several and self._independent > 0 else None


def read_audio(path: SoundSource, rate: int) -> NDArray[np.float32]:
    """Return the samples of `read_mix`."""
    return read_mix(path, rate).samples


def read_mix(path: SoundSource, rate: int) -> MonoMix:
    """Return the first audio stream as mono samples at ``rate`` Hz.

    Any codec, sample rate and number of channels; resampled by FFmpeg's swresample. Channels are averaged (FFmpeg's own
    mix of stereo to mono is 3 dB louder for decoders that give floats, and may clip). The first sample is the first one
    that the stream presents: the encoder's delay is cut off as the container states, the padding of the last block is
    not, and a stream that starts later than the video is not shifted. A sound in memory takes the same way.

    Raises:
        MediaError: when there is no audio stream or it can't be decoded.
    """
    if rate < 1:
        raise ValueError(f"rate must be positive, found {rate}")
    with _decoded(path) as frames:
        resampler = av.AudioResampler(format="flt", rate=rate)
        parts: list[NDArray[np.float32]] = []
        energy = MixEnergy()
        try:
            for frame in frames:
                parts += _samples(resampler, frame, energy)
            parts += _samples(resampler, None, energy)
        except DECODER_ERRORS as error:  # ValueError: channels or rate change within the stream
            check_memory(error)
            raise MediaError(f"The audio of {path} can't be decoded.", found=reason(error)) from None
    return MonoMix(np.concatenate(parts) if parts else np.empty(0, dtype=np.float32), energy.share)


@contextmanager
def _decoded(source: SoundSource) -> Iterator[Iterable[Any]]:
    if isinstance(source, Path):
        with open_media(source) as container:
            if not container.streams.audio:
                raise NoAudioError(f"{source} has no audio stream.")
            yield container.decode(container.streams.audio[0])
        return
    sound = source.sound if isinstance(source, HeldVideo) else source
    if sound is None:
        raise NoAudioError(f"{source} has no audio.")
    yield sound.frames()


def _samples(resampler: Any, frame: Any, energy: MixEnergy) -> list[NDArray[np.float32]]:
    channels = [channels_of(part) for part in resampler.resample(frame)]
    for part in channels:
        energy.add(part)
    return [part.mean(axis=0, dtype=np.float64).astype(np.float32) for part in channels]


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
