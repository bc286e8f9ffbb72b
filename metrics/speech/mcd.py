"""Mel-cepstral distortion of the generated speech from the sample's own speech, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass

from evalkit.metrics.base import ArrayMetric, MetricRecord
from evalkit.metrics.features.audio import RATE
from evalkit.metrics.features.base import Arrays, FeatureRecord, Item, described
from evalkit.metrics.speech import cepstra
from evalkit.metrics.speech.comparing import FEATURES_READ, UNSCORED, compared, mean_of
from evalkit.metrics.speech.delay import LARGEST, delay_of, without_delay
from evalkit.metrics.speech.signals import SOUNDS, Speech, SpeechExtractor, SpeechOptions, SpeechPair, reference_speech


@dataclass(frozen=True)
class CepstraOptions(SpeechOptions):
    """Options of ``speech_cepstra``.

    Args:
        order, alpha: of the mel-cepstrum.
        largest_delay: seconds looked through on either side for the aligned values.
    """

    order: int = cepstra.ORDER
    alpha: float = cepstra.ALPHA
    largest_delay: float = LARGEST
    window: int = described(cepstra.WINDOW)
    hop: int = described(cepstra.HOP)
    transform: int = described(cepstra.TRANSFORM)
    floor: float = described(cepstra.FLOOR)


class CepstraExtractor(SpeechExtractor):
    """The distortion of each frame."""

    record = FeatureRecord(
        name="speech_cepstra",
        version=1,
        title="mel-cepstral distortion from the sample's own speech, every 5 ms",
        inputs=frozenset({"video", "audio"}),
        reads=SOUNDS,
        options=CepstraOptions(),
        arrays={
            "distortion": "(K,) float64 in 0..100: dB of each frame",
            "distortion_aligned": "(A,) float64 in 0..100: without the delay",
        },
    )

    def measure(self, item: Item, generated: Speech) -> Arrays:
        """Return the arrays."""
        options = self.record.options
        ours, theirs = SpeechPair(generated, reference_speech(item)).signals()
        lag, _ = delay_of(ours, theirs, RATE, options.largest_delay)
        found = {}
        for name, shift in (("distortion", 0), ("distortion_aligned", lag)):
            sides = without_delay(ours, theirs, shift)
            found[name] = cepstra.distortion(
                *(cepstra.mel_cepstra(side, options.order, options.alpha) for side in sides)
            )
        return found


MCD = ArrayMetric(
    MetricRecord(
        id="speech.mcd",
        title="MCD",
        summary="Mel-cepstral distortion of the generated speech from the reference speech, frame by frame.",
        higher_is_better=False,
        unit="dB",
        range=(0.0, None),
        features=(*FEATURES_READ, "speech_cepstra"),
        blind_to="Pitch, loudness and phase.",
        citation="Kubichek 1993; order 24, alpha 0.42, Blackman window of 25 ms every 5 ms (evalkit's choice)",
        missing_policy=UNSCORED,
        definition="""1. Both sounds as mono at 16 kHz, cut to the shorter one.
2. Every 5 ms a Blackman window of 25 ms, a spectrum of 1024 points, the logarithm of its power, the cepstrum of minimum
   phase, bent with alpha 0.42 to 25 coefficients.
3. (10 / ln 10) sqrt(2 sum (c_d - c'_d)^2) over the coefficients 1 to 24; the mean over frames.

No time warping: frames are compared where they are. Published values often come after dynamic time warping, which is
smaller, and from other analyses (WORLD, SPTK): compare only within one id. `.aligned` removes, between the first two
steps, the lag within 50 ms at which the magnitude of the correlation of both signals is largest.""",
    ),
    compared(mean_of("distortion")),
)
ALIGNED = MCD.variant(
    compared(mean_of("distortion_aligned")),
    id="speech.mcd.aligned",
    title="MCD, aligned",
    summary="As speech.mcd, after the delay of up to 50 ms at which both signals correlate best is removed.",
)

FEATURES = (CepstraExtractor,)
METRICS = (MCD, ALIGNED)
