"""From the rows of a scorer to a scorecard, by the code that makes those of `evalkit score`."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalkit.challenges.model import Challenge
from evalkit.scorer.rows import Row
from evalkit.scorer.subset import Samples, subset_note, subset_record
from evalkit.scoring.cache import FeatureCache
from evalkit.scoring.intake import FileReport, ValidationReport
from evalkit.scoring.plan import RunPlan
from evalkit.scoring.provenance import features_used, provenance_of
from evalkit.scoring.reported_speed import ReportedSpeed
from evalkit.scoring.scorecard import ChallengeInfo, Scorecard, ScoreEvent, SubmissionInfo, VideoScore
from evalkit.scoring.scorecard_builder import ScorecardBuilder
from evalkit.scoring.video_scores import VideoScorer
from evalkit.testsets.model import TestSet


def scorecard_of(  # noqa: PLR0917
    plan: RunPlan,
    challenge: Challenge,
    testset: TestSet,
    samples: Samples,
    rows: Mapping[str, Row],
    failures: Mapping[str, str],
    name: str,
    cache: Path,
) -> Scorecard:
    """Return the scorecard of what was scored so far.

    Args:
        plan: gives the metrics.
        challenge: whose rules hold.
        testset: the chosen samples.
        samples: how they were chosen.
        rows: sample -> its video.
        failures: sample -> what its generator raised.
        name: of what is scored.
        cache: folder of the feature cache; nothing is read from it.
    """
    speed = ReportedSpeed(challenge.speed.frame_rate)
    scorer = VideoScorer(plan, FeatureCache(cache), speed, refused=False)
    reports = {sample.id: _report(rows[sample.id]) for sample in testset if sample.id in rows}
    intake = ValidationReport(
        challenge.id, name, None, findings=(), files=tuple(reports.values()), samples=len(testset)
    )
    extractions = {sample: rows[sample].extraction for sample in reports}
    outcomes = {
        sample.id: scorer.score(sample, reports[sample.id], extractions[sample.id])
        for sample in testset
        if sample.id in reports
    }
    builder = ScorecardBuilder(plan, testset, intake, extractions, outcomes, scorer, speed=speed)
    digests = {sample: rows[sample].sha256 for sample in sorted(reports)}
    return Scorecard(
        submission=SubmissionInfo(name=name, sha256=hashlib.sha256(json.dumps(digests).encode()).hexdigest()),
        challenge=ChallengeInfo(id=challenge.id, sha256=challenge.scoring_sha256, title=challenge.title),
        backbones=plan.backbones.name,
        metrics={
            metric: score.model_copy(update={"notes": (*_subset_notes(testset, plan, metric), *score.notes)})
            for metric, score in builder.metrics().items()
        },
        videos=tuple(_with_failure(video, failures) for video in builder.videos()),
        features=features_used(plan),
        provenance={
            **provenance_of(plan, testset),
            "input": "arrays",
            "subset": subset_record(testset, samples),
        },
    )


def _subset_notes(testset: TestSet, plan: RunPlan, metric: str) -> tuple[ScoreEvent, ...]:
    note = subset_note(testset, plan, metric)
    return () if note is None else (note,)


def _report(row: Row) -> FileReport:
    packed = zlib.compress(row.facts.model_dump_json().encode(), 1)
    return FileReport(f"{row.sample} (array)", row.sample, packed, row.findings)


def _with_failure(video: VideoScore, failures: Mapping[str, str]) -> VideoScore:
    if video.sample not in failures:
        return video
    event: Any = ScoreEvent(kind="generator_failed", detail=failures[video.sample])
    return video.model_copy(update={"events": (*video.events, event)})
