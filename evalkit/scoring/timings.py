"""How long it took to compute what the cache holds, so that a run from the cache does not lose it.

Beside the features of a video the cache has one entry with a record for each run that computed some of them. Nothing
of it enters a score, and an entry that is lost or damaged costs only the times.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from evalkit.metrics.base import FeatureData
from evalkit.scoring.cache import CorruptEntryError, FeatureCache
from evalkit.scoring.jobs import Extraction

ENTRY = "timings"


class TimingRecord(BaseModel):
    """What one run computed of one video.

    Args:
        at: when, in UTC.
        keys: computed feature -> cache key.
        decodes: how often the video was decoded.
        features, networks: seconds by extractor and by network.
    """

    model_config = ConfigDict(allow_inf_nan=False)  # workers write the cache; a scorecard has finite numbers only

    at: str
    keys: dict[str, str]
    decodes: int = 0
    features: dict[str, float] = {}
    networks: dict[str, float] = {}


_RECORDS = TypeAdapter(list[TimingRecord])


def remember_timings(cache: FeatureCache, extraction: Extraction) -> None:
    """Write how long the features took that were computed now; older records of the same features are replaced.

    Raises:
        StorageError: when the cache can't be written.
    """
    keys = {name: extraction.keys[name] for name in extraction.computed if name in extraction.keys}
    if not keys or extraction.sha256 is None:
        return
    new = TimingRecord(
        at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        keys=keys,
        decodes=extraction.decodes,
        features=dict(extraction.features),
        networks=dict(extraction.networks),
    )
    computed = set(keys.values())
    others = [record for record in _load(cache, extraction.sha256) if computed.isdisjoint(record.keys.values())]
    content = _RECORDS.dump_json([*others, new]).decode()
    cache.store(ENTRY, _key(extraction.sha256), FeatureData({"records": np.array(content)}))


def earlier_timings(cache: FeatureCache, extractions: Iterable[Extraction]) -> dict[str, Any]:
    """Return what earlier runs took for the features that came from the cache; empty when nothing did.

    A network's time counts whole when any feature of the same run is used.
    """
    used_records: list[TimingRecord] = []
    features: list[Mapping[str, float]] = []
    videos = 0
    for extraction in extractions:
        used = {name: key for name, key in extraction.keys.items() if name not in extraction.computed}
        if not used or extraction.sha256 is None:
            continue
        videos += 1
        for record in _load(cache, extraction.sha256):
            names = [name for name, key in used.items() if record.keys.get(name) == key]
            if names:
                used_records.append(record)
                features.append({name: record.features[name] for name in names if name in record.features})
    if not videos:
        return {}
    found: dict[str, Any] = {
        "videos": videos,
        "videos_decoded": sum(record.decodes for record in used_records),
        "extractors": sum_seconds(features),
        "networks": sum_seconds(record.networks for record in used_records),
    }
    if used_records:
        times = sorted(record.at for record in used_records)
        found |= {"first_computed_at": times[0], "last_computed_at": times[-1]}
    return found


def sum_seconds(parts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Return the seconds of all videos by name, over all workers, the longest first."""
    total: dict[str, float] = {}
    for part in parts:
        for name, seconds in part.items():
            total[name] = total.get(name, 0.0) + seconds
    return {name: round(seconds, 3) for name, seconds in sorted(total.items(), key=lambda item: (-item[1], item[0]))}


def _load(cache: FeatureCache, sha256: str) -> list[TimingRecord]:
    try:
        data = cache.load(ENTRY, _key(sha256))
        return [] if data is None or data.arrays is None else _RECORDS.validate_json(str(data.arrays["records"]))
    except (CorruptEntryError, KeyError, ValidationError):
        return []


def _key(sha256: str) -> str:
    return hashlib.sha256(json.dumps([ENTRY, sha256]).encode()).hexdigest()
