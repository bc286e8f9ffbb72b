"""What a worker process does: generate one sample, encode it, measure the time, check the file by the rules."""

from __future__ import annotations

import shutil
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from evalkit.challenges.submission_rules import SubmissionRules
from evalkit.errors import EvalkitError, InputError
from evalkit.media.encode import write_video
from evalkit.media.facts import MediaFacts
from evalkit.media.inspect import inspect_media
from evalkit.reference_models.generation.kept_clips import discard_record, load_record, run_key, save_record
from evalkit.reference_models.generation.requests import RequestBuilder, allowed_size
from evalkit.reference_models.generation.speed import GenerationTiming, Stopwatch
from evalkit.reference_models.generators.base import (
    GeneratedClip,
    GenerationError,
    GenerationRequest,
    Generator,
    RgbImage,
    find_generator,
)
from evalkit.reference_models.generators.inputs import scale_to_cover
from evalkit.reference_models.generators.user_code import error_text
from evalkit.scoring.intake import expected_length
from evalkit.validators.findings import Finding
from evalkit.validators.registry import file_findings
from evalkit.workers.messages import answer_record

HANDLER = "evalkit.reference_models.generation.worker:SampleGenerator"
CRF, PRESET = 18, "medium"


@dataclass(frozen=True)
class GenerationConfig:
    """Configuration of a worker process.

    Args:
        name, options, backbones: the generator.
        requests: builds the request of each sample.
        folder: for the finished files.
        places: sample -> path in the ZIP, for findings.
        search: folder that is searched for a function's module.
    """

    name: str
    options: Mapping[str, Any]
    backbones: str
    requests: RequestBuilder
    folder: Path
    places: Mapping[str, str]
    search: str


@answer_record
@dataclass(frozen=True)
class SampleOutcome:
    """One sample: the finished file and its timing, or why there is none.

    ``findings`` is what the challenge's rules for files find in it; without a challenge there are none. ``kept``: an
    earlier run, which was stopped, has made it. ``traceback``: of an exception that is no `InputError`.
    """

    file: Path | None = None
    timing: GenerationTiming | None = None
    failure: str | None = None
    findings: tuple[Finding, ...] = ()
    kept: bool = False
    traceback: str | None = None
    setup_seconds: float = 0.0


class SampleGenerator:
    """Generates samples, one at a time."""

    def __init__(self, config: GenerationConfig) -> None:
        cv2.setNumThreads(1)
        if config.search not in sys.path:
            sys.path.insert(0, config.search)
        self.config = config
        start = time.perf_counter()
        self.generator: Generator = find_generator(config.name)(config.options, config.backbones)
        self.setup = time.perf_counter() - start
        requests = config.requests
        parts = {
            "generator": config.name,
            "options": dict(config.options),
            "backbones": config.backbones,
            "seed": requests.seed,
            "rules": requests.rules.model_dump(mode="json"),
            "checked": requests.challenge is not None,
            "places": dict(config.places),
        }
        self.key = run_key(parts, requests.testset, self.generator.code_files())

    def __call__(self, index: int) -> SampleOutcome:
        """Generate sample number ``index``; an error in its data affects this sample only."""
        clip = output_path(self.config.folder, index)
        known = load_record(clip, self.key, SampleOutcome)
        if known is not None:
            return replace(known, file=clip, kept=True, setup_seconds=self.setup)
        discard_record(clip)
        try:
            request = self.config.requests.request(index, clip)
            check_needs(self.generator, request)
            made = generate_sample(self.generator, request, self.config.requests.rules)
            findings = self._findings(index, made)
        except InputError as error:
            return SampleOutcome(failure=str(error), setup_seconds=self.setup)
        except (EvalkitError, MemoryError):
            raise
        except Exception as error:  # noqa: BLE001 - the generator's own code: it costs this sample only
            failure = f"'{self.config.name}' raised {error_text(error)}"
            return SampleOutcome(failure=failure, traceback=traceback.format_exc(), setup_seconds=self.setup)
        outcome = SampleOutcome(made.file, made.timing, findings=findings, setup_seconds=self.setup)
        save_record(clip, self.key, outcome)
        return outcome

    def _findings(self, index: int, made: GeneratedFile) -> tuple[Finding, ...]:
        """Check the file by the rules of the challenge that was named, exactly as validation does."""
        requests = self.config.requests
        if requests.challenge is None:
            return ()
        sample = requests.testset.samples[index]
        facts = made.facts or inspect_media(made.file).facts
        expected = expected_length(sample, requests.testset, requests.rules)
        return tuple(file_findings(facts, requests.rules, self.config.places[sample.id], expected))


def output_path(folder: Path, index: int) -> Path:
    """Return the path of the finished file of sample number ``index``."""
    return folder / f"{index:06}.mp4"


def check_needs(generator: Generator, request: GenerationRequest) -> None:
    """Reject a sample that lacks an input of the generator.

    Raises:
        GenerationError: naming the inputs.
    """
    missing = sorted(name for name in generator.needs if not getattr(request, name))
    if missing:
        raise GenerationError(
            f"The sample has no {' and no '.join(missing)}, which '{generator.record.name}' needs.",
            fix="Choose another generator."
            if not any(option.name == "base" for option in generator.record.options)
            else "Set another base, as in --set base=warp.",
        )


@dataclass(frozen=True)
class GeneratedFile:
    """A finished file, its timing, and what is known of it if it was read already."""

    file: Path
    timing: GenerationTiming
    facts: MediaFacts | None = None


def generate_sample(
    generator: Generator,
    request: GenerationRequest,
    rules: SubmissionRules,
    clock: Callable[[], float] = time.perf_counter,
) -> GeneratedFile:
    """Generate one sample; return the finished file and its timing by ``clock``.

    Raises:
        GenerationError: the generator failed, or its output is not a video.
    """
    watch = Stopwatch(clock)
    result = watch.call(generator.generate, request)
    if isinstance(result, GeneratedClip):
        return _encoded(result, request, rules, watch)
    path = Path(result)
    facts = inspect_media(path).facts
    video = facts.video
    if video is None or not video.frames:
        raise GenerationError("The generated file is not a video.", found=path.name, expected="an MP4 file with frames")
    if path != request.output:
        shutil.copyfile(path, request.output)
    timing = GenerationTiming(
        video.frames, video.width, video.height, video.duration_seconds, watch.seconds, None, end_to_end=True
    )
    return GeneratedFile(request.output, timing, facts)


def _encoded(
    clip: GeneratedClip, request: GenerationRequest, rules: SubmissionRules, watch: Stopwatch
) -> GeneratedFile:
    frames = _FittedFrames(watch.watch(clip.frames), rules)
    try:
        count = write_video(request.output, frames, clip.fps, clip.audio, clip.rate, crf=CRF, preset=PRESET)
    except ValueError as error:
        if error is frames.fault:
            raise
        raise GenerationError("The frames can't be encoded.", found=str(error)) from None
    height, width = frames.size
    timing = GenerationTiming(count, width, height, count / float(clip.fps), watch.seconds, watch.first_frame)
    return GeneratedFile(request.output, timing)


class _FittedFrames:
    """Frames at an even size within the challenge's limits; frames of an allowed size stay unchanged.

    ``fault``: the exception that the generator's own code raised.
    """

    def __init__(self, frames: Iterable[RgbImage], rules: SubmissionRules) -> None:
        self._frames = frames
        self._rules = rules
        self.size = (0, 0)
        self.fault: Exception | None = None

    def _made(self) -> Iterator[RgbImage]:
        try:
            yield from self._frames
        except Exception as error:
            self.fault = error
            raise

    def __iter__(self) -> Iterator[RgbImage]:
        for frame in self._made():
            if not isinstance(frame, np.ndarray) or frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
                raise GenerationError("A frame has a wrong type or shape.", expected="(H, W, 3) uint8 RGB")
            width, height = allowed_size(frame.shape[1], frame.shape[0], self._rules)
            self.size = (height, width)
            if (height, width) == frame.shape[:2]:
                yield frame
            elif frame.shape[0] - height in {0, 1} and frame.shape[1] - width in {0, 1}:
                yield frame[:height, :width]
            else:
                yield scale_to_cover(frame, width, height)
