"""From jobs to results: first what the cache holds, then what worker processes compute of the rest."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import fields, is_dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

from evalkit.files import storage_error
from evalkit.metrics.features.base import FeatureRecord
from evalkit.scoring.answers import accept, accept_references
from evalkit.scoring.device_networks import device_work
from evalkit.scoring.devices import device_places
from evalkit.scoring.equal_files import in_turn
from evalkit.scoring.jobs import Config, Extraction, Job
from evalkit.scoring.lookup import Cached, Lookup, known_digest, remember_digest
from evalkit.scoring.preload import preload_modules
from evalkit.scoring.reference_features import compute_reference_features, independent_of_video
from evalkit.scoring.shared_cache import flush, open_cache
from evalkit.scoring.time_limits import submission_seconds
from evalkit.workers.budget import MemoryPlan
from evalkit.workers.pool import Accept, JobResult, Pool, Workers, default_workers
from evalkit.workers.sandbox import JOB_SECONDS, Level, Limits, default_level

HANDLER = "evalkit.scoring.extract:Handler"
RunJobs = Callable[[Config, Sequence[Job], Accept], Iterator[JobResult]]
_Value = TypeVar("_Value")


class Engine(ABC):
    """Runs jobs somewhere."""

    name: str

    @abstractmethod
    def run(self, config: Config, jobs: Sequence[Job], accept: Accept) -> Iterator[JobResult]:
        """Yield one result per job, in any order; its value is what ``accept`` makes of the worker's answer."""

    def connected(self) -> AbstractContextManager[object]:
        """Return a context in which the engine can be used; the engine of a cluster leaves it at the end."""
        return nullcontext(self)

    def session(self) -> AbstractContextManager[RunJobs]:
        """Return a context whose value stands for `run`, and may keep processes from one call to the next."""
        return nullcontext(self.run)


class LocalEngine(Engine):
    """Worker processes on this machine, each with one video at a time.

    Args:
        workers: how many; ``None`` for one per core.
        timeout: time limit for one video in seconds; ``None`` for what the job says (`evalkit.scoring.time_limits`).
        sandbox: which limits the workers have, see `evalkit.workers.sandbox`; ``None`` for ``EVALKIT_SANDBOX``.
        submission_timeout: time limit for all videos of a submission in seconds; ``None`` to derive it from theirs.
        memory: how a budget is divided, which says the number of workers too; ``None`` for none.
    """

    name = "local"

    def __init__(
        self,
        workers: int | None = None,
        timeout: float | None = None,
        sandbox: Level | None = None,
        submission_timeout: float | None = None,
        memory: MemoryPlan | None = None,
    ) -> None:
        self.workers = memory.workers if memory else workers or default_workers()
        self.memory = memory
        self.timeout = timeout
        self.sandbox = default_level() if sandbox is None else sandbox
        self.submission_timeout = submission_timeout

    def run(self, config: Config, jobs: Sequence[Job], accept: Accept) -> Iterator[JobResult]:
        """Yield what ``accept`` returns (or a failure) per job, in the order they finish."""
        return self._run(None, config, jobs, accept)

    @contextmanager
    def session(self) -> Iterator[RunJobs]:
        """Keep processes that have read references alone for the videos that follow."""
        with Pool(self.workers) as pool:
            yield partial(self._run, pool)

    def _run(self, pool: Pool | None, config: Config, jobs: Sequence[Job], accept: Accept) -> Iterator[JobResult]:
        if not jobs:
            return iter(())
        timeouts = [self._seconds(job.seconds) for job in jobs]
        devices = device_work(config, device_places(config.device))
        limits = Limits(
            level=self.sandbox,
            # The parent ends a job after its seconds of wall time. This larger limit counts only for a worker
            # whose parent was killed. It is the same for all jobs: processes with other limits can't go on with them.
            job_cpu_seconds=2 * (self.timeout or JOB_SECONDS),
            file_bytes=max(Limits.file_bytes, 2 * config.rules.archive.max_file_bytes),
            graphics=config.device != "cpu" and devices is None,
        )
        if self.memory is not None:
            limits = replace(limits, memory_bytes=self.memory.job_bytes)
            config = replace(config, frame_bytes=self.memory.frame_bytes)
        try:
            config.cache.mkdir(parents=True, exist_ok=True)  # fail before a worker starts
        except OSError as error:
            raise storage_error(config.cache, error) from None
        preload_modules()
        placed = [absolute(job) for job in jobs]
        total = self._total(config)
        settings = absolute(replace(config, video_seconds=()))
        after = {index: job.after for index, job in enumerate(jobs) if job.after is not None}
        trusted = all(job.member is None for job in jobs)
        work = Workers(
            HANDLER, settings, self.workers, timeouts, limits, accept, total, trusted=trusted, devices=devices
        )
        return self._results(pool, work, placed, after)

    def _results(
        self, pool: Pool | None, work: Workers, jobs: Sequence[Job], after: Mapping[int, int]
    ) -> Iterator[JobResult]:
        """Yield the results of the jobs, of the workers of ``pool``, or of workers for them alone."""
        return work.run(jobs, after) if pool is None else pool.run(work, jobs, after)

    def _seconds(self, derived: float | None) -> float:
        return self.timeout or derived or JOB_SECONDS

    def _total(self, config: Config) -> float | None:
        """Return the time limit for the whole run; ``None`` for references, which the organizer chose."""
        if not config.video_seconds or self.submission_timeout is not None:
            return self.submission_timeout if config.video_seconds else None
        # A limit that was given for one video may be a tight one: it can make that of the submission longer only.
        return submission_seconds([max(one, self.timeout or 0.0) for one in config.video_seconds], self.workers)


def run_jobs(  # noqa: PLR0917
    run: RunJobs,
    config: Config,
    jobs: Sequence[Job],
    records: Mapping[str, FeatureRecord],
    archive_sha256: str | None,
    wanted: frozenset[str] = frozenset(),
) -> Generator[JobResult, None, None]:
    """Yield one result per job, in any order. No worker starts when the cache holds everything.

    Args:
        run: the engine's `Engine.run`.
        config: settings of the run.
        jobs: what to read.
        records: feature -> its record, for the features of ``config``.
        archive_sha256: digest of the ZIP that the jobs read from; ``None`` for files of a folder.
        wanted: features that `Extraction.loaded` has where all of a video's came from the cache.
    """
    cache = open_cache(config.cache)
    lookup = Lookup(
        cache,
        records,
        config.weights,
        config.rules,
        fresh=config.fresh,
        always_decoded=config.always_decoded,
        wanted=wanted,
    )
    open_jobs: list[int] = []
    for index, job in enumerate(jobs):
        cached = _cached(lookup, job, archive_sha256)
        if cached is not None and cached.complete:
            yield JobResult(index, cached.extraction(job.sample))
        else:
            open_jobs.append(index)
    if not open_jobs:
        return
    waiting = in_turn([jobs[index] for index in open_jobs])
    if config.fresh:
        config = replace(config, started=cache.now())
    shared = replace(lookup, records=independent_of_video(records))
    references = compute_reference_features(run, config, waiting, shared, accept_references)
    results = run(
        config,
        waiting,
        lambda index, answer: accept(lookup, waiting[index], answer, references.get(waiting[index].sample)),
    )
    # Closed at once when the caller stops: workers must not outlive the run.
    with closing(results) if isinstance(results, Generator) else nullcontext():
        for result in results:
            index = open_jobs[result.index]
            member = jobs[index].member
            if isinstance(result.value, Extraction) and result.value.sha256 is not None and member is not None:
                remember_digest(cache, member, archive_sha256, result.value.sha256)
            yield replace(result, index=index)
    flush(config.cache)


def _cached(lookup: Lookup, job: Job, archive_sha256: str | None) -> Cached | None:
    if lookup.fresh or job.member is None or job.member.member.size > lookup.rules.archive.max_file_bytes:
        return None
    digest = known_digest(lookup.cache, job.member, archive_sha256)
    return None if digest is None else lookup.find(job.item, job.member.member.path, digest, job.expected)


def absolute(value: _Value) -> _Value:
    """Return ``value``, a dataclass or a container of plain values, with every path in it made absolute."""
    found: Any = value
    if isinstance(value, Path):
        found = value.absolute()
    elif isinstance(value, Mapping):
        found = {name: absolute(part) for name, part in value.items()}
    elif isinstance(value, tuple):
        parts = [absolute(part) for part in value]
        found = type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    elif is_dataclass(value) and not isinstance(value, type):
        found = replace(value, **{field.name: absolute(getattr(value, field.name)) for field in fields(value)})
    return cast(_Value, found)
