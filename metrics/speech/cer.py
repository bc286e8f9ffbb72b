"""CER: as WER, in characters."""

from __future__ import annotations

from dataclasses import replace

from evalkit.metrics.speech.error_rate import PooledErrorRate
from evalkit.metrics.speech.wer import ALIGNDIT, SPHINX, WER
from evalkit.metrics.speech.words import as_written, characters_of, without_punctuation

CER = replace(
    WER,
    id="asr.cer",
    title="CER",
    summary="Errors in characters of what an imported recogniser heard, by the characters of the transcripts.",
    aliases=("cer",),
)
CER_ALIGNDIT = replace(
    ALIGNDIT,
    id="asr.cer.aligndit",
    title="CER (AlignDiT's texts)",
    summary="As asr.cer, in small letters and without punctuation, as AlignDiT's evaluation compares texts.",
)
CER_SPHINX = replace(
    SPHINX,
    id="asr.cer.sphinx",
    title="CER (PocketSphinx)",
    summary="Errors in characters of what PocketSphinx hears, by the characters of the transcripts.",
    aliases=(),
)

METRICS = (
    PooledErrorRate(CER, split=characters_of, normalise=as_written),
    PooledErrorRate(CER_ALIGNDIT, split=characters_of, normalise=without_punctuation),
    PooledErrorRate(CER_SPHINX, split=characters_of, normalise=without_punctuation),
)
