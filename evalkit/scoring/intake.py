"""Intake: archive, layout and file rules over a whole submission. ``evalkit validate`` is this and nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from evalkit.challenges.model import Challenge, SubmissionRules
from evalkit.errors import MediaError, TestSetError
from evalkit.media.facts import MediaFacts
from evalkit.metrics.base import FeatureData
from evalkit.scoring.cache import CorruptEntryError, FeatureCache
from evalkit.scoring.jobs import Extraction
from evalkit.submission.model import Submission
from evalkit.testsets.model import Sample, TestSet
from evalkit.validators.archive.check import blocks, check_archive
from evalkit.validators.archive.names import junk
from evalkit.validators.conversion import printed_command
from evalkit.validators.file import ExpectedLength, File
from evalkit.validators.findings import Finding, Verdict, run_rules, verdict_of
from evalkit.validators.layout import Layout, match_layout
from evalkit.validators.registry import rules_for
from evalkit.weights.store import file_sha256

SCHEMA = 1
LENGTH_VERSION = 1  # of the lengths in the cache


@dataclass(frozen=True)
class FileReport:
    """One file: the sample it answers, what is known of it, what the rules found.

    ``fix`` is the one command that corrects everything that a command can correct in it, or ``None``.
    """

    path: str
    sample: str
    facts: MediaFacts | None
    findings: tuple[Finding, ...]
    fix: str | None = None

    @property
    def verdict(self) -> Verdict:
        """The worst severity among the findings."""
        return verdict_of(self.findings)


@dataclass(frozen=True)
class ValidationReport:
    """The result of validating a submission.

    Args:
        challenge: the challenge's id.
        submission: the submission's name.
        layout: the path template that the files follow, ``None`` when none does.
        findings: about the archive and the set.
        files: one per file that answers a sample, in the order of the test set.
        refused: whether the archive was refused before any file in it was opened.
    """

    challenge: str
    submission: str
    layout: str | None
    findings: tuple[Finding, ...]
    files: tuple[FileReport, ...] = ()
    refused: bool = False

    @property
    def ok(self) -> bool:
        """Whether nothing of severity error was found anywhere."""
        return verdict_of(self.all_findings()) != "error"

    def all_findings(self) -> list[Finding]:
        """Return the set's findings, then each file's."""
        return [*self.findings, *(finding for file in self.files for finding in file.findings)]

    def to_json(self) -> dict[str, Any]:
        """Return the document of ``validate --json`` (schema 1)."""
        return {
            "schema": SCHEMA,
            "ok": self.ok,
            "challenge": self.challenge,
            "submission": self.submission,
            "layout": self.layout,
            "refused": self.refused,
            "files": [
                {
                    "path": file.path,
                    "sample": file.sample,
                    "verdict": file.verdict,
                    "facts": file.facts.model_dump(mode="json") if file.facts else {},
                    "findings": [finding.to_json() for finding in file.findings],
                    "fix": file.fix,
                }
                for file in self.files
            ],
            "findings": [finding.to_json() for finding in self.findings],
        }


@dataclass(frozen=True)
class Gate:
    """What is known before any file is opened."""

    findings: tuple[Finding, ...]
    layout: Layout
    refused: bool
    samples: Mapping[str, Sample] = field(default_factory=dict)


def open_gate(submission: Submission, challenge: Challenge, testset: TestSet | None) -> Gate:
    """Check the archive's table of contents and match names to samples; decompresses nothing."""
    severities = challenge.submission.severities
    findings = check_archive(submission, challenge.submission.archive, severities)
    if blocks(findings):
        return Gate(tuple(findings), Layout(None, {}), refused=True)
    paths = [member.path for member in submission.members if member.kind == "file" and not junk(member.path)]
    layout = match_layout(paths, challenge, testset)
    findings += run_rules(rules_for("set"), layout, severities)
    samples = {sample.id: sample for sample in testset} if testset else {}
    return Gate(tuple(findings), layout, refused=False, samples=samples)


def file_report(
    extraction: Extraction, path: str, *, in_folder: bool, rules: SubmissionRules | None = None
) -> FileReport:
    """Return the report on one file, from the worker's answer; ``in_folder`` chooses the advice."""
    if extraction.facts is None:
        finding = Finding(
            rule="archive.unreadable-member",
            severity="error",
            message="The file can't be read." if in_folder else "The file can't be taken out of the archive.",
            found=extraction.problem,
            fix="Make the file readable." if in_folder else "Make the ZIP again from the original files.",
            path=path,
            sample=extraction.sample,
        )
        return FileReport(path, extraction.sample, None, (finding,))
    steps = [step for one in extraction.findings if one.severity != "info" for step in one.steps]
    fix = printed_command(steps, File(extraction.facts, rules), path) if steps and rules is not None else None
    return FileReport(path, extraction.sample, extraction.facts, extraction.findings, fix)


_FAILURES = {
    "timeout": "Reading the file took longer than the time limit.",
    "memory": "Reading the file takes more memory than the limit allows.",
}


def failed_report(sample: str, path: str, failure: str, detail: str) -> FileReport:
    """Return the report for a file on which the worker crashed, ran out of time, or took too much memory."""
    finding = Finding(
        rule=f"content.reading-{failure}",
        severity="error",
        message=_FAILURES.get(failure, "The process that read the file failed."),
        found=detail.strip().splitlines()[-1] if detail.strip() else failure,
        fix="Encode the video again.",
        path=path,
        sample=sample,
    )
    return FileReport(path, sample, None, (finding,))


def expected_lengths(
    testset: TestSet | None, challenge: Challenge, samples: Iterable[str], cache: FeatureCache
) -> dict[str, ExpectedLength]:
    """Return how long each sample's video should be, where a rule of the challenge asks for it.

    The speech says so, or the reference video where a sample has no speech. Samples with neither are left out.

    Raises:
        TestSetError: when such a file can't be read; without its length the rule would pass everything.
    """
    if testset is None or challenge.submission.video.match_reference_seconds is None:
        return {}
    wanted = set(samples)
    lengths = {}
    for sample in testset:
        if sample.id not in wanted or (sample.audio is None and sample.reference_video is None):
            continue
        source = "speech" if sample.audio is not None else "reference video"
        try:
            lengths[sample.id] = ExpectedLength(_length_of(sample, testset, cache), source)
        except (MediaError, OSError) as error:
            raise TestSetError(
                f"The {source} of the test set's sample '{sample.id}' can't be read.",
                found=str(error),
                fix=f"Fix the test set: the challenge compares each video's length with its {source}.",
            ) from None
    return lengths


def _length_of(sample: Sample, testset: TestSet, cache: FeatureCache) -> float:
    """Return the length in seconds; the cache keeps it, so that a cached run opens no media file."""
    path = testset.path(str(sample.audio or sample.reference_video))
    key = hashlib.sha256(f"{LENGTH_VERSION} {sample.audio is None} {file_sha256(path)}".encode()).hexdigest()
    try:
        known = cache.load("length", key)
    except CorruptEntryError:
        known = None
    if known is not None and known.arrays is not None:
        return float(known.arrays["seconds"])
    seconds = _audio_length(path) if sample.audio is not None else _video_length(path)
    cache.store("length", key, FeatureData({"seconds": np.asarray(seconds)}))
    return seconds


def _audio_length(path: Path) -> float:
    from evalkit.media.audio import audio_seconds

    return audio_seconds(path)


def _video_length(path: Path) -> float:
    from evalkit.media.inspect import scan_times
    from evalkit.media.sampling import frame_interval

    times = scan_times(path)
    if not len(times):
        raise MediaError("It has no video frames.")
    return float(times[-1] - times[0]) + frame_interval(times, default=0.04)
