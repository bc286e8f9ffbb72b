"""What a worker process does: make one sample, encode it, time it."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from evalkit.challenges.model import SubmissionRules
from evalkit.errors import InputError
from evalkit.media.encode import write_video
from evalkit.media.inspect import inspect_media
from evalkit.reference_models.generators.base import Clip, GenerationError, Generator, Picture, Request, find_generator
from evalkit.reference_models.generators.pictures import cover
from evalkit.reference_models.generators.requests import Requests, allowed_size
from evalkit.reference_models.generators.speed import Stopwatch, Timing
from evalkit.workers.answers import answer_record

HANDLER = "evalkit.reference_models.generators.work:Worker"
CRF, PRESET = 18, "medium"


@dataclass(frozen=True)
class Work:
    """What a worker is told once.

    Args:
        name, options, backbones: the generator.
        requests: what to make of each sample.
        folder: where finished files go.
        search: folder to search for a function's module.
    """

    name: str
    options: Mapping[str, Any]
    backbones: str
    requests: Requests
    folder: Path
    search: str


@answer_record
@dataclass(frozen=True)
class Made:
    """One sample: the finished file and its times, or why there is none."""

    file: Path | None = None
    timing: Timing | None = None
    failure: str | None = None
    setup_seconds: float = 0.0


class Worker:
    """Makes samples, one at a time."""

    def __init__(self, work: Work) -> None:
        cv2.setNumThreads(1)
        if work.search not in sys.path:
            sys.path.insert(0, work.search)
        self.work = work
        start = time.perf_counter()
        self.generator: Generator = find_generator(work.name)(work.options, work.backbones)
        self.setup = time.perf_counter() - start

    def __call__(self, index: int) -> Made:
        """Make sample number ``index``; what is wrong with its data costs itself only."""
        try:
            request = self.work.requests.request(index, output_place(self.work.folder, index))
            check_needs(self.generator, request)
            file, timing = make(self.generator, request, self.work.requests.rules)
        except InputError as error:
            return Made(failure=str(error), setup_seconds=self.setup)
        return Made(file, timing, setup_seconds=self.setup)


def output_place(folder: Path, index: int) -> Path:
    """Return where sample number ``index`` is finished."""
    return folder / f"{index:06}.mp4"


def check_needs(generator: Generator, request: Request) -> None:
    """Refuse a sample that lacks what the generator needs.

    Raises:
        GenerationError: naming the fields.
    """
    missing = sorted(name for name in generator.needs if not getattr(request, name))
    if missing:
        raise GenerationError(
            f"The sample has no {' and no '.join(missing)}, which '{generator.record.name}' needs.",
            fix="Choose another generator."
            if not any(option.name == "base" for option in generator.record.options)
            else "Set another base, as in --set base=warp.",
        )


def make(generator: Generator, request: Request, rules: SubmissionRules) -> tuple[Path, Timing]:
    """Make one sample; return the finished file and its times.

    Raises:
        GenerationError: the generator gave up, or what it gave is no video.
    """
    watch = Stopwatch()
    made = watch.call(generator.generate, request)
    if isinstance(made, Clip):
        return _encoded(made, request, rules, watch)
    path = Path(made)
    facts = inspect_media(path).facts.video
    if facts is None or not facts.frames:
        raise GenerationError("What was written is no video.", found=path.name, expected="an MP4 file with frames")
    if path != request.output:
        shutil.copyfile(path, request.output)
    timing = Timing(
        facts.frames, facts.width, facts.height, facts.duration_seconds, watch.seconds, None, end_to_end=True
    )
    return request.output, timing


def _encoded(clip: Clip, request: Request, rules: SubmissionRules, watch: Stopwatch) -> tuple[Path, Timing]:
    frames = _Fitted(watch.watch(clip.frames), rules)
    try:
        count = write_video(request.output, frames, clip.fps, clip.sound, clip.rate, crf=CRF, preset=PRESET)
    except ValueError as error:
        raise GenerationError("The frames can't be encoded.", found=str(error)) from None
    height, width = frames.size
    timing = Timing(count, width, height, count / float(clip.fps), watch.seconds, watch.first_frame)
    return request.output, timing


class _Fitted:
    """Frames at an even size within the challenge's limits. Sizes that fit pass untouched."""

    def __init__(self, frames: Iterable[Picture], rules: SubmissionRules) -> None:
        self._frames = frames
        self._rules = rules
        self.size = (0, 0)

    def __iter__(self) -> Iterator[Picture]:
        for frame in self._frames:
            if not isinstance(frame, np.ndarray) or frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
                raise GenerationError("A frame is no picture.", expected="(H, W, 3) uint8 RGB")
            width, height = allowed_size(frame.shape[1], frame.shape[0], self._rules)
            self.size = (height, width)
            if (height, width) == frame.shape[:2]:
                yield frame
            elif frame.shape[0] - height in {0, 1} and frame.shape[1] - width in {0, 1}:
                yield frame[:height, :width]
            else:
                yield cover(frame, width, height)
