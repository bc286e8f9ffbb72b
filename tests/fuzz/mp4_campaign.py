"""Fuzz `inspect_media` and the rules with changed MP4s, in worker processes as a run does, and ask ffmpeg as well."""

from __future__ import annotations

import random
import re
import resource
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from clip_tools import FFMPEG

from evalkit.challenges.model import load_challenge
from evalkit.media.inspect import inspect_media
from evalkit.validators.findings import verdict_of
from evalkit.validators.registry import file_findings
from evalkit.workers.messages import answer_record
from evalkit.workers.pool import JobResult, Workers
from fuzz.campaign import Figures
from fuzz.mp4 import mutated, real_seeds, seeds

LIMIT_SECONDS = 10.0
MAX_GROWTH_MIB = 300.0
BATCH = 250
# What ffmpeg's program says that is not about the file.
HARMLESS = (
    r"Application provided invalid, non monotonically increasing dts",  # the null muxer's own clock is coarse
    r"Last message repeated",
)
# Older programs give up on an SPS with a reserved shape of pixels; newer ones take it as unspecified (H.264, E.2.1) and
# read every picture. Nothing can be compared then.
STRICTER = r"illegal aspect ratio"
COMPLAINTS = "encoding.complaints"  # who is told of damage has not been told that all is well


@answer_record
@dataclass(frozen=True)
class Seen:
    """What the worker saw: the verdict, whether it says that FFmpeg complains, the frames delivered, and how much the
    worker has grown by it, in MiB.
    """

    verdict: str
    told: bool
    frames: int
    grown: float


def open_inspector(config: object) -> Callable[[str], Seen]:
    """Return what a worker does with each file."""
    rules = load_challenge("talking-head").submission

    def inspect(path: str) -> Seen:
        before = _peak_mib()
        facts = inspect_media(Path(path)).facts
        findings = file_findings(facts, rules, "a.mp4")
        told = any(finding.rule == COMPLAINTS for finding in findings)
        return Seen(verdict_of(findings), told, facts.video.frames if facts.video else 0, _peak_mib() - before)

    return inspect


def run_mp4_campaign(inputs: int, seed: int, *, keep: Path | None = None, shared: Path | None = None) -> Figures:
    """Return the figures of ``inputs`` changed MP4s; the same seed makes the same ones.

    Args:
        inputs: how many.
        seed: of the inputs.
        keep: folder for inputs that went wrong.
        shared: folder of the shared data, for real clips beside the made ones.
    """
    figures, dice = Figures("mp4"), random.Random(f"mp4 {seed}")
    sources = seeds() + (real_seeds(shared) if shared is not None else ())
    with TemporaryDirectory() as folder:
        for start in range(0, inputs, BATCH):
            paths = []
            for number in range(start, min(inputs, start + BATCH)):
                path = Path(folder) / f"{number}.mp4"
                path.write_bytes(mutated(dice, sources))
                paths.append(str(path))
            workers = Workers("fuzz.mp4_campaign:open_inspector", None, 1, timeout=LIMIT_SECONDS)
            for result in workers.run(paths):
                path = Path(paths[result.index])
                fault = _judge(result, path, figures)
                figures.inputs += 1
                if fault is not None:
                    figures.failures = [*figures.failures, f"input {path.stem}: {fault}"][:20]
                    if keep is not None:
                        keep.mkdir(parents=True, exist_ok=True)
                        shutil.copy(path, keep / f"mp4-{seed}-{path.name}")
                path.unlink()
    return figures


def _judge(result: JobResult, path: Path, figures: Figures) -> str | None:
    if result.failure == "timeout":
        figures.hangs += 1
        return f"took {result.detail}"
    if result.failure is not None:
        figures.crashes += 1
        return f"{result.failure}: {result.detail[-300:]}"
    seen: Seen = result.value
    figures.growth_mib = max(figures.growth_mib, round(seen.grown, 1))
    if seen.grown > MAX_GROWTH_MIB:
        figures.crashes += 1
        return f"the worker grew by {seen.grown:.0f} MiB"
    if seen.verdict == "error":
        figures.refused += 1
        return None
    figures.accepted += 1
    other = None if seen.told else decoded(path)
    if other is not None and other != (seen.frames, ""):
        figures.wrong_accepts += 1
        return f"wrong accept: {seen.frames} frames; ffmpeg: {other[0]} frames, {other[1][:300]}"
    return None


def decoded(path: Path) -> tuple[int, str] | None:
    """Return how many frames ffmpeg's program delivers, and what it complains of; ``None`` without the program."""
    if FFMPEG is None:
        return None
    done = subprocess.run(
        [FFMPEG, "-nostdin", "-v", "error", "-threads", "1", "-protocol_whitelist", "file,pipe", "-i", f"file:{path}",
         "-map", "0:V:0", "-map", "0:a:0?", "-fps_mode", "passthrough", "-f", "null", "-progress", "pipe:1", "-"],
        capture_output=True, check=False, text=True, errors="replace", timeout=60,
    )  # fmt: skip
    frames = [int(line[6:]) for line in done.stdout.splitlines() if line.startswith("frame=")]
    words = [line for line in done.stderr.splitlines() if line and not _matches(line, HARMLESS)]
    if re.search(STRICTER, done.stderr):
        return None
    return (frames[-1] if frames else 0), "; ".join(words)


def _matches(line: str, patterns: tuple[str, ...]) -> bool:
    return any(re.search(pattern, line) for pattern in patterns)


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
