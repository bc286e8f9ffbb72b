"""ESTOI: STOI for noise whose loudness changes, against the sample's own speech."""

from __future__ import annotations

from evalkit.metrics.base import ArrayMetric, MetricRecord, definition_beside
from evalkit.metrics.speech.comparing import FEATURES_READ, UNSCORED, compared, mean_of, with_strict

ESTOI = ArrayMetric(
    MetricRecord(
        id="speech.estoi",
        title="ESTOI",
        summary="Correlation of normalised spectra of short segments of the generated speech and the reference speech.",
        higher_is_better=True,
        range=(-1.0, 1.0),
        features=(*FEATURES_READ, "speech_intelligibility"),
        blind_to="Which words are said by a voice with the same spectra, the voice itself, and faults above 4.3 kHz.",
        citation="Jensen, Taal, IEEE/ACM TASLP 24(11), 2016; values agree with pystoi 0.4.1",
        missing_policy=UNSCORED,
        definition=definition_beside(__file__, "stoi.md"),
        aliases=("estoi",),
        notes="A constant delay, as vocoders have it, ruins it: speech.estoi.aligned is without.",
    ),
    compared(mean_of("estoi")),
)
ALIGNED = ESTOI.variant(
    compared(mean_of("estoi_aligned")),
    id="speech.estoi.aligned",
    title="ESTOI, aligned",
    summary="As speech.estoi, after the delay of up to 50 ms at which both signals correlate best is removed.",
    aliases=(),
    notes="",
)

METRICS = (*with_strict(ESTOI, mean_of("estoi"), 0.0), ALIGNED)
