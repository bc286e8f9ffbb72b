"""The feature ``speakers``: vectors of the voices on both sides.

Preparation and slicing are those of Resemblyzer 0.1.4: raised to -30 dB of full scale, pauses cut out by the WebRTC
detector of voice, mel spectra, slices of 1.6 s at 1.3 a second, the mean of their vectors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.features.audio import RATE
from evalkit.metrics.features.base import (
    Arrays,
    FeatureRecord,
    FeatureUnavailableError,
    Item,
    WeightFile,
    described,
)
from evalkit.metrics.features.networks import opened_once
from evalkit.metrics.features.stopwatch import running
from evalkit.metrics.speech.mel import mel_spectra
from evalkit.metrics.speech.signals import (
    SOUNDS,
    Samples,
    Signal,
    Speech,
    SpeechExtractor,
    SpeechOptions,
    reference_speech,
)

if TYPE_CHECKING:
    from evalkit.metrics.networks.speaker import SpeakerEncoder

ROLE = "speaker_encoder"
LOUDNESS = -30.0  # dB of full scale
DETECTOR_WINDOW = 480  # samples, 30 ms
SMOOTHED = 8  # windows
LONGEST_PAUSE = 6  # windows that are kept beside speech
TRANSFORM = 400  # samples, 25 ms
HOP = 160  # 10 ms
BANDS = 40
SLICE = 160  # frames, 1.6 s
SLICES_PER_SECOND = 1.3
COVERED = 0.75  # of the last slice must be speech
NO_DETECTOR = (
    "the package pocketsphinx, whose detector of voice is used, is not installed; evalkit's extra 'speech' has it"
)
_FULL = 32767.0

IsVoice = Callable[[bytes], bool]


@dataclass(frozen=True)
class SpeakerOptions(SpeechOptions):
    """Options of ``speakers``.

    Args:
        detector: version of pocketsphinx, which carries the WebRTC detector; ``None`` without it.
    """

    detector: str | None = None
    loudness: float = described(LOUDNESS)
    smoothed: int = described(SMOOTHED)
    longest_pause: int = described(LONGEST_PAUSE)
    transform: int = described(TRANSFORM)
    hop: int = described(HOP)
    slice_frames: int = described(SLICE)
    slices_per_second: float = described(SLICES_PER_SECOND)
    covered: float = described(COVERED)


def raised(signal: Signal) -> Signal:
    """Return the signal raised to -30 dB of full scale; a louder one as it is."""
    level = float(np.sqrt(np.mean(np.square(signal * _FULL)))) / _FULL if len(signal) else 0.0
    if level <= 0:
        return signal
    change = LOUDNESS - 20 * np.log10(level)
    return signal if change < 0 else signal * 10 ** (change / 20)


def without_pauses(signal: Signal, is_voice: IsVoice) -> Signal:
    """Return the signal without pauses of more than about 0.2 s.

    Args:
        signal: (N,) at 16 kHz.
        is_voice: judges 30 ms of int16 samples, as bytes.
    """
    signal = signal[: len(signal) // DETECTOR_WINDOW * DETECTOR_WINDOW]
    samples = np.round(signal * _FULL).clip(-32768, 32767).astype(np.int16).reshape(-1, DETECTOR_WINDOW)
    voiced = np.array([is_voice(window.tobytes()) for window in samples], np.float64)
    if not len(voiced):
        return signal
    ahead = (SMOOTHED - 1) // 2
    padded = np.concatenate([np.zeros(ahead), voiced, np.zeros(SMOOTHED - 1 - ahead)])
    sums = np.concatenate([[0.0], np.cumsum(padded)])
    smooth = np.round((sums[SMOOTHED:] - sums[:-SMOOTHED]) / SMOOTHED).astype(bool)
    beside = LONGEST_PAUSE // 2
    kept = np.convolve(smooth, np.ones(2 * beside + 1))[beside : beside + len(smooth)] > 0.5
    return np.asarray(signal[np.repeat(kept, DETECTOR_WINDOW)])


def slice_starts(samples: int) -> list[int]:
    """Return the first frame of each slice of 160 frames; at least one."""
    frames = int(np.ceil((samples + 1) / HOP))
    step = round(RATE / SLICES_PER_SECOND / HOP)
    starts = list(range(0, max(1, frames - SLICE + step + 1), step))
    covered = (samples - starts[-1] * HOP) / (SLICE * HOP)
    return starts[:-1] if covered < COVERED and len(starts) > 1 else starts


@opened_once
def open_encoder(file: WeightFile, device: str) -> SpeakerEncoder:
    """Return the network, opened once per process."""
    from evalkit.metrics.networks.speaker import SpeakerEncoder

    return SpeakerEncoder(file.path, device)


def speaker_vector(signal: Signal, encoder: SpeakerEncoder) -> NDArray[np.float32]:
    """Return the vector (256,) of length 1 of a prepared signal."""
    starts = slice_starts(len(signal))
    signal = np.pad(signal, (0, max(0, (starts[-1] + SLICE) * HOP - len(signal))))
    mels = mel_spectra(signal.astype(np.float32), TRANSFORM, HOP, BANDS)
    with running(ROLE):
        vectors = np.concatenate([encoder.embed(mels[start : start + SLICE][None]) for start in starts])
    mean = vectors.mean(axis=0)
    length = float(np.linalg.norm(mean))
    return np.asarray(mean / length if length > 0 else mean, np.float32)


class SpeakersExtractor(SpeechExtractor):
    """Vectors of the voices on both sides."""

    record = FeatureRecord(
        name="speakers",
        version=1,
        title="vectors of the voices of the submitted sound and of the sample's own speech, Resemblyzer's GE2E",
        inputs=frozenset({"video", "audio"}),
        reads=SOUNDS,
        weights=(ROLE,),
        options=SpeakerOptions(),
        arrays={
            "generated": "(D,) float32: vector of length 1; 0 where the detector hears no voice",
            "reference": "(D,) float32",
            "voiced": "(2,) float64: seconds that are left on either side without pauses",
        },
    )

    package = ("pocketsphinx", "detector")

    def measure(self, item: Item, generated: Speech) -> Arrays:
        """Return the arrays.

        Raises:
            FeatureUnavailableError: ``no_pocketsphinx`` or ``no_reference_speech``.
        """
        if self.record.options.detector is None:
            raise FeatureUnavailableError("no_pocketsphinx", NO_DETECTOR)
        reference = reference_speech(item)
        encoder = open_encoder(self.weights[ROLE], self.device)
        (ours, our_seconds), (theirs, their_seconds) = (
            _vector(side.samples, encoder) for side in (generated, reference)
        )
        return {"generated": ours, "reference": theirs, "voiced": np.array([our_seconds, their_seconds])}


def _vector(samples: Samples, encoder: SpeakerEncoder) -> tuple[NDArray[np.float32], float]:
    from pocketsphinx import Vad

    detector = Vad(mode=Vad.STRICT, sample_rate=RATE, frame_length=DETECTOR_WINDOW / RATE)
    voice = without_pauses(raised(samples.astype(np.float64) / 32768), detector.is_speech)
    if not len(voice):
        return np.zeros(256, np.float32), 0.0
    return speaker_vector(voice, encoder), len(voice) / RATE


FEATURES = (SpeakersExtractor,)
