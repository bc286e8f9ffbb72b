"""One run of a submission of scores: read its tables, put the truth beside them, aggregate to a scorecard."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.challenges.model import Challenge
from evalkit.detection.reading import ReadScores, read_scores
from evalkit.detection.score_table import VideoScore as TableScore
from evalkit.errors import TestSetError, UsageError
from evalkit.media.facts import MediaFacts
from evalkit.metrics.base import FeatureData, VideoInputs, VideoValue
from evalkit.metrics.detectors.videos import DETECTION
from evalkit.progress import Progress
from evalkit.scoring.cache import FeatureCache
from evalkit.scoring.detector_curves import curves_of
from evalkit.scoring.intake import FileReport, ValidationReport
from evalkit.scoring.jobs import Extraction
from evalkit.scoring.plan import RunPlan
from evalkit.scoring.provenance import provenance_of
from evalkit.scoring.reported_speed import ReportedSpeed
from evalkit.scoring.scorecard import ChallengeInfo, Scorecard, SubmissionInfo
from evalkit.scoring.scorecard_builder import ScorecardBuilder
from evalkit.scoring.video_scores import VideoScorer, outcome_of
from evalkit.submission.model import Submission
from evalkit.testsets.model import Sample, TestSet
from evalkit.testsets.truth import Truth

MISSING, FAILED = "missing", "detector_failed"


def validate_scores(submission: Submission, challenge: Challenge, testset: TestSet | None) -> ValidationReport:
    """Check a submission of scores; the truth is not needed."""
    return _report(submission, challenge, testset, read_scores(submission, challenge, testset))


def score_scores(  # noqa: PLR0917
    submission: Submission,
    challenge: Challenge,
    testset: TestSet,
    plan: RunPlan,
    cache: FeatureCache,
    progress: Progress,
) -> tuple[Scorecard, ValidationReport]:
    """Return the scorecard of a submission of scores, and what the rules found.

    Raises:
        TestSetError: the test set doesn't say which videos are fake.
        UsageError: a metric reads videos.
    """
    started = time.monotonic()
    require_truth(testset)
    refuse_metrics_of_videos(plan)
    read = read_scores(submission, challenge, testset)
    report = _report(submission, challenge, testset, read)
    own = replace(plan, features=(), records={}, weights={})  # pictures and fingerprints are of videos
    scorer = DetectionScorer(own, cache, challenge, testset, read)
    builder = ScorecardBuilder(
        own,
        testset,
        report,
        {sample.id: Extraction(sample.id, None, None) for sample in testset},
        {sample.id: scorer.score(sample, None, None) for sample in testset},
        scorer,
        speed=ReportedSpeed(challenge.speed.frame_rate),
        progress=progress,
    )
    card = Scorecard(
        submission=SubmissionInfo(
            name=submission.name, sha256=submission.sha256, layout=report.layout, kind=challenge.submission.kind
        ),
        challenge=ChallengeInfo(id=challenge.id, sha256=challenge.scoring_sha256, title=challenge.title),
        backbones=plan.backbones.name,
        metrics=builder.metrics(),
        videos=tuple(builder.videos()),
        findings=tuple(finding.to_json() for finding in report.findings),
        provenance={**provenance_of(own, testset), "scores": _about(read, challenge)},
        timing={
            "seconds": round(time.monotonic() - started, 3),
            "finished_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        },
        **{"curves": curves_of(scorer.inputs_of(sample) for sample in testset)},
    )
    return card, report


def require_truth(testset: TestSet) -> None:
    """Make sure that the test set says of every video whether it is fake.

    Raises:
        TestSetError: naming a sample of which it doesn't.
    """
    without = [sample.id for sample in testset if sample.truth is None]
    if without:
        raise TestSetError(
            "The test set doesn't say which videos are fake.",
            found=f"{len(without)} of {len(testset)} samples without 'truth', such as '{without[0]}'",
            fix="Score with the organizer's test set: 'evalkit testset from-truth' writes it. With the list for "
            "participants a submission can be validated only.",
        )


def refuse_metrics_of_videos(plan: RunPlan) -> None:
    """Make sure that no metric reads what a submission of scores does not have.

    Raises:
        UsageError: naming the metrics.
    """
    others = [name for name, metric in plan.metrics.items() if metric.record.features != (DETECTION,)]
    if others:
        raise UsageError(
            "A submission of scores has no videos to measure.",
            found=", ".join(others[:5]) + (" ..." if len(others) > 5 else ""),
            expected="metrics of detectors, such as det.auc",
            fix="'evalkit metrics list' shows them: their ids begin with 'det.'.",
        )


class DetectionScorer(VideoScorer):
    """Gives the metrics of detectors the score of each video, and the truth beside it."""

    def __init__(
        self, plan: RunPlan, cache: FeatureCache, challenge: Challenge, testset: TestSet, read: ReadScores
    ) -> None:
        super().__init__(plan, cache, ReportedSpeed(challenge.speed.frame_rate), refused=read.refused)
        self._rules, self._read = challenge.detection, read
        self._base = self._value_at_base(testset)
        self._inputs: dict[str, VideoInputs] = {}

    def unscored_reason(self, report: FileReport | None) -> str | None:
        """Return why nothing is computed of a sample: only a refused archive, for a missing score is an event."""
        return "archive_refused" if self._refused else None

    def score(self, sample: Sample, report: FileReport | None, extraction: Extraction | None) -> dict[str, VideoValue]:
        """Return metric -> outcome for one sample, whatever its score is."""
        reason = self.unscored_reason(report)
        if reason is not None:
            return {name: VideoValue(None, reason) for name in self._plan.metrics}
        return {name: outcome_of(metric, self.inputs_of(sample)) for name, metric in self._plan.metrics.items()}

    def inputs(
        self, sample: Sample, extraction: Extraction, facts: MediaFacts | None, needed: Iterable[str]
    ) -> VideoInputs:
        """Return what metrics read of one video."""
        return self.inputs_of(sample)

    def inputs_of(self, sample: Sample) -> VideoInputs:
        """Return the score of one video, or why there is none, and what is true of it."""
        if sample.id not in self._inputs:
            self._inputs[sample.id] = VideoInputs(sample.id, {DETECTION: FeatureData(self._arrays(sample))})
        return self._inputs[sample.id]

    def _arrays(self, sample: Sample) -> dict[str, NDArray[Any]]:
        truth, told = sample.truth, self._read.videos.get(sample.id)
        if truth is None:
            raise AssertionError("checked before")
        told_of = {
            "score": np.float64(np.nan if told is None or told.score is None else told.score),
            "probability": np.float64(np.nan if told is None or told.probability is None else told.probability),
            "state": _state(told),
            "label": np.int64(truth.label == "fake"),
            "generator": truth.generator,
            "identity": truth.identity,
            "driver": truth.driver,
            "run": truth.run,
            "within": self._within(truth),
            "base": self._base,
        }
        return {name: np.asarray(value) for name, value in told_of.items()}

    def _within(self, truth: Truth) -> str:
        return ", ".join(str(getattr(truth, name)) for name in self._rules.within)

    def _value_at_base(self, testset: TestSet) -> str:
        """Return the value of ``within`` at the base quality; empty where it has none, or several."""
        truths = [one.truth for one in testset if one.truth is not None and one.truth.quality == self._rules.base]
        found = {self._within(truth) for truth in truths} if self._rules.base is not None else set()
        return next(iter(found)) if len(found) == 1 else ""


def _state(told: TableScore | None) -> str:
    if told is None:
        return MISSING
    if told.fault is not None:
        return f"invalid:{told.fault}"
    return FAILED if told.score is None else ""


def _report(
    submission: Submission, challenge: Challenge, testset: TestSet | None, read: ReadScores
) -> ValidationReport:
    """Return the report: a file per video that has a row, with the findings about it."""
    about: dict[str, list[Any]] = {}
    whole = []
    for finding in read.findings:
        if finding.sample is not None and finding.sample in read.videos:
            about.setdefault(finding.sample, []).append(finding)
        else:
            whole.append(finding)
    files = tuple(
        FileReport(told.path, sample, None, tuple(about.get(sample, ())), unread=told.fault)
        for sample, told in read.videos.items()
    )
    return ValidationReport(
        challenge=challenge.id,
        submission=submission.name,
        layout=_layout(read),
        findings=tuple(whole),
        files=files,
        refused=read.refused,
        samples=None if testset is None else len(testset),
        kind=challenge.submission.kind,
    )


def _layout(read: ReadScores) -> str | None:
    """Return what the tables are called; ``None`` where no row is about a video, so that nothing can be scored."""
    if not read.videos:
        return None
    return read.tables[0] if len(read.tables) == 1 else f"{len(read.tables)} tables"


def _about(read: ReadScores, challenge: Challenge) -> dict[str, Any]:
    """Return for the scorecard how the scores came about."""
    frames = [told.frames for told in read.videos.values() if told.frames]
    about: Mapping[str, Any] = {
        "tables": len(read.tables),
        "rule": challenge.detection.frames if frames else "one score per video",
        **({"frames_per_video": {"fewest": min(frames), "most": max(frames)}} if frames else {}),
    }
    return dict(about)
