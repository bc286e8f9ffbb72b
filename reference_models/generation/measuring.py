"""Measure the speed of a generator over samples: warm-ups, repeated runs one at a time, medians and quartiles."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evalkit._version import __version__
from evalkit.errors import EvalkitError, InputError
from evalkit.reference_models.generation.requests import RequestBuilder
from evalkit.reference_models.generation.speed import quartiles, rounded
from evalkit.reference_models.generation.worker import check_needs, generate_sample
from evalkit.reference_models.generators.base import GenerationRequest, Generator
from evalkit.reference_models.generators.external import CallableGenerator, CommandGenerator
from evalkit.reference_models.generators.gradio_demo import GradioDemo
from evalkit.reference_models.generators.user_code import error_text
from evalkit.reference_models.generators.web_demo import WebDemo
from evalkit.scoring.speed_values import speed_values
from evalkit.speed.document import MEASUREMENT, SPEED_SCHEMA
from evalkit.speed.hardware import machine
from evalkit.speed.model import SampleSpeed, Timed, counted_frames, middle
from evalkit.testsets.model import TestSet
from evalkit.workers.messages import answer_record
from evalkit.workers.pool import Workers

HANDLER = "evalkit.reference_models.generation.measuring:SpeedProbe"
KINDS: Mapping[str, type[Generator]] = {
    "command": CommandGenerator,
    "callable": CallableGenerator,
    "url": WebDemo,
    "gradio": GradioDemo,
}
Job = tuple[int, int]  # number of the sample, number of the run; runs below 0 are warm-ups


@dataclass(frozen=True)
class ProbeConfig:
    """Configuration of the process that generates.

    Args:
        kind: one of `KINDS`.
        options: of the generator.
        requests: builds the request of each sample.
        folder: for the files, which nobody keeps.
        search: folder that is searched for a function's module.
    """

    kind: str
    options: Mapping[str, Any]
    requests: RequestBuilder
    folder: Path
    search: str


@answer_record
@dataclass(frozen=True)
class TimedRun:
    """One run of one sample: its times, or why there are none.

    ``whole``: whether the seconds include loading and encoding; then nothing shorter could be seen.
    """

    seconds: float = 0.0
    frames: int = 0
    clip_seconds: float = 0.0
    first_frame: float | None = None
    end_to_end: float = 0.0
    peak_bytes: int | None = None
    whole: bool = True
    failure: str | None = None


class SpeedProbe:
    """Generates one sample at a time and measures it."""

    def __init__(self, config: ProbeConfig, clock: Callable[[], float] = time.perf_counter) -> None:
        if config.search not in sys.path:
            sys.path.insert(0, config.search)
        self.config = config
        self.clock = clock
        self.generator = KINDS[config.kind](config.options)

    def __call__(self, job: Job) -> TimedRun:
        """Generate the sample; an error in its data or in the generator's code costs this run only."""
        output = self.config.folder / "clip.mp4"
        output.unlink(missing_ok=True)
        try:
            request = self.config.requests.request(job[0], output)
            check_needs(self.generator, request)
            return self._timed(request)
        except InputError as error:
            return TimedRun(failure=str(error))
        except (EvalkitError, MemoryError):
            raise
        except Exception as error:  # noqa: BLE001 - the generator's own code
            return TimedRun(failure=f"'{self.config.kind}' raised {error_text(error)}")

    def _timed(self, request: GenerationRequest) -> TimedRun:
        own = self.config.kind == "callable" and _reset_peak()
        start = self.clock()
        made = generate_sample(self.generator, request, self.config.requests.rules, self.clock)
        total, timing = self.clock() - start, made.timing
        peak = _peak() if own else getattr(self.generator, "peak_bytes", None)
        # What is longer than asked for is not more video: the speech, or the real video, has ended.
        known = request.audio is not None or request.reference_video is not None
        length = min(timing.clip_seconds, request.target.seconds) if known else timing.clip_seconds
        return TimedRun(
            timing.seconds,
            timing.frames,
            length,
            timing.first_frame,
            timing.seconds if timing.end_to_end else total,
            peak,
            timing.end_to_end,
        )


@dataclass(frozen=True)
class Measurement:
    """What was measured.

    Args:
        document: the content of the file that `evalkit speed import` reads.
        failures: sample -> why it could not be measured.
    """

    document: dict[str, Any]
    failures: Mapping[str, str] = field(default_factory=dict)


def measure_speed(
    kind: str,
    options: Mapping[str, Any],
    requests: RequestBuilder,
    *,
    warm_ups: int = 1,
    repeats: int = 3,
    frame_rate: float = 25.0,
    hardware: str | None = None,
    time_limit: float = 600.0,
    advance: Callable[[], None] | None = None,
) -> Measurement:
    """Run a generator over all samples of ``requests``, one at a time in one process.

    Args:
        kind: ``command``, ``callable``, ``url`` or ``gradio``.
        options: of that generator.
        requests: builds the requests; its test set says which samples.
        warm_ups: runs of the first sample that are not timed.
        repeats: timed runs of every sample, at least 1.
        frame_rate: frames per second of video that count.
        hardware: what the generator runs on, where that is not this machine; ``None`` for this machine.
        time_limit: seconds for one run.
        advance: called after every run.

    Raises:
        UsageError: an option is wrong.
        InputError: no sample could be measured.
    """
    samples = requests.testset
    jobs = [(0, -1)] * warm_ups + [(at, run) for at in range(len(samples)) for run in range(repeats)]
    found: dict[int, list[TimedRun]] = {}
    folder = Path(tempfile.mkdtemp(prefix="evalkit-speed-"))
    try:
        config = ProbeConfig(kind, options, requests, folder, str(Path.cwd()))
        with closing(Workers(HANDLER, config, 1, time_limit).run(jobs)) as results:
            for result in results:
                made = result.value if result.failure is None else None
                if not isinstance(made, TimedRun):
                    detail = result.detail.strip().splitlines()
                    made = TimedRun(
                        failure=f"The run failed ({result.failure}): {detail[-1] if detail else ''}".strip()
                    )
                if jobs[result.index][1] >= 0:
                    found.setdefault(jobs[result.index][0], []).append(made)
                if advance is not None:
                    advance()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return summarise(
        samples,
        found,
        generator={"kind": kind, **options},
        warm_ups=warm_ups,
        repeats=repeats,
        frame_rate=frame_rate,
        machine={"processor": hardware} if hardware is not None else machine(),
    )


def summarise(
    samples: TestSet,
    found: Mapping[int, Sequence[TimedRun]],
    *,
    generator: Mapping[str, Any],
    warm_ups: int,
    repeats: int,
    frame_rate: float,
    machine: Mapping[str, Any],
) -> Measurement:
    """Return the measurement: of every sample the medians of its runs, of all samples medians and quartiles.

    A sample one of whose runs failed is not measured. Where any run was timed as a whole, all are.
    """
    failures = {}
    measured: dict[str, Sequence[TimedRun]] = {}
    for at, sample in enumerate(samples):
        runs = found.get(at, [])
        why = next((run.failure for run in runs if run.failure), None if runs else "It was not run.")
        if why:
            failures[sample.id] = why
        else:
            measured[sample.id] = runs
    if not measured:
        told = [f"{name}: {why}" for name, why in failures.items()]
        raise InputError("No sample could be measured.", found=told[0] if told else "an empty test set")
    timed: Timed = "call" if any(run.whole for runs in measured.values() for run in runs) else "frames"
    rows, values = [], []
    for name, runs in measured.items():
        one = _middle(name, runs, timed)
        frames, clip = one.frames or 0, one.clip_seconds or 0.0
        values.append(speed_values(one, frame_rate, frames, clip))
        rows.append(_row(one, [run.end_to_end if timed == "call" else run.seconds for run in runs], frame_rate))
    document = {
        "schema": SPEED_SCHEMA,
        "kind": MEASUREMENT,
        "evalkit": __version__,
        "generator": dict(generator),
        "machine": dict(machine),
        "timed": timed,
        "workers": 1,
        "warm_ups": warm_ups,
        "repeats": repeats,
        "frame_rate": frame_rate,
        "summary": {
            "samples": len(rows),
            **{name: quartiles([value[name].value for value in values]) for name in values[0]},
        },
        "samples": rows,
        "failures": failures,
    }
    return Measurement(document, failures)


def _middle(sample: str, runs: Sequence[TimedRun], timed: Timed) -> SampleSpeed:
    end_to_end = middle([run.end_to_end for run in runs]) or 0.0
    seconds = end_to_end if timed == "call" else middle([run.seconds for run in runs]) or 0.0
    peaks = [run.peak_bytes for run in runs if run.peak_bytes is not None]
    return SampleSpeed(
        sample,
        seconds,
        round(middle([run.frames for run in runs]) or 0),
        middle([run.clip_seconds for run in runs]),
        middle([run.first_frame for run in runs]),
        end_to_end,
        max(peaks) if peaks else None,
        len(runs),
    )


def _row(one: SampleSpeed, seconds: Sequence[float], frame_rate: float) -> dict[str, Any]:
    return {
        "sample": one.sample,
        "frames": one.frames,
        "counted_frames": rounded(counted_frames(one.frames or 0, one.clip_seconds or 0.0, frame_rate)),
        "clip_seconds": rounded(one.clip_seconds),
        "generation_seconds": rounded(one.seconds),
        "time_to_first_frame": rounded(one.first_frame),
        "end_to_end_seconds": rounded(one.end_to_end),
        "peak_bytes": one.peak_bytes,
        "runs": one.runs,
        "seconds_of_runs": [rounded(number) for number in seconds],
    }


def _reset_peak() -> bool:
    """Let the system count this process's peak memory anew; return whether it can."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


def _peak() -> int | None:
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    words = next((line.split() for line in lines if line.startswith("VmHWM:")), [])
    return 1024 * int(words[1]) if len(words) > 1 and words[1].isdecimal() else None
