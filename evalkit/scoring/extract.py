"""One video in one worker: copy it out of the archive, look into the cache, decode it once for all features.

`Handler` is what a worker process runs. It gets a `Config` once and then one `Job` per sample; it writes features to
the cache and returns their keys, so that nothing large travels between processes.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from evalkit.challenges.model import SubmissionRules
from evalkit.errors import SubmissionError
from evalkit.files import storage_error
from evalkit.media.facts import FACTS_VERSION, MediaFacts
from evalkit.media.inspect import FrameSink, Inspection, Limits, inspect_media
from evalkit.metrics.base import FeatureData
from evalkit.metrics.features import stopwatch
from evalkit.metrics.features.base import (
    Extractor,
    FeatureRecord,
    FeatureUnavailableError,
    Item,
    PairSession,
    Session,
    WeightFile,
    feature_registry,
)
from evalkit.scoring.cache import CorruptEntryError, FeatureCache, feature_key
from evalkit.scoring.guard import Guard, GuardedPairs, GuardedSession, UpstreamFailedError
from evalkit.scoring.pairing import PairedSink
from evalkit.submission.references import MemberRef
from evalkit.validators.findings import verdict_of
from evalkit.validators.registry import file_findings
from evalkit.weights.store import file_sha256
from evalkit.workers.answers import answer_record

FACTS = FeatureRecord(name="facts", version=FACTS_VERSION, title="what reading the file to its end shows")


@dataclass(frozen=True)
class Config:
    """What every job of a run shares.

    Args:
        cache: folder of the feature cache.
        features: names, each after what it needs; empty to inspect only.
        weights: role -> checked file.
        device: ``cpu`` or ``cuda``.
        fresh: compute again even what is cached.
        rules: the challenge's, to spare files that are refused the networks.
        limits: when to stop reading a file.
    """

    cache: Path
    features: tuple[str, ...] = ()
    weights: Mapping[str, WeightFile] = field(default_factory=dict)
    device: str = "cpu"
    fresh: bool = False
    rules: SubmissionRules = field(default_factory=SubmissionRules)
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True)
class Job:
    """One file of the submission and the sample it answers (``item.video`` is filled in by the worker)."""

    sample: str
    member: MemberRef
    item: Item
    speech_seconds: float | None = None


@answer_record
@dataclass(frozen=True)
class Extraction:
    """What the worker says about one file.

    Args:
        sha256: digest of the file's content; ``None`` when it could not be copied out of the archive.
        facts: ``None`` in the same case.
        problem: why it could not be copied.
        keys: feature -> cache key, for every feature asked for unless the file was refused.
        decodes: how often the file was decoded: 0 from the cache, 1, or 2 when its index was wrong; and once more for
            every feature that had to read it itself.
        computed: features computed now; the others came from the cache.
        errors: feature -> traceback, for extractors that failed.
        notes: cache entries that had to be made again.
        seconds: wall time by stage.
        features: seconds that each extractor was at work; what it spent on its networks is in it.
        networks: seconds of forward passes by network.
    """

    sample: str
    sha256: str | None
    facts: MediaFacts | None
    problem: str | None = None
    keys: Mapping[str, str] = field(default_factory=dict)
    decodes: int = 0
    computed: tuple[str, ...] = ()
    errors: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    features: Mapping[str, float] = field(default_factory=dict)
    networks: Mapping[str, float] = field(default_factory=dict)


class Handler:
    """Runs in a worker process; see `evalkit.workers.pool`."""

    def __init__(self, config: Config) -> None:
        cv2.setNumThreads(1)
        self.config = config
        self.cache = FeatureCache(config.cache)
        registry = feature_registry() if config.features else {}
        self.extractors = {name: self._build(registry[name]) for name in config.features}

    def _build(self, kind: type[Extractor]) -> Extractor:
        return kind(weights_of(kind.record, self.config.weights), self.config.device)

    def __call__(self, job: Job) -> Extraction:
        """Do one job."""
        started = time.perf_counter()
        stopwatch.take()
        try:
            folder = Path(tempfile.mkdtemp(prefix="evalkit-"))
        except OSError as error:
            raise storage_error(Path(tempfile.gettempdir()), error) from None
        try:
            file = folder / "video"
            try:
                digest = job.member.copy(file, self.config.rules.archive.max_file_bytes)
            except SubmissionError as error:
                return Extraction(job.sample, None, None, problem=_in_one_sentence(error))
            copied = time.perf_counter()
            work = _Work(self, job, file, digest)
            result = work.run()
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        seconds = {"copy": copied - started, "total": time.perf_counter() - started}
        return Extraction(**{**result.__dict__, "seconds": seconds, "networks": stopwatch.take()})


class _Work:
    """The steps for one file."""

    def __init__(self, handler: Handler, job: Job, file: Path, digest: str) -> None:
        self.handler = handler
        self.config, self.cache = handler.config, handler.cache
        self.job, self.digest = job, digest
        self.item = Item(**{**job.item.__dict__, "video": file})
        self.notes: list[str] = []
        self.errors: dict[str, str] = {}
        self.computed: list[str] = []
        self.seconds: dict[str, float] = {}
        self.decodes = 0

    def run(self) -> Extraction:
        facts_key = feature_key(FACTS, {}, {"video": self.digest}, {})
        facts = self._cached_facts(facts_key)
        keys: dict[str, str] = {}
        if facts is None or not self._refused(facts):
            keys = self._keys()
            missing = self._missing(keys)
            if facts is None or missing:
                inspection, data = self._decode(missing, keys, known=facts)
                self._store_facts(facts_key, inspection)
                facts = inspection.facts
                for name, value in data.items():
                    self.cache.store(name, keys[name], value)
                    self.computed.append(name)
        if self._refused(facts):
            keys = {}
        return Extraction(
            self.job.sample,
            self.digest,
            facts,
            keys={name: key for name, key in keys.items() if name not in self.errors},
            decodes=self.decodes,
            computed=tuple(self.computed),
            errors=self.errors,
            notes=tuple(self.notes),
            features=self.seconds,
        )

    def _refused(self, facts: MediaFacts) -> bool:
        return refused(facts, self.config.rules, self.job.speech_seconds)

    def _cached_facts(self, key: str) -> MediaFacts | None:
        data = self._load("facts", key)
        if data is None or data.arrays is None:
            return None
        try:
            return MediaFacts.model_validate_json(str(data.arrays["facts"]))
        except (KeyError, ValueError):
            self.notes.append("cache entry made again: its facts are not those of this version")
            return None

    def _store_facts(self, key: str, inspection: Inspection) -> None:
        arrays = {"facts": np.array(inspection.facts.model_dump_json()), "times": inspection.times}
        self.cache.store("facts", key, FeatureData(arrays))

    def _load(self, name: str, key: str) -> FeatureData | None:
        if self.config.fresh:
            return None
        try:
            return self.cache.load(name, key)
        except CorruptEntryError as error:
            self.notes.append(f"cache entry made again: {error}")
            return None

    def _keys(self) -> dict[str, str]:
        keys: dict[str, str] = {}
        for name, extractor in self.handler.extractors.items():
            record = extractor.record
            inputs: dict[str, Any] = {part: self._input_digest(part) for part in sorted(record.inputs)}
            keys[name] = feature_key(record, extractor.weights, inputs, {need: keys[need] for need in record.needs})
        return keys

    def _input_digest(self, part: str) -> Any:
        if part == "video":
            return self.digest
        if part == "reference_images":
            return [_digest(path) for path in self.item.reference_images]
        if part == "text":
            return self.item.text
        path = self.item.reference_video if part == "reference_video" else self.item.audio
        return _digest(path) if path and path.exists() else None

    def _missing(self, keys: Mapping[str, str]) -> list[str]:
        return [name for name, key in keys.items() if self._load(name, key) is None]

    def _decode(
        self, missing: list[str], keys: Mapping[str, str], known: MediaFacts | None
    ) -> tuple[Inspection, dict[str, FeatureData]]:
        """Read the file once for all missing features; should it turn out to be refused, drop what they say."""
        guards: dict[str, Guard] = {}
        for name in missing:
            extractor = self.handler.extractors[name]
            guards[name] = Guard(partial(self._open, extractor, guards, keys))
        pairs = [guard for guard in guards.values() if guard.paired]
        sinks: list[FrameSink] = [GuardedSession(guard) for guard in guards.values() if not guard.paired]
        together = None
        if pairs and self.item.reference_video is not None:
            sessions = [GuardedPairs(guard) for guard in pairs]
            together = PairedSink(self.item.reference_video, sessions, self.config.limits)
            sinks.append(together)
        inspection = inspect_media(self.item.video, sinks, self.config.limits)
        self.decodes = inspection.passes
        if known is None and self._refused(inspection.facts):
            return inspection, {}
        data: dict[str, FeatureData] = {}
        for name, guard in guards.items():
            needs = self.handler.extractors[name].record.needs
            if guard.paired and together is not None:
                guard.step(together.check)
            result = guard.finish({need: data.get(need) for need in needs if need in guards})
            self.seconds[name] = guard.seconds
            if result is not None:
                data[name] = result
            else:
                self.errors[name] = guard.error or ""
        self.decodes += sum(guard.decodes for guard in guards.values())
        return inspection, data

    def _open(
        self, extractor: Extractor, guards: Mapping[str, Guard], keys: Mapping[str, str]
    ) -> Session | PairSession:
        upstream: dict[str, Any] = {}
        for need in extractor.record.needs:
            if need in guards:
                upstream[need] = guards[need].live(need)
                continue
            data = self._load(need, keys[need])
            if data is None:  # the cache lost it after `_missing` looked: the next run computes both
                raise UpstreamFailedError(f"the feature '{need}', which this one needs, left the cache during the run")
            if data.arrays is None:
                raise FeatureUnavailableError(data.reason or "feature_missing", data.detail)
            upstream[need] = self.handler.extractors[need].view(dict(data.arrays))
        return extractor.open(self.item, upstream)


def refused(facts: MediaFacts, rules: SubmissionRules, speech_seconds: float | None) -> bool:
    """Return whether the file breaks a rule of severity error, so that nothing of it is scored."""
    return verdict_of(file_findings(facts, rules, speech_seconds=speech_seconds)) == "error"


def weights_of(record: FeatureRecord, weights: Mapping[str, WeightFile]) -> dict[str, WeightFile]:
    """Return the files that the feature uses, of those that the run has."""
    roles = (*record.weights, *record.optional_weights)
    return {role: weights[role] for role in roles if role in weights}


@lru_cache(maxsize=4096)
def _known(path: Path, size: int, modified: int) -> str:
    return file_sha256(path)


def _digest(path: Path) -> str:
    state = path.stat()
    return _known(path, state.st_size, state.st_mtime_ns)


def _in_one_sentence(error: SubmissionError) -> str:
    """Return what happened and what was found, without the remedy: the finding has one of its own."""
    facts = (("found", error.found), ("expected", error.expected))
    told = ", ".join(f"{word} {text}" for word, text in facts if text is not None)
    return f"{error.what.rstrip('.')}: {told}" if told else error.what.rstrip(".")
