"""Compute what a run needs of a test set's references, and write it as a reference pack.

The features come from the feature cache, where `evalkit score` looks for them too: a pack of a test set that was scored
here is made without a network.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from evalkit._version import __version__
from evalkit.challenges.model import Challenge
from evalkit.errors import MediaError, TestSetError
from evalkit.files import atomic_write
from evalkit.metrics.base import FeatureData
from evalkit.metrics.features.base import Item
from evalkit.metrics.gaming.fingerprint import FINGERPRINT
from evalkit.scoring.answers import accept_references
from evalkit.scoring.cache import CorruptEntryError
from evalkit.scoring.cache_lock import cache_in_use
from evalkit.scoring.devices import kind_of
from evalkit.scoring.engine import RunJobs
from evalkit.scoring.gaming import VideoFingerprint, fingerprint_records, read_references
from evalkit.scoring.intake import measured_length
from evalkit.scoring.jobs import NOT_UNPACKED, Config, Job
from evalkit.scoring.lookup import Lookup, file_digest
from evalkit.scoring.packs.format import PackWriter
from evalkit.scoring.packs.use import READERS, feature_entry, sample_digest, sample_files
from evalkit.scoring.plan import RunPlan, require_references
from evalkit.scoring.reference_features import ReferenceWork, compute_reference_features, independent_of_video
from evalkit.scoring.run import RunOptions
from evalkit.scoring.shared_cache import open_cache
from evalkit.testsets.model import Sample, TestSet
from evalkit.text import count, escape_for_display
from evalkit.workers.pool import JobResult


@dataclass(frozen=True)
class PackedFeature:
    """What a pack has of one feature.

    Args:
        version: of the feature.
        entries: sets of files that it was computed of; samples with equal files share one.
        bytes: of its arrays.
        seconds: of work that it cost now; 0 from the cache.
        unavailable: sample -> why it has none.
    """

    version: int
    entries: int
    bytes: int
    seconds: float
    unavailable: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PackReport:
    """What was written.

    Args:
        path, sha256, bytes: of the file.
        samples: number of samples.
        features: name -> what there is of it.
        fingerprints: number of reference videos with a fingerprint.
        lengths: number of samples whose length is known.
        seconds: wall time.
    """

    path: Path
    sha256: str
    bytes: int
    samples: int
    features: Mapping[str, PackedFeature]
    fingerprints: int
    lengths: int
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return what ``evalkit testset prepare --json`` prints."""
        return {
            "schema": 1,
            "ok": True,
            "pack": str(self.path),
            "sha256": self.sha256,
            "bytes": self.bytes,
            "samples": self.samples,
            "features": {
                name: {
                    "version": one.version,
                    "entries": one.entries,
                    "bytes": one.bytes,
                    "seconds": round(one.seconds, 3),
                    "unavailable": dict(one.unavailable),
                }
                for name, one in self.features.items()
            },
            "fingerprints": self.fingerprints,
            "lengths": self.lengths,
            "seconds": round(self.seconds, 3),
        }


def prepare_pack(testset: TestSet, challenge: Challenge, plan: RunPlan, options: RunOptions, out: Path) -> PackReport:
    """Write the reference pack of a test set to ``out``.

    Args:
        testset: all of it.
        challenge: whose metrics the plan has.
        plan: of its features, those that read no video are packed.
        options: cache, workers and progress.
        out: the file; appears whole or not at all.

    Raises:
        TestSetError: a file is missing, or a feature of a sample could not be computed.
        StorageError: a file can't be written.
    """
    with cache_in_use(options.cache):
        return _prepare_pack(testset, challenge, plan, options, out)


def _prepare_pack(testset: TestSet, challenge: Challenge, plan: RunPlan, options: RunOptions, out: Path) -> PackReport:
    started = time.monotonic()
    records = independent_of_video(plan.records)
    require_references(testset, replace(plan, records=records, features=tuple(records)))
    lookup = Lookup(open_cache(options.cache), records, plan.weights, challenge.submission, fresh=options.fresh)
    jobs = [Job(sample.id, None, _item(sample, testset)) for sample in testset]
    config = Config(options.cache, tuple(records), plan.weights, plan.device, options.fresh, rules=challenge.submission)
    work = compute_reference_features(_counted(options), config, jobs, lookup, accept_references)
    prints = _fingerprints(testset, plan, options)
    packed = _Packing(testset, plan, lookup, jobs, prints, options)
    with atomic_write(out) as stream, options.progress.stage("writing the pack", len(testset)):
        writer = PackWriter(stream)
        samples = {sample.id: packed.sample(sample, writer) for sample in testset}
        digest = writer.finish(
            {
                "evalkit": __version__,
                "device": kind_of(plan.device),
                "testset": {"sha256": testset.sha256, "format": testset.format},
                "challenge": {"id": challenge.id, "sha256": challenge.scoring_sha256},
                "readers": READERS,
                "features": {name: feature_entry(record, plan.weights) for name, record in records.items()},
                "fingerprint": feature_entry(plan.records[FINGERPRINT], plan.weights) if prints else None,
                "files": packed.files,
                "samples": samples,
            }
        )
    return PackReport(
        path=out,
        sha256=digest,
        bytes=writer.bytes,
        samples=len(testset),
        features=packed.features(writer, work),
        fingerprints=len(prints),
        lengths=sum("length" in found for found in samples.values()),
        seconds=time.monotonic() - started,
    )


def _item(sample: Sample, testset: TestSet) -> Item:
    return Item.of(sample, testset, NOT_UNPACKED)


def _counted(options: RunOptions) -> RunJobs:
    """Return the engine's `run` with progress."""

    def run(config: Config, jobs: Sequence[Job], accept: Any) -> Iterator[JobResult]:
        results = options.engine.run(config, jobs, accept)
        end: Any = closing(results) if isinstance(results, Generator) else nullcontext()
        with options.progress.stage("computing references", len(jobs)) as stage, end:
            for result in results:
                stage.advance()
                yield result

    return run


def _fingerprints(testset: TestSet, plan: RunPlan, options: RunOptions) -> dict[str, VideoFingerprint]:
    if FINGERPRINT not in plan.features:
        return {}
    found = read_references(
        testset, options.cache, options.engine.run, options.journal, fresh=options.fresh, progress=options.progress
    )
    unread = [s.id for s in testset if s.reference_video and s.id not in found]
    if unread:
        such = f"such as that of '{escape_for_display(unread[0])}'"
        options.progress.warn(
            f"{count(len(unread), 'reference video')} can't be read, {such}: the pack has no fingerprint of it"
        )
    return found


class _Packing:
    """Collects what the header says while entries are written."""

    def __init__(  # noqa: PLR0917
        self,
        testset: TestSet,
        plan: RunPlan,
        lookup: Lookup,
        jobs: Sequence[Job],
        prints: Mapping[str, VideoFingerprint],
        options: RunOptions,
    ) -> None:
        self._testset, self._plan, self._prints, self._options = testset, plan, prints, options
        video = lookup.rules.video
        self._compares_lengths = video.match_reference_seconds is not None or video.compares_sizes
        self._lookup = replace(lookup, fresh=False)  # what was computed now is there
        self._items = {job.sample: job.item for job in jobs}
        self._numbers: dict[str, int] = {}  # cache key -> entry
        self._unavailable: dict[str, dict[str, str]] = {name: {} for name in lookup.records}
        self.files: dict[str, dict[str, Any]] = {}

    def sample(self, sample: Sample, writer: PackWriter) -> dict[str, Any]:
        """Write the sample's entries that are not written yet; return what the header says of it."""
        found: dict[str, Any] = {"sha256": sample_digest(sample), "features": {}}
        for name, key in self._lookup.keys(self._items[sample.id], "").items():
            if key not in self._numbers:
                self._numbers[key] = writer.add(name, self._load(name, key, sample))
            number = found["features"][name] = self._numbers[key]
            if (reason := writer.entries[number].reason) is not None:
                self._unavailable[name][sample.id] = reason
        one = self._prints.get(sample.id)
        if one is not None:
            lookup = replace(self._lookup, records=fingerprint_records())
            key = lookup.keys(Item(sample.id, NOT_UNPACKED), one.sha256)[FINGERPRINT]
            if key not in self._numbers:
                self._numbers[key] = writer.add(FINGERPRINT, self._load(FINGERPRINT, key, sample))
            found["fingerprint"] = {"entry": self._numbers[key], "sha256": one.sha256}
        if (length := self._length(sample)) is not None:
            found["length"] = length
        self._add_files(sample)
        self._options.progress.advance()
        return found

    def features(self, writer: PackWriter, work: Mapping[str, ReferenceWork]) -> dict[str, PackedFeature]:
        """Return what was packed of each feature."""
        found = {}
        for name, record in self._lookup.records.items():
            entries = [entry for entry in writer.entries if entry.feature == name]
            found[name] = PackedFeature(
                version=record.version,
                entries=len(entries),
                bytes=sum(entry.bytes for entry in entries),
                seconds=sum(one.features.get(name, 0.0) for one in work.values()),
                unavailable=self._unavailable[name],
            )
        return found

    def _load(self, name: str, key: str, sample: Sample) -> FeatureData:
        try:
            data = self._lookup.cache.load(name, key)
        except CorruptEntryError as error:
            raise _not_computed(name, sample, error.detail) from None
        if data is None:
            raise _not_computed(name, sample, "its worker crashed, ran out of time or memory, or the extractor failed")
        # The organizer's folders are nobody else's business, and would make other bytes elsewhere.
        return replace(data, detail=data.detail.replace(f"{self._testset.root.resolve()}/", ""))

    def _length(self, sample: Sample) -> dict[str, Any] | None:
        try:
            length = measured_length(sample, self._testset, self._lookup.cache)
        except (MediaError, OSError) as error:
            if not self._compares_lengths:
                return None
            raise TestSetError(
                f"The length of the test set's sample '{sample.id}' can't be measured.",
                found=str(error),
                fix="Fix the test set; 'evalkit testset check' reads every file of it.",
            ) from None
        if length is None:
            return None
        size = {"size": list(length.size)} if length.size else {}
        return {"seconds": length.seconds, "source": length.source, **size}

    def _add_files(self, sample: Sample) -> None:
        for names in sample_files(sample).values():
            for name in names:
                path = self._testset.path(name)
                if name not in self.files and path.is_file():
                    self.files[name] = {"bytes": path.stat().st_size, "sha256": file_digest(path)}


def _not_computed(name: str, sample: Sample, why: str) -> TestSetError:
    return TestSetError(
        f"The feature '{name}' of the test set's sample '{sample.id}' could not be computed.",
        found=why,
        fix="Run 'evalkit testset check' on the test set; --metrics leaves out what can't be computed.",
    )
