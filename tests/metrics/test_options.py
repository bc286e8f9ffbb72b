"""The options of a feature are what its code uses and what its cache key is made of."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sync_networks import BOX, PlantedDetector, PlantedSyncNet, write_video

from evalkit.media.sampling import AllFrames, AtRate
from evalkit.metrics.features.base import FeatureOptions, Item, feature_registry
from evalkit.metrics.sync.features import SYNC, SyncExtractor, SyncSession
from evalkit.metrics.sync.s3fd_boxes import DetectorOptions, faces
from evalkit.metrics.sync.tracks import TrackOptions
from evalkit.scoring.cache import feature_key

REGISTRY = feature_registry()


def changed(value: Any) -> Any:
    """Return another value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 1
    if isinstance(value, str):
        return value + "x"
    if isinstance(value, tuple):
        return (*value[:-1], changed(value[-1]))
    if value is None:
        return {"version": "1"}
    assert hasattr(value, "select"), value
    return AllFrames() if value.id != "all" else AtRate(3)


def variations(options: FeatureOptions) -> Iterator[tuple[str, FeatureOptions]]:
    """Yield a copy of the options per field, the fields of inner options included, with that field changed."""
    for field in fields(options):
        value = getattr(options, field.name)
        inner = variations(value) if isinstance(value, FeatureOptions) else [("", changed(value))]
        for name, other in inner:
            made = copy.copy(options)
            object.__setattr__(made, field.name, other)
            yield f"{field.name}.{name}".rstrip("."), made


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_every_option_of_every_feature_is_in_its_cache_key(name: str) -> None:
    record = REGISTRY[name].record
    assert isinstance(record.options, FeatureOptions)
    assert type(record.options).__dataclass_params__.frozen  # type: ignore[attr-defined]
    keys = {"": feature_key(record, {}, {}, {})}
    for field, options in variations(record.options):
        keys[field] = feature_key(replace(record, options=options), {}, {}, {})
    assert len(keys) > 1 or not fields(record.options)
    assert len(set(keys.values())) == len(keys), f"two of {list(keys)} give one key"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("options") / "v.mp4", [0] * 80)


def tracked(clip: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> dict[str, Any]:
    """Return the arrays of the extractor whose record has other options, with planted networks."""
    monkeypatch.setattr(SyncExtractor, "record", replace(SyncExtractor.record, options=replace(SYNC, **changes)))
    extractor = object.__new__(SyncExtractor)
    extractor._detector, extractor._network = PlantedDetector(BOX), PlantedSyncNet()  # type: ignore[assignment]
    session = extractor.open(Item("s", clip), {})
    assert isinstance(session, SyncSession)
    from evalkit.media.inspect import inspect_media

    inspect_media(clip, [session])
    return session.finish()


def test_lip_sync_reads_the_options_that_are_hashed(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = tracked(clip, monkeypatch)
    assert len(arrays["track_first"]) == 1 and len(arrays["faces"]) == 80
    assert len(tracked(clip, monkeypatch, tracks=TrackOptions(min_track=80))["track_first"]) == 0
    assert len(tracked(clip, monkeypatch, tracks=TrackOptions(smallest_face=10_000))["track_first"]) == 0
    assert len(tracked(clip, monkeypatch, sampling=AtRate(12.5))["faces"]) == 40


def test_the_detector_reads_its_options() -> None:
    offsets, scores = np.zeros((5, 4), np.float32), np.array([0.95, 0.5, 0.85, 0.99, 0.1], np.float32)
    arguments = (offsets, scores, [(1, 5), (0, 0), (0, 0), (0, 0), (0, 0), (0, 0)], (64, 64), (64, 64))
    counts = [len(faces(*arguments, options=DetectorOptions(confidence=level, nms=(1, 1)))) for level in (0.9, 0.8)]
    assert counts == [2, 3]
