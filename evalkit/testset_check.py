"""Check a test set before a challenge opens: its media, and what the metrics make of the real videos.

The reference videos are validated and scored as if a team had submitted them. What a rule or a metric can't take there
it can't take from any team.
"""

from __future__ import annotations

import math
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from evalkit.challenges.kinds import Kind
from evalkit.challenges.model import Challenge
from evalkit.challenges.submission_rules import SubmissionRules
from evalkit.errors import EvalkitError, MediaError
from evalkit.media.audio import audio_seconds, read_mix
from evalkit.media.facts import MediaFacts
from evalkit.media.stills import describe_still, read_still
from evalkit.metrics.base import SetMetric, metric_registry
from evalkit.metrics.binding.streams import activity, read_streams
from evalkit.metrics.features.audio import RATE
from evalkit.metrics.features.base import FeatureUnavailableError, Input, Voice
from evalkit.metrics.sync.track_scores import NO_TRACK_KINDS
from evalkit.numpy_files.header import ArrayFileError
from evalkit.numpy_files.reading import is_archive, read_shapes, scan_arrays
from evalkit.scoring.plan import RunPlan
from evalkit.scoring.run import RunOptions, score_run, validate_run
from evalkit.scoring.scorecard import VideoScore
from evalkit.submission.model import Submission
from evalkit.testsets.model import Sample, TestSet
from evalkit.text import count, escape_for_display
from evalkit.validators.checked_testset import (
    LENGTH_TOLERANCE,
    CheckedImage,
    CheckedSample,
    CheckedTestSet,
    DrivingSound,
    real_file,
)
from evalkit.validators.findings import Finding, Verdict, rule_lines, run_rules, verdict_of
from evalkit.validators.registry import FILE_SCOPES, file_findings, rules_for
from evalkit.weights.store import file_sha256


@dataclass(frozen=True, repr=False)
class TestSetReport:
    """What the check found.

    Args:
        challenge: the challenge's id.
        samples: number of samples.
        findings: in the order of the samples, those about the whole set first.
        metrics: metric -> value of the real videos, number of samples with a value, reason when there is none.
    """

    __test__ = False

    challenge: str
    samples: int
    findings: tuple[Finding, ...]
    metrics: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict:
        """The worst severity among the findings."""
        return verdict_of(self.findings)

    def __repr__(self) -> str:
        return (
            f"<TestSetReport: {self.challenge}, {self.verdict}, {self.samples} samples, {len(self.findings)} findings>"
        )

    def __str__(self) -> str:
        head = f"test set for {escape_for_display(self.challenge)}: {self.verdict}, {self.samples} samples"
        return "\n".join((head, *rule_lines(self.findings)))

    def to_json(self) -> dict[str, Any]:
        """Return what ``evalkit testset check --json`` prints."""
        return {
            "schema": 1,
            "ok": self.verdict != "error",
            "challenge": self.challenge,
            "samples": self.samples,
            "findings": [finding.to_json() for finding in self.findings],
            "metrics": {name: dict(entry) for name, entry in self.metrics.items()},
        }


def check_testset_media(
    testset: TestSet, challenge: Challenge, options: RunOptions, plan: RunPlan | None = None
) -> TestSetReport:
    """Read every file of a test set, and score the real videos where there is a plan.

    Args:
        testset: the samples.
        challenge: its file rules are applied to the reference videos.
        options: cache, workers and progress.
        plan: the metrics to try; ``None`` reads the media only.

    Raises:
        EvalkitError: when the temporary folder can't be written or a worker can't be started.
    """
    kind = challenge.submission.kind
    media = {sample.id: _read_media(sample, testset) for sample in testset}
    real = _score_real_videos(testset, challenge, options, plan)
    checked = []
    findings: list[Finding] = []
    for sample in testset:
        one = media[sample.id]
        seen = real.facts.get(sample.id)
        if seen is not None:
            findings += [
                replace(finding, sample=sample.id)
                for finding in file_findings(seen, _reference_rules(challenge, seen), real_file(sample, kind))
            ]
            if seen.video is not None:
                one = replace(one, video_seconds=seen.video.duration_seconds)
        checked.append(replace(one, values=real.values.get(sample.id, {}), reasons=real.reasons.get(sample.id, {})))
    limit = challenge.submission.video.match_reference_seconds
    case = CheckedTestSet(
        tuple(checked),
        challenge.testset,
        limit or LENGTH_TOLERANCE,
        _perfect_values(plan),
        testset.left_out,
        kind,
        partner=kind == "motion" and challenge.submission.motion.partner,
    )
    findings += run_rules(rules_for("testset"), case, challenge.submission.severities)
    place = {sample.id: number for number, sample in enumerate(testset, start=1)}
    findings.sort(key=lambda finding: place.get(finding.sample or "", 0))
    return TestSetReport(challenge.id, len(testset), tuple(findings), real.metrics)


_REAL: Mapping[Kind, Input] = {"video": "reference_video", "audio": "audio", "motion": "motion"}


def _perfect_values(plan: RunPlan | None) -> dict[str, float]:
    """Return metric -> value of a video compared with itself, for metrics that compare frame by frame."""
    if plan is None:
        return {}
    found, records = {}, plan.records
    for name, metric in plan.metrics.items():
        record = metric.record
        inputs = {part for one in record.features if one in records for part in records[one].inputs}
        paired = {"video", _REAL[plan.submission.kind]} <= inputs and not isinstance(metric, SetMetric)
        if paired and record.higher_is_better is not None:
            best = record.range[1 if record.higher_is_better else 0]
            if best is not None:
                found[name] = best
    return found


def _read_media(sample: Sample, testset: TestSet) -> CheckedSample:
    portraits = (speaker.reference_image for speaker in sample.speakers)
    paths = (*sample.reference_images, *(path for path in portraits if path is not None))
    images = tuple(_read_image(path, testset) for path in paths)
    one = CheckedSample(sample, images)
    if sample.audio is not None:
        path = testset.path(sample.audio)
        try:
            one = replace(one, audio_sha256=file_sha256(path), audio_seconds=audio_seconds(path))
            one = replace(one, audio_mix_energy=read_mix(path, RATE).energy)
        except (MediaError, OSError) as error:
            one = replace(one, audio_problem=_problem(error))
    if sample.driving_audio is not None:
        one = replace(one, driving=_driving_sound(testset.path(sample.driving_audio)))
    if sample.reference_video is not None:
        try:
            one = replace(one, video_sha256=file_sha256(testset.path(sample.reference_video)))
        except OSError as error:
            one = replace(one, video_problem=_problem(error))
    if sample.speakers:
        try:
            streams = read_streams([Voice.of(speaker, testset) for speaker in sample.speakers])
            speaking = activity(streams)
            silent = [
                speaker.name for speaker, speaks in zip(sample.speakers, speaking, strict=True) if not speaks.any()
            ]
            one = replace(one, silent_voices=tuple(silent))
        except FeatureUnavailableError as error:
            one = replace(one, voices_problem=error.detail)
    return replace(
        one,
        motion_problem=_motion_problem(sample.motion, testset),
        partner_problem=_motion_problem(sample.partner_motion, testset),
        partner_same=_same_file(sample.motion, sample.partner_motion, testset),
    )


def _same_file(one: str | None, other: str | None, testset: TestSet) -> bool:
    """Return whether two files of a sample are equal to the byte; whether they can be read is said elsewhere."""
    if one is None or other is None:
        return False
    try:
        return one == other or file_sha256(testset.path(one)) == file_sha256(testset.path(other))
    except OSError:
        return False


def _driving_sound(path: Path) -> DrivingSound:
    try:
        peak = float(np.abs(read_mix(path, RATE).samples).max(initial=0.0))
        return DrivingSound(file_sha256(path), 20 * math.log10(peak) if peak else -math.inf)
    except (MediaError, OSError) as error:
        return DrivingSound(problem=_problem(error))


def _motion_problem(relative: str | None, testset: TestSet) -> str | None:
    """Return why a motion file can't be used; ``None`` where it can, or there is none."""
    if relative is None:
        return None
    try:
        arrays = scan_arrays(testset.path(relative))
    except ArrayFileError as error:
        return error.found
    except OSError as error:
        return _problem(error)
    broken = sum(one.nans + one.infinities for one in arrays)
    return f"{count(broken, 'element')} NaN or infinite" if broken else None


def _read_image(relative: str, testset: TestSet) -> CheckedImage:
    path = testset.path(relative)
    try:
        height, width, _ = read_still(path).shape
        frames, transparent = describe_still(path)
        return CheckedImage(relative, file_sha256(path), None, width, height, frames, transparent)
    except (MediaError, OSError) as error:
        return CheckedImage(relative, problem=_problem(error))


def _problem(error: Exception) -> str:
    if isinstance(error, EvalkitError):
        return error.found or error.what
    return getattr(error, "strerror", None) or str(error)


@dataclass(frozen=True)
class _RealVideos:
    """What became of the real videos as a submission: by sample, and the aggregates by metric."""

    facts: Mapping[str, MediaFacts] = field(default_factory=dict)
    values: Mapping[str, dict[str, float]] = field(default_factory=dict)
    reasons: Mapping[str, dict[str, str]] = field(default_factory=dict)
    metrics: Mapping[str, dict[str, Any]] = field(default_factory=dict)


def _score_real_videos(
    testset: TestSet, challenge: Challenge, options: RunOptions, plan: RunPlan | None
) -> _RealVideos:
    """Score the reference videos as a submission."""
    with tempfile.TemporaryDirectory(prefix="evalkit-testset-") as folder:
        names = {}
        for number, sample in enumerate(testset):
            real = real_file(sample, challenge.submission.kind)
            if real is not None and testset.path(real).is_file() and _in_form(testset.path(real), challenge):
                names[sample.id] = f"{number:06d}.mp4"  # the name says nothing of what is in it
                _place(testset.path(real), Path(folder) / names[sample.id])
        if not names:
            return _RealVideos()
        # Samples by number: the test set's own ids may contain slashes, and the layout of the challenge does not
        # matter here.
        renamed = {f"{number:06d}": sample for number, sample in enumerate(testset) if sample.id in names}
        own = TestSet(
            testset.root,
            tuple(sample.model_copy(update={"id": number}) for number, sample in renamed.items()),
            testset.format,
        )
        lenient = _without_errors(challenge)
        submission = Submission.open(folder, lenient.submission.archive)
        if plan is None:
            intake, card = validate_run(submission, lenient, own, options), None
        else:
            result = score_run(submission, lenient, own, plan, options)
            intake, card = result.intake, result.scorecard
    facts = {renamed[file.sample].id: file.facts for file in intake.files if file.facts is not None}
    values: dict[str, dict[str, float]] = {}
    reasons: dict[str, dict[str, str]] = {}
    for video in card.videos if card else ():
        sample_id = renamed[video.sample].id
        found = {name: value for name, value in video.values.items() if value is not None}
        stand_ins = {name: why for name, value in found.items() if (why := _why_stand_in(name, value, video))}
        values[sample_id] = {name: value for name, value in found.items() if name not in stand_ins}
        # What this machine lacks says nothing about the sample.
        reasons[sample_id] = stand_ins | {
            m: reason for m, reason in video.reasons.items() if not reason.startswith("weights_missing")
        }
    metrics = {
        name: {"value": score.value, "n": score.n, "reason": score.reason}
        for name, score in (card.metrics if card else {}).items()
    }
    return _RealVideos(facts, values, reasons, metrics)


def _in_form(real: Path, challenge: Challenge) -> bool:
    """Whether the file has the form of a submission: the truth of a data set may name its arrays otherwise.

    What can't be read is for the rules to say.
    """
    if challenge.submission.kind != "motion":
        return True
    try:
        return not is_archive(real) or set(challenge.submission.motion.arrays) <= set(read_shapes(real))
    except (ArrayFileError, OSError):
        return True


def _why_stand_in(metric: str, value: float, video: VideoScore) -> str | None:
    """Return why a value only stands for a missing one: a strict metric counts a video without a face track as 0.

    A team's video is 0 by its own fault; where the real video has no track either, the sample is at fault.
    """
    known = metric_registry().get(metric)
    if known is None or value != known.record.options.get("without_track"):
        return None
    return next((event.kind for event in video.events if event.kind in NO_TRACK_KINDS), None)


def _reference_rules(challenge: Challenge, facts: MediaFacts) -> SubmissionRules:
    """Return the challenge's file rules, with any container and codec that was read.

    How a reference is stored changes no score. What its frames and times are does: dynamic range, rate, rotation,
    edits, damage.
    """
    rules = challenge.submission
    if rules.kind == "audio" and facts.audio is not None:
        stored = {"containers": tuple((facts.container or "").split(",")), "codecs": (facts.audio.codec,)}
        return rules.model_copy(update={"sound": rules.sound.model_copy(update=stored)})
    if rules.kind != "video":
        return rules
    video: dict[str, Any] = {"containers": (*(facts.container or "").split(","), "mov")}
    if facts.video is not None:
        video["codecs"] = (facts.video.codec,)
        video["pixel_formats"] = tuple(facts.video.pixel_formats) or (str(facts.video.pixel_format),)
    audio: dict[str, Any] = {"required": False}  # the sample's speech is a file of its own
    if facts.audio is not None:
        audio["codecs"] = (facts.audio.codec,)
    return rules.model_copy(
        update={"video": rules.video.model_copy(update=video), "audio": rules.audio.model_copy(update=audio)}
    )


def _without_errors(challenge: Challenge) -> Challenge:
    """Return the challenge with file rules that refuse nothing, so that every metric is tried; no gaming rules."""
    scope = FILE_SCOPES[challenge.submission.kind]
    severities: dict[str, Any] = {rule.id: "warning" for rule in rules_for(scope) if rule.severity == "error"}
    severities |= {rule.id: "off" for rule in (*rules_for("gaming"), *rules_for("set"))}
    own = challenge.submission
    # The real motion is as long as itself; where it can't be read, another rule says so.
    motion = own.motion.model_copy(update={"match_reference_frames": None})
    rules = own.model_copy(update={"severities": severities, "layouts": ("{id}.mp4",), "motion": motion})
    return challenge.model_copy(update={"submission": rules})


def _place(source: Path, target: Path) -> None:
    """Make ``source`` appear as ``target`` without copying where the file system can."""
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)


def samples_by_rule(findings: Iterable[Finding]) -> dict[tuple[str, str], list[Finding]]:
    """Return the findings by severity and rule, errors first, for a list that people read."""
    order = {"error": 0, "warning": 1, "info": 2}
    grouped: dict[tuple[str, str], list[Finding]] = {}
    for finding in sorted(findings, key=lambda one: (order[one.severity], one.rule)):
        grouped.setdefault((finding.severity, finding.rule), []).append(finding)
    return grouped
