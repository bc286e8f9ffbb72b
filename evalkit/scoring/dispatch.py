"""From jobs to results: first what the cache holds, then what workers make of the rest."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import replace

from evalkit.metrics.features.base import FeatureRecord
from evalkit.scoring.cache import FeatureCache
from evalkit.scoring.jobs import Config, Extraction, Job
from evalkit.scoring.lookup import Cached, Lookup, known_digest, remember_digest
from evalkit.workers.pool import JobResult

Run = Callable[[Config, Sequence[Job]], Iterator[JobResult]]


def run_jobs(
    run: Run, config: Config, jobs: Sequence[Job], records: Mapping[str, FeatureRecord], archive_sha256: str | None
) -> Generator[JobResult, None, None]:
    """Yield one result per job, in any order. No worker starts when the cache holds everything.

    Args:
        run: the engine's; it yields a result per job that it is given.
        config: settings of the run.
        jobs: what to read.
        records: feature -> its record, for the features of ``config``.
        archive_sha256: digest of the ZIP that the jobs read from; ``None`` for files of a folder.
    """
    cache = FeatureCache(config.cache)
    lookup = Lookup(cache, records, config.weights, config.rules, fresh=config.fresh)
    open_jobs: list[int] = []
    for index, job in enumerate(jobs):
        cached = _cached(lookup, job, archive_sha256)
        if cached is not None and cached.complete:
            yield JobResult(index, cached.extraction(job.sample))
        else:
            open_jobs.append(index)
    if not open_jobs:
        return
    results = run(config, [jobs[index] for index in open_jobs])
    # Closed at once when the caller stops: workers must not outlive the run.
    with closing(results) if isinstance(results, Generator) else nullcontext():
        for result in results:
            index = open_jobs[result.index]
            if isinstance(result.value, Extraction) and result.value.sha256 is not None:
                remember_digest(cache, jobs[index].member, archive_sha256, result.value.sha256)
            yield replace(result, index=index)


def _cached(lookup: Lookup, job: Job, archive_sha256: str | None) -> Cached | None:
    if lookup.fresh or job.member.member.size > lookup.rules.archive.max_file_bytes:
        return None
    digest = known_digest(lookup.cache, job.member, archive_sha256)
    return None if digest is None else lookup.find(job.item, job.member.member.path, digest, job.speech_seconds)
