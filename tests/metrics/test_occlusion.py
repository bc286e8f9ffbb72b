"""Occlusion: the vector of its definition, which pixels and frames count, and masks that don't fit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from evalkit.media.encode import write_video
from evalkit.metrics.base import FeatureData, VideoInputs, VideoValue, metric_registry
from evalkit.metrics.features.base import (
    Extractor,
    FeatureUnavailableError,
    Item,
    PairCoverage,
    PairSession,
    feature_registry,
)
from evalkit.metrics.regions.face_region import FaceRegionView

METRICS = metric_registry()
Picture = NDArray[np.uint8]
SIDE, FRAMES = 64, 4
FACE = FaceRegionView({"box": np.array([16, 16, 48, 48])})  # the mouth: rows 32 to 47, columns 16 to 47
MOUTH = (slice(32, 48), slice(16, 48))


def texture(seed: int) -> Picture:
    return np.random.default_rng(seed).integers(30, 200, (SIDE, SIDE, 3)).astype(np.uint8)


def masks(folder: Path, pictures: Sequence[Picture]) -> Path:
    path = folder / "masks.mp4"
    write_video(path, pictures, 25, np.zeros(int(16_000 * len(pictures) / 25), np.float32), crf=1)
    return path


def white(rows: slice, columns: slice, side: int = SIDE) -> Picture:
    picture = np.zeros((side, side, 3), np.uint8)
    picture[rows, columns] = 255
    return picture


def run(feature: str, pairs: Sequence[tuple[Picture, Picture]], occluders: Path | None = None) -> Mapping[str, Any]:
    kind: type[Extractor] = feature_registry()[feature]
    item = Item("s", Path("v.mp4"), reference_video=Path("r.mp4"), occluders=occluders)
    taking = cast(PairSession, kind({}, "cpu").open(item, {"reference_face_region": FACE}))
    taking.begin(PairCoverage(len(pairs), len(pairs), 0.0))
    for index, (candidate, reference) in enumerate(pairs):
        taking.pair(index, candidate, reference)
    return taking.finish()


def value(metric: str, arrays: Mapping[str, Any]) -> VideoValue:
    (name,) = METRICS[metric].record.features
    return METRICS[metric].score_video(VideoInputs("s", {name: FeatureData(arrays)}))


def test_ten_grey_levels_where_the_mouth_is_covered(tmp_path: Path) -> None:
    """The vector; what is wrong elsewhere in the frame doesn't count, and frames without a mask neither."""
    hand = white(slice(40, 64), slice(0, 32))
    nothing = white(slice(0, 0), slice(0, 0))
    path = masks(tmp_path, [hand, nothing, hand, nothing])
    pairs = []
    for seed in range(FRAMES):
        reference = texture(seed)
        candidate = reference.copy()
        candidate[40:48, 16:32] += 10  # the hand, as far as it is before the mouth
        candidate[:30] = 0
        pairs.append((candidate, reference))
    arrays = run("occluded_pixels", pairs, path)
    assert arrays["pixels"].tolist() == [8 * 16, 0, 8 * 16, 0]
    found = value("occl.keep_psnr", arrays)
    assert found.value == pytest.approx(28.130803609, abs=1e-9)
    assert [(event.kind, event.detail) for event in found.events] == [
        ("frames_without_region", "2 of 4 frames don't count")
    ]


def test_the_mouth_is_not_outside() -> None:
    reference = texture(1)
    candidate = reference.copy()
    candidate[MOUTH] = 255
    arrays = run("outside_mouth_pixels", [(candidate, reference)])
    assert arrays["pixels"].tolist() == [SIDE * SIDE - 16 * 32]
    assert value("occl.outside_psnr", arrays).value == 100.0
    candidate[:16] += 10
    share = 16 * SIDE / (SIDE * SIDE - 16 * 32)
    expected = 10 * math.log10(255**2 / (100 * share))
    assert value("occl.outside_psnr", run("outside_mouth_pixels", [(candidate, reference)])).value == pytest.approx(
        expected, abs=1e-9
    )


def test_masks_that_do_not_fit_have_a_reason(tmp_path: Path) -> None:
    pair = (texture(1), texture(2))
    cases = {
        "occluders_too_short": masks(tmp_path, [white(*MOUTH)] * 2),
        "occluders_unreadable": tmp_path / "text.mp4",
    }
    (tmp_path / "text.mp4").write_text("no video")
    for reason, path in cases.items():
        with pytest.raises(FeatureUnavailableError) as caught:
            run("occluded_pixels", [pair] * 3, path)
        assert caught.value.reason == reason
    small = masks(tmp_path, [white(*MOUTH, side=32)] * 3)
    with pytest.raises(FeatureUnavailableError) as caught:
        run("occluded_pixels", [pair], small)
    assert (caught.value.reason, caught.value.detail) == ("occluders_other_size", "masks of 32x32, frames of 64x64")
    with pytest.raises(FeatureUnavailableError) as caught:
        run("occluded_pixels", [pair])
    assert caught.value.reason == "no_occluders"


def test_a_mouth_that_nothing_covers_has_no_number(tmp_path: Path) -> None:
    path = masks(tmp_path, [white(slice(0, 16), slice(0, 16))] * 2)
    found = value("occl.keep_psnr", run("occluded_pixels", [(texture(1), texture(2))] * 2, path))
    assert (found.value, found.reason) == (None, "region_empty")
