"""DNSMOS: how people would rate the quality of the speech, by Microsoft's networks, without a reference.

C. Reddy, V. Gopal, R. Cutler, "DNSMOS P.835", ICASSP 2022, https://github.com/microsoft/DNS-Challenge.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.base import ArrayMetric, MetricRecord, VideoValue, unscored
from evalkit.metrics.features.audio import RATE
from evalkit.metrics.features.base import Arrays, FeatureRecord, FeatureUnavailableError, Item, WeightFile, described
from evalkit.metrics.features.onnx_session import OnnxRunner, open_session, single_input
from evalkit.metrics.features.stopwatch import running
from evalkit.metrics.speech.activity import has_speech
from evalkit.metrics.speech.comparing import Arrays as Given
from evalkit.metrics.speech.mel import mel_spectra
from evalkit.metrics.speech.signals import SOUNDS, Speech, SpeechExtractor, SpeechOptions

ROLE, ROLE_P808 = "dnsmos", "dnsmos_p808"
SECONDS = 9.01  # of a piece
LENGTH = int(SECONDS * RATE)
BANDS, TRANSFORM, HOP = 120, 321, 160
# From the network's outputs to the scale of the ratings: coefficients of the second, first and no power.
SCALES = {
    "sig": (-0.08397278, 1.22083953, 0.0052439),
    "bak": (-0.13166888, 1.60915514, -0.39604546),
    "ovrl": (-0.06766283, 1.11546468, 0.04602535),
}


@dataclass(frozen=True)
class DnsmosOptions(SpeechOptions):
    """Options of ``dnsmos``."""

    piece_seconds: float = described(SECONDS)
    step_seconds: float = described(1.0)
    shorter: str = described("doubled until it is as long as a piece")


class DnsmosExtractor(SpeechExtractor):
    """The networks' opinion of each piece."""

    record = FeatureRecord(
        name="dnsmos",
        version=1,
        title="DNSMOS of pieces of 9.01 s, one a second",
        inputs=frozenset({"video"}),
        reads=SOUNDS,
        weights=(ROLE, ROLE_P808),
        options=DnsmosOptions(),
        arrays={
            "sig": "(H,) float64 in 0..5: quality of the voice",
            "bak": "(H,) float64 in 0..5: of the background",
            "ovrl": "(H,) float64 in 0..5: overall",
            "p808": "(H,) float64 in 0..5: overall, by the network for P.808",
        },
    )

    def __init__(self, weights: Mapping[str, WeightFile], device: str = "cpu") -> None:
        super().__init__(weights, device)
        self._network = _runner(weights[ROLE], (None, LENGTH), device)
        self._p808 = _runner(weights[ROLE_P808], (None, None, BANDS), device)

    def measure(self, item: Item, generated: Speech) -> Arrays:
        """Return the arrays.

        Raises:
            FeatureUnavailableError: ``no_audio``.
        """
        if not len(generated.samples):
            raise FeatureUnavailableError("no_audio", "the file has no sound")
        rows = []
        for piece in pieces_of(generated.signal.astype(np.float32)):
            with running(ROLE):
                raw = np.asarray(self._network(piece[None])[0], np.float64).ravel()
                p808 = np.asarray(self._p808(log_mel(piece[:-HOP])[None])[0], np.float64).ravel()
            rows.append([*(np.polyval(SCALES[name], raw[at]) for at, name in enumerate(SCALES)), p808[0]])
        return dict(zip((*SCALES, "p808"), np.array(rows, np.float64).reshape(-1, 4).T, strict=True))


def pieces_of(signal: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Return pieces of 9.01 s that begin every second; a shorter signal is doubled until it is long enough."""
    while len(signal) < LENGTH:
        signal = np.concatenate([signal, signal])
    starts = range(int(len(signal) // RATE - SECONDS) + 1)
    cut = [signal[start * RATE : int((start + SECONDS) * RATE)] for start in starts]
    return [piece for piece in cut if len(piece) == LENGTH]


def log_mel(signal: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (K, 120): decibels below the loudest, at most 80, as (dB + 40) / 40."""
    power = np.maximum(mel_spectra(signal, TRANSFORM, HOP, BANDS), 1e-10)
    level = 10 * np.log10(power) - 10 * np.log10(power.max())
    return np.asarray((np.maximum(level, -80) + 40) / 40, np.float32)


def _runner(file: WeightFile, shape: tuple[int | None, ...], device: str) -> OnnxRunner:
    session = open_session(file.path, device=device)
    given = single_input(session, shape, model=file.path, role=f"network for the role {file.role}")
    return OnnxRunner(session, given.name)


def _mean(name: str) -> ArrayMetric:
    titles = {"ovrl": "overall quality", "sig": "quality of the voice", "bak": "quality of the background"}
    base = "speech.dnsmos" if name == "ovrl" else f"speech.dnsmos.{name}"
    what = titles.get(name, "overall quality by the network for P.808")

    def value(activity: Given, opinion: Given) -> VideoValue | float:
        if not has_speech(activity, 0):
            return unscored("no_speech", "no speech is found in the submitted sound")
        return float(opinion[name].mean()) if len(opinion[name]) else unscored("too_short")

    return ArrayMetric(
        MetricRecord(
            id=base,
            title="DNSMOS" if name == "ovrl" else f"DNSMOS {name.upper()}",
            summary=f"How people would rate the {what} of the generated speech.",
            higher_is_better=True,
            range=(-1.0, 6.0),
            features=("voice_activity", "dnsmos"),
            blind_to="What is said and by whom: fluent speech of anything scores well.",
            citation="Reddy et al., DNSMOS P.835, ICASSP 2022",
            missing_policy="unscored as no_speech where the submission has no speech",
            definition="Pieces of 9.01 s at 16 kHz, one a second; a shorter sound is doubled until it is long enough. "
            "The network's output by the polynomial of Microsoft's code; the mean over pieces.",
        ),
        value,
    )


FEATURES = (DnsmosExtractor,)
METRICS = tuple(_mean(name) for name in (*SCALES, "p808"))
