"""Make a submission from a folder of generated videos.

The folder is only read. The videos are copied under their samples' names, converted where they break a rule
(`evalkit.repairing`), put into a ZIP, and the ZIP is validated as ``evalkit validate`` does before it gets its name.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from evalkit.challenges.model import Challenge, require_videos
from evalkit.challenges.submission_rules import ArchiveRules
from evalkit.errors import SubmissionError, UsageError
from evalkit.files import part_beside, storage_error
from evalkit.packing.mapping_file import read_mapping
from evalkit.packing.naming import Matching, match_names
from evalkit.packing.report import PackReport
from evalkit.packing.speed_file import read_speed
from evalkit.repairing.repair import readable_paths
from evalkit.repairing.workshop import Workshop, open_workshop
from evalkit.scoring.intake import ValidationReport
from evalkit.scoring.run import RunOptions, validate_run
from evalkit.submission.model import Submission
from evalkit.testsets.model import TestSet
from evalkit.text import count
from evalkit.validators.archive.strays import video_suffixes
from evalkit.validators.matching import expected_paths

MOST_ENTRIES = 1_000_000  # of a folder; the challenge's limit is for the ZIP
LISTED = 20  # names in a message
MISSING = "layout.missing"


@dataclass(frozen=True)
class PackSettings:
    """What the user decides.

    Args:
        speed: a ``speed.json`` for the ZIP.
        mapping: a CSV that says which file belongs to which sample.
        only, exclude: patterns such as ``*_result.mp4``, of names or of paths in the folder: which videos count.
        incomplete: write the ZIP also when it is not valid.
        dry_run: convert and write nothing.
    """

    speed: Path | None = None
    mapping: Path | None = None
    only: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    incomplete: bool = False
    dry_run: bool = False


def pack_folder(
    folder: Path,
    challenge: Challenge,
    testset: TestSet,
    out: Path | None,
    settings: PackSettings,
    *,
    options: RunOptions,
    workers: int,
) -> PackReport:
    """Make a valid submission from the videos in a folder.

    Args:
        folder: with a video for each sample, at any depth and in any container; only read, links are not followed.
        challenge: whose rules the ZIP must satisfy.
        testset: whose samples the videos belong to; its speech goes into files without audio.
        out: the ZIP; written at the end, whole or not at all. ``None`` for a dry run.
        settings: what the user decides.
        options: cache, workers and progress of the validation.
        workers: ffmpeg processes at once.

    Raises:
        UsageError: when ``folder`` is none, or ``out`` is one.
        InputError: when the mapping or ``speed.json`` can't be used.
        SubmissionError: when it is not clear which video belongs to a sample, or a sample has none.
        MachineError: when a file must be converted and there is no ffmpeg.
        StorageError: when the disk is full or ``out`` can't be written.
    """
    require_videos(challenge, "'evalkit pack'")
    if out is not None and out.is_dir():
        raise UsageError(f"{out} is a folder.", expected="the name of a ZIP file")
    submission = _opened(folder)
    targets = expected_paths(challenge, testset)
    speed, notes = read_speed(settings.speed, targets) if settings.speed is not None else (None, ())
    found = _listed(submission, challenge, settings)
    mapping = read_mapping(settings.mapping, targets, found.videos) if settings.mapping is not None else {}
    matching = match_names(found.videos, targets, mapping)
    missing_allowed = settings.incomplete or challenge.submission.severities.get(MISSING, "error") != "error"
    _refuse_unclear(matching, found, missing_allowed=missing_allowed)
    names = {sample: match.path for sample, match in matching.files.items()}
    report = PackReport(
        files=(),
        how={sample: match.how for sample, match in matching.files.items()},
        valid=False,
        dry_run=settings.dry_run,
        ignored={**found.ignored, **matching.spare},
        other_files=found.others,
        notes=notes,
    )
    with open_workshop(submission, challenge, testset, options, workers=workers, samples=names) as work:
        checked = work.unpack(names, {sample: targets[sample] for sample in names})
        if settings.dry_run:
            work.plan(checked)
        else:
            checked = work.repair(checked)
        files = tuple(
            work.outcome(sample, names.get(sample), target, checked, planned=settings.dry_run)
            for sample, target in targets.items()
        )
        report = replace(report, files=files)
        if settings.dry_run:
            broken = any(file.outcome == "failed" for file in files)
            return _judged(report, checked, valid=not broken and not _errors(checked))
        if out is None:
            raise UsageError("The name of the ZIP is missing.", fix="Give it, or ask for a dry run.")
        if not checked.ok and not settings.incomplete:
            return _judged(report, checked, valid=False)
        return _written(report, work, out, speed, settings)


def _opened(folder: Path) -> Submission:
    submission = Submission.open(folder, ArchiveRules(max_files=MOST_ENTRIES))
    if submission.kind != "directory":
        raise UsageError(
            f"{folder} is a ZIP.",
            expected="a folder of videos",
            fix="'evalkit repair' corrects a ZIP and 'evalkit validate' checks it.",
        )
    if not submission.complete:
        raise UsageError(f"{folder} has more than {MOST_ENTRIES} files.", fix="Give the folder with the videos alone.")
    return submission


@dataclass(frozen=True)
class _Listing:
    """What is in the folder: videos that count, videos and links that don't with the reason, and other files."""

    videos: tuple[str, ...]
    ignored: Mapping[str, str]
    others: Mapping[str, int]


def _listed(submission: Submission, challenge: Challenge, settings: PackSettings) -> _Listing:
    paths, unreadable = readable_paths(submission)
    suffixes = video_suffixes(challenge.submission.layouts)
    videos, ignored, others = [], {}, Counter[str]()
    for path in paths:
        place = PurePosixPath(path)
        if place.suffix.lower().removeprefix(".") not in suffixes:
            others[place.suffix.lower() or "no suffix"] += 1
        elif any(part.startswith(".") for part in place.parts):
            ignored[path] = "hidden: its name or that of its folder begins with a dot"
        elif settings.only and not _fits(path, settings.only):
            ignored[path] = "left out by --only"
        elif _fits(path, settings.exclude):
            ignored[path] = "left out by --exclude"
        else:
            videos.append(path)
    return _Listing(tuple(videos), {**unreadable, **ignored}, dict(others.most_common()))


def _fits(path: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(text, pattern) for text in (path, path.rsplit("/", 1)[-1]) for pattern in patterns)


def _refuse_unclear(matching: Matching, found: _Listing, *, missing_allowed: bool) -> None:
    """Raise SubmissionError where a person must decide, before hours go into converting."""
    unclear = [f"{sample}: {' or '.join(files)}" for sample, files in matching.several_files.items()]
    unclear += [f"{path}: {' or '.join(samples)}" for path, samples in matching.several_samples.items()]
    if unclear:
        raise SubmissionError(
            f"It is not clear which video belongs to which sample, in {count(len(unclear), 'case')}.",
            found=_some(unclear),
            expected="one video for each sample",
            fix="Choose with --only or --exclude, as in --only '*_result.mp4', or say it in a CSV with the columns "
            "sample and file: --map.",
        )
    if not matching.files:
        some = [*matching.spare, *found.ignored, *(f"{number} {suffix}" for suffix, number in found.others.items())]
        raise SubmissionError(
            "No video in the folder belongs to a sample of the test set.",
            found=_some(some) or "an empty folder",
            expected=f"videos with the samples' ids in their names, as in {_some(matching.missing[:3])}",
            fix="Rename them, or say it in a CSV with the columns sample and file: --map.",
        )
    if matching.missing and not missing_allowed:
        unused = [*matching.spare, *found.ignored]
        verb = "has" if len(matching.missing) == 1 else "have"
        raise SubmissionError(
            f"{count(len(matching.missing), 'sample')} of the test set {verb} no video.",
            found=f"none for {_some(matching.missing)}" + (f"; not used: {_some(unused)}" if unused else ""),
            fix="Add the videos (links are not followed), name them with --map, or write the ZIP without them: "
            "--incomplete.",
        )


def _some(names: Iterable[str]) -> str:
    every = list(names)
    more = f"; and {len(every) - LISTED} more" if len(every) > LISTED else ""
    return "; ".join(every[:LISTED]) + more


def _written(report: PackReport, work: Workshop, out: Path, speed: bytes | None, settings: PackSettings) -> PackReport:
    """Write the ZIP beside its final name, validate it, and give it the name when it is valid."""
    try:
        with part_beside(out) as part:
            with part.open("xb") as stream:
                work.write(stream, speed)
                stream.flush()
                os.fsync(stream.fileno())
            submission = Submission.open(part, work.challenge.submission.archive)
            checked = validate_run(submission, work.challenge, work.testset, work.options)
            written = checked.ok or settings.incomplete
            if written:
                with part.open("rb") as stream:
                    digest = hashlib.file_digest(stream, "sha256").hexdigest()
                report = replace(report, written=True, size=submission.size, sha256=digest)
                part.replace(out)
    except OSError as error:
        raise storage_error(out, error) from error
    return _judged(report, checked, valid=checked.ok)


def _judged(report: PackReport, checked: ValidationReport, *, valid: bool) -> PackReport:
    findings = tuple(one for one in checked.findings if one.severity != "info" and one.rule != MISSING)
    return replace(report, valid=valid, findings=findings)


def _errors(checked: ValidationReport) -> bool:
    return any(one.severity == "error" for one in checked.findings)
