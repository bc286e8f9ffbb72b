"""How long a night will be: score a few videos of the first submissions for real, and count the others.

What is computed for the estimate stays in the cache, so the run itself does not compute it again.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from evalkit.batch.entries import Entry
from evalkit.batch.running import videos_of
from evalkit.batch.settings import Settings
from evalkit.challenges.kinds import KINDS
from evalkit.challenges.model import Challenge
from evalkit.errors import EvalkitError, MachineError, SubmissionError, UsageError
from evalkit.progress import Progress
from evalkit.scoring.journal import Journal
from evalkit.scoring.run import score_run
from evalkit.scoring.shared_engine import SharedEngine
from evalkit.submission.model import Submission
from evalkit.workers.pool import Pool

SUBMISSIONS = 3  # of which videos are measured
LEAST_VIDEOS = 8  # of each, or two per worker if that is more
DRAWS = 1000
_SEED = 0


@dataclass(frozen=True)
class Estimate:
    """What a run over all submissions will take.

    Args:
        challenge: by which they would be scored.
        submissions: how many there are.
        unreadable: those that can't be opened or are refused, name -> why.
        videos: videos of all submissions.
        measured: videos that were scored now.
        workers: processes.
        seconds_per_video: wall time of a worker for one video: mean, and the ends of its 95 % interval.
        seconds_per_submission: what a submission takes besides its videos.
        cache_bytes_per_video: what a video adds to the cache.
        peak_bytes: the most memory that a worker was seen to hold; 0 when nobody knows.
        disk_free: bytes free where the cache is.
    """

    challenge: Challenge
    submissions: int
    unreadable: dict[str, str]
    videos: int
    measured: int
    workers: int
    seconds_per_video: tuple[float, float, float]
    seconds_per_submission: float
    cache_bytes_per_video: float
    peak_bytes: int
    disk_free: int

    @property
    def hours(self) -> tuple[float, float, float]:
        """The estimate, and the ends of its interval, in hours."""
        other = self.submissions * self.seconds_per_submission
        mean, low, high = ((self.videos * each / self.workers + other) / 3600 for each in self.seconds_per_video)
        return mean, low, high

    @property
    def videos_per_minute(self) -> float:
        """How many videos all workers score in a minute."""
        return 60 * self.workers / self.seconds_per_video[0]

    @property
    def cache_bytes(self) -> int:
        """What all videos add to the cache."""
        return round(self.videos * self.cache_bytes_per_video)

    def to_json(self) -> dict[str, Any]:
        """Return what ``evalkit score-all --dry-run --json`` prints."""
        mean, low, high = self.hours
        each, each_low, each_high = self.seconds_per_video
        return {
            "schema": 1,
            "ok": True,
            "dry_run": True,
            "challenge": {"id": self.challenge.id, "sha256": self.challenge.scoring_sha256},
            "submissions": self.submissions,
            "unreadable": self.unreadable,
            "videos": self.videos,
            "measured_videos": self.measured,
            "workers": self.workers,
            "seconds_per_video": {"mean": each, "low": each_low, "high": each_high},
            "videos_per_minute": self.videos_per_minute,
            "seconds_per_submission": self.seconds_per_submission,
            "hours": {"estimate": mean, "low": low, "high": high},
            "cache_bytes_per_video": self.cache_bytes_per_video,
            "cache_bytes": self.cache_bytes,
            "disk_free_bytes": self.disk_free,
            "peak_worker_bytes": self.peak_bytes or None,
            "memory_bytes": self.peak_bytes * self.workers or None,
        }


class _Times(Journal):
    """Takes down how long each video took, of those of which something was computed."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def event(self, name: str, **facts: Any) -> None:
        super().event(name, **facts)
        if name == "video" and facts["computed"]:
            self.seconds.append(float(facts["seconds"].get("total", 0.0)))


def estimate_batch(entries: Sequence[Entry], settings: Settings, progress: Progress) -> Estimate:
    """Score a few videos of the first submissions, and say what all of them will take.

    Videos that the cache has already tell nothing: more of the submission are scored until enough were computed.

    Raises:
        UsageError: when the challenge asks for detectors' scores, which are no files to be measured.
        MachineError: when there is nothing to measure: no video can be read, or the cache has all of them.
        EvalkitError: when the machine is at fault.
    """
    kind = settings.challenge.submission.kind
    if kind == "scores":
        raise UsageError(
            f"A dry run measures how long files take, and {settings.challenge.id} asks for {KINDS[kind].files}.",
            fix="Run without --dry-run: tables take seconds.",
        )
    counts: dict[int, int] = {}
    unreadable: dict[str, str] = {}
    with progress.stage("opening submissions", len(entries)) as stage:
        for at, entry in enumerate(entries):
            number = videos_of(entry, settings.challenge, settings.testset)
            fault = _import_fault(entry, settings) if number else _why(entry, settings.challenge)
            if fault is None:
                counts[at] = number
            else:
                unreadable[entry.name] = fault
            stage.advance()
    wanted = max(LEAST_VIDEOS, 2 * settings.engine.workers)
    seconds: list[list[float]] = []
    others: list[float] = []
    before = _sizes(settings.options.cache)
    with Pool(settings.engine.workers) as pool:
        for at in list(counts)[:SUBMISSIONS]:
            times, other = _measure(entries[at], settings, wanted, pool, progress)
            if times:
                seconds.append(times)
                others.append(other)
    measured = sum(map(len, seconds))
    if not measured:
        raise MachineError(
            f"There is nothing to measure: no {KINDS[kind].file} can be scored, or the cache has all that the first "
            "submissions need.",
            fix="Run without --dry-run.",
        )
    shared = {name for name, record in settings.plan.records.items() if "video" not in record.inputs}
    grown = sum(
        size - before.get(name, 0) for name, size in _sizes(settings.options.cache).items() if name not in shared
    )
    return Estimate(
        challenge=settings.challenge,
        submissions=len(entries),
        unreadable=unreadable,
        videos=sum(counts.values()),
        measured=measured,
        workers=settings.engine.workers,
        seconds_per_video=_interval(seconds),
        seconds_per_submission=float(np.mean(others)),
        cache_bytes_per_video=max(0, grown) / measured,
        peak_bytes=pool.peak_bytes,
        disk_free=shutil.disk_usage(settings.options.cache).free,
    )


def _measure(
    entry: Entry, settings: Settings, wanted: int, pool: Pool, progress: Progress
) -> tuple[list[float], float]:
    """Return the seconds of each video that was computed, and those that the submission took besides."""
    engine = SharedEngine(pool, 0, threading.Lock(), settings.engine)
    journal = _Times()
    imports = settings.imports_of(entry, entry.path)
    options = replace(settings.options, engine=engine, progress=progress, journal=journal, imports=imports)
    limit, total = wanted, len(settings.testset)
    started = time.monotonic()
    while True:
        try:
            submission = Submission.open(entry.path, settings.challenge.submission.archive)
            testset = settings.testset.limited(limit)
            result = score_run(submission, settings.challenge, testset, settings.plan, options)
        except SubmissionError:  # reported by the run itself
            return [], 0.0
        if len(journal.seconds) >= wanted or limit >= total:
            break
        limit = min(total, 4 * limit)
    extracting = float(result.scorecard.timing["extracting_seconds"])
    return journal.seconds, max(0.0, time.monotonic() - started - extracting)


def _interval(seconds: Sequence[Sequence[float]]) -> tuple[float, float, float]:
    """Return the mean over all videos, and a 95 % interval: submissions are drawn, and videos within them."""
    rng = np.random.default_rng(_SEED)
    groups = [np.asarray(group) for group in seconds]
    means = []
    for _ in range(DRAWS):
        drawn = rng.integers(0, len(groups), len(groups))
        means.append(np.mean([rng.choice(groups[at], len(groups[at])).mean() for at in drawn]))
    low, high = np.percentile(means, [2.5, 97.5])
    mean = float(np.mean(np.concatenate(groups)))
    return mean, min(mean, float(low)), max(mean, float(high))


def _import_fault(entry: Entry, settings: Settings) -> str | None:
    """Return why the submission's imported files are not as they must be: what the night would fail on."""
    try:
        settings.imports_of(entry, entry.path)
    except UsageError as error:
        return error.lines[0]
    return None


def _why(entry: Entry, challenge: Challenge) -> str:
    try:
        if entry.fault is not None:
            raise entry.fault
        Submission.open(entry.path, challenge.submission.archive)
    except EvalkitError as error:
        return error.lines[0]
    return f"no {KINDS[challenge.submission.kind].file} in it can be read; 'evalkit validate' says why"


def _sizes(cache: Path) -> dict[str, int]:
    """Return feature -> bytes of its entries."""
    if not cache.is_dir():
        return {}
    return {
        folder.name: sum(file.stat().st_size for file in folder.rglob("*.npz"))
        for folder in cache.iterdir()
        if folder.is_dir()
    }
