"""Take a worker's answer about one video: check it, and write what it computed to the cache.

A worker may have been taken over by a video that it read. It writes no file that lasts, so what it can falsify is what
it says about the videos that it was given. The parent computes everything else itself: the digest of the file, the
cache keys, and what the rules find in the facts.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from evalkit.errors import EvalkitError, SubmissionChangedError, SubmissionError
from evalkit.metrics.base import FeatureData
from evalkit.metrics.features.declared_arrays import array_mismatch
from evalkit.scoring.jobs import Extraction, Job, VideoAnswer
from evalkit.scoring.lookup import FACTS, Cached, Lookup
from evalkit.scoring.reference_features import ReferenceWork, independent_of_video
from evalkit.scoring.timings import remember_timings
from evalkit.submission.references import MemberRef, in_one_sentence
from evalkit.workers.messages import BadAnswerError

_MOST_DECODES = 1000
_LONGEST_REASON = 100
_hashing = threading.Lock()  # the archive is open once per process


def accept(lookup: Lookup, job: Job, answer: Any, references: ReferenceWork | None = None) -> Extraction:
    """Check ``answer``, write what was computed to the cache, and return what is known of the video.

    Args:
        lookup: of the run.
        job: what was asked.
        answer: what the worker said.
        references: what was computed of the sample's references before.

    Raises:
        BadAnswerError: the answer is not one about this video.
        StorageError: the cache can't be written.
    """
    with _refusing():
        return _accepted(lookup, job, answer, references or ReferenceWork())


def accept_references(lookup: Lookup, job: Job, answer: Any) -> ReferenceWork:
    """Check the answer to a job without a video, and write what was computed to the cache.

    Raises:
        BadAnswerError: the answer is false.
        StorageError: the cache can't be written.
    """
    with _refusing():
        if not isinstance(answer, VideoAnswer) or (answer.sha256, answer.facts) != (None, None):
            raise BadAnswerError("it is not about references")
        work = _checked_work(answer)
        found = lookup.about("", "", None)
        found.keys = lookup.keys(job.item, "")
        computed = _features(lookup, found, answer)
        for name, data in computed.items():
            lookup.cache.store(name, found.keys[name], data, lookup.records[name].version)
        return ReferenceWork(tuple(computed), answer.notes, work["features"], work["networks"])


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except (EvalkitError, BadAnswerError):
        raise
    except Exception as error:  # whatever the rules raise for facts that no worker of ours sends
        raise BadAnswerError(f"{type(error).__name__}: {str(error)[:200]}") from error


def _accepted(lookup: Lookup, job: Job, answer: Any, references: ReferenceWork) -> Extraction:
    if not isinstance(answer, VideoAnswer) or job.member is None:
        raise BadAnswerError("it is not about a video")
    work = _checked_work(answer)
    if answer.problem is not None:
        return Extraction(job.sample, None, None, problem=answer.problem, seconds=work["seconds"])
    if answer.sha256 is None or answer.facts is None:
        raise BadAnswerError("it has no facts")
    try:
        digest = _digest(job.member, lookup.rules.archive.max_file_bytes)
    except SubmissionChangedError:
        raise  # the run ends: nobody knows what the others are
    except SubmissionError as error:
        return Extraction(job.sample, None, None, problem=in_one_sentence(error), seconds=work["seconds"])
    if digest != answer.sha256:
        raise BadAnswerError("it is about another file")
    _check_finite(answer.facts.model_dump(), "facts")
    found = lookup.about(job.member.member.path, digest, job.expected, still=job.item.still)
    found.set_facts(answer.facts)
    if not found.refused:
        found.keys = lookup.keys(job.item, digest)
    shared = independent_of_video(lookup.records)  # other submissions read them: never from a worker that had a video
    computed = {name: data for name, data in _features(lookup, found, answer).items() if name not in shared}
    if answer.times is not None:
        _store_facts(lookup, found, answer.times)
    for name, data in computed.items():
        lookup.cache.store(name, found.keys[name], data, lookup.records[name].version)
    found.notes = [*references.notes, *answer.notes]
    for part in ("features", "networks"):
        work[part] = _sum(getattr(references, part), work[part])
    names = (*references.computed, *computed)
    extraction = found.extraction(job.sample, errors=answer.errors, computed=names, **work)
    remember_timings(lookup.cache, extraction)
    return extraction


def _checked_work(answer: VideoAnswer) -> dict[str, Any]:
    """Return how much was done, which goes into the log and the scorecard."""
    if not 0 <= answer.decodes <= _MOST_DECODES:
        raise BadAnswerError("it counts decodes that can't be")
    times = {"seconds": answer.seconds, "features": answer.features, "networks": answer.networks}
    for part in times.values():
        if any(not math.isfinite(seconds) or seconds < 0 for seconds in part.values()):
            raise BadAnswerError("it has times that can't be")
    return {"decodes": answer.decodes, **times}


def _digest(member: MemberRef, limit: int) -> str:
    if member.member.size > limit:
        raise BadAnswerError("it is about a file that is too large to be read")
    with _hashing:
        return member.sha256()


def _features(lookup: Lookup, found: Cached, answer: VideoAnswer) -> dict[str, FeatureData]:
    """Return the features that the worker computed, in the order in which they need each other."""
    given = {**answer.arrays, **answer.unavailable}
    if len(given) != len(answer.arrays) + len(answer.unavailable):
        raise BadAnswerError("it has a feature and the reason why there is none")
    if strange := (set(given) | set(answer.errors)) - set(lookup.records if found.refused else found.keys):
        raise BadAnswerError(f"it has features that were not asked for: {sorted(strange)[:5]}")
    if found.refused and given:
        raise BadAnswerError("it has features of a file that is refused")
    features: dict[str, FeatureData] = {}
    for name in found.keys:
        if name in answer.arrays:
            arrays = answer.arrays[name]
            if any(not isinstance(array, np.ndarray) for array in arrays.values()):
                raise BadAnswerError(f"the feature '{name}' is not of arrays")
            if problem := array_mismatch(lookup.records[name], arrays):
                raise BadAnswerError(problem)
            features[name] = FeatureData(arrays)
        elif name in answer.unavailable:
            reason, detail = answer.unavailable[name]
            if len(reason) > _LONGEST_REASON:
                raise BadAnswerError(f"the reason why there is no '{name}' is too long")
            features[name] = FeatureData(None, reason, detail)
    return features


def _store_facts(lookup: Lookup, found: Cached, times: Any) -> None:
    if found.facts is None or not isinstance(times, np.ndarray) or times.dtype != np.float64 or times.ndim != 1:
        raise BadAnswerError("its frame times are not numbers")
    arrays = {"facts": np.array(found.facts.model_dump_json()), "times": times}
    lookup.cache.store(FACTS.name, found.facts_key, FeatureData(arrays), FACTS.version)


def _sum(first: Mapping[str, float], second: Mapping[str, float]) -> dict[str, float]:
    return {name: first.get(name, 0.0) + second.get(name, 0.0) for name in (*first, *second)}


def _check_finite(value: Any, what: str) -> None:
    parts: Iterable[Any] = ()
    if isinstance(value, Mapping):
        parts = value.values()
    elif isinstance(value, list | tuple):
        parts = value
    elif isinstance(value, float) and not math.isfinite(value):
        raise BadAnswerError(f"its {what} have a number that is not finite")
    for part in parts:
        _check_finite(part, what)
