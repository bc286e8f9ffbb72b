"""One file in one worker: copy it out of the archive, look into the cache, decode it once for all features.

`Handler` is what a worker process runs. It gets a `Config` once and then one `Job` per sample. It reads the cache, and
returns what it computed: only the parent writes the cache (`evalkit.scoring.answers`).
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import cv2

from evalkit.errors import SubmissionChangedError, SubmissionError
from evalkit.files import storage_error
from evalkit.media.colour import dynamic_range
from evalkit.media.inspect import Inspection
from evalkit.metrics.base import FeatureData
from evalkit.metrics.features import stopwatch
from evalkit.metrics.features.base import (
    Extractor,
    FeatureUnavailableError,
    Item,
    PairSession,
    Session,
    feature_registry,
)
from evalkit.metrics.sync.frame_store import choose_memory
from evalkit.scoring.cache import FeatureCache
from evalkit.scoring.guard import Guard, UpstreamFailedError, finish_guards, frame_sinks
from evalkit.scoring.jobs import Config, Job, VideoAnswer
from evalkit.scoring.kinds import kind_of
from evalkit.scoring.lookup import Cached, Lookup, weights_of
from evalkit.scoring.pairing import PairedSink
from evalkit.scoring.reference_features import independent_of_video
from evalkit.submission.references import in_one_sentence
from evalkit.workers.devices.client import client


class Handler:
    """Runs in a worker process; see `evalkit.workers.pool`."""

    def __init__(self, config: Config) -> None:
        cv2.setNumThreads(1)
        self.config = config
        if config.frame_bytes is not None:
            choose_memory(config.frame_bytes)
        registry = feature_registry() if config.features else {}
        self.extractors = {name: self._build(registry[name]) for name in config.features}
        records = {name: extractor.record for name, extractor in self.extractors.items()}
        cache = FeatureCache(config.cache)
        self.lookup = Lookup(
            cache,
            records,
            config.weights,
            config.rules,
            fresh=config.fresh,
            started=config.started,
            always_decoded=config.always_decoded,
        )
        self.references = replace(self.lookup, records=independent_of_video(records))

    def _build(self, kind: type[Extractor]) -> Extractor:
        # With a device process, what it doesn't run is run here, where there is no driver.
        device = "cpu" if client() is not None else self.config.device
        return kind(weights_of(kind.record, self.config.weights), device)

    def __call__(self, job: Job) -> VideoAnswer:
        """Do one job."""
        started = time.perf_counter()
        stopwatch.take()
        if job.member is None:
            result = _Work(self, job.item, self.references.of_references(job.item)).of_references()
            return replace(result, seconds={"total": time.perf_counter() - started}, networks=stopwatch.take())
        try:
            folder = Path(tempfile.mkdtemp(prefix="evalkit-"))
        except OSError as error:
            raise storage_error(Path(tempfile.gettempdir()), error) from None
        try:
            file = folder / "video"
            try:
                digest = job.member.copy(file, self.config.rules.archive.max_file_bytes)
            except SubmissionChangedError:
                raise  # the run ends: nobody knows what the others are
            except SubmissionError as error:
                return VideoAnswer(problem=in_one_sentence(error))
            copied = time.perf_counter()
            item = replace(job.item, video=file)
            result = _Work(self, item, self.lookup.find(item, job.member.member.path, digest, job.expected)).run()
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        seconds = {"copy": copied - started, "total": time.perf_counter() - started}
        return replace(result, seconds=seconds, networks=stopwatch.take())


class _Work:
    """The steps for one file."""

    def __init__(self, handler: Handler, item: Item, found: Cached) -> None:
        self.handler, self.lookup = handler, handler.lookup
        self.item, self.found = item, found
        self.errors: dict[str, str] = {}
        self.seconds: dict[str, float] = {}
        self.decodes = 0

    def run(self) -> VideoAnswer:
        found, times = self.found, None
        data: dict[str, FeatureData] = {}
        if not found.complete:
            inspection, data = self._decode(found.missing, found.keys)
            times = inspection.times
        return self._answer(data, sha256=found.digest, facts=found.facts, times=times)

    def of_references(self) -> VideoAnswer:
        """Compute what is missing without a video."""
        return self._answer(self._finished(self._guards(self.found.missing, self.found.keys), None))

    def _answer(self, data: Mapping[str, FeatureData], **facts: Any) -> VideoAnswer:
        return VideoAnswer(
            **facts,
            arrays={name: value.arrays for name, value in data.items() if value.arrays is not None},
            unavailable={
                name: (value.reason or "", value.detail) for name, value in data.items() if value.arrays is None
            },
            decodes=self.decodes,
            errors=self.errors,
            notes=tuple(self.found.notes),
            features=self.seconds,
        )

    def _decode(self, missing: Sequence[str], keys: Mapping[str, str]) -> tuple[Inspection, dict[str, FeatureData]]:
        """Read the file once for all missing features; drop their results when a rule refuses the file."""
        guards = self._guards(missing, keys)
        sinks, together = frame_sinks(guards, self.item.reference_video, still=self.item.still)
        rules = self.handler.config.rules
        inspection = kind_of(rules).inspect(self.item, sinks, self.found.limits, rules)
        self.decodes = inspection.passes
        if self.found.facts is None:
            self.found.set_facts(inspection.facts)
        if self.found.refused:
            return inspection, {}
        return inspection, self._finished(guards, together)

    def _guards(self, missing: Sequence[str], keys: Mapping[str, str]) -> dict[str, Guard]:
        guards: dict[str, Guard] = {}
        for name in missing:
            extractor = self.handler.extractors[name]
            guards[name] = Guard(partial(self._open, extractor, guards, keys))
        return guards

    def _finished(self, guards: Mapping[str, Guard], together: PairedSink | None) -> dict[str, FeatureData]:
        """Return the features; what failed is in ``errors``."""
        records = {name: self.handler.extractors[name].record for name in guards}
        finished = finish_guards(guards, records, together)
        self.errors |= finished.errors
        self.seconds |= {name: guard.seconds for name, guard in guards.items()}
        self.decodes += sum(guard.decodes for guard in guards.values())
        return finished.data

    def _open(
        self, extractor: Extractor, guards: Mapping[str, Guard], keys: Mapping[str, str]
    ) -> Session | PairSession:
        reference = self.item.reference_video
        if reference is not None and "reference_video" in extractor.record.inputs:
            high = _dynamic_range(reference)
            if high is not None:  # a submission with it is refused; compared with it, every good video looks bad
                raise FeatureUnavailableError("reference_hdr", f"the reference video has high dynamic range ({high})")
        upstream: dict[str, Any] = {}
        for need in extractor.record.needs:
            if need in guards:
                upstream[need] = guards[need].live(need)
                continue
            data = self.lookup.load(need, keys[need], self.found.notes)
            if data is None:  # the cache lost it after `_missing` looked: the next run computes both
                raise UpstreamFailedError(f"the feature '{need}', which this one needs, left the cache during the run")
            if data.arrays is None:
                raise FeatureUnavailableError(data.reason or "feature_missing", data.detail)
            upstream[need] = self.handler.extractors[need].view(dict(data.arrays))
        return extractor.open(self.item, upstream)


@lru_cache(maxsize=256)
def _dynamic_range(path: Path) -> str | None:
    return dynamic_range(path)
