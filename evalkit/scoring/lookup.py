"""What the feature cache holds of a video, by the digest of its content.

Workers ask before they decode a file. The parent asks before it starts a worker: a run whose features are all in the
cache starts none. The parent decompresses nothing for that. It knows the digest of a member of a ZIP from an earlier
run on the same archive.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from evalkit.challenges.kinds import Kind
from evalkit.challenges.submission_rules import SubmissionRules
from evalkit.errors import SubmissionError
from evalkit.media.facts import FACTS_VERSION, MediaFacts
from evalkit.media.limits import ReadLimits
from evalkit.media.stills import READER_VERSION
from evalkit.metrics.base import FeatureData
from evalkit.metrics.features.base import (
    IMPORT_MISSING,
    NOT_IMPORTED,
    FeatureRecord,
    ImportedFile,
    Item,
    WeightFile,
)
from evalkit.scoring.cache import CorruptEntryError, FeatureCache, feature_key
from evalkit.scoring.jobs import Extraction
from evalkit.scoring.kinds import FILE_KINDS
from evalkit.submission.references import MemberRef
from evalkit.validators.file import ExpectedLength
from evalkit.validators.findings import Finding, verdict_of
from evalkit.validators.reading_limits import read_limits
from evalkit.validators.registry import file_findings
from evalkit.weights.store import file_sha256

FACTS = FeatureRecord(name="facts", version=FACTS_VERSION, title="facts measured while reading the file to its end")
DIGESTS = "digests"  # cache folder: member of a ZIP -> SHA-256 of its content


@dataclass
class Lookup:
    """Looks for the facts and the features of files.

    Args:
        cache: the feature cache.
        records: feature -> its record, each after the features that it needs.
        weights: role -> checked file.
        rules: the challenge's; a file that breaks one with severity error has no features.
        fresh: find nothing, so that everything is computed again.
        started: with ``fresh``, entries written since this time of `FeatureCache.now` are found all the same.
        always_decoded: frames that are decoded whatever they prove.
        wanted: features that `Cached.loaded` keeps, so that nobody reads them a second time.
    """

    cache: FeatureCache
    records: Mapping[str, FeatureRecord]
    weights: Mapping[str, WeightFile]
    rules: SubmissionRules
    fresh: bool = False
    started: int | None = None
    always_decoded: int = 0
    wanted: frozenset[str] = frozenset()

    def find(self, item: Item, path: str, digest: str, expected: ExpectedLength | None) -> Cached:
        """Return what is known of the file with the content ``digest``.

        Args:
            item: the sample's reference files.
            path: name of the file in the submission, for findings.
            digest: SHA-256 of the content.
            expected: length of the sample's speech or reference video, where a rule compares it.
        """
        found = self.about(path, digest, expected, still=item.still)
        found.set_facts(self._facts(found))
        if not found.refused:
            self._look(found, item)
        return found

    def of_references(self, item: Item) -> Cached:
        """Return what is known of the sample without its video; ``records`` has only features that don't read it."""
        found = self.about("", "", None)
        self._look(found, item)
        return found

    def _look(self, found: Cached, item: Item) -> None:
        found.keys = self.keys(item, found.digest)
        for name, key in found.keys.items():
            data = self.load(name, key, found.notes)
            if data is None:
                found.missing.append(name)
            elif name in self.wanted:
                found.loaded[name] = data

    def load(self, name: str, key: str, notes: list[str]) -> FeatureData | None:
        """Return a feature, or ``None`` when it must be computed; an unreadable entry is added to ``notes``."""
        if self.fresh and not self._is_of_this_run(name, key):
            return None
        try:
            return self.cache.load(name, key)
        except CorruptEntryError as error:
            notes.append(f"cache entry computed again: {error}")
            return None

    def _is_of_this_run(self, name: str, key: str) -> bool:
        return self.started is not None and self.cache.written_since(name, key, self.started)

    def _facts(self, found: Cached) -> MediaFacts | None:
        data = self.load(FACTS.name, found.facts_key, found.notes)
        if data is None or data.arrays is None:
            return None
        try:
            facts = MediaFacts.model_validate_json(str(data.arrays["facts"]))
        except (KeyError, ValueError):
            found.notes.append("cache entry computed again: its facts are not those of this version")
            return None
        # Rules of another challenge may have ended the reading sooner or later.
        return facts if facts.limits in (None, found.limits.text()) else None

    def about(self, path: str, digest: str, expected: ExpectedLength | None, *, still: bool = False) -> Cached:
        """Return a file of which nothing is known yet; the arguments are those of `find`, and of `Item`."""
        inputs = {"video": _as_read(digest, still=still, kind=self.rules.kind)}
        return Cached(self, path, digest, expected, facts_key=feature_key(FACTS, {}, inputs, {}))

    def keys(self, item: Item, digest: str) -> dict[str, str]:
        """Return feature -> cache key, for every feature of ``records`` that is used for the sample."""
        keys: dict[str, str] = {}
        for name, record in self.records.items():
            if name in item.unused:
                continue
            kind = self.rules.kind
            inputs: dict[str, Any] = {part: _input_digest(part, item, digest, kind) for part in sorted(record.inputs)}
            inputs |= {f"{one.source}/{one.side}": _import_digest(one, item) for one in record.imports}
            needs = {need: keys[need] for need in record.needs}
            keys[name] = feature_key(record, weights_of(record, self.weights), inputs, needs)
        return keys


@dataclass
class Cached:
    """What is known of one file.

    Args:
        path, digest, expected: as given to `Lookup.find`.
        facts_key: cache key of the facts.
        facts: ``None`` until the file was read.
        findings: what the file rules find in the facts.
        keys: feature -> cache key; empty for a refused file.
        missing: features that must be computed.
        notes: cache entries that must be computed again, and why.
        loaded: features that the cache holds, of those that the lookup is to keep.
    """

    lookup: Lookup
    path: str
    digest: str
    expected: ExpectedLength | None
    facts_key: str
    facts: MediaFacts | None = None
    findings: tuple[Finding, ...] = ()
    keys: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    loaded: dict[str, FeatureData] = field(default_factory=dict)

    @property
    def limits(self) -> ReadLimits:
        """How far the file is read by the challenge's rules."""
        return read_limits(self.lookup.rules, self.expected, always_decoded=self.lookup.always_decoded)

    @property
    def complete(self) -> bool:
        """Whether nothing is left to read or to compute."""
        return self.facts is not None and not self.missing

    @property
    def refused(self) -> bool:
        """Whether the file breaks a rule of severity error, so that nothing of it is scored."""
        return verdict_of(self.findings) == "error"

    def set_facts(self, facts: MediaFacts | None) -> None:
        """Take the facts and check them by the file rules; a refused file has no features."""
        self.facts = facts
        if facts is not None:
            self.findings = tuple(file_findings(facts, self.lookup.rules, self.path, self.expected))
        if self.refused:
            self.keys, self.missing, self.loaded = {}, [], {}

    def extraction(self, sample: str, *, errors: Mapping[str, str] | None = None, **work: Any) -> Extraction:
        """Return the answer about this file; ``work`` has the fields about what was computed for it."""
        failed = errors or {}
        return Extraction(
            sample,
            self.digest,
            self.facts,
            findings=self.findings,
            keys={name: key for name, key in self.keys.items() if name not in failed},
            errors=failed,
            notes=tuple(self.notes),
            loaded=self.loaded,
            **work,
        )


def known_digest(cache: FeatureCache, member: MemberRef, archive_sha256: str | None) -> str | None:
    """Return the SHA-256 of a member's content without decompressing it, or ``None`` when it is not known.

    Args:
        cache: where `remember_digest` wrote it.
        member: of a ZIP, or a file of a folder, which is read.
        archive_sha256: of the ZIP; ``None`` for a folder.
    """
    if archive_sha256 is None:
        try:
            return member.sha256()
        except SubmissionError:
            return None  # the worker that reads it reports what is wrong
    if not member.is_current():
        return None
    try:
        data = cache.load(DIGESTS, _digest_key(member, archive_sha256))
    except CorruptEntryError:
        return None
    return str(data.arrays["sha256"]) if data is not None and data.arrays is not None else None


def remember_digest(cache: FeatureCache, member: MemberRef, archive_sha256: str | None, digest: str) -> None:
    """Write the digest of a member of a ZIP to the cache.

    Raises:
        StorageError: when it can't be written.
    """
    if archive_sha256 is not None:
        arrays = {"sha256": np.array(digest)}
        cache.store(DIGESTS, _digest_key(member, archive_sha256), FeatureData(arrays))


def weights_of(record: FeatureRecord, weights: Mapping[str, WeightFile]) -> dict[str, WeightFile]:
    """Return the files that the feature uses, of those that the run has."""
    roles = (*record.weights, *record.optional_weights)
    return {role: weights[role] for role in roles if role in weights}


def _digest_key(member: MemberRef, archive_sha256: str) -> str:
    place = [archive_sha256, member.member.raw_name.hex(), member.member.header_offset]
    return hashlib.sha256(json.dumps(place).encode()).hexdigest()


def _input_digest(part: str, item: Item, digest: str, kind: Kind) -> Any:
    if part == "video":
        return _as_read(digest, still=item.still, kind=kind)
    if part == "reference_images":
        return [[file_digest(path), READER_VERSION] for path in item.reference_images]
    if part == "timeline":
        return [list(event) for event in item.timeline]
    if part == "speakers":
        return [
            [one.name, file_digest(one.audio), one.box, one.image and file_digest(one.image)] for one in item.speakers
        ]
    if part in {"text", "transcript", "rate"}:
        return getattr(item, part)
    path: Path | None = getattr(item, part)
    found = file_digest(path) if path and path.exists() else None
    return _as_read(found, still=item.still) if part == "reference_video" else found


def _import_digest(wanted: ImportedFile, item: Item) -> str:
    path = item.imported_file(wanted)
    if path is None:
        return NOT_IMPORTED
    return file_digest(path) if path.is_file() else IMPORT_MISSING


def _as_read(digest: str | None, *, still: bool, kind: Kind = "video") -> Any:
    """Return what a key has of a file: the same bytes may be read as a video, as an image, or as another kind."""
    if kind != "video":
        return [digest, kind, FILE_KINDS[kind].version]
    return [digest, "image", READER_VERSION] if still else digest


@lru_cache(maxsize=4096)
def _known(path: Path, *state: int) -> str:  # a changed file is hashed again
    return file_sha256(path)


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a reference file, read once per process as long as it isn't changed."""
    state = path.stat()
    return _known(path, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
