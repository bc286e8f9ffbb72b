"""Error rates of recognised speech, pooled over the set: what `asr.wer` and `asr.cer` share."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.base import (
    Event,
    MetricRecord,
    SetMetric,
    SetValue,
    VideoInputs,
    VideoValue,
    is_not_applicable,
    unscored,
)
from evalkit.metrics.speech.words import Normaliser, edit_distance, error_rate
from evalkit.statistics import BOOTSTRAP_DRAWS
from evalkit.statistics.bootstrap import FEWEST_UNITS, multinomial_counts, percentile_interval

NO_WORDS = "transcript_without_words"
Split = Callable[[str], Sequence[str]]


class PooledErrorRate(SetMetric):
    """Errors of all samples by the length of all transcripts; a sample's own value is the rate of that sample.

    Args:
        record: what it means; its one feature has the arrays ``hypothesis`` and ``reference``, texts of shape ().
        split: cuts a text into what is counted.
        normalise: applied to both sides before.
    """

    def __init__(self, record: MetricRecord, *, split: Split, normalise: Normaliser) -> None:
        self.record = record
        self._split, self._normalise = split, normalise

    def compute(self, features: Mapping[str, Mapping[str, NDArray[Any]]]) -> VideoValue:
        """Return the rate of one sample; nothing recognised is 1 by deletions, with the event ``no_words``."""
        counted = self._count(features[self.record.features[0]])
        if counted is None:
            return unscored("no_transcript", "the transcript or what was recognised is no text")
        errors, length, recognised = counted
        if not length:
            return unscored(NO_WORDS, "nothing is left of the transcript to be recognised")
        events = () if recognised else (Event("no_words", "nothing was recognised: every word counts as deleted"),)
        return VideoValue(error_rate(errors, length), events=events)

    def score_set(self, videos: Iterable[VideoInputs]) -> SetValue:
        """Return the pooled rate of the samples that have a transcript, in any order."""
        (name,) = self.record.features
        rows: list[tuple[str, int, int]] = []
        empty = 0
        reasons: list[str] = []
        for video in videos:
            arrays = video.features[name].arrays
            counted = None if arrays is None else self._count(arrays)
            if counted is None:
                reasons.append(video.features[name].reason or "no_transcript")
                continue
            errors, length, recognised = counted
            if not length:
                reasons.append(NO_WORDS)
                continue
            rows.append((video.sample, errors, length))
            empty += not recognised
        if not rows:
            missing = [one for one in reasons if not is_not_applicable(one)] or reasons
            return SetValue(None, 0, max(sorted(set(missing)), key=missing.count) if missing else "no_video")
        rows.sort()  # the draws of the interval don't depend on the order in which samples come
        counts = np.array([row[1:] for row in rows], np.float64)
        errors, length = counts.sum(axis=0)
        notes = (Event("no_words", f"nothing was recognised in {empty} of {len(rows)}"),) if empty else ()
        return SetValue(
            error_rate(int(errors), int(length)),
            len(rows),
            ci95=self._interval(counts),
            details={"errors": float(errors), "length": float(length), "mean_of_samples": _mean_rate(counts)},
            notes=notes,
        )

    def _count(self, arrays: Mapping[str, NDArray[Any]]) -> tuple[int, int, bool] | None:
        """Return errors, length of the reference, and whether anything was recognised."""
        texts = [arrays[name] for name in ("reference", "hypothesis")]
        if any(text.dtype.kind != "U" or text.shape != () for text in texts):
            return None
        reference, hypothesis = (self._split(self._normalise(str(text))) for text in texts)
        return edit_distance(reference, hypothesis), len(reference), bool(hypothesis)

    def _interval(self, counts: NDArray[np.float64]) -> tuple[float, float] | None:
        """Return the 95 % interval of the ratio of sums, over draws of samples."""
        if len(counts) < FEWEST_UNITS:
            return None
        rng = np.random.default_rng(int.from_bytes(hashlib.sha256(self.record.id.encode()).digest()[:8], "big"))
        drawn = multinomial_counts(rng, len(counts), BOOTSTRAP_DRAWS) @ counts
        return percentile_interval(drawn[:, 0] / drawn[:, 1])


def _mean_rate(counts: NDArray[np.float64]) -> float:
    return float(np.mean([error_rate(int(errors), int(length)) for errors, length in counts]))
