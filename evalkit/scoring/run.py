"""One run: check the archive, extract features, apply the rules, aggregate.

`validate_run` stops after the rules, `score_run` continues to a scorecard.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.challenges.model import Challenge
from evalkit.metrics.base import VideoValue
from evalkit.metrics.features.base import FeatureRecord, Item
from evalkit.metrics.filmstrip import filmstrip_images
from evalkit.metrics.gaming.face_motion import FACE_STILLNESS
from evalkit.metrics.gaming.fingerprint import FINGERPRINT
from evalkit.progress import Progress
from evalkit.scoring.cache import CorruptEntryError, FeatureCache
from evalkit.scoring.cache_lock import cache_in_use
from evalkit.scoring.detector_run import score_scores, validate_scores
from evalkit.scoring.engine import Engine, LocalEngine, run_jobs
from evalkit.scoring.gaming import GamingCheck, VideoFingerprint, read_references
from evalkit.scoring.imports import Imports
from evalkit.scoring.intake import (
    FileReport,
    Gate,
    ValidationReport,
    expected_lengths,
    failed_report,
    file_report,
    open_gate,
    refused_report,
)
from evalkit.scoring.jobs import NOT_UNPACKED, Config, Extraction, Job
from evalkit.scoring.journal import Journal
from evalkit.scoring.kinds import kind_of
from evalkit.scoring.plan import FILMSTRIP, SPEED, RunPlan
from evalkit.scoring.provenance import features_used, provenance_of
from evalkit.scoring.reported_speed import ReportedSpeed, read_reported_speed
from evalkit.scoring.scorecard import ChallengeInfo, Scorecard, SubmissionInfo, VideoScore
from evalkit.scoring.scorecard_builder import ScorecardBuilder
from evalkit.scoring.shared_cache import open_cache
from evalkit.scoring.timings import earlier_timings, sum_seconds
from evalkit.scoring.video_scores import VideoScorer
from evalkit.submission.model import Submission
from evalkit.testsets.model import TestSet
from evalkit.validators.file import ExpectedLength
from evalkit.validators.reading import FailedReading
from evalkit.workers.sandbox import JOB_SECONDS

if TYPE_CHECKING:
    from evalkit.scoring.packs.use import PackUse

SCORING = "scoring"  # title of the stage in which the videos are read


@dataclass
class RunOptions:
    """How to run; none of it changes a score.

    ``always_decoded`` frames of a video are decoded, whatever they prove: a repair must know whether they are damaged.
    ``references`` is a reference pack that fits the run: its features are not computed. ``imports`` are folders of
    files that other programs made of the videos.
    """

    cache: Path
    engine: Engine = field(default_factory=LocalEngine)
    fresh: bool = False
    progress: Progress = field(default_factory=Progress)
    journal: Journal = field(default_factory=Journal)
    always_decoded: int = 0
    references: PackUse | None = None
    imports: Imports = field(default_factory=Imports)


@dataclass
class ScoreResult:
    """A scorecard, the intake report behind it, and where the filmstrips lie."""

    scorecard: Scorecard
    intake: ValidationReport
    _cache: FeatureCache
    _strips: Mapping[str, str]

    def filmstrip(self, sample: str) -> list[bytes] | None:
        """Return the sample's pictures as JPEG files in time order, ``None`` where there are none."""
        key = self._strips.get(sample)
        try:
            data = self._cache.load(FILMSTRIP, key) if key else None
        except CorruptEntryError:
            return None
        return filmstrip_images(data.arrays) if data is not None and data.arrays is not None else None


def validate_run(
    submission: Submission, challenge: Challenge, testset: TestSet | None, options: RunOptions
) -> ValidationReport:
    """Check a submission against the challenge's rules; every file is read to its end unless the archive is refused."""
    if challenge.submission.kind == "scores":
        return validate_scores(submission, challenge, testset)
    gate = open_gate(submission, challenge, testset)
    config = Config(
        cache=options.cache,
        fresh=options.fresh,
        rules=challenge.submission,
        always_decoded=options.always_decoded,
    )
    source = JobSource(submission, challenge, testset, gate, references=options.references)
    with cache_in_use(options.cache):
        files, _ = _extract(source, config, options, "validating", _ignore)
    return intake_report(submission, challenge, gate, files, testset)


def score_run(
    submission: Submission, challenge: Challenge, testset: TestSet, plan: RunPlan, options: RunOptions
) -> ScoreResult:
    """Score a submission. Files that break a rule are unscored, with the rule as the reason; the others are scored."""
    if challenge.submission.kind == "scores":
        cache = open_cache(options.cache)
        card, intake = score_scores(submission, challenge, testset, plan, cache, options.progress)
        return ScoreResult(card, intake, cache, {})
    with cache_in_use(options.cache):
        return _score_run(submission, challenge, testset, plan, options)


def _score_run(
    submission: Submission, challenge: Challenge, testset: TestSet, plan: RunPlan, options: RunOptions
) -> ScoreResult:
    started = time.monotonic()
    pack = options.references
    own = plan if pack is None else pack.rest(plan)
    if pack is not None:
        options.journal.event("reference-pack", **pack.provenance, features=sorted(pack.served))
    gate = open_gate(submission, challenge, testset)
    config = Config(
        cache=options.cache,
        features=own.features,
        weights=plan.weights,
        device=plan.device,
        fresh=options.fresh,
        rules=challenge.submission,
    )
    cache = open_cache(options.cache)
    speed = reported_speed(submission, gate, challenge, plan)
    scorer = VideoScorer(plan, cache, speed, pack, refused=gate.refused)
    told = challenge.submission
    check = GamingCheck(testset, cache, told.severities, told.gaming) if FINGERPRINT in plan.features else None
    outcomes: dict[str, dict[str, VideoValue]] = {}

    def take(report: FileReport, extraction: Extraction) -> None:
        """Use everything of a video as soon as it is there, so that little of it must be kept."""
        if (sample := gate.samples.get(report.sample)) is not None:
            outcomes[sample.id] = scorer.score(sample, report, extraction)
        if check is not None:
            check.take(extraction)

    extracting = time.monotonic()
    source = JobSource(submission, challenge, testset, gate, own.records, own.people_features, pack, options.imports)
    wanted = scorer.wanted | ({FINGERPRINT, FACE_STILLNESS} if check else set())
    files, extractions = _extract(source, config, options, SCORING, take, wanted)
    extracted = time.monotonic()
    intake = intake_report(submission, challenge, gate, files, testset)
    earlier = earlier_timings(cache, extractions.values())
    builder = ScorecardBuilder(
        plan,
        testset,
        intake,
        extractions,
        outcomes,
        scorer,
        speed=speed,
        progress=options.progress,
        imports=options.imports,
    )
    videos: Iterable[VideoScore] = builder.videos()
    if check is not None:
        known: Mapping[str, VideoFingerprint] = {}
        if check.compares_references:
            known = read_references(
                testset,
                options.cache,
                options.engine.run,
                options.journal,
                pack.fingerprints(testset) if pack is not None else None,
                fresh=options.fresh,
                progress=options.progress,
            )
        with options.progress.stage("looking for copies", len(testset)) as stage:
            videos = list(_counted(check.findings(videos, known), stage))
    scorecard = Scorecard(
        submission=SubmissionInfo(
            name=submission.name,
            sha256=submission.sha256,
            layout=gate.layout.template,
            kind=challenge.submission.kind,
        ),
        challenge=ChallengeInfo(id=challenge.id, sha256=challenge.scoring_sha256, title=challenge.title),
        backbones=plan.backbones.name,
        metrics=builder.metrics(),
        videos=tuple(videos),
        findings=tuple(finding.to_json() for finding in gate.findings),
        features=features_used(plan),
        provenance={
            **provenance_of(plan, testset),
            **({"speed": dict(speed.provenance)} if speed.provenance else {}),
            **({"imported_features": dict(options.imports.provenance)} if options.imports.provenance else {}),
            **({"reference_pack": pack.provenance} if pack is not None else {}),
        },
        timing={
            "seconds": round(time.monotonic() - started, 3),
            "engine": options.engine.name,
            "workers": getattr(options.engine, "workers", None),
            "videos_decoded": options.journal.decodes,
            "extracting_seconds": round(extracted - extracting, 3),
            "extractors": sum_seconds(extraction.features for extraction in extractions.values()),
            "networks": sum_seconds(extraction.networks for extraction in extractions.values()),
            "finished_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            **({"from_cache": earlier} if earlier else {}),
        },
    )
    strips = {sample: e.keys[FILMSTRIP] for sample, e in extractions.items() if FILMSTRIP in e.keys}
    return ScoreResult(scorecard, intake, cache, strips)


def reported_speed(submission: Submission, gate: Gate, challenge: Challenge, plan: RunPlan) -> ReportedSpeed:
    """Read the team's measurements where a metric asks for them."""
    rate = challenge.speed.frame_rate
    if gate.refused or not any(SPEED in metric.record.features for metric in plan.metrics.values()):
        return ReportedSpeed(rate)
    return read_reported_speed(submission, gate.layout.speed, rate)


def _counted(videos: Iterable[VideoScore], stage: Progress) -> Iterator[VideoScore]:
    for video in videos:
        yield video
        stage.advance()


def intake_report(
    submission: Submission,
    challenge: Challenge,
    gate: Gate,
    files: Mapping[str, FileReport],
    testset: TestSet | None,
) -> ValidationReport:
    """Return the report about the set and about ``files``, by sample."""
    return ValidationReport(
        challenge=challenge.id,
        submission=submission.name,
        layout=gate.layout.template,
        findings=gate.findings,
        files=tuple(files.values()),
        refused=gate.refused,
        samples=None if testset is None else len(testset),
        kind=challenge.submission.kind,
    )


@dataclass(frozen=True)
class JobSource:
    """What the jobs of a run are built from: ``records`` and ``people_features`` are those of the plan.

    With ``references``, a pack that fits the run, the records are those of the features that are not taken from it.
    """

    submission: Submission
    challenge: Challenge
    testset: TestSet | None
    gate: Gate
    records: Mapping[str, FeatureRecord] = field(default_factory=dict)
    people_features: frozenset[str] = frozenset()
    references: PackUse | None = None
    imports: Imports = field(default_factory=Imports)


def _ignore(report: FileReport, extraction: Extraction) -> None:
    """Use nothing of a video but its report."""


def _extract(  # noqa: PLR0917
    run: JobSource,
    config: Config,
    options: RunOptions,
    title: str,
    take: Callable[[FileReport, Extraction], None],
    wanted: frozenset[str] = frozenset(),
) -> tuple[dict[str, FileReport], dict[str, Extraction]]:
    """Run all jobs; return reports and slim extractions by sample, in the order of the layout's samples.

    ``take`` is called with each video that could be read, in the order in which they are done, and may use all of it.
    ``wanted`` are the features that it uses.
    """
    paths = run.gate.layout.files
    unreadable = run.gate.unreadable
    jobs = submission_jobs(run, open_cache(config.cache))
    lengths = {job.sample: job.expected for job in jobs}
    config = replace(config, video_seconds=tuple(job.seconds or JOB_SECONDS for job in jobs))
    reports = {
        sample: refused_report(sample, path, unreadable[path]) for sample, path in paths.items() if path in unreadable
    }
    extractions: dict[str, Extraction] = {}
    # Of the very bytes that are read below: of a folder, each file is compared with its part of the digest.
    digest = run.submission.sha256
    archive = digest if run.submission.kind == "zip" else None
    # Closed at once when the loop is left by an exception: workers must not outlive it.
    with (
        options.engine.session() as run_batch,
        options.progress.stage(title, len(jobs)) as progress,
        closing(run_jobs(run_batch, config, jobs, run.records, archive, wanted)) as results,
    ):
        for result in results:
            sample = jobs[result.index].sample
            path = paths[sample]
            if result.failure is not None:
                failed = FailedReading(path, sample, result.failure, result.detail)
                reports[sample] = failed_report(failed, config.rules.severities)
                options.journal.event("failure", sample=sample, path=path, kind=result.failure, detail=result.detail)
            else:
                extraction: Extraction = result.value
                run.submission.refuse_changed(path, extraction.sha256)
                asked = run.gate.samples.get(sample)
                report = reports[sample] = file_report(
                    extraction,
                    path,
                    in_folder=archive is None,
                    rules=config.rules,
                    expected=lengths.get(sample),
                    setup=asked.setup if asked else None,
                )
                take(report, extraction)
                extractions[sample] = extraction.slim()
                _log(options.journal, extraction, path)
            progress.advance()
    return {s: reports[s] for s in paths}, {s: extractions[s] for s in paths if s in extractions}


def submission_jobs(run: JobSource, cache: FeatureCache, only: Collection[str] | None = None) -> list[Job]:
    """Return a job for every file that answers a sample and can be opened, in the order of the layout's samples.

    Args:
        run: the submission and what it is scored with.
        cache: keeps the lengths of references.
        only: the samples to choose from; ``None`` for all.

    Raises:
        TestSetError: when the length of a reference can't be read.
    """
    paths = run.gate.layout.files
    chosen = [sample for sample in paths if only is None or sample in only]
    known = run.references.lengths if run.references is not None else None
    lengths = expected_lengths(run.testset, run.challenge, chosen, cache, known)
    readable = [sample for sample in chosen if paths[sample] not in run.gate.unreadable]
    return [_job(sample, paths[sample], run, lengths.get(sample)) for sample in readable]


def _job(sample: str, path: str, run: JobSource, expected: ExpectedLength | None) -> Job:
    member, scored = run.submission.ref(path), bool(run.records)
    rules = run.challenge.submission
    seconds = kind_of(rules).seconds(rules, expected, member.member.size, scored=scored)
    return Job(sample, member, _item(sample, run), expected, seconds)


def _item(sample: str, run: JobSource) -> Item:
    found, testset = run.gate.samples.get(sample), run.testset
    absent = run.references.unused(sample) if run.references is not None else frozenset()
    if found is None or testset is None:
        return Item(sample, NOT_UNPACKED)
    rules = run.challenge.submission
    return Item.of(
        found,
        testset,
        NOT_UNPACKED,
        unused=absent if found.shows_person else absent | run.people_features,
        rate=rules.motion.rate if rules.kind == "motion" else None,
        imported=run.imports.places,
    )


def _log(journal: Journal, extraction: Extraction, path: str) -> None:
    journal.event(
        "video",
        sample=extraction.sample,
        path=path,
        sha256=extraction.sha256,
        decodes=extraction.decodes,
        computed=list(extraction.computed),
        seconds={name: round(value, 3) for name, value in extraction.seconds.items()},
    )
    for note in extraction.notes:
        journal.event("cache", sample=extraction.sample, note=note)
    for feature, trace in extraction.errors.items():
        journal.event("extractor-error", sample=extraction.sample, feature=feature, traceback=trace)
