"""WER: how many words of the transcript the generated speech loses, as a recogniser hears it."""

from __future__ import annotations

from dataclasses import replace

from evalkit.metrics.base import MetricRecord, definition_beside
from evalkit.metrics.speech.error_rate import PooledErrorRate
from evalkit.metrics.speech.words import as_written, without_punctuation, words_of

MISSING = "unscored without a transcript with words; speech in which nothing is recognised counts as all words deleted"
WER = MetricRecord(
    id="asr.wer",
    title="WER",
    summary="Word errors of what an imported recogniser heard in the speech, by the words of the transcripts.",
    higher_is_better=False,
    range=(0.0, None),
    features=("transcript_imported",),
    blind_to="The voice, how natural it sounds, and when the words are said.",
    citation="Levenshtein distance, pooled as jiwer 4 does with its default transforms",
    missing_policy=f"{MISSING}; without --features asr=DIR not_imported",
    definition=definition_beside(__file__, "wer.md"),
    aliases=("wer",),
    protocol=2,
    notes="Case and punctuation count, as in jiwer's defaults: `asr.wer.aligndit` is without. The number belongs to "
    "the recogniser that made the texts: say which, and compare only numbers of one.",
)
ALIGNDIT = replace(
    WER,
    id="asr.wer.aligndit",
    title="WER (AlignDiT's texts)",
    summary="As asr.wer, in small letters and without punctuation, as AlignDiT's evaluation compares texts.",
    citation="Choi et al., AlignDiT, 2025: normalisation of its evaluation; jiwer 4",
    aliases=(),
    notes="Numbers are not spelled out: where transcripts spell them and the recogniser writes digits, they count as "
    "errors. The number belongs to the recogniser that made the texts.",
)
SPHINX = replace(
    WER,
    id="asr.wer.sphinx",
    title="WER (PocketSphinx)",
    summary="Word errors of what PocketSphinx hears in the generated speech, by the words of the transcripts.",
    features=("transcript_sphinx",),
    citation="PocketSphinx 5.1 with its own English model; pooled as jiwer 4 does",
    missing_policy=MISSING,
    aliases=("wer_sphinx",),
    protocol=2,
    notes="Small letters, no punctuation. For comparing submissions of one challenge: the recogniser is far behind "
    "those of published tables. Needs the extra speech.",
)

METRICS = (
    PooledErrorRate(WER, split=words_of, normalise=as_written),
    PooledErrorRate(ALIGNDIT, split=words_of, normalise=without_punctuation),
    PooledErrorRate(SPHINX, split=words_of, normalise=without_punctuation),
)
