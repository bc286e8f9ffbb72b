"""The feature ``speech_pair``: lengths, loudness, clipping, and the delay against the reference speech."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.base import Event, VideoValue, unscored
from evalkit.metrics.features.audio import RATE
from evalkit.metrics.features.base import Arrays, FeatureRecord, Item
from evalkit.metrics.speech.activity import has_speech
from evalkit.metrics.speech.delay import LARGEST, delay_of
from evalkit.metrics.speech.signals import (
    SILENCE,
    SOUNDS,
    Samples,
    Speech,
    SpeechExtractor,
    SpeechOptions,
    reference_speech,
)
from evalkit.metrics.speech.signals import SpeechPair as Pair

TOLERANCE = 0.08  # seconds: a larger difference in length is an event
WINDOW = 320  # samples, 20 ms


@dataclass(frozen=True)
class PairOptions(SpeechOptions):
    """Options of ``speech_pair``.

    Args:
        largest_delay: seconds looked through on either side.
    """

    largest_delay: float = LARGEST


class SpeechPairExtractor(SpeechExtractor):
    """Facts about both sides that decide whether they can be compared."""

    record = FeatureRecord(
        name="speech_pair",
        version=1,
        title="lengths, loudness, clipping and delay of the generated speech beside the reference speech",
        inputs=frozenset({"video", "audio"}),
        reads=SOUNDS,
        options=PairOptions(),
        arrays={
            "seconds": "(2,) float64: length of the generated and of the reference speech",
            "loudest": "(2,) float64 in 0..1: root mean square of the loudest 20 ms",
            "clipped": "(2,) int64: samples that were clipped",
            "delay": "() float64 in -0.05..0.05: seconds by which the generated speech is late, negative when early",
            "correlation": "() float64 in 0..1: of both at that delay",
        },
    )

    def measure(self, item: Item, generated: Speech) -> Arrays:
        """Return the arrays."""
        reference = reference_speech(item)
        lag, correlation = delay_of(*Pair(generated, reference).signals(), RATE, self.record.options.largest_delay)
        sides = (generated, reference)
        return {
            "seconds": np.array([side.seconds for side in sides]),
            "loudest": np.array([loudest(side.samples) for side in sides]),
            "clipped": np.array([side.clipped for side in sides], np.int64),
            "delay": np.array(lag / RATE),
            "correlation": np.array(correlation),
        }


def loudest(samples: Samples) -> float:
    """Return the root mean square of the loudest 20 ms, of full scale."""
    if not len(samples):
        return 0.0
    sums = np.cumsum(np.square(samples.astype(np.float64) / 32768))
    window = min(WINDOW, len(samples))
    return float(np.sqrt(max(0.0, (sums[window - 1 :] - np.concatenate([[0.0], sums[:-window]])).max() / window)))


def why_not_compared(
    pair: Mapping[str, NDArray[Any]], activity: Mapping[str, NDArray[Any]]
) -> tuple[VideoValue | None, tuple[Event, ...]]:
    """Return the reason why a measure can't compare both sides, or ``None``, and what a reader should know.

    Args:
        pair: the arrays of ``speech_pair``.
        activity: the arrays of ``voice_activity``.
    """
    facts = [pair[name] for name in ("seconds", "loudest", "clipped")]
    if any(one.shape != (2,) or not np.isfinite(one).all() for one in facts):
        return unscored("not_finite"), ()
    seconds, levels, clipped = facts
    if levels[1] < SILENCE or not has_speech(activity, 1):
        return unscored("no_reference_speech", "no speech is found in the sample's own speech"), ()
    if levels[0] < SILENCE or not has_speech(activity, 0):
        return unscored("no_speech", "no speech is found in the submitted sound"), ()
    events = []
    if abs(seconds[0] - seconds[1]) > TOLERANCE:
        events.append(Event("lengths_differ", f"{seconds[0]:.2f} s against {seconds[1]:.2f} s of the reference"))
    if clipped[0] > 0:
        events.append(Event("clipped", f"{int(clipped[0])} samples"))
    return None, tuple(events)


FEATURES = (SpeechPairExtractor,)
