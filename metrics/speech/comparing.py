"""What the measures against the reference speech share: when there is a value, and what a missing one counts as."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.base import ArrayMetric, Event, VideoValue, unscored
from evalkit.metrics.speech.pairing import why_not_compared

Arrays = Mapping[str, NDArray[Any]]
Measure = Callable[[Arrays], VideoValue | float]
FEATURES_READ = ("speech_pair", "voice_activity")  # before the measure's own
NO_SPEECH = "no_speech"
UNSCORED = "unscored without reference speech, and as no_speech where the submission has no speech"
STRICT = "unscored without reference speech; a submission without speech counts as the worst value"


def compared(measure: Measure) -> Callable[[Arrays, Arrays, Arrays], VideoValue]:
    """Return the measure for sides that both have speech, with events about their lengths and clipping."""

    def value(pair: Arrays, activity: Arrays, own: Arrays) -> VideoValue:
        missing, events = why_not_compared(pair, activity)
        if missing is not None:
            return missing
        found = measure(own)
        if not isinstance(found, VideoValue):
            found = VideoValue(float(found)) if np.isfinite(found) else unscored("not_finite")
        return VideoValue(found.value, found.reason, (*found.events, *events))

    return value


def strictly(measure: Measure, worst: float) -> Callable[[Arrays, Arrays, Arrays], VideoValue]:
    """Return the measure as `compared`, with ``worst`` for a submission without speech."""
    plain = compared(measure)

    def value(pair: Arrays, activity: Arrays, own: Arrays) -> VideoValue:
        found = plain(pair, activity, own)
        if found.reason == NO_SPEECH:
            return VideoValue(worst, events=(Event(NO_SPEECH, "no speech is found: it counts as the worst value"),))
        return found

    return value


def with_strict(plain: ArrayMetric, measure: Measure, worst: float) -> tuple[ArrayMetric, ArrayMetric]:
    """Return the metric and its variant ``.strict``."""
    record = plain.record
    strict = plain.variant(
        strictly(measure, worst),
        id=f"{record.id}.strict",
        title=f"{record.title}, strict",
        summary=f"As {record.id}; a submission without speech counts as {worst:g}.",
        missing_policy=STRICT,
        notes="",
        aliases=(),
    )
    return plain, strict


def mean_of(name: str, reason: str = "too_short") -> Measure:
    """Return the mean of an array of the feature; ``reason`` where it is empty."""

    def measure(own: Arrays) -> VideoValue | float:
        values = own[name]
        return float(values.mean()) if len(values) else unscored(reason)

    return measure
