"""Regions of the face: where they are, that both videos are cut alike, and that pasting shows as the law says."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from evalkit.metrics.base import FeatureData, VideoInputs, VideoValue, metric_registry
from evalkit.metrics.features.base import (
    Extractor,
    FeatureUnavailableError,
    Item,
    PairCoverage,
    PairSession,
    feature_registry,
)
from evalkit.metrics.quality.pixels import psnr, resize_to, ssim_gray
from evalkit.metrics.regions.face_region import FaceRegionView, enclosing

METRICS = metric_registry()
Picture = NDArray[np.uint8]
BOX = (16, 16, 48, 48)
ERROR = 10 * math.log10(255**2 / 10**2)  # of 10 grey levels everywhere


def texture(seed: int, side: int = 64) -> Picture:
    return np.random.default_rng(seed).integers(30, 200, (side, side, 3)).astype(np.uint8)


def region(box: tuple[int, int, int, int] = BOX, side: int = 64) -> FaceRegionView:
    arrays = {"box": np.array(box), "frames": np.array(16), "frame_size": np.array([side, side])}
    return FaceRegionView(arrays)


def session(feature: str, face: FaceRegionView) -> PairSession:
    kind: type[Extractor] = feature_registry()[feature]
    item = Item("s", Path("v.mp4"), reference_video=Path("r.mp4"))
    return cast(PairSession, kind({}, "cpu").open(item, {"reference_face_region": face}))


def run(feature: str, candidate: Picture, reference: Picture, face: FaceRegionView | None = None) -> Mapping[str, Any]:
    taking = session(feature, face or region())
    taking.restart()
    taking.begin(PairCoverage(2, 2, 0.0))
    for index in range(2):
        taking.pair(index, candidate, reference)
    return taking.finish()


def value(metric: str, arrays: Mapping[str, Any]) -> VideoValue:
    (name,) = METRICS[metric].record.features
    return METRICS[metric].score_video(VideoInputs("s", {name: FeatureData(arrays)}))


def test_the_rectangle_encloses_all_boxes_in_whole_pixels() -> None:
    boxes = np.array([[10.2, 20.9, 30.1, 40.0], [12.0, 18.5, 33.7, 39.0]])
    assert enclosing(boxes, np.array([64, 64])).tolist() == [10, 18, 34, 40]


def test_the_rectangle_ends_at_the_frame_and_is_never_empty() -> None:
    assert enclosing(np.array([[-5.0, -7.5, 80.0, 90.0]]), np.array([64, 48])).tolist() == [0, 0, 64, 48]
    assert enclosing(np.array([[70.0, 70.0, 71.0, 71.0]]), np.array([64, 48])).tolist() == [63, 47, 64, 48]


def test_the_mouth_is_the_lower_half() -> None:
    assert region((10, 21, 30, 40)).slices("face") == (slice(21, 40), slice(10, 30))
    assert region((10, 21, 30, 40)).slices("mouth") == (slice(30, 40), slice(10, 30))


def test_an_error_of_the_mouth_costs_each_region_its_share() -> None:
    """10 grey levels in the lower half of the face: PSNR rises by -10 log10 of the share that is wrong."""
    reference = texture(1)
    candidate = reference.copy()
    candidate[32:48, 16:48] += 10
    mouth = value("psnr.mouth", run("paired_pixels_mouth", candidate, reference)).value
    face = value("psnr.face", run("paired_pixels_face", candidate, reference)).value
    assert mouth == pytest.approx(ERROR, abs=1e-9)
    assert face == pytest.approx(ERROR - 10 * math.log10(0.5), abs=1e-9)
    share = (16 * 32) / 64**2
    assert psnr(candidate, reference) == pytest.approx(ERROR - 10 * math.log10(share), abs=1e-9)


def test_an_error_outside_the_face_is_not_seen() -> None:
    reference = texture(2)
    candidate = reference.copy()
    candidate[:16] = 255
    for name, feature, best in (
        ("psnr.face", "paired_pixels_face", 100.0),
        ("ssim.face", "paired_ssim_gray_face", 1.0),
    ):
        assert value(name, run(feature, candidate, reference)).value == best


def test_ssim_of_a_region_is_that_of_the_cut_frames() -> None:
    candidate, reference = texture(3), texture(4)
    arrays = run("paired_ssim_gray_mouth", candidate, reference)
    by_hand = ssim_gray(candidate[32:48, 16:48].copy(), reference[32:48, 16:48].copy())
    assert arrays["ssim_gray"].tolist() == [by_hand, by_hand]


def test_a_video_of_another_size_is_resized_before_it_is_cut() -> None:
    reference, candidate = texture(5), texture(6, side=128)
    arrays = run("paired_pixels_face", candidate, reference)
    small = resize_to(candidate, 64, 64)[16:48, 16:48].copy()
    assert arrays["psnr"][0] == psnr(small, reference[16:48, 16:48].copy())
    assert arrays["scale"].tolist() == [2.0, 2.0]
    assert [event.kind for event in value("psnr.face", arrays).events] == ["other_size_than_reference"]


def test_a_region_below_the_window_of_ssim_has_no_value() -> None:
    with pytest.raises(FeatureUnavailableError) as caught:
        run("paired_ssim_gray_mouth", texture(7), texture(8), region((16, 16, 48, 36)))
    assert (caught.value.reason, caught.value.detail.split(";")[0]) == ("region_too_small", "32x10 pixels")


def test_the_features_of_regions_are_those_of_whole_frames() -> None:
    registry = feature_registry()
    for whole in ("paired_pixels", "paired_ssim_gray", "lpips_alex"):
        for part in ("face", "mouth"):
            record = registry[f"{whole}_{part}"].record
            assert record.needs == ("reference_face_region",)
            assert record.weights == registry[whole].record.weights
            assert (record.options.whole, record.options.region) == (registry[whole].record.options, part)


def test_what_is_copied_counts_within_what_an_encoder_changes() -> None:
    """A quarter of the frame is new, a quarter off by 8 grey levels, half is equal."""
    reference = texture(9)
    candidate = reference.copy()
    candidate[:32, :32] += 9
    candidate[:32, 32:] -= 8
    kind: type[Extractor] = feature_registry()["pasted_pixels"]
    taking = cast(PairSession, kind({}, "cpu").open(Item("s", Path("v.mp4"), reference_video=Path("r.mp4")), {}))
    taking.restart()
    taking.pair(0, candidate, reference)
    found = value("paste.share", taking.finish())
    assert found.value == 0.75
    (event,) = found.events
    assert event.kind == "copied_from_source"
    assert event.detail.startswith("50.0% of the pixels are equal to the last digit; ")
    assert f"{-10 * math.log10(0.25):.2f} dB" in event.detail
