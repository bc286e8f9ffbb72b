"""PESQ: the opinion of listeners that the ITU's model predicts, by the package pesq (extra ``speech``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from evalkit.metrics.base import ArrayMetric, MetricRecord, VideoValue, unscored
from evalkit.metrics.features.audio import RATE
from evalkit.metrics.features.base import (
    Arrays,
    FeatureRecord,
    FeatureUnavailableError,
    Item,
    described,
)
from evalkit.metrics.speech.comparing import FEATURES_READ, UNSCORED, compared, with_strict
from evalkit.metrics.speech.comparing import Arrays as Given
from evalkit.metrics.speech.signals import SOUNDS, Speech, SpeechExtractor, SpeechOptions, SpeechPair, reference_speech

LONGEST = 30.0  # seconds: P.862 is for sentences, and the ITU's code writes beyond its tables in long recordings
LOWEST_VALUE = 0.99  # of both scales, rounded down
WORST = 1.0  # what `.strict` gives to silence
NO_PESQ = "the package pesq is not installed; it comes with evalkit's extra 'speech'"
_PROBLEMS = {"BufferTooShortError": "too_short", "NoUtterancesError": "no_reference_speech"}


@dataclass(frozen=True)
class PesqOptions(SpeechOptions):
    """Options of the features ``pesq_wb`` and ``pesq_nb``.

    Args:
        mode: ``wb`` (P.862.2) or ``nb`` (P.862.1).
        package: version of pesq; filled in by the machine, ``None`` without it.
        longest: seconds; longer sounds are unscored.
    """

    mode: str = "wb"
    package: str | None = None
    longest: float = described(LONGEST)


class PesqExtractor(SpeechExtractor):
    """PESQ of both sides as they are: the model aligns and levels by itself."""

    package = ("pesq", "package")

    def measure(self, item: Item, generated: Speech) -> Arrays:
        """Return the value.

        Raises:
            FeatureUnavailableError: ``no_pesq``, ``too_long``, ``too_short``, ``no_reference_speech`` or
                ``pesq_failed``.
        """
        if self.record.options.package is None:
            raise FeatureUnavailableError("no_pesq", NO_PESQ)
        from pesq import PesqError, pesq

        ours, theirs = SpeechPair(generated, reference_speech(item)).signals()
        if not ours.any():
            return {"mos": np.empty(0)}  # silence; `no_speech` says it, and the package divides by its loudness
        if len(ours) > LONGEST * RATE:
            raise FeatureUnavailableError("too_long", f"{len(ours) / RATE:.1f} s, PESQ is for at most {LONGEST:.0f} s")
        try:
            value = pesq(RATE, theirs.astype(np.float32), ours.astype(np.float32), self.record.options.mode)
        except (PesqError, ValueError) as error:
            reason = _PROBLEMS.get(type(error).__name__, "pesq_failed")
            raise FeatureUnavailableError(reason, f"PESQ: {_text(error)}") from None
        return {"mos": np.array([value], np.float64)}


def _text(error: Exception) -> str:
    given: Any = error.args[0] if error.args else type(error).__name__
    return given.decode(errors="replace") if isinstance(given, bytes) else str(given)


def _feature(mode: str, title: str) -> type[PesqExtractor]:
    record = FeatureRecord(
        name=f"pesq_{mode}",
        version=1,
        title=title,
        inputs=frozenset({"video", "audio"}),
        reads=SOUNDS,
        options=PesqOptions(mode=mode),
        arrays={"mos": "(V,) float64 in 1..4.6: one value, none where the submission is silent"},
    )
    return type(f"Pesq{mode.title()}", (PesqExtractor,), {"record": record})


def opinion(own: Given) -> VideoValue | float:
    """Return the predicted opinion; the package's codes for errors are none."""
    values = own["mos"]
    if not len(values):
        return unscored("no_speech", "the submitted sound is silent")
    return unscored("pesq_failed") if values.mean() < LOWEST_VALUE else float(values.mean())


WIDE = ArrayMetric(
    MetricRecord(
        id="speech.pesq_wb",
        title="PESQ",
        summary="The mean opinion that PESQ predicts for the generated speech against the reference speech, wide band.",
        higher_is_better=True,
        range=(LOWEST_VALUE, 4.65),
        features=(*FEATURES_READ, "pesq_wb"),
        blind_to="A constant delay and loudness, which it removes; natural speech that is another.",
        citation="ITU-T P.862.2; package pesq 0.0.4",
        missing_policy=UNSCORED,
        definition="""1. Both sounds as mono at 16 kHz, cut to the shorter one; at most 30 s.
2. ITU-T P.862.2 by the package pesq: it divides both by their common peak, so that one click changes both, aligns them
   in time and equalises their levels.

A reference without an utterance is `no_reference_speech`; less than a quarter of a second is `too_short`.""",
        aliases=("pesq",),
        notes="Needs the extra speech (package pesq, the ITU's code and licence). Made for telephony: of generated "
        "speech published values lie between 1.2 and 1.6, where it says little.",
    ),
    compared(opinion),
)
NARROW = WIDE.variant(
    id="speech.pesq_nb",
    title="PESQ, narrow band",
    summary="As speech.pesq_wb, in the telephone band.",
    features=(*FEATURES_READ, "pesq_nb"),
    citation="ITU-T P.862.1; package pesq 0.0.4",
    definition="As speech.pesq_wb, with the filter and the scale of ITU-T P.862.1, at 16 kHz.",
    aliases=(),
    notes="Needs the extra speech (package pesq, the ITU's code and licence).",
)

FEATURES = (_feature("wb", "PESQ, wide band"), _feature("nb", "PESQ, narrow band"))
METRICS = (
    *with_strict(WIDE, opinion, WORST),
    *with_strict(NARROW, opinion, WORST),
)
