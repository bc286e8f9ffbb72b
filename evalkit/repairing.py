"""Repair a submission: give every file its sample's name, convert what breaks a rule, and check the result again.

The original is only read. Files are matched with samples as `evalkit.validators.layout` suggests in its findings; one
ffmpeg command for each file is made from the steps that the rules name and the challenge's own limits
(`evalkit.validators.conversion`). What no command can correct is left as it is and reported with its finding.
"""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from evalkit.challenges.model import Challenge
from evalkit.errors import MachineError, SubmissionError, UsageError
from evalkit.files import atomic_write
from evalkit.metrics.features.ffmpeg_program import Ffmpeg, FfmpegError, find_ffmpeg
from evalkit.scoring.cache import FeatureCache
from evalkit.scoring.intake import FileReport, ValidationReport, expected_lengths
from evalkit.scoring.run import RunOptions, validate_run
from evalkit.submission.model import Submission
from evalkit.testsets.model import TestSet
from evalkit.validators.archive.strays import junk
from evalkit.validators.conversion import all_steps, ordered, output_options, suffix, unsupported
from evalkit.validators.file import ExpectedLength, File, is_damaged
from evalkit.validators.findings import Finding
from evalkit.validators.matching import SPEED_FILE, Layout, match_layout
from evalkit.validators.reading_limits import ALWAYS_FRAMES

ROUNDS = 3  # a fault may hide another: a wrong codec hides the sample rate
STEP_TITLES = {
    "rewrite": "streams copied to a new file",
    "video": "video encoded",
    "deinterlace": "deinterlaced",
    "square-pixels": "pixels made square",
    "size": "scaled to an allowed size",
    "rate": "frame rate made constant and allowed",
    "tone-map": "converted to standard dynamic range",
    "primaries": "colours converted to bt709",
    "audio": "audio encoded",
    "one-channel": "first channel of the audio kept",
    "mono": "audio mixed to mono",
    "align-audio": "audio aligned with the video",
    "speech": "audio replaced by the sample's speech",
    "start": "first frame moved to time zero",
    "enable": "tracks enabled",
    "cut": "frames after the end of the speech cut off",
    "cut-audio": "audio after the end of the video cut off",
}
LOST = "a part of the file is lost"
LOCKED = {"encoding.encrypted", "encoding.external-data"}  # such files decode to errors, and have lost nothing
BEYOND_REPAIR = {  # rule -> why no conversion satisfies it
    "content.truncated": LOST,
    "content.decode-errors": LOST,
    "content.audio-cut": LOST,
    "content.too-few-frames": "no conversion makes frames that are not there",
    "content.length": "a video of another length must be made again",
    "content.duration": "a video of another length must be made again",
    "content.endless": "a video of another length must be made again",
    "encoding.not-media": "there is no video in it that can be read",
    "encoding.no-video": "there is no video in it that can be read",
    "encoding.container": "a still picture is no video",
    "encoding.encrypted": "only its owner can remove the protection",
    "encoding.external-data": "its data is not in the file",
}
Outcome = Literal["unchanged", "renamed", "repaired", "failed", "missing"]


@dataclass(frozen=True)
class RepairedFile:
    """What became of the file of one sample.

    Args:
        sample: the sample's id.
        source: its path in the submission, ``None`` when no file was found.
        target: its path in the new ZIP.
        outcome: ``failed`` when the new file still breaks a rule of severity error.
        steps: what was converted, in words.
        reason: why it could not be repaired.
        remaining: findings of severity warning in the new file.
    """

    sample: str
    source: str | None
    target: str
    outcome: Outcome
    steps: tuple[str, ...] = ()
    reason: str | None = None
    remaining: tuple[Finding, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the entry of ``evalkit repair --json``."""
        return {
            "sample": self.sample,
            "source": self.source,
            "target": self.target,
            "outcome": self.outcome,
            "steps": list(self.steps),
            "reason": self.reason,
            "remaining": [finding.to_json() for finding in self.remaining],
        }


@dataclass(frozen=True, repr=False)
class RepairReport:
    """What was repaired.

    Args:
        files: one for each sample, in the order of the test set.
        ignored: files of the submission that are not in the new ZIP, each with the reason.
        before, after: number of findings of severity error.
        valid: whether the new ZIP satisfies the challenge.
    """

    files: tuple[RepairedFile, ...]
    ignored: Mapping[str, str] = field(default_factory=dict)
    before: int = 0
    after: int = 0
    valid: bool = False

    def __repr__(self) -> str:
        verdict = "valid" if self.valid else "NOT valid"
        return f"<RepairReport: {verdict}, {len(self.files)} samples, errors {self.before} before, {self.after} after>"

    def to_json(self) -> dict[str, Any]:
        """Return the document of ``evalkit repair --json``."""
        return {
            "schema": 1,
            "ok": self.valid,
            "errors_before": self.before,
            "errors_after": self.after,
            "files": [file.to_json() for file in self.files],
            "ignored": dict(self.ignored),
        }


def repair_submission(
    submission: Submission,
    challenge: Challenge,
    testset: TestSet | None,
    out: Path,
    options: RunOptions,
    *,
    workers: int,
) -> RepairReport:
    """Write a repaired copy of a submission to ``out``.

    Args:
        submission: the ZIP or folder; only read.
        challenge: whose rules the new ZIP must satisfy.
        testset: to match names with samples, and for the speech of files without audio.
        out: the new ZIP; written at the end, whole or not at all.
        options: cache, workers and progress of the validation.
        workers: ffmpeg processes at once.

    Raises:
        UsageError: when ``out`` is the submission.
        SubmissionError: when no file can be read or matched with a sample.
        MachineError: when a file must be converted and there is no ffmpeg.
        StorageError: when the disk is full or ``out`` can't be written.
    """
    if out.resolve() == submission.path.resolve():
        raise UsageError("The repaired ZIP would replace the submission.", fix="Choose another name with -o.")
    paths, ignored = _readable(submission)
    layout = match_layout(paths, challenge, testset)
    names, targets = _names(layout)
    if not paths and ignored:
        path, why = next(iter(ignored.items()))
        raise SubmissionError(
            "No file of the submission can be read, so there is nothing to repair.",
            found=f"{path}: {why}",
            fix="'evalkit validate' says for every file what to do.",
        )
    if not names:
        raise SubmissionError(
            "No file can be matched with a sample, so there is nothing to repair.",
            found=paths[0] if paths else "no file",
            expected=" or ".join(challenge.submission.layouts),
            fix="Name the files after the samples." if testset else "Give the test set with --testset.",
        )
    ignored |= {path: "belongs to no sample" for path in paths if path not in names.values() and path != layout.speed}
    with tempfile.TemporaryDirectory(prefix="evalkit-repair-") as folder:
        expected = expected_lengths(testset, challenge, names, FeatureCache(options.cache))
        work = _Workshop(Path(folder), submission, challenge, testset, options, workers, expected)
        first = work.unpack(names, targets)
        before = first
        for round_ in range(ROUNDS):
            if not work.convert(first):
                break
            first = work.validate(f"validating again ({round_ + 1})")
        report = RepairReport(
            tuple(work.outcome(sample, names.get(sample), targets[sample], first) for sample in targets),
            ignored,
            _errors(before),
            _errors(first),
            first.ok,
        )
        work.write(out, layout.speed)
    return report


def _errors(report: ValidationReport) -> int:
    return sum(finding.severity == "error" for finding in report.all_findings())


def _has_lost_a_part(file: FileReport) -> bool:
    """Return whether frames can't be read, whatever the rules say of the file: they skip codecs that aren't allowed."""
    if any(one.rule in LOCKED for one in file.findings):
        return False
    video = file.facts.video if file.facts is not None else None
    return video is not None and is_damaged(video) and not video.stopped_early


def _readable(submission: Submission) -> tuple[list[str], dict[str, str]]:
    """Return the paths that can be read and are clear, and for the others the reason."""
    paths: list[str] = []
    ignored: dict[str, str] = {}
    count: dict[str, int] = {}
    for member in submission.members:
        count[member.path] = count.get(member.path, 0) + 1
    for member in submission.members:
        if member.kind == "directory" or junk(member.path):
            continue
        parts = PurePosixPath(member.path).parts
        if member.kind != "file":
            ignored[member.path] = f"a {member.kind}, not a file"
        elif count[member.path] > 1:
            ignored[member.path] = "several members have this name"
        elif member.encrypted:
            ignored[member.path] = "encrypted"
        elif not parts or parts[0] == "/" or ".." in parts:
            ignored[member.path] = "its name leads out of the archive"
        else:
            paths.append(member.path)
    return paths, ignored


def _names(layout: Layout) -> tuple[dict[str, str], dict[str, str]]:
    """Return sample -> path in the submission, and sample -> path in the new ZIP."""
    names = {**layout.files, **layout.near}
    targets = {sample: path[len(layout.prefix) :] for sample, path in layout.files.items()}
    targets |= dict(layout.missing)
    return names, targets


@dataclass
class _Workshop:
    """The folder in which files are converted: ``new/`` has the layout of the new ZIP."""

    folder: Path
    submission: Submission
    challenge: Challenge
    testset: TestSet | None
    options: RunOptions
    workers: int
    expected: Mapping[str, ExpectedLength] = field(default_factory=dict)  # sample -> what its video is compared with
    steps: dict[str, list[str]] = field(default_factory=dict)  # sample -> steps that were applied
    failed: dict[str, str] = field(default_factory=dict)  # sample -> why no step could be applied

    @property
    def new(self) -> Path:
        """The folder with the layout of the new ZIP."""
        return self.folder / "new"

    def unpack(self, names: Mapping[str, str], targets: Mapping[str, str]) -> ValidationReport:
        """Copy the files out under their new names; return what the rules find in them."""
        limit = self.challenge.submission.archive.max_file_bytes
        with self.options.progress.stage("unpacking", len(names)) as progress:
            for sample, path in names.items():
                place = self.new / targets[sample]
                place.parent.mkdir(parents=True, exist_ok=True)
                try:
                    self.submission.copy(path, place, limit)
                except SubmissionError as error:
                    self.failed[sample] = error.found or error.what
                progress.advance()
        return self.validate("validating")

    def validate(self, title: str) -> ValidationReport:
        """Return what the rules find in the files as they are now."""
        submission = Submission.open(self.new, self.challenge.submission.archive)
        options = replace(self.options, always_decoded=ALWAYS_FRAMES)
        return validate_run(submission, self.challenge, self.testset, options)

    def convert(self, report: ValidationReport) -> bool:
        """Convert the files whose findings name steps; return whether there was one."""
        work = [(file, steps) for file in report.files if (steps := self._new_steps(file))]
        if not work:
            return False
        program = find_ffmpeg()
        if program is None:
            raise MachineError(
                "ffmpeg is needed to convert files, and there is none on the search path.",
                fix="Install ffmpeg (https://ffmpeg.org), or run the commands of 'evalkit validate' elsewhere.",
            )
        with (
            self.options.progress.stage("converting", len(work)) as progress,
            ThreadPoolExecutor(self.workers) as pool,
        ):
            for _ in pool.map(lambda item: self._convert_one(program, *item), work):
                progress.advance()
        return True

    def _new_steps(self, file: FileReport) -> tuple[str, ...]:
        """Return the steps that were not tried on this file yet."""
        if file.facts is None or file.sample in self.failed:
            return ()
        if _has_lost_a_part(file):  # a new file would hide it
            return ()
        found = {step for one in file.findings if one.severity != "info" for step in one.steps}
        return tuple(step for step in ordered(found) if step not in self.steps.get(file.sample, ()))

    def _convert_one(self, program: Ffmpeg, report: FileReport, steps: tuple[str, ...]) -> None:
        if report.facts is None:
            return
        sample = report.sample
        file = File(report.facts, self.challenge.submission, self.expected.get(sample))
        reason = unsupported(steps, file)
        speech = self._speech(sample)
        if reason is None and "speech" in steps and speech is None:
            reason = "it has no audio, and the test set has no speech for the sample"
        if reason is not None:
            self.failed[sample] = reason
            return
        source = self.new / report.path
        inputs = [source, speech] if "speech" in steps and speech is not None else [source]
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            name = f"converted.{suffix(file)}"
            try:
                program.run(Path(folder), inputs, output_options(steps, file), name)
            except FfmpegError as error:
                self.failed[sample] = f"ffmpeg failed: {error}"
                return
            (Path(folder) / name).replace(source)
        self.steps.setdefault(sample, []).extend(all_steps(steps, file))

    def _speech(self, sample: str) -> Path | None:
        record = next((one for one in self.testset or () if one.id == sample), None)
        if record is None or record.audio is None or self.testset is None:
            return None
        path = self.testset.path(record.audio)
        return path.resolve() if path.is_file() else None

    def outcome(self, sample: str, source: str | None, target: str, report: ValidationReport) -> RepairedFile:
        """Return what became of the file of ``sample``."""
        if source is None:
            return RepairedFile(sample, None, target, "missing", reason="the submission has no file for it")
        steps = tuple(STEP_TITLES[step] for step in ordered(self.steps.get(sample, ())))
        found = next((file for file in report.files if file.sample == sample), None)
        errors = [one for one in found.findings if one.severity == "error"] if found else []
        warnings = tuple(one for one in found.findings if one.severity == "warning") if found else ()
        done = RepairedFile(sample, source, target, "repaired" if steps else "renamed", steps, remaining=warnings)
        if found is None:
            return replace(done, outcome="failed", reason=self.failed.get(sample, "the file can't be read"))
        if errors:
            lost = _has_lost_a_part(found)
            final = [
                one for one in errors if one.rule in BEYOND_REPAIR and (BEYOND_REPAIR[one.rule] == LOST or not lost)
            ]
            first = (final or errors)[0]
            sentence = first.message.rstrip(".") + (f": {first.found}" if first.found else "")
            why = LOST if lost else BEYOND_REPAIR.get(first.rule, "no conversion is known that corrects this")
            reason = f"{first.rule}: {sentence}; it can't be repaired because {why}"
            return replace(done, outcome="failed", reason=self.failed.get(sample) or reason)
        if not steps and source == target:
            return replace(done, outcome="unchanged")
        return done

    def write(self, out: Path, speed: str | None) -> None:
        """Write the new ZIP. Videos are stored, not compressed again."""
        with atomic_write(out) as stream, zipfile.ZipFile(stream, "w") as archive:
            for place in _files(self.new):
                archive.write(place, place.relative_to(self.new).as_posix())
            if speed is not None:
                place = self.new.parent / SPEED_FILE
                self.submission.copy(speed, place, 1 << 20)
                archive.write(place, SPEED_FILE)


def _files(folder: Path) -> Iterable[Path]:
    return sorted(place for place in folder.rglob("*") if place.is_file())
