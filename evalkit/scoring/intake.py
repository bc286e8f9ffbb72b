"""Intake: archive, layout and file rules over a whole submission. ``evalkit validate`` is this and nothing else."""

from __future__ import annotations

import hashlib
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from evalkit.challenges.kinds import KINDS, Kind
from evalkit.challenges.model import Challenge
from evalkit.challenges.submission_rules import SubmissionRules
from evalkit.errors import MediaError, TestSetError
from evalkit.media.facts import MediaFacts
from evalkit.metrics.base import FeatureData
from evalkit.scoring.cache import CorruptEntryError, FeatureCache
from evalkit.scoring.jobs import Extraction
from evalkit.scoring.kinds import kind_of
from evalkit.scoring.kinds.lengths import length_of_sample, media_source, size_of_reference
from evalkit.submission.model import Submission
from evalkit.testsets.model import Sample, TestSet
from evalkit.testsets.setup_names import SILENT
from evalkit.testsets.setups import check_setups
from evalkit.text import count, escape_for_display
from evalkit.validators.archive.check import NESTED, UNREADABLE, blocks, check_archive
from evalkit.validators.archive.strays import is_stray, junk, video_suffixes
from evalkit.validators.conversion import printed_command
from evalkit.validators.file import ExpectedLength, File
from evalkit.validators.findings import Finding, Verdict, rule_lines, run_rules, verdict_of
from evalkit.validators.matching import Layout, match_layout
from evalkit.validators.reading import FailedReading
from evalkit.validators.registry import rules_for
from evalkit.weights.store import file_sha256

SCHEMA = 1
LENGTH = "length"  # cache folder: file of the test set -> length or size
OF_REST = ("content.frozen", "content.duplicate-frames")  # what a mouth at rest looks like
LENGTH_VERSION = 2  # of the lengths in the cache


@dataclass(frozen=True)
class FileReport:
    """One file: the sample it answers, what is known of it, what the rules found.

    ``packed`` has the facts, compressed: as objects those of ten thousand files would fill 150 MiB. ``fix`` is the one
    command that corrects everything that a command can correct in it, or ``None``. ``unread`` is the rule because of
    which there are no facts, whatever severity the challenge gives it.
    """

    path: str
    sample: str
    packed: bytes | None
    findings: tuple[Finding, ...]
    fix: str | None = None
    unread: str | None = None

    @property
    def facts(self) -> MediaFacts | None:
        """What was measured in the file; ``None`` when it was not read. Unpacked at every access."""
        return None if self.packed is None else MediaFacts.model_validate_json(zlib.decompress(self.packed))

    @property
    def verdict(self) -> Verdict:
        """The worst severity among the findings; "error" whenever the file was not read."""
        return "error" if self.unread is not None else verdict_of(self.findings)


@dataclass(frozen=True, repr=False)
class ValidationReport:
    """The result of validating a submission.

    Args:
        challenge: the challenge's id.
        submission: the submission's name.
        layout: the path template that the files follow, ``None`` when none does.
        findings: about the archive and the set.
        files: one per file that answers a sample, in the order of the test set.
        refused: whether the archive was refused before any file in it was opened.
        samples: number of samples asked for; ``None`` without a test set, when nobody knows what is missing.
        kind: what the files are.
    """

    challenge: str
    submission: str
    layout: str | None
    findings: tuple[Finding, ...]
    files: tuple[FileReport, ...] = ()
    refused: bool = False
    samples: int | None = None
    kind: Kind = "video"

    @property
    def ok(self) -> bool:
        """Whether nothing of severity error was found anywhere."""
        return verdict_of(self.all_findings()) != "error"

    def __repr__(self) -> str:
        verdict = "valid" if self.ok else "NOT valid"
        counts = f"{len(self.files)} files, {len(self.all_findings())} findings"
        return f"<ValidationReport: {escape_for_display(self.submission)}, {verdict}, {counts}>"

    def __str__(self) -> str:
        name = escape_for_display(self.submission)
        if self.refused:
            head = f"{name}: refused by {escape_for_display(self.challenge)}; no file in it was opened."
        else:
            verdict = f"{'valid' if self.ok else 'NOT valid'} for {escape_for_display(self.challenge)}"
            head = f"{name}: {verdict}: {', '.join(self.counts())}."
        return "\n".join((head, *rule_lines(self.all_findings())))

    def _repr_html_(self) -> str:
        """Show in a notebook how many files are of each verdict, and what each rule found."""
        from evalkit.scoring.notebook import validation_fragment

        if self.refused:
            title = f"{self.submission}: refused by {self.challenge}; no file in it was opened"
        else:
            title = f"{self.submission}: {'valid' if self.ok else 'NOT valid'} for {self.challenge}"
        verdicts: Counter[str] = Counter(file.verdict for file in self.files)
        first, *_, missing = self.counts()
        said = [] if self.refused else [f"{first}, {missing}."]
        return validation_fragment(title, verdicts, said, self.all_findings())

    def counts(self) -> list[str]:
        """Return how many files there are, how many of each verdict, and how many are missing, as phrases."""
        by = "" if self.layout is None else f" by layout {escape_for_display(self.layout)}"
        phrases = (("ok", "ok"), ("warning", "with warnings"), ("error", "refused"))
        counted = [(sum(file.verdict == verdict for file in self.files), words) for verdict, words in phrases]
        missing = sum(finding.rule in {"layout.missing", "scores.missing"} for finding in self.findings)
        none = {
            "layout.no-match",
            "scores.none",
            "scores.ids",
            NESTED,
        }  # an archive in the archive may hide every video
        if self.samples and self.layout is None and any(finding.rule in none for finding in self.findings):
            missing = self.samples
        return [
            f"{count(len(self.files), KINDS[self.kind].file)}{by}",
            *(f"{number} {words}" for number, words in counted if number or words == "ok"),
            "missing files not checked, which needs --testset" if self.samples is None else f"{missing} missing",
        ]

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
            "samples": self.samples,
            "files": [
                {
                    "path": file.path,
                    "sample": file.sample,
                    "verdict": file.verdict,
                    "facts": facts.model_dump(mode="json") if (facts := file.facts) else {},
                    "findings": [finding.to_json() for finding in file.findings],
                    "fix": file.fix,
                }
                for file in self.files
            ],
            "findings": [finding.to_json() for finding in self.findings],
        }


@dataclass(frozen=True)
class Gate:
    """What is known before any file is opened.

    ``unreadable`` has, by path, what the archive rules find in files of samples that can't be read because of it. It is
    not repeated in ``findings``.
    """

    findings: tuple[Finding, ...]
    layout: Layout
    refused: bool
    unreadable: Mapping[str, tuple[Finding, ...]] = field(default_factory=dict)
    samples: Mapping[str, Sample] = field(default_factory=dict)


def open_gate(submission: Submission, challenge: Challenge, testset: TestSet | None) -> Gate:
    """Check the archive's table of contents and match names to samples; decompresses nothing."""
    severities = challenge.submission.severities
    if testset is not None:
        check_setups(testset, challenge.submission.setups)
    layouts = challenge.submission.layouts
    findings = check_archive(submission, challenge.submission.archive, severities, layouts)
    if blocks(findings):
        return Gate(tuple(findings), Layout(None, {}), refused=True)
    nested = {finding.path for finding in findings if finding.rule == NESTED and finding.severity == "error"}
    suffixes = video_suffixes(layouts)
    paths = [
        member.path
        for member in submission.members
        if member.kind == "file" and not (junk(member.path) or is_stray(member, suffixes) or member.path in nested)
    ]
    layout = match_layout(paths, challenge, testset)
    answers = set(layout.files.values())
    unreadable: dict[str, tuple[Finding, ...]] = {}
    for finding in findings:
        if finding.rule in UNREADABLE and finding.path in answers:
            unreadable[finding.path] = (*unreadable.get(finding.path, ()), finding)
    findings = [finding for finding in findings if finding.path not in unreadable or finding.rule not in UNREADABLE]
    about_set = run_rules(rules_for("set"), layout, severities)
    findings += [one for one in about_set if paths or not nested or one.rule != "layout.no-match"]  # in the archive
    samples = {sample.id: sample for sample in testset} if testset else {}
    return Gate(tuple(findings), layout, refused=False, unreadable=unreadable, samples=samples)


def file_report(
    extraction: Extraction,
    path: str,
    *,
    in_folder: bool,
    rules: SubmissionRules,
    expected: ExpectedLength | None = None,
    setup: str | None = None,
) -> FileReport:
    """Return the report on one file, from the worker's answer; ``in_folder`` chooses the advice.

    Args:
        extraction, path, rules: the answer, and what it is about.
        in_folder: whether the submission is a folder.
        expected: the length and the size that the file should have, where rules compare them.
        setup: which of several videos of a sample it is: one that was driven by silence may show one picture.
    """
    if extraction.facts is None:
        return failed_report(
            FailedReading(path, extraction.sample, "member", extraction.problem, in_folder), rules.severities
        )
    rest = OF_REST if setup == SILENT else ()
    findings = tuple(one for one in extraction.findings if one.severity == "error" or one.rule not in rest)
    steps = [step for one in findings if one.severity != "info" for step in one.steps]
    fix = printed_command(steps, File(extraction.facts, rules, expected), path) if steps else None
    packed = zlib.compress(extraction.facts.model_dump_json().encode(), 1)
    return FileReport(path, extraction.sample, packed, findings, fix)


def failed_report(reading: FailedReading, severities: Mapping[str, str]) -> FileReport:
    """Return the report for a file that could not be read, so that nothing else is known of it."""
    findings = run_rules(rules_for("reading"), reading, severities)
    return FileReport(reading.path, reading.sample, None, tuple(findings), unread=reading.rule)


def refused_report(sample: str, path: str, findings: Iterable[Finding]) -> FileReport:
    """Return the report for a member that the archive's own rules say can't be read."""
    placed = tuple(replace(finding, sample=sample) for finding in findings)
    return FileReport(path, sample, None, placed, unread=placed[0].rule)


def expected_lengths(
    testset: TestSet | None,
    challenge: Challenge,
    samples: Iterable[str],
    cache: FeatureCache,
    known: Mapping[str, ExpectedLength] | None = None,
) -> dict[str, ExpectedLength]:
    """Return how long each sample's file should be, where a rule of the challenge asks for it.

    Of a video and an audio file the speech says so, or the reference video where a sample has no speech; of motion the
    reference motion, where there is one. Samples with nothing of these are left out.
    ``known`` lengths, of a reference pack, are not measured.

    Raises:
        TestSetError: when such a file can't be read; without its length the rule would pass everything.
    """
    if testset is None:
        return {}
    wanted = set(samples)
    found = {}
    for sample in testset:
        if sample.id not in wanted:
            continue
        try:
            expected = expected_length(sample, testset, challenge.submission, cache, (known or {}).get(sample.id))
        except (MediaError, OSError) as error:
            of_motion = challenge.submission.kind == "motion" and sample.motion is not None
            source = "reference motion" if of_motion else media_source(sample)
            raise TestSetError(
                f"The {source} of the test set's sample '{sample.id}' can't be read.",
                found=str(error),
                fix=f"Fix the test set: the challenge compares each file's length with its {source}.",
            ) from None
        if expected is not None:
            found[sample.id] = expected
    return found


def expected_length(
    sample: Sample,
    testset: TestSet,
    rules: SubmissionRules,
    cache: FeatureCache | None = None,
    known: ExpectedLength | None = None,
) -> ExpectedLength | None:
    """Return how long one sample's file should be; ``None`` where no rule asks for it, or nothing says so.

    Args:
        sample: of the test set.
        testset: where its media are.
        rules: the challenge's.
        cache: keeps what was measured, so that a cached run opens no media file; ``None`` to measure now.
        known: what `measured_length` returned before.

    Raises:
        MediaError: when the reference can't be read.
    """
    if known is not None and rules.kind == "video":
        asked = rules.video.match_reference_seconds is not None or rules.video.compares_sizes
        return (known if rules.video.compares_sizes else replace(known, size=None)) if asked else None
    return kind_of(rules).expected(sample, testset, rules, partial(_measured, cache))


def measured_length(sample: Sample, testset: TestSet, cache: FeatureCache | None = None) -> ExpectedLength | None:
    """Return how long the sample's speech is, or its reference video; ``None`` for a sample with neither.

    Raises:
        MediaError: when the speech or the reference video can't be read.
    """
    measured = partial(_measured, cache)
    found = length_of_sample(sample, testset, measured)
    return None if found is None else size_of_reference(found, sample, testset, measured)


def _measured(
    cache: FeatureCache | None, path: Path, what: str, measure: Callable[[Path], tuple[float, ...]]
) -> tuple[float, ...]:
    """Return what ``measure`` finds in the file, from the cache where that knows it."""
    if cache is None:
        return measure(path)
    key = hashlib.sha256(f"{LENGTH_VERSION} {what} {file_sha256(path)}".encode()).hexdigest()
    try:
        known = cache.load(LENGTH, key)
    except CorruptEntryError:  # measured again, and written over
        known = None
    if known is not None and known.arrays is not None:
        return tuple(float(number) for number in known.arrays["numbers"])
    numbers = measure(path)
    found = FeatureData({"numbers": np.asarray(numbers, dtype=np.float64)})
    cache.store(LENGTH, key, found, LENGTH_VERSION)
    return numbers
