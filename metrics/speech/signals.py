"""The generated speech and the reference speech of a sample, as every measure of this package takes them.

Both are mono int16 at 16 kHz, the form of the recordings of the field's data sets. Nothing matches their loudness; the
measures that want that do it themselves.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from evalkit.challenges.kinds import Kind
from evalkit.errors import MediaError
from evalkit.media.held import HeldSound, HeldVideo, SoundSource
from evalkit.metrics.features.audio import RATE, first_audio_time, to_int16
from evalkit.metrics.features.base import (
    NO_WEIGHTS,
    Arrays,
    Extractor,
    FeatureOptions,
    FeatureRecord,
    FeatureUnavailableError,
    Item,
    Session,
    Times,
    WeightFile,
    described,
)

Samples = NDArray[np.int16]
Signal = NDArray[np.float64]
SOUNDS: frozenset[Kind] = frozenset({"video", "audio"})  # kinds of submission that have a sound
SILENCE = 10 ** (-60 / 20)  # of full scale: what is softer everywhere is silent


@dataclass(frozen=True)
class SpeechOptions(FeatureOptions):
    """What holds for every feature of this package."""

    samples: str = described("mono, the average of the channels, as int16 at 16 kHz, clipped")
    resampler: str = described("FFmpeg swresample with its default filter")
    start: str = described("a video's sound as it plays beside its frames; a sound file from its first sample")


@dataclass(frozen=True)
class Speech:
    """One side.

    Args:
        samples: (N,) int16 at 16 kHz.
        clipped: samples that left the range of -1..1 before they became int16.
    """

    samples: Samples
    clipped: int = 0

    @property
    def seconds(self) -> float:
        """The length."""
        return len(self.samples) / RATE

    @property
    def signal(self) -> Signal:
        """The samples as float64 in -1..1."""
        return self.samples.astype(np.float64) / 32768


@dataclass(frozen=True)
class SpeechPair:
    """Both sides, and how to cut them to the shorter one's length."""

    generated: Speech
    reference: Speech

    def signals(self) -> tuple[Signal, Signal]:
        """Return the generated and the reference signal, (N,) float64 each, up to the end of the shorter one."""
        common = min(len(self.generated.samples), len(self.reference.samples))
        return self.generated.signal[:common], self.reference.signal[:common]


def read_speech(path: SoundSource, video_start: float | None = None) -> Speech | None:
    """Return the speech in a file; ``None`` where the file has no sound at all.

    Args:
        path: a sound file, a video, or a sound in memory.
        video_start: time of the video's first frame in seconds: sound that starts later is preceded by silence, what is
            earlier is cut. ``None`` for a sound file.

    Raises:
        MediaError: the sound can't be decoded.
    """
    from evalkit.media.audio import NoAudioError, read_mix

    try:
        found = read_mix(path, RATE).samples
        shift = 0
        if video_start is not None and isinstance(path, (Path, HeldVideo)):
            shift = round((first_audio_time(path) - video_start) * RATE)
    except NoAudioError:
        return None
    samples = to_int16(found)
    samples = np.pad(samples, (shift, 0)) if shift > 0 else samples[-shift:]
    return Speech(samples, int(np.count_nonzero(np.abs(found) > 1)))


def reference_speech(item: Item) -> Speech:
    """Return the sample's own speech.

    Raises:
        FeatureUnavailableError: ``no_reference_speech``, ``reference_speech_unreadable``.
    """
    try:
        found = None if item.audio is None else read_speech(item.audio)
    except MediaError as error:
        raise FeatureUnavailableError("reference_speech_unreadable", str(error)) from None
    if found is None or not len(found.samples):
        raise FeatureUnavailableError("no_reference_speech", "the sample has no speech to compare with")
    return found


def generated_speech(item: Item, video_start: float | None) -> Speech:
    """Return the speech of the submitted file; of length 0 where the file has no sound.

    Raises:
        FeatureUnavailableError: ``audio_unreadable``.
    """
    try:
        found = read_speech(item.video, video_start)
    except MediaError as error:
        raise FeatureUnavailableError("audio_unreadable", str(error)) from None
    return Speech(np.empty(0, np.int16)) if found is None else found


def resampled(samples: Samples, rate: int) -> Signal:
    """Return samples (N,) at 16 kHz at another rate (M,) float64, by the resampler that reads files."""
    if not len(samples):
        return np.empty(0)
    from evalkit.media.audio import read_audio

    return read_audio(HeldSound((samples.astype(np.float32) / 32768)[None], RATE), rate).astype(np.float64)


class SpeechSession(Session):
    """Waits for the time of the first frame, then measures."""

    def __init__(self, extractor: SpeechExtractor, item: Item) -> None:
        self._extractor, self._item = extractor, item
        self._start: float | None = None

    def plan(self, times: Times) -> NDArray[np.bool_]:
        """Take no frame, only the time of the first."""
        self._start = float(times[0]) if len(times) else None
        return super().plan(times)

    def finish(self) -> Arrays:
        """Return what the extractor measures."""
        return self._extractor.measure(self._item, generated_speech(self._item, self._start))


class SpeechExtractor(Extractor):
    """A feature of a submitted sound, or of a submitted video's sound: override `measure`.

    Attributes:
        package: of another project that it needs: its name, and the option that takes its version; the option stays
            ``None`` where the package is not installed. ``None`` for a feature that needs none.
    """

    package: ClassVar[tuple[str, str] | None] = None

    def __init__(self, weights: Mapping[str, WeightFile], device: str = "cpu") -> None:
        super().__init__(weights, device)
        self.record = self.resolved_record(weights)

    @classmethod
    def resolved_record(cls, weights: Mapping[str, WeightFile] = NO_WEIGHTS) -> FeatureRecord:
        """Return the record with the version of the package, which may change the numbers."""
        if cls.package is None:
            return cls.record
        name, option = cls.package
        try:
            found = version(name)
        except PackageNotFoundError:  # `measure` says so for each sample
            return cls.record
        return replace(cls.record, options=replace(cls.record.options, **{option: found}))

    def open(self, item: Item, upstream: Mapping[str, Any]) -> SpeechSession:
        """Start on a file."""
        return SpeechSession(self, item)

    @abstractmethod
    def measure(self, item: Item, generated: Speech) -> Arrays:
        """Return the arrays for the speech of the submitted file, which may be of length 0.

        Raises:
            FeatureUnavailableError: with the reason.
        """
