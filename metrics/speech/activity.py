"""Where somebody speaks: the feature ``voice_activity``, and the spans of speech in it.

The network is Silero VAD (https://github.com/snakers4/silero-vad, MIT), 16 kHz, 512 samples at a time. Without it, as
in the bundled set of backbones, whatever is louder than -60 dB of full scale counts as voice: enough to tell silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import WeightsError
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
from evalkit.metrics.speech.signals import (
    SILENCE,
    SOUNDS,
    Samples,
    Speech,
    SpeechExtractor,
    SpeechOptions,
    reference_speech,
)

ROLE = "voice_activity"
WINDOW = 512  # samples, 32 ms
CONTEXT = 64  # samples of the window before
STATE = (2, 1, 128)


@dataclass(frozen=True)
class ActivityOptions(SpeechOptions):
    """Options of ``voice_activity``."""

    without_network: str = described("1 where the window's root mean square is above -60 dB of full scale, else 0")


@dataclass(frozen=True)
class SpanOptions:
    """How probabilities become spans of speech; the values are those that silero-vad uses by default.

    Args:
        begin: speech begins at this probability.
        end: and ends below this one ...
        silence: ... for this many seconds.
        shortest: shorter spans are left out, seconds.
        padding: added on both sides, seconds.
    """

    begin: float = 0.5
    end: float = 0.35
    silence: float = 0.1
    shortest: float = 0.25
    padding: float = 0.03


class VoiceNetwork:
    """Silero VAD, ready to run.

    Args:
        file: the ONNX file for 16 kHz.
        device: ``cpu`` or ``cuda``.

    Raises:
        WeightsError: the file is no such network.
    """

    def __init__(self, file: WeightFile, device: str) -> None:
        from evalkit.metrics.features.onnx_session import open_session

        self._session = open_session(file.path, device=device)
        names = {given.name for given in self._session.get_inputs()}
        if names not in ({"input", "state", "sr"}, {"input", "state"}):
            raise WeightsError(
                f"The file {file.path} can't be used for the role '{file.role}'.",
                found=f"inputs {', '.join(sorted(names))[:200]}",
                expected="Silero VAD 5 or 6 for 16 kHz, with the inputs input, state and sr",
                fix="Compare its SHA-256 with the manifest and fetch the weights again.",
            )
        self._rate = {"sr": np.array(RATE, np.int64)} if "sr" in names else {}

    def probabilities(self, samples: Samples) -> NDArray[np.float32]:
        """Return (K,) of samples (N,) int16 at 16 kHz: the probability of speech in every 512 of them."""
        windows = _windows(samples).astype(np.float32) / 32768
        state = np.zeros(STATE, np.float32)
        context = np.zeros(CONTEXT, np.float32)
        found = np.empty(len(windows), np.float32)
        for at, window in enumerate(windows):
            given = np.concatenate([context, window])
            with running(ROLE):
                value, state = self._session.run(None, {"input": given[None], "state": state, **self._rate})
            found[at] = np.asarray(value).item()
            context = given[-CONTEXT:]
        return found


@opened_once
def open_network(file: WeightFile, device: str) -> VoiceNetwork:
    """Return the network, opened once per process."""
    return VoiceNetwork(file, device)


def voice_of(weights: Mapping[str, WeightFile], device: str, samples: Samples) -> NDArray[np.float32]:
    """Return the probabilities by the network, or by loudness where there is none."""
    if ROLE in weights:
        return open_network(weights[ROLE], device).probabilities(samples)
    level = np.sqrt(np.square(_windows(samples).astype(np.float64) / 32768).mean(axis=1))
    return np.asarray(level > SILENCE, np.float32)


class VoiceActivityExtractor(SpeechExtractor):
    """Probabilities of speech, of both sides."""

    record = FeatureRecord(
        name="voice_activity",
        version=1,
        title="probability of speech in the submitted sound and in the sample's own speech, every 32 ms",
        inputs=frozenset({"video", "audio"}),
        reads=SOUNDS,
        optional_weights=(ROLE,),
        options=ActivityOptions(),
        arrays={
            "generated": "(K,) float32 in 0..1: probability in each 512 samples at 16 kHz",
            "reference": "(L,) float32 in 0..1: the same of the sample's own speech; empty where it has none",
            "samples": "(2,) int64: length of both at 16 kHz",
            "by_network": "() bool: whether a network was there; else by loudness",
        },
    )

    def measure(self, item: Item, generated: Speech) -> Arrays:
        """Return the arrays."""
        try:
            reference = reference_speech(item)
        except FeatureUnavailableError:  # the other side is counted without it
            reference = Speech(np.empty(0, np.int16))
        return {
            "generated": voice_of(self.weights, self.device, generated.samples),
            "reference": voice_of(self.weights, self.device, reference.samples),
            "samples": np.array([len(generated.samples), len(reference.samples)], np.int64),
            "by_network": np.array(ROLE in self.weights),
        }


def speech_spans(
    probabilities: NDArray[Any], samples: int, options: SpanOptions | None = None
) -> list[tuple[float, float]]:
    """Return the spans of speech as (start, end) in samples, in order.

    Args:
        probabilities: (K,) of every 512 samples.
        samples: length of the sound.
        options: as in silero-vad unless given.
    """
    options = options or SpanOptions()
    spans: list[tuple[int, int]] = []
    start = pause = -1
    for window, probability in enumerate(probabilities.tolist()):
        here = window * WINDOW
        if probability >= options.begin:
            pause = -1
            start = here if start < 0 else start
        elif probability < options.end and start >= 0:
            pause = here if pause < 0 else pause
            if here - pause >= options.silence * RATE:
                spans.append((start, pause))
                start = pause = -1
    if start >= 0:
        spans.append((start, samples))
    return _padded([span for span in spans if span[1] - span[0] > options.shortest * RATE], samples, options.padding)


def _padded(spans: list[tuple[int, int]], samples: int, padding: float) -> list[tuple[float, float]]:
    """Return the spans with the padding on both sides; of a gap that is shorter than two, each side takes half."""
    wide = padding * RATE
    edges = [min(wide, (after[0] - before[1]) // 2) for before, after in pairwise(spans)]
    gaps = [wide, *edges, wide]
    return [
        (max(0.0, start - gaps[at]), min(float(samples), end + gaps[at + 1])) for at, (start, end) in enumerate(spans)
    ]


def has_speech(activity: Mapping[str, NDArray[Any]], side: int) -> bool:
    """Return whether a side (0: generated, 1: reference) of the arrays of ``voice_activity`` has any speech."""
    probabilities = activity[("generated", "reference")[side]]
    if activity["by_network"].shape == () and not bool(activity["by_network"]):
        return bool((probabilities > 0.5).any())
    return bool(speech_spans(probabilities, WINDOW * len(probabilities)))


def _windows(samples: Samples) -> Samples:
    """Return windows (K, 512), the last one filled with zeros."""
    return np.pad(samples, (0, -len(samples) % WINDOW)).reshape(-1, WINDOW)


FEATURES = (VoiceActivityExtractor,)
