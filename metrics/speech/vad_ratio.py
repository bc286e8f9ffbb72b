"""The share of time in which somebody speaks."""

from __future__ import annotations

from evalkit.metrics.base import ArrayMetric, MetricRecord, VideoValue, unscored
from evalkit.metrics.speech.activity import WINDOW, SpanOptions, speech_spans
from evalkit.metrics.speech.comparing import Arrays


def vad_ratio(activity: Arrays, options: SpanOptions) -> VideoValue | float:
    """Return the length of all spans of speech by the length of the sound."""
    probabilities, samples = activity["generated"], activity["samples"]
    if samples.shape != (2,) or probabilities.ndim != 1:
        return unscored("not_finite")
    if not bool(activity["by_network"]):
        return unscored("no_voice_network", "the set of backbones has no network of the role 'voice_activity'")
    length = min(int(samples[0]), WINDOW * len(probabilities))
    if length <= 0:
        return unscored("no_audio", "the file has no sound")
    spans = speech_spans(probabilities, length, options)
    return sum(max(0.0, end - start) for start, end in spans) / length


RATIO = ArrayMetric(
    MetricRecord(
        id="speech.vad_ratio",
        title="Share of speech",
        summary="The share of the sound's length in which somebody speaks.",
        higher_is_better=None,
        range=(0.0, 1.0),
        features=("voice_activity",),
        blind_to="What is said, by whom, and whether it is the speech that was asked for.",
        citation="Silero VAD 6.2, its spans of speech",
        role="diagnostic",
        missing_policy="unscored without a network for voice activity",
        definition="""1. Silero VAD at 16 kHz gives a probability for every 512 samples.
2. Speech begins at 0.5 and ends where the probability stays below 0.35 for 100 ms; spans of 250 ms and less are left
   out; 30 ms are added on both sides, where two spans leave room for it.
3. The length of all spans by the length of the sound.""",
    ),
    vad_ratio,
    SpanOptions(),
)

METRICS = (RATIO,)
