"""Filmstrips of entries, taken from their submissions; what was decoded while scoring comes from the feature cache."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from evalkit.challenges.submission_rules import SubmissionRules
from evalkit.errors import InputError, UsageError, did_you_mean
from evalkit.metrics.features.base import Item, feature_registry
from evalkit.metrics.filmstrip import filmstrip_images
from evalkit.progress import Progress
from evalkit.reports.comparison.inputs import ComparedEntry
from evalkit.scoring.cache import CorruptEntryError, FeatureCache
from evalkit.scoring.engine import LocalEngine, run_jobs
from evalkit.scoring.jobs import Config, Extraction, Job
from evalkit.scoring.plan import FILMSTRIP
from evalkit.submission.model import Submission
from evalkit.validators.registry import rule_registry

DIGITS = 12


@dataclass
class SubmissionMedia:
    """Where the submissions are, and how to read them.

    Args:
        places: entry -> its ZIP or folder.
        cache: folder of the feature cache.
        workers: processes; ``None`` for one per core.
        progress: receives how far the run is.
    """

    places: Mapping[str, Path]
    cache: Path
    workers: int | None = None
    progress: Progress = field(default_factory=Progress)


def read_filmstrips(
    entries: Sequence[ComparedEntry], samples: Sequence[str], media: SubmissionMedia
) -> dict[str, dict[str, list[bytes]]]:
    """Return small JPEG images by entry and sample; a video that can't be read has none.

    Files are decoded in worker processes, as when they are scored.

    Raises:
        UsageError: media of an unknown entry.
        SubmissionError: a submission that can't be opened.
        InputError: a submission that is not the one that was scored.
    """
    named = {entry.name: entry for entry in entries}
    for name in media.places:
        if name not in named:
            raise UsageError(
                f"There is no entry '{name}' whose frames could be shown.{did_you_mean(name, named)}",
                expected=f"one of {', '.join(named)}",
            )
    owners: list[tuple[str, str]] = []
    jobs: list[Job] = []
    for name, place in media.places.items():
        submission = _opened(named[name], place)
        if named[name].card.submission.kind != "video":
            continue  # sounds, coefficients and tables have no frames
        paths = {video.sample: video.path for video in named[name].card.videos}
        for sample in samples:
            path = paths.get(sample)
            if path is not None:
                owners.append((name, sample))
                jobs.append(Job(sample, submission.ref(path), Item(sample, Path())))
    return _strips(owners, jobs, media) if jobs else {}


def _opened(entry: ComparedEntry, place: Path) -> Submission:
    submission = Submission.open(place)
    scored = entry.card.submission.sha256
    if submission.sha256 != scored:
        raise InputError(
            f"{place} is not the submission that '{entry.name}' was scored from.",
            found=f"SHA-256 {submission.sha256[:DIGITS]}",
            expected=f"SHA-256 {scored[:DIGITS]}",
            fix="Give the file that was scored, or score this one.",
        )
    return submission


def _strips(
    owners: Sequence[tuple[str, str]], jobs: Sequence[Job], media: SubmissionMedia
) -> dict[str, dict[str, list[bytes]]]:
    found: dict[str, dict[str, list[bytes]]] = {}
    cache = FeatureCache(media.cache)
    # Without rules: a video with findings is shown too, and what can't be decoded has no frames anyway.
    rules = SubmissionRules(severities=dict.fromkeys(rule_registry(), "off"))
    config = Config(cache=media.cache, features=(FILMSTRIP,), rules=rules)
    records = {FILMSTRIP: feature_registry()[FILMSTRIP].resolved_record()}
    results = run_jobs(LocalEngine(media.workers).run, config, jobs, records, archive_sha256=None)
    with media.progress.stage("filmstrips", len(jobs)) as progress, closing(results):
        for result in results:
            name, sample = owners[result.index]
            progress.advance()
            extraction: Extraction | None = result.value
            key = extraction.keys.get(FILMSTRIP) if extraction is not None else None
            try:
                data = cache.load(FILMSTRIP, key) if key else None
            except CorruptEntryError:
                data = None
            if data is not None and data.arrays is not None:
                found.setdefault(name, {})[sample] = filmstrip_images(data.arrays)
    return found
