"""Run a generator over a test set and write its submission: a ZIP with a video per sample and ``speed.json``."""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from evalkit.challenges.model import Challenge, load_challenge, require_videos
from evalkit.errors import InputError, UsageError
from evalkit.files import atomic_write
from evalkit.reference_models.generation.kept_clips import ClipFolder
from evalkit.reference_models.generation.requests import RequestBuilder
from evalkit.reference_models.generation.speed import GenerationTiming, speed_document
from evalkit.reference_models.generation.worker import HANDLER, GenerationConfig, SampleOutcome, output_path
from evalkit.reference_models.generators.base import find_generator
from evalkit.reference_models.generators.external import log_tail
from evalkit.scoring.intake import open_gate
from evalkit.submission.model import Submission
from evalkit.submission.zip.writing import write_stored
from evalkit.testsets.loading import load_testset
from evalkit.testsets.model import TestSet
from evalkit.text import ended, escape_for_display, found_and_expected
from evalkit.validators.findings import Finding, verdict_of
from evalkit.validators.matching import SPEED_FILE, expected_paths
from evalkit.workers.pool import JobResult, Workers

SAMPLE_SECONDS = 600.0


@dataclass(frozen=True, repr=False)
class GenerationRun:
    """The result of a run.

    Args:
        path: the ZIP.
        made: samples that are in it, in the order of the test set.
        failures: sample -> why it could not be generated; it is missing from the ZIP.
        speed: the content of ``speed.json``, also if it was not written.
        findings: sample that was made -> what the rules of the challenge find in its file; nothing if no challenge was
            named.
        archive_findings: what they find in the ZIP as a whole, without the samples that could not be generated.
        kept: samples whose clip an earlier run, which was stopped, has made.
        tracebacks: sample that failed -> traceback of the exception in the generator's code, where it was one.
    """

    path: Path
    made: tuple[str, ...] = ()
    failures: Mapping[str, str] = field(default_factory=dict)
    speed: Mapping[str, Any] = field(default_factory=dict)
    findings: Mapping[str, tuple[Finding, ...]] = field(default_factory=dict)
    archive_findings: tuple[Finding, ...] = ()
    kept: tuple[str, ...] = ()
    tracebacks: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<GenerationRun: {self.path.name}, {len(self.made)} made, {len(self.failures)} failed>"

    @property
    def refused(self) -> tuple[str, ...]:
        """Samples whose file breaks a rule of severity error: nothing of it would be scored."""
        return tuple(sample for sample, findings in self.findings.items() if verdict_of(findings) == "error")

    @property
    def valid(self) -> bool:
        """Whether no rule of severity error is broken by what was made."""
        return not self.refused and verdict_of(self.archive_findings) != "error"

    @property
    def ok(self) -> bool:
        """Whether every sample was made, and no rule of severity error is broken."""
        return not self.failures and self.valid

    def all_findings(self) -> list[Finding]:
        """Return the ZIP's findings, then each file's with its sample's id."""
        files = [replace(one, sample=sample) for sample, found in self.findings.items() for one in found]
        return [*self.archive_findings, *files]


def make_submission(
    name: str,
    testset: Path | TestSet,
    output: Path,
    *,
    options: Mapping[str, Any] | None = None,
    seed: int = 0,
    workers: int = 1,
    backbones: str = "published",
    challenge: Challenge | str | None = None,
    progress: Callable[[str], None] | None = None,
    warn: Callable[[str], None] | None = None,
    sample_seconds: float = SAMPLE_SECONDS,
    with_speed: bool = True,
    fresh: bool = False,
) -> GenerationRun:
    """Run the generator ``name`` over a test set and write a ZIP for the challenge.

    Requests ask for videos that the challenge accepts. What generators make is checked by the rules of a challenge that
    was named; a file that breaks one stays in the ZIP, and `GenerationRun.findings` says so.

    A run that is stopped, or can't continue, keeps its finished clips in the folder ``OUTPUT.clips``; the next run with
    the same arguments takes them over.

    The videos have the same bytes with any number of workers and in every run on one machine; ``speed.json`` has not.

    Args:
        name: of a registered generator.
        testset: the samples, or their folder.
        output: the ZIP; written atomically at the end, replacing an older one.
        options: of the generator.
        seed: other seeds give other jitter, blinks and orders.
        workers: processes, each with one sample at a time.
        backbones: weights for generators that use networks.
        challenge: its layout and rules apply to the files; by default ``{id}.mp4`` and the default rules.
        progress: called with the id of each finished sample, also if it failed.
        warn: called with a sentence about the first file that breaks each rule of severity error, at once.
        sample_seconds: time limit of one sample.
        with_speed: whether ``speed.json`` goes into the ZIP.
        fresh: make the clips again that an earlier run kept when it was stopped.

    Raises:
        UsageError: an unknown name or option, an output that is a folder or that another run writes.
        TestSetError: the test set can't be read, or the challenge can't name its samples.
        InputError: no sample could be generated; nothing is written.
        StorageError: the disk is full.
    """
    if output.is_dir():
        raise UsageError(f"{output} is a folder.", expected="the name of a ZIP file")
    kind = find_generator(name)
    chosen = kind.record.resolve(options or {})
    samples = testset if isinstance(testset, TestSet) else load_testset(testset)
    samples = replace(samples, root=samples.root.absolute())
    rules = load_challenge(challenge) if isinstance(challenge, str) else challenge
    if rules is not None:
        require_videos(rules, "'evalkit baseline'")
    places = expected_paths(rules or _default_challenge(), samples)
    requests = RequestBuilder(samples, rules, seed)
    with ClipFolder(output, fresh=fresh) as clips:
        config = GenerationConfig(name, chosen, backbones, requests, clips.path, places, str(Path.cwd()))
        results: dict[int, SampleOutcome] = {}
        warned: set[str] = set()
        # Closed at once when the loop is left by an exception: workers must not write to the folder any more.
        with closing(Workers(HANDLER, config, workers, sample_seconds).run(range(len(samples)))) as finished:
            for result in finished:
                results[result.index] = _outcome(result, clips.path, name)
                sample = samples.samples[result.index].id
                if warn:
                    _warn_of_rules(sample, results[result.index].findings, warned, warn)
                if progress:
                    progress(sample)
        ids = [sample.id for sample in samples]
        made = {ids[index]: result for index, result in sorted(results.items()) if result.failure is None}
        failures = {ids[index]: result.failure for index, result in sorted(results.items()) if result.failure}
        tracebacks = {ids[index]: result.traceback for index, result in sorted(results.items()) if result.traceback}
        if not made:
            raise _none_made(name, failures, tracebacks)
        timings: dict[str, GenerationTiming] = {sample: done.timing for sample, done in made.items() if done.timing}
        setups = [result.setup_seconds for result in results.values()]
        kept = tuple(sample for sample, done in made.items() if done.kept)
        speed = speed_document({"name": name, "options": chosen}, timings, setups, workers, kept)
        _write_zip(output, {places[sample]: done.file for sample, done in made.items()}, speed if with_speed else None)
    findings = {sample: done.findings for sample, done in made.items()}
    return GenerationRun(
        output,
        tuple(made),
        failures,
        speed,
        findings,
        _archive_findings(output, rules, samples, made),
        kept,
        tracebacks,
    )


def _none_made(name: str, failures: Mapping[str, str], tracebacks: Mapping[str, str]) -> InputError:
    """Return the error for a run in which every sample failed; ``--debug`` shows the note with the traceback."""
    sample, reason = next(iter(failures.items()))
    error = InputError(
        f"'{name}' could generate none of the {len(failures)} samples.",
        found=f"{sample}: {reason}",
        fix="Run again with --debug to see the traceback." if sample in tracebacks else None,
    )
    if sample in tracebacks:
        error.add_note(tracebacks[sample])
    return error


def _warn_of_rules(sample: str, findings: Iterable[Finding], warned: set[str], warn: Callable[[str], None]) -> None:
    """Warn of the first file that breaks a rule, while there is time to stop the run."""
    for finding in findings:
        if finding.severity == "error" and finding.rule not in warned:
            warned.add(finding.rule)
            warn(f"{escape_for_display(sample)} breaks the rule {finding.rule}: {finding_text(finding)}")


def finding_text(finding: Finding) -> str:
    """Return the sentences of a finding, without its rule and its place."""
    return " ".join(filter(None, (finding.message, found_and_expected(finding.found, finding.expected))))


def _archive_findings(
    output: Path, challenge: Challenge | None, samples: TestSet, made: Container[str]
) -> tuple[Finding, ...]:
    """Check the finished ZIP as a whole; samples that were not made are reported as failures already."""
    if challenge is None:
        return ()
    gate = open_gate(Submission.open(output, challenge.submission.archive), challenge, samples)
    absent = {sample.id for sample in samples if sample.id not in made}
    return tuple(finding for finding in gate.findings if finding.sample not in absent)


def _default_challenge() -> Challenge:
    return Challenge(id="any", title="any")


def _outcome(result: JobResult, folder: Path, name: str) -> SampleOutcome:
    """Return the outcome of a sample, also if its worker failed."""
    if result.failure is None:
        made = result.value
        return made if isinstance(made, SampleOutcome) else SampleOutcome(failure="the worker returned no result")
    lines = [line.strip() for line in result.detail.strip().splitlines() if line.strip()]
    words = lines[-1] if lines else "no message"
    if result.failure == "error":
        return SampleOutcome(failure=f"'{name}' raised {words}")
    if result.failure == "timeout":
        message = log_tail(output_path(folder, result.index))
        return SampleOutcome(
            failure=f"It took {words}." + (f" Last message: {ended(message)}" if message != "no message" else "")
        )
    return SampleOutcome(failure=f"The process {words}.")


def _write_zip(output: Path, files: Mapping[str, Path | None], speed: Mapping[str, Any] | None) -> None:
    """Write the ZIP atomically."""
    members: list[tuple[str, Path | bytes]] = [(place, file) for place, file in files.items() if file is not None]
    if speed is not None:
        members.append((SPEED_FILE, (json.dumps(speed, indent=1) + "\n").encode()))
    with atomic_write(output) as stream:
        write_stored(stream, members)
