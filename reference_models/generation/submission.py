"""Run a generator over a test set and write its submission: a ZIP with a video per sample and ``speed.json``."""

from __future__ import annotations

import json
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evalkit.challenges.model import Challenge, load_challenge
from evalkit.errors import InputError, UsageError
from evalkit.files import atomic_write, storage_error
from evalkit.reference_models.generation.requests import RequestBuilder
from evalkit.reference_models.generation.speed import GenerationTiming, speed_document
from evalkit.reference_models.generation.worker import HANDLER, GenerationConfig, SampleOutcome, output_path
from evalkit.reference_models.generators.base import find_generator
from evalkit.reference_models.generators.external import log_tail
from evalkit.testsets.loading import load_testset
from evalkit.testsets.model import TestSet
from evalkit.validators.layout import SPEED_FILE, expected_paths
from evalkit.workers.pool import JobResult, Workers

SAMPLE_SECONDS = 600.0
_DATE = (2026, 1, 1, 0, 0, 0)  # of every member: the same content makes the same bytes


@dataclass(frozen=True)
class GenerationRun:
    """The result of a run.

    Args:
        path: the ZIP.
        made: samples that are in it, in the order of the test set.
        failures: sample -> why it could not be generated; it is missing from the ZIP.
        speed: the content of ``speed.json``, also if it was not written.
    """

    path: Path
    made: tuple[str, ...] = ()
    failures: Mapping[str, str] = field(default_factory=dict)
    speed: Mapping[str, Any] = field(default_factory=dict)


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
    sample_seconds: float = SAMPLE_SECONDS,
    with_speed: bool = True,
) -> GenerationRun:
    """Run the generator ``name`` over a test set and write a ZIP that the challenge accepts.

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
        sample_seconds: time limit of one sample.
        with_speed: whether ``speed.json`` goes into the ZIP.

    Raises:
        UsageError: an unknown name or option, an output that is a folder.
        TestSetError: the test set can't be read, or the challenge can't name its samples.
        InputError: no sample could be generated; nothing is written.
        StorageError: the disk is full.
    """
    if output.is_dir():
        raise UsageError(f"{output} is a folder.", expected="the name of a ZIP file")
    kind = find_generator(name)
    chosen = kind.record.resolve(options or {})
    samples = testset if isinstance(testset, TestSet) else load_testset(testset)
    samples = TestSet(samples.root.absolute(), samples.samples, samples.format)
    rules = load_challenge(challenge) if isinstance(challenge, str) else challenge
    places = expected_paths(rules or _default_challenge(), samples)
    requests = RequestBuilder(samples, rules, seed)
    folder = _temporary_folder(output)
    try:
        config = GenerationConfig(name, chosen, backbones, requests, folder, str(Path.cwd()))
        results: dict[int, SampleOutcome] = {}
        for result in Workers(HANDLER, config, workers, sample_seconds).run(range(len(samples))):
            results[result.index] = _outcome(result, folder, name)
            if progress:
                progress(samples.samples[result.index].id)
        ids = [sample.id for sample in samples]
        made = {ids[index]: result for index, result in sorted(results.items()) if result.failure is None}
        failures = {ids[index]: result.failure for index, result in sorted(results.items()) if result.failure}
        if not made:
            sample, reason = next(iter(failures.items()))
            raise InputError(f"'{name}' could generate none of the {len(ids)} samples.", found=f"{sample}: {reason}")
        timings: dict[str, GenerationTiming] = {sample: done.timing for sample, done in made.items() if done.timing}
        setups = [result.setup_seconds for result in results.values()]
        speed = speed_document({"name": name, "options": chosen}, timings, setups, workers)
        _write_zip(output, {places[sample]: done.file for sample, done in made.items()}, speed if with_speed else None)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return GenerationRun(output, tuple(made), failures, speed)


def _default_challenge() -> Challenge:
    return Challenge(id="any", title="any")


def _temporary_folder(output: Path) -> Path:
    """Return a new folder beside the output, on the disk that must hold the videos anyway."""
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f".{output.stem}-", dir=output.parent.absolute()))
    except OSError as error:
        raise storage_error(output, error) from error


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
            failure=f"It took {words}." + (f" Last message: {message}." if message != "no message" else "")
        )
    return SampleOutcome(failure=f"The process {words}.")


def _write_zip(output: Path, files: Mapping[str, Path | None], speed: Mapping[str, Any] | None) -> None:
    """Write the ZIP atomically, without compression: videos are compressed already."""
    with atomic_write(output) as stream, zipfile.ZipFile(stream, "w") as archive:
        for place, file in files.items():
            if file is None:
                continue
            with file.open("rb") as source, archive.open(_member(place), "w", force_zip64=True) as member:
                shutil.copyfileobj(source, member, 1 << 20)
        if speed is not None:
            archive.writestr(_member(SPEED_FILE), json.dumps(speed, indent=1) + "\n")


def _member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _DATE)
    info.external_attr = 0o644 << 16
    return info
