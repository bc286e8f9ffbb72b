"""STOI: how intelligible the generated speech is, against the sample's own speech."""

from __future__ import annotations

from evalkit.metrics.base import ArrayMetric, MetricRecord, definition_beside
from evalkit.metrics.speech.comparing import FEATURES_READ, UNSCORED, compared, mean_of, with_strict

STOI = ArrayMetric(
    MetricRecord(
        id="speech.stoi",
        title="STOI",
        summary="Correlation of the levels of third octaves of the generated speech and of the reference speech.",
        higher_is_better=True,
        range=(-1.0, 1.0),
        features=(*FEATURES_READ, "speech_intelligibility"),
        blind_to="Which words are said by a voice with the same envelope, the voice itself, and faults above 4.3 kHz.",
        citation="Taal et al., IEEE TASLP 19(7), 2011; values agree with pystoi 0.4.1",
        missing_policy=UNSCORED,
        definition=definition_beside(__file__, "stoi.md"),
        aliases=("stoi",),
        notes="A constant delay, as vocoders have it, ruins it: speech.stoi.aligned is without. Speech of less than "
        "0.4 s is unscored as too_short, where public code gives 0.00001.",
    ),
    compared(mean_of("stoi")),
)
ALIGNED = STOI.variant(
    compared(mean_of("stoi_aligned")),
    id="speech.stoi.aligned",
    title="STOI, aligned",
    summary="As speech.stoi, after the delay of up to 50 ms at which both signals correlate best is removed.",
    aliases=(),
    notes="",
)

METRICS = (*with_strict(STOI, mean_of("stoi"), 0.0), ALIGNED)
