"""Mel-cepstral distortion after dynamic time warping, as many papers on speech report it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.features.base import Arrays, FeatureRecord, Item
from evalkit.metrics.speech import cepstra
from evalkit.metrics.speech.comparing import compared
from evalkit.metrics.speech.mcd import MCD, CepstraOptions
from evalkit.metrics.speech.signals import SOUNDS, Speech, SpeechExtractor, SpeechPair, reference_speech
from evalkit.metrics.speech.warping import warped_mean


@dataclass(frozen=True)
class WarpedOptions(CepstraOptions):
    """Options of ``speech_cepstra_warped``.

    Args:
        band: seconds by which a frame may be compared with an earlier or a later one.
    """

    band: float = 1.0


class WarpedExtractor(SpeechExtractor):
    """The distortion along the best path."""

    record = FeatureRecord(
        name="speech_cepstra_warped",
        version=1,
        title="mel-cepstral distortion from the sample's own speech after dynamic time warping",
        inputs=frozenset({"video", "audio"}),
        reads=SOUNDS,
        options=WarpedOptions(),
        arrays={
            "distortion_mean": "() float64, at least 0: dB, mean along the path",
            "pairs": "() int64: pairs of frames on the path",
        },
    )

    def measure(self, item: Item, generated: Speech) -> Arrays:
        """Return the arrays."""
        options = self.record.options
        sides = SpeechPair(generated, reference_speech(item)).signals()
        ours, theirs = (cepstra.mel_cepstra(side, options.order, options.alpha) for side in sides)
        frames = round(options.band * 16000 / cepstra.HOP)
        mean, pairs = warped_mean(ours, theirs, cepstra.distortion, frames)
        return {"distortion_mean": np.asarray(mean, np.float64), "pairs": np.asarray(pairs, np.int64)}


def _mean(own: Mapping[str, NDArray[Any]]) -> float:
    return float(own["distortion_mean"])


DTW = MCD.variant(
    compared(_mean),
    id="speech.mcd.dtw",
    title="MCD after time warping",
    summary="Mel-cepstral distortion of the generated speech from the reference speech, after dynamic time warping.",
    features=(*MCD.record.features[:-1], "speech_cepstra_warped"),
    citation=f"{MCD.record.citation}; time warping by Sakoe and Chiba, IEEE TASSP 26(1), 1978",
    blind_to="Pitch, loudness and phase, and when sounds are said: delays and drift of up to 1 s cost nothing.",
    notes="Never above speech.mcd. Papers use other analyses and other steps of warping: compare only within this id.",
    definition="""1. The mel-cepstra of speech.mcd, every 5 ms, of both sounds cut to the shorter one.
2. The path from the first pair of frames to the last in steps of one frame on either side or on both, no pair more than
   1 s off the diagonal, whose sum of distortions (coefficients 1 to 24, as in speech.mcd) is smallest.
3. The mean of the distortion over the pairs on the path.""",
)

FEATURES = (WarpedExtractor,)
METRICS = (DTW,)
