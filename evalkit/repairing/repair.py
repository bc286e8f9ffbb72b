"""Repair a submission: match its files with samples, convert what breaks a rule, and write a new ZIP.

The original is only read. Files are matched with samples as `evalkit.validators.layout` suggests in its findings.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from evalkit.challenges.model import Challenge, require_videos
from evalkit.errors import SubmissionError, UsageError
from evalkit.files import atomic_write
from evalkit.repairing.report import RepairReport
from evalkit.repairing.workshop import open_workshop
from evalkit.scoring.intake import ValidationReport
from evalkit.scoring.run import RunOptions
from evalkit.submission.model import Submission
from evalkit.testsets.model import TestSet
from evalkit.validators.archive.strays import junk
from evalkit.validators.matching import Layout, match_layout

MOST_SPEED = 1 << 20  # bytes of a ``speed.json`` that is kept


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
        UsageError: when ``out`` is the submission, or the challenge does not ask for videos.
        SubmissionError: when no file can be read or matched with a sample.
        MachineError: when a file must be converted and there is no ffmpeg.
        StorageError: when the disk is full or ``out`` can't be written.
    """
    require_videos(challenge, "'evalkit repair'")
    if out.resolve() == submission.path.resolve():
        raise UsageError("The repaired ZIP would replace the submission.", fix="Choose another name with -o.")
    paths, ignored = readable_paths(submission)
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
    with open_workshop(submission, challenge, testset, options, workers=workers, samples=names) as work:
        before = work.unpack(names, targets)
        after = work.repair(before)
        report = RepairReport(
            tuple(work.outcome(sample, names.get(sample), targets[sample], after) for sample in targets),
            ignored,
            errors_in(before),
            errors_in(after),
            after.ok,
        )
        speed = None
        if layout.speed is not None:
            submission.copy(layout.speed, work.folder / "speed", MOST_SPEED)
            speed = (work.folder / "speed").read_bytes()
        with atomic_write(out) as stream:
            work.write(stream, speed)
    return report


def errors_in(report: ValidationReport) -> int:
    """Return the number of findings of severity error."""
    return sum(finding.severity == "error" for finding in report.all_findings())


def readable_paths(submission: Submission) -> tuple[list[str], dict[str, str]]:
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
