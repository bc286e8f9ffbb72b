"""Compares the fingerprint of every video with the references, the official speech and the other videos of the run.

No number changes: findings and fingerprints are added to rows that are complete.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from evalkit.challenges.submission_rules import ArchiveRules, SubmissionRules
from evalkit.errors import MediaError
from evalkit.media.stills import read_still
from evalkit.metrics.features.base import FeatureRecord, Item, feature_registry
from evalkit.metrics.gaming import signature, stillness
from evalkit.metrics.gaming.audio_match import AudioMatch
from evalkit.metrics.gaming.fingerprint import FINGERPRINT, square
from evalkit.metrics.gaming.overlay import Island, small_grey
from evalkit.progress import Progress
from evalkit.scoring.cache import CorruptEntryError, FeatureCache
from evalkit.scoring.engine import RunJobs, run_jobs
from evalkit.scoring.jobs import NOT_UNPACKED, Config, Extraction, Job
from evalkit.scoring.journal import Journal
from evalkit.scoring.scorecard import Fingerprint, VideoScore
from evalkit.scoring.shared_cache import open_cache
from evalkit.submission.members import Member
from evalkit.submission.references import MemberRef
from evalkit.testsets.model import Sample, TestSet
from evalkit.validators.content import FROZEN_SHARE
from evalkit.validators.findings import run_rules
from evalkit.validators.gaming import GamingCase, VideoCopy, made_of_few
from evalkit.validators.registry import rule_registry, rules_for

Arrays = Mapping[str, NDArray[Any]]
LARGEST_REFERENCE = 1 << 40  # bytes
HASH_BITS = 3  # of 63; two images of one still differ in no more
MAX_DUPLICATES = 100  # identical files or stills that are listed for one video


@dataclass(frozen=True)
class VideoFingerprint:
    """A video with its fingerprint."""

    sample: str
    sha256: str
    arrays: Arrays

    @property
    def bits(self) -> signature.Bits:
        """Motion bits (K, 24); none of a video that hardly moves, where they would be noise."""
        bits = cast("signature.Bits", self.arrays["bits"])
        return bits if float(self.arrays["motion"]) >= signature.MIN_MOTION else bits[:0]

    @property
    def is_still(self) -> bool:
        """Whether the video shows one image or a few."""
        return made_of_few(*self._counts())

    def _counts(self) -> tuple[int, int, float]:
        return int(self.arrays["ticks"]), int(self.arrays["distinct"]), float(self.arrays["warped"])

    def fingerprint(self) -> Fingerprint:
        """Return what the scorecard stores."""
        return Fingerprint(
            sha256=self.sha256,
            motion=round(float(self.arrays["motion"]), 4),
            picture=signature.to_hex(np.asarray(self.arrays["hash"])),
            bits=signature.to_hex(self.bits),
        )

    def case(self, extraction: Extraction, sample: Sample | None, testset: TestSet, **others: Any) -> GamingCase:
        """Return the facts that the rules examine."""
        ticks, distinct, warped = self._counts()
        facts = extraction.facts.video if extraction.facts else None
        match, offset, share = (float(value) for value in self.arrays["sound"])
        images = [testset.path(image) for image in sample.reference_images] if sample and self.is_still else []
        return GamingCase(
            sample=self.sample,
            ticks=ticks,
            distinct=distinct,
            warped=warped,
            frozen=facts is not None and facts.duplicate_share >= FROZEN_SHARE,
            reference_picture=_least_residual(np.asarray(self.arrays["picture"], np.float32), images),
            audio=AudioMatch(cast(Any, str(self.arrays["sound_state"])), match, offset, share),
            islands=tuple(Island(*(float(value) for value in row)) for row in self.arrays["islands"]),
            **others,
        )


def add_gaming_findings(  # noqa: PLR0917
    videos: Iterable[VideoScore],
    extractions: Mapping[str, Extraction],
    references: Mapping[str, VideoFingerprint],
    testset: TestSet,
    cache: FeatureCache,
    severities: Mapping[str, str],
) -> Iterator[VideoScore]:
    """Yield the rows with their fingerprints and the findings of the gaming rules; values and reasons stay."""
    rows = list(videos)
    seen = {row.sample: one for row in rows if (one := _fingerprinted(row.sample, extractions.get(row.sample), cache))}
    samples = {sample.id: sample for sample in testset}
    copies = _copies(list(seen.values()), list(references.values()))
    duplicates = _duplicates(list(seen.values()))
    for row in rows:
        one = seen.get(row.sample)
        if one is None:
            yield row
            continue
        case = one.case(
            extractions[row.sample],
            samples.get(row.sample),
            testset,
            references=copies.get(row.sample, ()),
            duplicates=duplicates.get(row.sample, ()),
        )
        findings = [finding.to_json() for finding in run_rules(rules_for("gaming"), case, severities, row.path)]
        marked = row.verdict == "ok" and any(finding["severity"] != "info" for finding in findings)
        yield row.model_copy(
            update={
                "verdict": "warning" if marked else row.verdict,
                "findings": (*row.findings, *findings),
                "fingerprint": one.fingerprint(),
            }
        )


def read_references(
    testset: TestSet, cache: Path, run: RunJobs, journal: Journal, *, fresh: bool, progress: Progress | None = None
) -> dict[str, VideoFingerprint]:
    """Return sample -> the fingerprint of its reference video; cached ones are not decoded again.

    A reference video that can't be read has none: the journal records it, and nothing is compared with it.
    """
    found: dict[str, VideoFingerprint] = {}
    config, jobs = reference_jobs(testset, cache, fresh=fresh)
    results = run_jobs(run, config, jobs, fingerprint_records(), archive_sha256=None)
    with (progress or Progress()).stage("reading reference videos", len(jobs)) as stage, closing(results):
        for result in results:
            name = jobs[result.index].sample
            one = _fingerprinted(name, result.value, open_cache(cache)) if result.failure is None else None
            if one is None:
                journal.event("reference-unread", sample=name, detail=result.detail)
            else:
                found[name] = one
            stage.advance()
    return {job.sample: found[job.sample] for job in jobs if job.sample in found}


def fingerprint_records() -> dict[str, FeatureRecord]:
    """Return the records of the features that are computed of reference videos."""
    return {FINGERPRINT: feature_registry()[FINGERPRINT].resolved_record()}


def reference_jobs(testset: TestSet, cache: Path, *, fresh: bool) -> tuple[Config, list[Job]]:
    """Return settings and jobs that compute the fingerprint of every reference video, in the order of the test set."""
    names = [sample.id for sample in testset if sample.reference_video]
    places = [testset.path(str(sample.reference_video)) for sample in testset if sample.reference_video]
    there = [(name, place.resolve()) for name, place in zip(names, places, strict=True) if place.is_file()]
    jobs = [Job(name, MemberRef(place.parent, _member(place), None), Item(name, NOT_UNPACKED)) for name, place in there]
    # No rule may exclude a reference from the comparison.
    rules = SubmissionRules(
        severities=dict.fromkeys(rule_registry(), "off"), archive=ArchiveRules(max_file_bytes=LARGEST_REFERENCE)
    )
    return Config(cache=cache, features=(FINGERPRINT,), fresh=fresh, rules=rules), jobs


def _member(place: Path) -> Member:
    size = place.stat().st_size
    return Member(place.name, os.fsencode(place.name), size, size, "file")


def _fingerprinted(sample: str, extraction: Extraction | None, cache: FeatureCache) -> VideoFingerprint | None:
    key = extraction.keys.get(FINGERPRINT) if extraction else None
    if extraction is None or extraction.sha256 is None or key is None:
        return None
    try:
        data = cache.load(FINGERPRINT, key)
    except CorruptEntryError:
        return None
    return (
        VideoFingerprint(sample, extraction.sha256, data.arrays)
        if data is not None and data.arrays is not None
        else None
    )


def _copies(
    videos: Sequence[VideoFingerprint], references: Sequence[VideoFingerprint]
) -> dict[str, tuple[VideoCopy, ...]]:
    """Return sample -> the reference videos with the content of its video, the best match first."""
    found: dict[str, list[VideoCopy]] = {}
    alike = signature.matches([one.bits for one in references], [one.bits for one in videos])
    for (at, number), match in alike.items():
        one, other = videos[number], references[at]
        found.setdefault(one.sample, []).append(VideoCopy(other.sample, None if one.sha256 == other.sha256 else match))
    return {sample: tuple(sorted(copies, key=_closeness)) for sample, copies in found.items()}


def _duplicates(videos: Sequence[VideoFingerprint]) -> dict[str, tuple[VideoCopy, ...]]:
    """Return sample -> the other videos with its content: identical files, the same motion, or the same still."""
    alike: dict[tuple[int, int], signature.Match | None] = dict(
        signature.matches([one.bits for one in videos], [one.bits for one in videos])
    )
    digests: dict[str, list[int]] = {}
    for at, one in enumerate(videos):
        digests.setdefault(one.sha256, []).append(at)
    for equal in digests.values():
        alike |= {(i, j): None for i in equal for j in equal[:MAX_DUPLICATES]}
    for pair, still in _equal_stills(videos).items():
        alike.setdefault(pair, still)
    found: dict[str, list[VideoCopy]] = {}
    for (i, j), match in sorted(alike.items(), key=lambda pair: pair[0]):
        if i != j:
            found.setdefault(videos[i].sample, []).append(VideoCopy(videos[j].sample, match))
    return {sample: tuple(sorted(copies, key=_closeness)) for sample, copies in found.items()}


def _equal_stills(videos: Sequence[VideoFingerprint]) -> dict[tuple[int, int], signature.Match]:
    """Return the pairs of videos that are stills of the same image, at most `MAX_DUPLICATES` of each video."""
    stills = [at for at, one in enumerate(videos) if one.is_still]
    if not stills:
        return {}
    hashes = np.stack([videos[at].arrays["hash"] for at in stills])
    found = {}
    for i, own in zip(stills, hashes, strict=True):
        apart = np.count_nonzero(hashes != own, axis=1)
        for at in np.flatnonzero(apart <= HASH_BITS)[:MAX_DUPLICATES]:
            share = 1 - float(apart[at]) / hashes.shape[1]
            found[i, stills[int(at)]] = signature.Match(share, 0.0, mirrored=False)
    return found


def _closeness(copy: VideoCopy) -> tuple[float, str]:
    return (-2.0 if copy.match is None else -copy.match.share), copy.sample


def _least_residual(shown: NDArray[np.float32], paths: Sequence[Path]) -> float | None:
    """Return what the best of ``paths`` leaves unexplained of an image (64, 64); ``None`` when none can be read."""
    if not paths:
        return None
    found = []
    shown = stillness.smoothed(shown)
    for path in paths:
        try:
            pixels = read_still(path)
        except MediaError:
            continue
        found.append(stillness.residual(stillness.smoothed(square(small_grey(pixels))), shown, warp=True))
    return min(found, default=None)
