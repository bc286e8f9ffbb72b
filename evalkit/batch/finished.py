"""Recognize what an earlier run has finished, by what lies in the folder of its results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from evalkit.batch.settings import Settings
from evalkit.errors import EvalkitError
from evalkit.jsonio import parse_json
from evalkit.scoring.imports import Imports
from evalkit.scoring.intake import open_gate
from evalkit.scoring.plan import SPEED
from evalkit.scoring.provenance import features_used, provenance_of
from evalkit.scoring.run import reported_speed
from evalkit.scoring.scorecard import Scorecard
from evalkit.submission.model import Submission

RESULTS = ("scorecard.json", "per_video.parquet", "per_video.csv", "report.html")  # the first is written last
OUT_OF_TIME = "invalid:content.submission-timeout"  # of videos that another run goes on with


def earlier_scorecard(
    folder: Path, submission: Submission, settings: Settings, imports: Imports | None = None
) -> Scorecard | None:
    """Return the scorecard in ``folder`` when scoring the submission would give it again; ``None`` otherwise.

    That it is not to be scored again is seen from the scorecard itself: the digests of the submission, the challenge,
    the test set and the weights, the versions of evalkit, of the features and of the libraries, the metrics.

    Args:
        folder: of the results of the submission.
        submission: what would be scored.
        settings: how; with ``retry`` only a scorecard in which nothing is missing is taken.
        imports: files of other programs that would be read.

    Raises:
        SubmissionError: when the submission can't be read.
    """
    if not all((folder / name).is_file() for name in RESULTS):
        return None
    try:
        card = Scorecard.load(folder)
    except EvalkitError:  # damaged, or of another version: scored again
        return None
    if settings.retry and not card.complete:
        return None
    if any(OUT_OF_TIME in video.reasons.values() for video in card.videos):
        return None
    return card if _would_be_same(card, submission, settings, imports or Imports()) else None


def _would_be_same(card: Scorecard, submission: Submission, settings: Settings, imports: Imports) -> bool:
    """Return whether scoring the submission now would give this scorecard again, but for the timing."""
    challenge, plan = settings.challenge, settings.plan
    metrics = [*plan.metrics, *plan.unavailable]
    features = {name: use.model_dump(mode="json") for name, use in features_used(plan).items()}
    found = {name: use.model_dump(mode="json") for name, use in card.features.items()}
    return (
        (card.submission.name, card.submission.sha256) == (submission.name, submission.sha256)
        and (card.challenge.id, card.challenge.sha256) == (challenge.id, challenge.scoring_sha256)
        and card.challenge.title == challenge.title
        and card.backbones == plan.backbones.name
        and list(card.metrics) == metrics
        and all(card.metrics[name].protocol == metric.record.protocol for name, metric in plan.metrics.items())
        and all(card.metrics[name].role == plan.roles[name] for name in metrics if name in plan.roles)
        and [video.sample for video in card.videos] == [sample.id for sample in settings.testset]
        and _as_json(found) == _as_json(features)
        and _as_json(card.provenance) == _as_json(_provenance(submission, settings, imports))
    )


def _provenance(submission: Submission, settings: Settings, imports: Imports) -> dict[str, Any]:
    found = provenance_of(settings.plan, settings.testset)
    if any(SPEED in metric.record.features for metric in settings.plan.metrics.values()):
        gate = open_gate(submission, settings.challenge, settings.testset)
        speed = reported_speed(submission, gate, settings.challenge, settings.plan).provenance
        found |= {"speed": dict(speed)} if speed else {}
    found |= {"imported_features": dict(imports.provenance)} if imports.provenance else {}
    pack = settings.options.references
    return found if pack is None else found | {"reference_pack": pack.provenance}


def _as_json(value: Any) -> Any:
    """Return a value as it is after it was written and read: tuples are lists."""
    return parse_json(json.dumps(value))
