"""A folder in which the files of a submission are converted until they satisfy the challenge, as far as that can be.

One ffmpeg command for each file is made from the steps that the rules name and the challenge's own limits
(`evalkit.validators.conversion`). What no command can correct is left as it is and reported with its finding.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from evalkit.challenges.model import Challenge
from evalkit.errors import MachineError, SubmissionError
from evalkit.metrics.features.ffmpeg_program import Ffmpeg, FfmpegError, find_ffmpeg
from evalkit.repairing.report import RepairedFile
from evalkit.scoring.cache import FeatureCache
from evalkit.scoring.intake import FileReport, ValidationReport, expected_lengths
from evalkit.scoring.run import RunOptions, validate_run
from evalkit.submission.model import Submission
from evalkit.submission.zip.writing import write_stored
from evalkit.testsets.model import TestSet
from evalkit.validators.conversion import all_steps, ordered, output_options, suffix, unsupported
from evalkit.validators.file import ExpectedLength, File, is_damaged
from evalkit.validators.findings import Finding
from evalkit.validators.matching import SPEED_FILE
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


def _has_lost_a_part(file: FileReport) -> bool:
    """Return whether frames can't be read, whatever the rules say of the file: they skip codecs that aren't allowed."""
    if any(one.rule in LOCKED for one in file.findings):
        return False
    video = file.facts.video if file.facts is not None else None
    return video is not None and is_damaged(video) and not video.stopped_early


@contextmanager
def open_workshop(
    submission: Submission,
    challenge: Challenge,
    testset: TestSet | None,
    options: RunOptions,
    *,
    workers: int,
    samples: Iterable[str],
) -> Iterator[Workshop]:
    """Yield a workshop whose folder is removed at the end.

    Args:
        submission: the ZIP or folder; only read.
        challenge: whose rules the files must satisfy.
        testset: for the speech of files without audio.
        options: cache, workers and progress of the validation.
        workers: ffmpeg processes at once.
        samples: those that have a file.
    """
    with tempfile.TemporaryDirectory(prefix="evalkit-repair-") as folder:
        expected = expected_lengths(testset, challenge, samples, FeatureCache(options.cache))
        yield Workshop(Path(folder), submission, challenge, testset, options, workers, expected)


@dataclass
class Workshop:
    """The folder in which files are converted: ``new/`` has the layout of the new ZIP."""

    folder: Path
    submission: Submission
    challenge: Challenge
    testset: TestSet | None
    options: RunOptions
    workers: int
    expected: Mapping[str, ExpectedLength] = field(default_factory=dict)  # sample -> what its video is compared with
    steps: dict[str, list[str]] = field(default_factory=dict)  # sample -> steps that were applied
    reasons: dict[str, list[Finding]] = field(default_factory=dict)  # sample -> what the steps correct
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

    def repair(self, report: ValidationReport) -> ValidationReport:
        """Convert files until there is nothing left that can be converted; return what the rules find then."""
        for round_ in range(ROUNDS):
            if not self.convert(report):
                break
            report = self.validate(f"validating again ({round_ + 1})")
        return report

    def plan(self, report: ValidationReport) -> None:
        """Note which steps a first round would take, and take none.

        Further rounds may need more, since a fault may hide another.
        """
        for file in report.files:
            steps = self._new_steps(file)
            if steps and (judged := self._judged(file)) is not None:
                reason = self._refusal(file.sample, steps, judged)
                if reason is None:
                    self._note(file, steps, judged)
                else:
                    self.failed[file.sample] = reason

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
        sample, file = report.sample, self._judged(report)
        if file is None:
            return
        reason = self._refusal(sample, steps, file)
        if reason is not None:
            self.failed[sample] = reason
            return
        source, speech = self.new / report.path, self._speech(sample)
        inputs = [source, speech] if "speech" in steps and speech is not None else [source]
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            name = f"converted.{suffix(file)}"
            try:
                program.run(Path(folder), inputs, output_options(steps, file), name)
            except FfmpegError as error:
                self.failed[sample] = f"ffmpeg failed: {error}"
                return
            (Path(folder) / name).replace(source)
        self._note(report, steps, file)

    def _judged(self, report: FileReport) -> File | None:
        """Return what the rules of conversion read; ``None`` for a file of which nothing is known."""
        facts = report.facts
        return None if facts is None else File(facts, self.challenge.submission, self.expected.get(report.sample))

    def _refusal(self, sample: str, steps: tuple[str, ...], file: File) -> str | None:
        """Return why the steps can't be taken."""
        reason = unsupported(steps, file)
        if reason is None and "speech" in steps and self._speech(sample) is None:
            return "it has no audio, and the test set has no speech for the sample"
        return reason

    def _note(self, report: FileReport, steps: tuple[str, ...], file: File) -> None:
        self.steps.setdefault(report.sample, []).extend(all_steps(steps, file))
        known = self.reasons.setdefault(report.sample, [])
        rules = {one.rule for one in known}
        corrected = [one for one in report.findings if one.severity != "info" and not {*steps}.isdisjoint(one.steps)]
        known += [one for one in corrected if one.rule not in rules]

    def _speech(self, sample: str) -> Path | None:
        record = next((one for one in self.testset or () if one.id == sample), None)
        if record is None or record.audio is None or self.testset is None:
            return None
        path = self.testset.path(record.audio)
        return path.resolve() if path.is_file() else None

    def outcome(
        self, sample: str, source: str | None, target: str, report: ValidationReport, *, planned: bool = False
    ) -> RepairedFile:
        """Return what became of the file of ``sample``; with ``planned``, what would, as far as one can tell."""
        if source is None:
            return RepairedFile(sample, None, target, "missing", reason="the submission has no file for it")
        steps = tuple(STEP_TITLES[step] for step in ordered(self.steps.get(sample, ())))
        found = next((file for file in report.files if file.sample == sample), None)
        left = found.findings if found else ()
        if planned:
            left = tuple(one for one in left if one not in self.reasons.get(sample, ()))
        errors = [one for one in left if one.severity == "error"]
        warnings = tuple(one for one in left if one.severity == "warning")
        reasons = tuple(self.reasons.get(sample, ()))
        done = RepairedFile(sample, source, target, "repaired" if steps else "renamed", steps, None, warnings, reasons)
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

    def write(self, stream: IO[bytes], speed: bytes | None) -> None:
        """Write the new ZIP; with ``speed`` a ``speed.json`` beside the videos. Equal files make equal bytes."""
        places = [(place.relative_to(self.new).as_posix(), place) for place in _files(self.new)]
        write_stored(stream, places + ([(SPEED_FILE, speed)] if speed is not None else []))


def _files(folder: Path) -> list[Path]:
    return sorted(place for place in folder.rglob("*") if place.is_file())
