"""Compares the fingerprint of every video with the references, the official speech and the other videos of the run.

No number changes: findings and fingerprints are added to rows that are complete. Of each video about a kilobyte is kept
until all were read.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import repeat
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
from evalkit.metrics.gaming.face_motion import FACE_STILLNESS
from evalkit.metrics.gaming.fingerprint import FINGERPRINT, square
from evalkit.metrics.gaming.overlay import Island, small_grey
from evalkit.metrics.gaming.repetition import Repetition
from evalkit.progress import Progress
from evalkit.scoring.cache import CorruptEntryError, FeatureCache
from evalkit.scoring.engine import RunJobs, run_jobs
from evalkit.scoring.jobs import NOT_UNPACKED, Config, Extraction, Job
from evalkit.scoring.journal import Journal
from evalkit.scoring.scorecard import Fingerprint, VideoScore
from evalkit.scoring.shared_cache import open_cache
from evalkit.submission.members import Member
from evalkit.submission.references import MemberRef
from evalkit.testsets.model import TestSet
from evalkit.testsets.setup_names import SILENT
from evalkit.validators.content import FROZEN_SHARE
from evalkit.validators.findings import run_rules
from evalkit.validators.gaming_case import GamingCase, VideoCopy, made_of_few
from evalkit.validators.registry import rule_registry, rules_for

Arrays = Mapping[str, NDArray[Any]]
LARGEST_REFERENCE = 1 << 40  # bytes
OF_STILLNESS = ("gaming.nearly-frozen", "gaming.reference-image", "gaming.face-still", "gaming.mouth-pasted")
HASH_BITS = 3  # of 63; two images of one still differ in no more
MAX_DUPLICATES = 100  # identical files or stills that are listed for one video


@dataclass(frozen=True)
class VideoFingerprint:
    """What is kept of a video's fingerprint.

    Args:
        sample: its sample.
        sha256: digest of the file.
        motion: amount of motion in grey levels.
        motion_bits: as hexadecimal text; none of a video that hardly moves, where they would be noise.
        hash: (63,) bool, of its middle picture.
        is_still: whether it shows one image or a few.
        windows: of a reference video, the motion bits that copies of it would have, packed; else none.
    """

    sample: str
    sha256: str
    motion: float
    motion_bits: str
    hash: signature.Bits
    is_still: bool
    windows: bytes = b""

    @classmethod
    def of(cls, sample: str, sha256: str, arrays: Arrays, *, reference: bool = False) -> VideoFingerprint:
        """Return what is kept of the feature's arrays of a video, or of a reference video."""
        motion = float(arrays["motion"])
        bits = cast("signature.Bits", arrays["bits"])
        text = signature.to_hex(bits if motion >= signature.MIN_MOTION else bits[:0])
        windows = np.packbits(arrays["windows"]).tobytes() if reference and text else b""
        return cls(sample, sha256, motion, text, np.array(arrays["hash"]), made_of_few(*_counts(arrays)), windows)

    @property
    def bits(self) -> signature.Bits:
        """Motion bits (K, 24)."""
        return signature.from_hex(self.motion_bits)

    def copied_in_part(self, video: VideoFingerprint) -> signature.Match | None:
        """Return how a video matches this reference video cropped, moved or turned; ``None`` where it doesn't."""
        if not self.windows or not video.motion_bits:
            return None
        bits = np.unpackbits(np.frombuffer(self.windows, np.uint8)).astype(bool)
        return signature.window_match(bits.reshape(len(signature.WINDOWS), -1, signature.BITS), video.bits)

    def fingerprint(self) -> Fingerprint:
        """Return what the scorecard stores."""
        return Fingerprint(
            sha256=self.sha256,
            motion=round(self.motion, 4),
            picture=signature.to_hex(self.hash),
            bits=self.motion_bits,
        )


def _counts(arrays: Arrays) -> tuple[int, int, float]:
    return int(arrays["ticks"]), int(arrays["distinct"]), float(arrays["warped"])


class GamingCheck:
    """Takes the videos as they are read, and adds findings to their rows when all are known.

    Args:
        testset: whose references are compared.
        cache: has the fingerprints.
        severities: of the rules, by the challenge.
        effects: what follows from a rule's finding where runs are ranked, by the challenge.
    """

    def __init__(
        self,
        testset: TestSet,
        cache: FeatureCache,
        severities: Mapping[str, str],
        effects: Mapping[str, str] | None = None,
    ) -> None:
        self._effects = effects or {}
        self._testset, self._cache, self._severities = testset, cache, severities
        self._samples = {sample.id: sample for sample in testset}
        self._seen: dict[str, VideoFingerprint] = {}
        self._cases: dict[str, GamingCase] = {}

    @property
    def compares_references(self) -> bool:
        """Whether the challenge looks for copies of reference videos."""
        return self._severities.get("gaming.reference-video") != "off"

    def take(self, extraction: Extraction) -> None:
        """Keep what is compared of a video, and examine what concerns it alone."""
        arrays = _arrays(extraction, self._cache, FINGERPRINT)
        if arrays is None or extraction.sha256 is None:
            return
        one = VideoFingerprint.of(extraction.sample, extraction.sha256, arrays)
        self._seen[one.sample] = one
        self._cases[one.sample] = self._case(one, arrays, extraction)

    def _case(self, one: VideoFingerprint, arrays: Arrays, extraction: Extraction) -> GamingCase:
        ticks, distinct, warped = _counts(arrays)
        facts = extraction.facts.video if extraction.facts else None
        match, offset, share = (float(value) for value in arrays["sound"])
        sample = self._samples.get(one.sample)
        images = [self._testset.path(image) for image in sample.reference_images] if sample and one.is_still else []
        face = _arrays(extraction, self._cache, FACE_STILLNESS)
        return GamingCase(
            sample=one.sample,
            ticks=ticks,
            distinct=distinct,
            warped=warped,
            frozen=facts is not None and facts.duplicate_share >= FROZEN_SHARE,
            reference_picture=_least_residual(np.asarray(arrays["picture"], np.float32), images),
            audio=AudioMatch(cast(Any, str(arrays["sound_state"])), match, offset, share),
            islands=tuple(Island(*(float(value) for value in row)) for row in arrays["islands"]),
            rest=None if face is None else float(face["rest"]),
            bent=None if face is None else float(face["bent"]),
            moves=None if face is None else (float(face["moves"][0]), float(face["moves"][1])),
            loop=Repetition(*(float(value) for value in arrays["loop"])),
            reversal=Repetition(*(float(value) for value in arrays["reversal"])),
            part=Repetition(*(float(value) for value in arrays["part"])),
            inserted=int(arrays["inserted"]),
            waves=float(arrays["waves"]),
            left_over=float(arrays["sound_left"]),
        )

    def _severities_of(self, sample: str) -> Mapping[str, str]:
        """Return the severities for a video: one that was driven by silence, as the challenge asks, may rest."""
        one = self._samples.get(sample)
        if one is None or one.setup != SILENT:
            return self._severities
        return {**self._severities, **dict.fromkeys(OF_STILLNESS, "off")}

    def _marked(self, finding: dict[str, Any]) -> dict[str, Any]:
        """Return a finding of the scorecard with what the challenge declares to follow from it."""
        effect = self._effects.get(str(finding.get("rule")), "tell")
        return finding | ({"consequence": effect} if effect != "tell" else {})

    def findings(self, rows: Iterable[VideoScore], references: Mapping[str, VideoFingerprint]) -> Iterator[VideoScore]:
        """Yield the rows with their fingerprints and the findings of the gaming rules; values and reasons stay."""
        rows = list(rows)
        videos = [self._seen[row.sample] for row in rows if row.sample in self._seen]
        # Of one video at a time: where all are equal, what is listed for all would fill the memory. The comparisons
        # take time by the square of the set, so they are left out where nobody asks for them.
        nothing: Iterator[tuple[VideoCopy, ...]] = repeat(())
        copies = _copies(videos, list(references.values())) if self.compares_references else nothing
        duplicates = _duplicates(videos) if self._severities.get("gaming.duplicate") != "off" else nothing
        for row in rows:
            one = self._seen.get(row.sample)
            if one is None:
                yield row
                continue
            case = replace(self._cases[row.sample], references=next(copies), duplicates=next(duplicates))
            found = run_rules(rules_for("gaming"), case, self._severities_of(row.sample), row.path)
            findings = [self._marked(finding.to_json()) for finding in found]
            marked = row.verdict == "ok" and any(finding["severity"] != "info" for finding in findings)
            yield row.model_copy(
                update={
                    "verdict": "warning" if marked else row.verdict,
                    "findings": (*map(self._marked, row.findings), *findings),
                    "fingerprint": one.fingerprint(),
                }
            )


def read_references(
    testset: TestSet,
    cache: Path,
    run: RunJobs,
    journal: Journal,
    known: Mapping[str, tuple[str, Arrays]] | None = None,
    *,
    fresh: bool,
    progress: Progress | None = None,
) -> dict[str, VideoFingerprint]:
    """Return sample -> the fingerprint of its reference video; cached ones are not decoded again.

    A reference video that can't be read has none: the journal records it, and nothing is compared with it. What is
    ``known``, the digest of a sample's reference video and the arrays of its fingerprint, is not looked for.
    """
    given = known or {}
    found = {
        name: VideoFingerprint.of(name, digest, arrays, reference=True) for name, (digest, arrays) in given.items()
    }
    unread = replace(testset, samples=tuple(sample for sample in testset if sample.id not in given))
    samples = list(_reference_places(unread).values())
    config, jobs = reference_jobs(unread, cache, fresh=fresh)
    results = run_jobs(run, config, jobs, fingerprint_records(), archive_sha256=None, wanted=frozenset((FINGERPRINT,)))
    with (progress or Progress()).stage("reading reference videos", len(jobs)) as stage, closing(results):
        for result in results:
            one = _kept("", result.value, open_cache(cache)) if result.failure is None else None
            for name in samples[result.index]:
                if one is None:
                    journal.event("reference-unread", sample=name, detail=result.detail)
                else:
                    found[name] = replace(one, sample=name)
            stage.advance()
    return {sample.id: found[sample.id] for sample in testset if sample.id in found}


def fingerprint_records() -> dict[str, FeatureRecord]:
    """Return the records of the features that are computed of reference videos."""
    return {FINGERPRINT: feature_registry()[FINGERPRINT].resolved_record()}


def reference_jobs(testset: TestSet, cache: Path, *, fresh: bool) -> tuple[Config, list[Job]]:
    """Return settings and jobs that compute the fingerprint of every reference video, in the order of the test set.

    A file that is the reference of several samples has one job, with the name of the first.
    """
    jobs = [
        Job(names[0], MemberRef(place.parent, _member(place), None), Item(names[0], NOT_UNPACKED))
        for place, names in _reference_places(testset).items()
    ]
    # No rule may exclude a reference from the comparison.
    rules = SubmissionRules(
        severities=dict.fromkeys(rule_registry(), "off"), archive=ArchiveRules(max_file_bytes=LARGEST_REFERENCE)
    )
    return Config(cache=cache, features=(FINGERPRINT,), fresh=fresh, rules=rules), jobs


def _reference_places(testset: TestSet) -> dict[Path, list[str]]:
    """Return the reference videos that are there -> the samples that have them."""
    found: dict[Path, list[str]] = {}
    for sample in testset:
        place = testset.path(sample.reference_video) if sample.reference_video else None
        if place is not None and place.is_file():
            found.setdefault(place.resolve(), []).append(sample.id)
    return found


def _member(place: Path) -> Member:
    size = place.stat().st_size
    return Member(place.name, os.fsencode(place.name), size, size, "file")


def _kept(sample: str, extraction: Extraction, cache: FeatureCache) -> VideoFingerprint | None:
    arrays = _arrays(extraction, cache, FINGERPRINT)
    if arrays is None or extraction.sha256 is None:
        return None
    return VideoFingerprint.of(sample, extraction.sha256, arrays, reference=True)


def _arrays(extraction: Extraction, cache: FeatureCache, feature: str) -> Arrays | None:
    key = extraction.keys.get(feature)
    if extraction.sha256 is None or key is None:
        return None
    try:
        data = extraction.loaded.get(feature) or cache.load(feature, key)
    except CorruptEntryError:
        return None
    return data.arrays if data is not None else None


def _copies(
    videos: Sequence[VideoFingerprint], references: Sequence[VideoFingerprint]
) -> Iterator[tuple[VideoCopy, ...]]:
    """Yield, for each video, the reference videos with its content, the best match first.

    Whether it is cropped, moved or turned by much is asked of the video's own reference alone: that takes as long as
    twelve comparisons.

    About `MAX_DUPLICATES` files at most, and always the video's own reference. Of a file that is the reference of
    several samples, the video's own counts, or the first one.
    """
    samples: dict[str, list[str]] = {}
    for reference in references:
        samples.setdefault(reference.sha256, []).append(reference.sample)
    files = list({reference.sha256: reference for reference in references}.values())
    number = {file.sha256: at for at, file in enumerate(files)}
    of_sample = {reference.sample: number[reference.sha256] for reference in references}
    own = [of_sample.get(video.sample, -1) for video in videos]
    first = {digest: min(names) for digest, names in samples.items()}
    for at, matches in enumerate(_matched(files, videos, MAX_DUPLICATES, own)):
        one = videos[at]
        copies = []
        for i, match in matches:
            digest = files[i].sha256
            name = one.sample if i == own[at] else first[digest]
            copies.append(VideoCopy(name, None if one.sha256 == digest else match))
        if own[at] >= 0 and all(i != own[at] for i, _ in matches):
            part = files[own[at]].copied_in_part(one)
            copies += [VideoCopy(one.sample, part)] if part is not None else []
        yield tuple(sorted(copies, key=_closeness))


def _duplicates(videos: Sequence[VideoFingerprint]) -> Iterator[tuple[VideoCopy, ...]]:
    """Yield, for each video, the others with its content: identical files, the same motion, or the same still.

    At most `MAX_DUPLICATES` of each kind.
    """
    digests: dict[str, list[int]] = {}
    for at, one in enumerate(videos):
        digests.setdefault(one.sha256, []).append(at)
    stills = _equal_stills(videos)
    some = MAX_DUPLICATES + 1  # a video is like itself
    for at, matches in enumerate(_matched(videos, videos, some)):
        equal = dict.fromkeys(digests[videos[at].sha256][:some])
        alike: dict[int, signature.Match | None] = {}
        for kind in (stills(at), matches, equal.items()):  # the last word is that of equal files
            alike |= dict([(other, match) for other, match in kind if other != at][:MAX_DUPLICATES])
        copies = (VideoCopy(videos[other].sample, match) for other, match in alike.items())
        yield tuple(sorted(copies, key=_closeness))


def _matched(
    first: Sequence[VideoFingerprint], second: Sequence[VideoFingerprint], most: int, own: Sequence[int] = ()
) -> Iterator[Sequence[tuple[int, signature.Match]]]:
    """Yield the matches of each video of ``second``, also where there are none."""
    rows = signature.matching_rows([one.bits for one in first], [one.bits for one in second], most=most, own=own)
    following = next(rows, None)
    for at in range(len(second)):
        if following is not None and following[0] == at:
            yield following[1]
            following = next(rows, None)
        else:
            yield ()


def _equal_stills(videos: Sequence[VideoFingerprint]) -> Callable[[int], Iterator[tuple[int, signature.Match]]]:
    """Return a function from a video's number to the stills of the same image, where it is one itself."""
    stills = [at for at, one in enumerate(videos) if one.is_still]
    hashes = np.stack([videos[at].hash for at in stills]) if stills else np.zeros((0, 0), bool)

    def of(at: int) -> Iterator[tuple[int, signature.Match]]:
        if not videos[at].is_still:
            return
        apart = np.count_nonzero(hashes != videos[at].hash, axis=1)
        for other in np.flatnonzero(apart <= HASH_BITS)[: MAX_DUPLICATES + 1]:
            share = 1 - float(apart[other]) / hashes.shape[1]
            yield stills[int(other)], signature.Match(share, 0.0)

    return of


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
