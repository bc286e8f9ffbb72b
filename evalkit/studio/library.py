"""The files that the studio serves: one for each video, picture and sound of the plan, under names that say nothing."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from evalkit.board import Board
from evalkit.challenges.submission_rules import ArchiveRules
from evalkit.errors import EvalkitError, InputError, UsageError
from evalkit.progress import Progress
from evalkit.studio.plan_model import Medium, Plan
from evalkit.studio.preparing import ENDINGS, Form, PreparingJob, prepare
from evalkit.submission.model import Submission
from evalkit.testsets.loading import load_testset
from evalkit.testsets.model import TestSet
from evalkit.text import count, escape_for_display

VERSION = 1  # of what is prepared: raise it when the files change
TYPES: dict[Form, str] = {"video": "video/mp4", "image": "image/png", "audio": "audio/wav"}
_SHOWN = 8
_TESTSET_BYTES = 4 << 30


@dataclass(frozen=True)
class ServedFile:
    """One file to serve.

    Args:
        path: where it lies.
        size: bytes.
        kind: its content type.
    """

    path: Path
    size: int
    kind: str


@dataclass(frozen=True)
class Library:
    """All files of a plan.

    Args:
        files: name in an address, such as ``0f..2c.mp4`` -> file.
        images, sounds: sample -> name of its reference picture and speech, for samples that have one.
        missing: media id -> why there is no file.
    """

    files: Mapping[str, ServedFile]
    images: Mapping[str, str] = field(default_factory=dict)
    sounds: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)

    def video(self, medium: str) -> str:
        """Return the name of a video's file."""
        return medium + ENDINGS["video"]


def build_library(
    plan: Plan,
    folder: Path,
    secret: bytes,
    *,
    submissions: Path,
    testset: Path | None,
    board: Board,
    progress: Progress,
    workers: int = 1,
) -> Library:
    """Prepare what is not in ``folder`` yet, and return all files.

    Each submission must be the one whose scorecard the board has, and each video the one that the plan was made with.

    Args:
        plan: the plan.
        folder: the studio's own, where the files are kept.
        secret: of the studio: names of reference files are keyed by it.
        submissions: the folder with the teams' ZIPs or folders.
        testset: the test set; ``None`` where the plan needs none.
        board: the board.
        progress: where to tell it.
        workers: processes at once.

    Raises:
        InputError: a submission is missing or another one than was scored, or the plan needs a test set.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder = folder.resolve()  # workers have a working folder of their own
    names = _reference_names(plan, secret)
    wanted: dict[str, PreparingJob] = {}
    missing: dict[str, str] = {}
    opened = _Sources(plan, submissions, testset, board)
    for medium_id, medium in plan.media.items():
        target = _place(folder, medium_id + ENDINGS["video"])
        if target.is_file():
            continue
        try:
            wanted[medium_id] = opened.job(medium, target)
        except EvalkitError as error:
            missing[medium_id] = str(error)
    for (sample, form), name in names.items():
        target = _place(folder, name)
        if not target.is_file():
            wanted[name] = opened.reference_job(sample, form, target)
    faults = prepare(list(wanted.values()), folder, workers=workers, progress=progress)
    for number, fault in faults.items():
        missing[list(wanted)[number]] = fault
    lost = [(sample, form) for (sample, form), name in names.items() if name in missing]
    if lost:
        sample, form = lost[0]
        raise InputError(
            f"The {'picture' if form == 'image' else 'speech'} of the sample '{sample}' can't be shown.",
            found=missing[names[lost[0]]],
            fix="Mend the test set.",
        )
    files = {
        name: _served(_place(folder, name), form)
        for name, form in [
            *((medium + ENDINGS["video"], "video") for medium in plan.media if medium not in missing),
            *((name, form) for (_, form), name in names.items()),
        ]
    }
    of = {form: {sample: name for (sample, its), name in names.items() if its == form} for form in ("image", "audio")}
    return Library(files, of["image"], of["audio"], missing)


def refuse_missing(plan: Plan, missing: Mapping[str, str]) -> None:
    """Raise when a video can't be shown.

    Raises:
        InputError: with the first of them.
    """
    if missing:
        raise InputError(
            [
                f"{count(len(missing), 'video')} of the plan can't be shown.",
                *missing_lines(plan, missing),
            ],
            fix="Mend them, or leave them out with --leave-out: nobody is asked about them then.",
        )


def missing_lines(plan: Plan, missing: Mapping[str, str]) -> list[str]:
    """Return a line for each of the first videos that can't be shown."""
    lines = []
    for medium_id, why in list(missing.items())[:_SHOWN]:
        medium = plan.media[medium_id]
        lines.append(escape_for_display(f"{medium.team or 'the organizer'}, sample {medium.sample}: {why}", 500))
    more = len(missing) - _SHOWN
    return [*lines, f"and {more} more."] if more > 0 else lines


def without_media(plan: Plan, missing: Mapping[str, str]) -> Plan:
    """Return the plan without the items that need a missing video."""
    if not missing:
        return plan
    items = {name: item for name, item in plan.items.items() if not set(item.media) & missing.keys()}
    raters = {
        name: rater.model_copy(update={"items": tuple(one for one in rater.items if one is None or one in items)})
        for name, rater in plan.raters.items()
    }
    return plan.model_copy(update={"items": items, "raters": raters})


def _reference_names(plan: Plan, secret: bytes) -> dict[tuple[str, Form], str]:
    names: dict[tuple[str, Form], str] = {}
    for sample, shown in plan.samples.items():
        for form, path in (("image", shown.image), ("audio", shown.audio)):
            if path is not None:
                digest = hmac.new(secret, f"{form}:{sample}".encode(), hashlib.sha256).hexdigest()[:32]
                names[sample, form] = digest + ENDINGS[form]  # type: ignore[index]
    return names


def _place(folder: Path, name: str) -> Path:
    return folder / f"{VERSION}-{name}"


def _served(path: Path, form: str) -> ServedFile:
    return ServedFile(path, path.stat().st_size, TYPES[form])  # type: ignore[index]


class _Sources:
    """The submissions and the test set, opened when they are needed."""

    def __init__(self, plan: Plan, submissions: Path, testset: Path | None, board: Board) -> None:
        self._plan = plan
        self._folder = submissions
        self._testset_path = testset
        self._board = board
        self._opened: dict[str, Submission | EvalkitError] = {}
        self._digests: dict[tuple[str, str], str] | None = None
        self._testset: TestSet | None = None
        self._rules: ArchiveRules | None = None

    def job(self, medium: Medium, target: Path) -> PreparingJob:
        """Return the job that prepares a video."""
        if medium.submission is None:
            return PreparingJob(self._file(medium.file), target, "video", medium.sha256, _TESTSET_BYTES)
        submission = self._submission(medium)
        return PreparingJob(
            submission.ref(medium.file), target, "video", medium.sha256, self._archive_rules().max_file_bytes
        )

    def reference_job(self, sample: str, form: Form, target: Path) -> PreparingJob:
        """Return the job that prepares the picture or the speech of a sample."""
        shown = self._plan.samples[sample]
        path = shown.image if form == "image" else shown.audio
        return PreparingJob(self._file(path or ""), target, form, None, _TESTSET_BYTES)

    def _archive_rules(self) -> ArchiveRules:
        if self._rules is None:
            self._rules = self._board.challenge().submission.archive
        return self._rules

    def _file(self, relative: str) -> Path:
        if self._testset is None:
            if self._testset_path is None:
                raise UsageError("The plan shows files of the test set.", fix="Give it with --testset.")
            self._testset = load_testset(self._testset_path)
        return self._testset.path(relative).resolve()

    def _submission(self, medium: Medium) -> Submission:
        place = medium.submission or ""
        if place not in self._opened:
            try:
                self._opened[place] = self._checked(medium, place)
            except EvalkitError as error:
                self._opened[place] = error
        found = self._opened[place]
        if isinstance(found, EvalkitError):
            raise found
        return found

    def _checked(self, medium: Medium, place: str) -> Submission:
        submission = Submission.open((self._folder / place).resolve(), self._archive_rules())
        if self._digests is None:
            self._digests = {(run.team, run.name): run.card.submission.sha256 for run in self._board.snapshot().runs}
        expected = self._digests.get((medium.team or "", medium.run or ""))
        if expected is None:
            raise InputError(f"The board has no run '{medium.run}' of '{medium.team}'.")
        if submission.sha256 != expected:
            raise InputError(
                f"{place} is not the submission that was scored.",
                found=submission.sha256[:16],
                expected=expected[:16],
                fix="Give the folder with the submissions that the board's scorecards are of.",
            )
        return submission
