"""Compute the features that don't depend on the video, in workers that see no submission.

Features of reference images, reference videos and texts are cached for all submissions. A worker that a video took over
could falsify them for everybody, so they are computed before the first video, and never taken from a worker that had
one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

from evalkit.metrics.features.base import FeatureRecord
from evalkit.scoring.jobs import Config, Job
from evalkit.scoring.lookup import Lookup
from evalkit.workers.pool import JobResult


@dataclass(frozen=True)
class ReferenceWork:
    """What was computed of one sample's references; the fields are those of `evalkit.scoring.jobs.Extraction`."""

    computed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    features: Mapping[str, float] = field(default_factory=dict)
    networks: Mapping[str, float] = field(default_factory=dict)


def independent_of_video(records: Mapping[str, FeatureRecord]) -> dict[str, FeatureRecord]:
    """Return the records of the features that read no video, nor a feature that does; ``records`` is in that order."""
    found: dict[str, FeatureRecord] = {}
    for name, record in records.items():
        if "video" not in record.inputs and all(need in found for need in record.needs):
            found[name] = record
    return found


def compute_reference_features(
    run: Callable[[Config, Sequence[Job], Callable[[int, Any], Any]], Iterator[JobResult]],
    config: Config,
    jobs: Sequence[Job],
    lookup: Lookup,
    accept: Callable[[Lookup, Job, Any], ReferenceWork],
) -> dict[str, ReferenceWork]:
    """Compute what the cache lacks, once for all samples with equal references; return sample -> what was computed.

    A sample whose references end their worker is left out: the worker that gets the video reports the same.
    """
    waiting: dict[tuple[str, ...], Job] = {}
    for job in jobs:
        found = lookup.of_references(job.item)
        if found.missing:
            waiting.setdefault(tuple(found.keys.values()), replace(job, member=None, seconds=None, after=None))
    if not waiting:
        return {}
    chosen = list(waiting.values())
    done: dict[str, ReferenceWork] = {}
    results = run(
        replace(config, video_seconds=()),
        chosen,
        lambda index, answer: accept(lookup, chosen[index], answer),
    )
    # Closed at once when the caller stops: workers must not outlive the run.
    with closing(results) if hasattr(results, "close") else nullcontext():  # type: ignore[type-var]
        for result in results:
            if result.failure is None:
                done[chosen[result.index].sample] = result.value
    return done
