"""The team's own measurements: ``speed.json`` in the submission, or ``NAME.speed.json`` beside it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evalkit.errors import EvalkitError, SubmissionError
from evalkit.media.facts import MediaFacts
from evalkit.metrics.base import FeatureData
from evalkit.scoring.scorecard import MetricScore, ScoreEvent
from evalkit.speed.document import MOST_JSON, read_report
from evalkit.speed.model import FAMILY, SOURCES, TIMED, SpeedReport
from evalkit.submission.model import Submission
from evalkit.submission.zip.scan import DAMAGE_ERRORS
from evalkit.text import count, escape_message

NOT_MEASURED, DAMAGED = "not_measured", "speed_json_damaged"


@dataclass(frozen=True)
class ReportedSpeed:
    """What the team says of its speed.

    Args:
        frame_rate: frames per second of video that count, by the challenge.
        report: ``None`` without a file that can be used.
        problem: what is wrong with the file; empty when nothing is.
        provenance: for the scorecard; empty without a file.
    """

    frame_rate: float
    report: SpeedReport | None = None
    problem: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def feature(self, sample: str, facts: MediaFacts | None) -> FeatureData:
        """Return what the metrics of speed read for one sample; frames and length are those of its video."""
        if self.report is None:
            return FeatureData(None, DAMAGED if self.problem else NOT_MEASURED, self.problem)
        one, video = self.report.samples.get(sample), facts.video if facts is not None else None
        if one is None or video is None:
            return FeatureData(None, NOT_MEASURED)
        return FeatureData(one.arrays(self.frame_rate, video.frames, video.duration_seconds))

    def noted(self, name: str, score: MetricScore) -> MetricScore:
        """Return the score with whose word it is, where it is one of speed."""
        if not name.startswith(FAMILY) or (self.report is None and not self.problem):
            return score
        detail = self.problem
        if self.report is not None:
            at_once = f", {self.report.workers} samples at a time" if self.report.workers > 1 else ""
            detail = (
                f"{SOURCES['reported'].capitalize()}, nobody checked it: on {self.report.hardware}{at_once}; timed is "
                f"{TIMED[self.report.timed]}."
            )
        note = ScoreEvent(kind=DAMAGED if self.problem else "speed_reported", detail=detail)
        return score.model_copy(update={"notes": (*score.notes, note)})


def read_reported_speed(submission: Submission, inside: str | None, frame_rate: float) -> ReportedSpeed:
    """Read the team's file; one that can't be used costs the numbers of speed and nothing else.

    Args:
        submission: opened.
        inside: path of ``speed.json`` in it, ``None`` without one.
        frame_rate: see `ReportedSpeed`.
    """
    beside = submission.path.with_name(f"{submission.name}.speed.json")
    name = "speed.json" if inside is not None else beside.name
    try:
        data = _read_member(submission, inside) if inside is not None else _read_beside(beside)
        if data is None:
            return ReportedSpeed(frame_rate)
        provenance: dict[str, Any] = {"source": "reported", "file": name, "sha256": hashlib.sha256(data).hexdigest()}
        report = read_report(data, name)
    except EvalkitError as error:
        problem = escape_message(str(error))
        return ReportedSpeed(frame_rate, problem=problem, provenance={"source": "reported", "problem": problem})
    provenance |= {"hardware": report.hardware, "timed": report.timed, "samples": len(report.samples)}
    if report.workers > 1:
        provenance["at_the_same_time"] = count(report.workers, "sample")
    return ReportedSpeed(frame_rate, report, provenance=provenance)


def _read_member(submission: Submission, path: str) -> bytes:
    try:
        with submission.open_member(path) as stream:
            return stream.read(MOST_JSON + 1)
    except (*DAMAGE_ERRORS, OSError) as error:
        raise SubmissionError(f"{path} can't be read.", found=str(error)) from None


def _read_beside(path: Path) -> bytes | None:
    if not path.is_file():
        return None
    try:
        with path.open("rb") as stream:
            return stream.read(MOST_JSON + 1)
    except OSError as error:
        raise SubmissionError(f"{path.name} can't be read.", found=error.strerror) from None
