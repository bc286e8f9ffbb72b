"""Prepare what browsers play: each video, picture and sound once, in a confined worker, without any metadata."""

from __future__ import annotations

import hashlib
import shutil
import stat
import tempfile
import wave
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from evalkit.errors import EvalkitError, MediaError, SubmissionError, TestSetError
from evalkit.media.audio import read_audio
from evalkit.media.remux import remux_video
from evalkit.media.stills import read_still
from evalkit.progress import Progress
from evalkit.submission.references import MemberRef
from evalkit.workers.messages import answer_record
from evalkit.workers.pool import Workers
from evalkit.workers.sandbox import Limits, default_level

HANDLER = f"{__name__}:handler"
Form = Literal["video", "image", "audio"]
ENDINGS: dict[Form, str] = {"video": ".mp4", "image": ".png", "audio": ".wav"}
_WORK = "work-"  # how the names of the folders begin in which workers write
_SECONDS = 300.0  # for one file
_SOUND_RATE = 48_000  # Hz; of the reference speech


@dataclass(frozen=True)
class PreparingJob:
    """One file to prepare.

    Args:
        source: the member of a submission, or a file of the test set.
        target: the new file.
        form: what it is.
        sha256: that the source must have; ``None`` where nothing says it.
        limit: most bytes of the source.
    """

    source: MemberRef | Path
    target: Path
    form: Form
    sha256: str | None
    limit: int


@answer_record
@dataclass(frozen=True)
class Prepared:
    """A worker's answer: why there is no file; empty when there is one."""

    fault: str = ""


def prepare(jobs: Sequence[PreparingJob], folder: Path, *, workers: int = 1, progress: Progress) -> dict[int, str]:
    """Do the jobs; return number -> why there is no file, for those that failed.

    A process sees the files of one submission only, and writes only into a folder of that submission, from which the
    finished files are moved here: who takes it over reaches no other team's videos.

    Args:
        jobs: what to prepare.
        folder: in which all targets lie; nobody else uses it.
        workers: processes at once.
        progress: where to tell it.
    """
    for left in folder.glob(f"{_WORK}*"):  # of a process that was killed
        shutil.rmtree(left, ignore_errors=True)
    groups: dict[Path | None, list[int]] = {}
    for number, job in enumerate(jobs):
        groups.setdefault(job.source.archive if isinstance(job.source, MemberRef) else None, []).append(number)
    faults: dict[int, str] = {}
    if jobs:
        with progress.stage("preparing videos", len(jobs)) as stage:
            for numbers in groups.values():
                faults |= _prepare_group(jobs, numbers, folder, workers=workers, stage=stage)
    return faults


def _prepare_group(
    jobs: Sequence[PreparingJob], numbers: Sequence[int], folder: Path, *, workers: int, stage: Progress
) -> dict[int, str]:
    """Do the jobs of one submission, or those of the test set."""
    faults: dict[int, str] = {}
    with tempfile.TemporaryDirectory(prefix=_WORK, dir=folder) as name:
        place = Path(name)
        given = [replace(jobs[number], target=place / jobs[number].target.name) for number in numbers]
        limits = Limits(default_level(), job_cpu_seconds=_SECONDS, writable=(place,))
        for result in Workers(HANDLER, None, min(workers, len(given)), _SECONDS, limits).run(given):
            number = numbers[result.index]
            if result.failure is not None:
                lines = result.detail.strip().splitlines()
                faults[number] = lines[-1] if lines else result.failure
            elif not isinstance(result.value, Prepared):
                faults[number] = "the worker gave a false answer"
            elif result.value.fault:
                faults[number] = result.value.fault
            else:
                fault = _taken(given[result.index].target, jobs[number].target)
                if fault:
                    faults[number] = fault
            stage.advance()
    return faults


def _taken(made: Path, target: Path) -> str:
    """Move a finished file to its place; return why that can't be."""
    try:
        if not stat.S_ISREG(made.lstat().st_mode):
            return "the worker wrote something that is no file"
        made.replace(target)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def handler(config: None) -> Callable[[PreparingJob], Prepared]:
    """Return what a worker runs."""
    del config

    def handle(job: PreparingJob) -> Prepared:
        part = job.target.with_name(f"{job.target.name}.part")
        part.unlink(missing_ok=True)
        try:
            with tempfile.TemporaryDirectory() as folder:
                _make(job, Path(folder), part)
            part.replace(job.target)
        except (EvalkitError, OSError) as error:
            part.unlink(missing_ok=True)
            return Prepared(str(error))
        return Prepared()

    return handle


def _make(job: PreparingJob, folder: Path, part: Path) -> None:
    source = job.source
    if isinstance(source, MemberRef):
        copy = folder / "source"
        found = source.copy(copy, job.limit)
        if job.sha256 is not None and found != job.sha256:
            raise SubmissionError("It is not the file that the plan was made with.", found=found, expected=job.sha256)
        source = copy
    elif job.sha256 is not None:
        with source.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != job.sha256:
            raise TestSetError("It is not the file that the plan was made with.", found=found, expected=job.sha256)
    _WRITERS[job.form](source, part)


def _image(source: Path, target: Path) -> None:
    from PIL import Image

    Image.fromarray(read_still(source)).save(target, format="PNG")


def _audio(source: Path, target: Path) -> None:
    samples = read_audio(source, _SOUND_RATE)
    if not len(samples):
        raise MediaError("There is no sound in the file.")
    with wave.open(str(target), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_SOUND_RATE)
        file.writeframes(np.round(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())


_WRITERS: dict[Form, Callable[[Path, Path], None]] = {"video": remux_video, "image": _image, "audio": _audio}
