"""Compute one shard of a run and write its part.

The shard runs the jobs of its own samples through the engine and the cache of an ordinary run. What they computed is
then read from the cache and written into the part, so a shard that was interrupted continues where it stopped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evalkit.challenges.model import Challenge
from evalkit.cluster.identity import run_identity
from evalkit.cluster.part_file import Failure, Phase, Record, write_part
from evalkit.cluster.shares import Shard, shares
from evalkit.errors import MachineError
from evalkit.metrics.base import FeatureData
from evalkit.metrics.features.base import FeatureRecord
from evalkit.metrics.gaming.fingerprint import FINGERPRINT
from evalkit.scoring.cache import CorruptEntryError
from evalkit.scoring.cache_lock import cache_in_use
from evalkit.scoring.engine import run_jobs
from evalkit.scoring.gaming import fingerprint_records, reference_jobs
from evalkit.scoring.intake import Gate
from evalkit.scoring.jobs import Config, Extraction, Job, VideoAnswer
from evalkit.scoring.lookup import FACTS, Lookup
from evalkit.scoring.plan import RunPlan
from evalkit.scoring.reference_features import independent_of_video
from evalkit.scoring.run import JobSource, RunOptions, submission_jobs
from evalkit.scoring.shared_cache import open_cache
from evalkit.submission.model import Submission
from evalkit.testsets.model import TestSet
from evalkit.workers.pool import JobResult
from evalkit.workers.sandbox import JOB_SECONDS


@dataclass(frozen=True)
class PartWritten:
    """What a shard did.

    Args:
        path: of the part.
        size: of the part, in bytes.
        shard: which one.
        samples: how many samples are its share.
        videos: how many of them have a video that could be opened.
        failures: sample -> why its video or its reference video could not be read.
    """

    path: Path
    size: int
    shard: Shard
    samples: int
    videos: int
    failures: Mapping[str, str]


def run_shard(  # noqa: PLR0917
    submission: Submission,
    challenge: Challenge,
    testset: TestSet,
    plan: RunPlan,
    gate: Gate,
    shard: Shard,
    part: Path,
    options: RunOptions,
) -> PartWritten:
    """Compute the features of one share of a submission's samples and write them to ``part``.

    Raises:
        EvalkitError: as for an ordinary run; then nothing is written.
    """
    with cache_in_use(options.cache):
        return _run_shard(submission, challenge, testset, plan, gate, shard, part, options)


def _run_shard(  # noqa: PLR0917
    submission: Submission,
    challenge: Challenge,
    testset: TestSet,
    plan: RunPlan,
    gate: Gate,
    shard: Shard,
    part: Path,
    options: RunOptions,
) -> PartWritten:
    identity = run_identity(submission, challenge, testset, plan)  # first: of the very bytes that are read below
    share = shares(submission, gate, testset, shard.count)[shard.index - 1]
    source = JobSource(submission, challenge, testset, gate, plan.records, plan.people_features)
    jobs = submission_jobs(source, open_cache(options.cache), share)
    config = Config(
        cache=options.cache,
        features=plan.features,
        weights=plan.weights,
        device=plan.device,
        fresh=options.fresh,
        rules=challenge.submission,
        video_seconds=tuple(job.seconds or JOB_SECONDS for job in jobs),
    )
    archive = submission.sha256 if submission.kind == "zip" else None
    videos = _run(options, config, jobs, plan.records, archive, "scoring")
    for job, result in zip(jobs, videos, strict=True):
        if result.failure is None:
            submission.refuse_changed(gate.layout.files[job.sample], result.value.sha256)
    known: list[tuple[Job, JobResult]] = []
    if FINGERPRINT in plan.features:
        about, of_references = reference_jobs(testset, options.cache, fresh=options.fresh)
        of_references = [job for job in of_references if job.sample in share]
        fingerprints = _run(options, about, of_references, fingerprint_records(), None, "reading reference videos")
        known = list(zip(of_references, fingerprints, strict=True))
    lookup = Lookup(open_cache(options.cache), plan.records, plan.weights, config.rules)
    done = list(zip(jobs, videos, strict=True))

    def records() -> Iterator[tuple[Phase, str, Record]]:
        with options.progress.stage("writing the part", 2 * len(done) + len(known)) as stage:
            for job, _ in done:
                yield "references", job.sample, _of_references(lookup, job)
                stage.advance()
            for job, result in done:
                yield "video", job.sample, _of_video(lookup, job, result)
                stage.advance()
            of_fingerprint = replace(lookup, records=fingerprint_records())
            for job, result in known:
                yield "reference video", job.sample, _of_video(of_fingerprint, job, result)
                stage.advance()

    size = write_part(part, shard, share, identity, records())
    failures = {job.sample: result.failure for job, result in (*known, *done) if result.failure is not None}
    return PartWritten(part, size, shard, len(share), len(jobs), failures)


def _run(  # noqa: PLR0917
    options: RunOptions,
    config: Config,
    jobs: list[Job],
    records: Mapping[str, FeatureRecord],
    archive: str | None,
    title: str,
) -> list[JobResult]:
    """Return the results in the order of ``jobs``."""
    found: dict[int, JobResult] = {}
    with (
        options.engine.session() as run_batch,
        options.progress.stage(title, len(jobs)) as stage,
        closing(run_jobs(run_batch, config, jobs, records, archive)) as results,
    ):
        for result in results:
            found[result.index] = result
            stage.advance()
    return [found[index] for index in range(len(jobs))]


def _of_video(lookup: Lookup, job: Job, result: JobResult) -> Record:
    """Return what is known of a video as a worker would say it that computed everything now."""
    if result.failure is not None:
        failure: Failure = result.failure
        return Record({}, None, failure, result.detail)
    found: Extraction = result.value
    work: dict[str, Any] = {
        "decodes": found.decodes,
        "seconds": found.seconds,
        "features": found.features,
        "networks": found.networks,
    }
    if found.sha256 is None or found.facts is None:
        return Record({}, VideoAnswer(problem=found.problem, seconds=found.seconds))
    facts = _loaded(lookup, FACTS.name, lookup.about("", found.sha256, job.expected).facts_key)
    shared = independent_of_video(lookup.records)  # of the references' records, never of one that saw a video
    features = {name: _loaded(lookup, name, key) for name, key in found.keys.items() if name not in shared}
    times = (facts.arrays or {})["times"]
    answer = VideoAnswer(found.sha256, found.facts, None, times, **_split(features), errors=found.errors, **work)
    return Record(found.keys, answer)


def _of_references(lookup: Lookup, job: Job) -> Record:
    """Return the features of a sample's references; one whose extractor failed is left out."""
    own = replace(lookup, records=independent_of_video(lookup.records))
    keys = own.keys(job.item, "")
    notes: list[str] = []
    features = {name: own.load(name, key, notes) for name, key in keys.items()}
    return Record(keys, VideoAnswer(**_split({name: data for name, data in features.items() if data is not None})))


def _split(features: Mapping[str, FeatureData]) -> dict[str, Any]:
    """Return the two fields of an answer that say what the features are."""
    return {
        "arrays": {name: data.arrays for name, data in features.items() if data.arrays is not None},
        "unavailable": {
            name: (data.reason or "", data.detail) for name, data in features.items() if data.arrays is None
        },
    }


def _loaded(lookup: Lookup, name: str, key: str) -> FeatureData:
    try:
        data = lookup.cache.load(name, key)
    except CorruptEntryError:
        data = None
    if data is None:
        raise MachineError(
            f"The feature '{name}' of a video left the cache while the shard ran.",
            found=f"no readable {lookup.cache.path(name, key)}",
            fix="Run the shard again: only what is missing is computed.",
        )
    return data
