"""Lip sync of mouths that are seen: which tracks count, by hand-made distances and masks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from evalkit.media.encode import write_video
from evalkit.metrics.base import FeatureData, VideoInputs, VideoValue, metric_registry
from evalkit.metrics.features.base import Extractor, FeatureUnavailableError, Item, feature_registry
from evalkit.metrics.regions.face_region import FaceRegionView

METRICS = metric_registry()
Arrays = dict[str, NDArray[Any]]
SIDE = 64
FACE = FaceRegionView({"box": np.array([16, 16, 48, 48]), "frame_size": np.array([SIDE, SIDE])})  # mouth: rows 32 to 47


def curve(best: float) -> NDArray[np.float32]:
    row = np.full(31, 10.0, dtype=np.float32)
    row[15] = best
    return row


def syncnet(*tracks: tuple[int, int, float], frames: int = 300) -> Arrays:
    """Tracks of (first frame, last frame, distance); the confidence of each is 10 less its distance."""
    windows = [last - first + 1 - 5 for first, last, _ in tracks]
    count = sum(windows)
    return {
        "faces": np.ones(frames, dtype=np.int64),
        "scene_start": np.zeros(1, dtype=np.int64),
        "scene_start_mocha": np.zeros(1, dtype=np.int64),
        "track_first": np.array([first for first, _, _ in tracks], dtype=np.int64),
        "track_last": np.array([last for _, last, _ in tracks], dtype=np.int64),
        "track_detections": np.array([last - first + 1 for first, last, _ in tracks], dtype=np.int64),
        "track_latentsync": np.ones(len(tracks), dtype=bool),
        "track_mocha": np.zeros(len(tracks), dtype=bool),
        "others_latentsync": np.empty((0, 4), np.float32),
        "others_mocha": np.empty((0, 4), np.float32),
        "window_track": np.repeat(np.arange(len(tracks)), windows),
        "official": np.concatenate(
            [np.empty((0, 31), np.float32)]
            + [np.tile(curve(best), (n, 1)) for (_, _, best), n in zip(tracks, windows, strict=True)]
        ),
        "own": np.full((count, 31), np.nan, dtype=np.float32),
        "silent": np.full(count, 7.0, dtype=np.float32),
        "has_official": np.array(True),
        "has_own": np.array(False),
    }


def mouth(visible: Sequence[float], rate: float = 25) -> Arrays:
    return {"frame_time": np.arange(len(visible)) / rate, "visible": np.array(visible, dtype=np.float64)}


def score(part: str, arrays: Arrays, seen: Arrays | FeatureData) -> VideoValue:
    given = seen if isinstance(seen, FeatureData) else FeatureData(seen)
    inputs = VideoInputs("s01", {"syncnet": FeatureData(arrays), "mouth_visible": given})
    return METRICS[f"occl.sync_{part}"].score_video(inputs)


TWO = syncnet((0, 99, 6.0), (100, 249, 8.0))


def test_a_track_behind_a_hand_does_not_count() -> None:
    seen = mouth([1.0] * 100 + [0.2] * 200)
    assert score("conf", TWO, seen).value == pytest.approx(4.0)
    assert score("dist", TWO, seen).value == pytest.approx(6.0)
    assert score("coverage", TWO, seen).value == pytest.approx(100 / 300)
    (event,) = score("conf", TWO, seen).events
    assert event.kind == "tracks_left_out"
    assert event.detail == "1 of 2 tracks don't count: 0.20 of the mouth is seen, at least 0.50 must be"


def test_without_a_hand_the_numbers_are_those_of_all_tracks() -> None:
    seen = mouth([1.0] * 300)
    for part in ("conf", "dist"):
        whole = METRICS[f"sync.latentsync.{part}"].score_video(VideoInputs("s01", {"syncnet": FeatureData(TWO)}))
        assert score(part, TWO, seen) == whole
    assert score("conf", TWO, seen).value == pytest.approx((4.0 + 2.0) / 2)
    assert score("coverage", TWO, seen).value == pytest.approx(250 / 300)


@pytest.mark.parametrize(("covered", "counts"), [(50, True), (51, False)])
def test_half_a_mouth_on_the_mean_is_enough(covered: int, counts: bool) -> None:
    """100 frames, of which so many show nothing of the mouth."""
    found = score("dist", syncnet((0, 99, 6.0)), mouth([0.0] * covered + [1.0] * (100 - covered)))
    assert (found.value is not None) == counts
    if not counts:
        assert found.reason == "mouth_covered"
        assert [(event.kind, event.detail) for event in found.events] == [
            ("mouth_covered", "1 of 1 tracks don't count: 0.49 of the mouth is seen, at least 0.50 must be")
        ]


def test_no_track_that_counts_is_no_coverage_and_no_number() -> None:
    hidden = mouth([0.1] * 300)
    assert score("conf", TWO, hidden).value is None
    assert score("coverage", TWO, hidden).value == 0.0
    none = score("conf", syncnet(), mouth([1.0] * 300))
    assert none.reason == "no_track:face_lost"
    assert score("coverage", syncnet(), mouth([1.0] * 300)).value == 0.0


def test_masks_go_by_time_and_not_by_number() -> None:
    """50 masks a second, free for the first two seconds: frames 0 to 49 at 25/s."""
    seen = mouth([1.0] * 100 + [0.0] * 500, rate=50)
    arrays = syncnet((0, 49, 6.0), (50, 149, 8.0))
    assert score("dist", arrays, seen).value == pytest.approx(6.0)
    assert score("coverage", arrays, seen).value == pytest.approx(50 / 300)


def test_frames_after_the_references_end_have_no_mask() -> None:
    """Masks of 100 frames, the last 40 covered; frame 99 is the last with a mask."""
    seen = mouth([1.0] * 60 + [0.0] * 40)
    arrays = syncnet((20, 119, 6.0), (120, 219, 8.0))
    assert score("dist", arrays, seen).value == pytest.approx(6.0)  # 40 of 80: not 40 of 100
    assert "0.00 of the mouth is seen" in score("dist", arrays, seen).events[-1].detail


def test_tracks_of_other_rules_stay_out() -> None:
    arrays = syncnet((0, 99, 6.0), (100, 199, 8.0))
    arrays["track_latentsync"] = np.array([True, False])
    assert score("dist", arrays, mouth([1.0] * 300)).value == pytest.approx(6.0)


def test_without_masks_there_is_no_number() -> None:
    found = score("conf", TWO, FeatureData(None, "no_occluders", "the sample has no video of masks"))
    assert (found.value, found.reason) == (None, "no_occluders")


def visible(masks: Path | None, reference: Path) -> Arrays:
    kind: type[Extractor] = feature_registry()["mouth_visible"]
    item = Item("s", Path("v.mp4"), reference_video=reference, occluders=masks)
    made = kind({}, "cpu").open(item, {"reference_face_region": FACE})
    return made.finish()


def film(path: Path, pictures: Sequence[NDArray[np.uint8]], rate: int = 25) -> Path:
    write_video(path, pictures, rate, np.zeros(16_000 * len(pictures) // rate, np.float32), crf=1)
    return path


def white(rows: slice, side: int = SIDE) -> NDArray[np.uint8]:
    picture = np.zeros((side, side, 3), np.uint8)
    picture[rows] = 255
    return picture


def test_the_share_is_of_the_mouth_alone(tmp_path: Path) -> None:
    """Rows 32 to 47 are the mouth: a mask over the eyes hides nothing, one from row 44 on a quarter."""
    reference = film(tmp_path / "r.mp4", [white(slice(0, 0))] * 4)
    rows = (slice(0, 0), slice(0, 32), slice(44, 64), slice(0, 64))
    made = visible(film(tmp_path / "masks.mp4", [white(one) for one in rows]), reference)
    assert made["visible"] == pytest.approx([1.0, 1.0, 0.75, 0.0], abs=0.02)  # lossy masks
    assert made["frame_time"] == pytest.approx([0.0, 0.04, 0.08, 0.12])


def test_masks_that_do_not_fit_have_a_reason(tmp_path: Path) -> None:
    reference = film(tmp_path / "r.mp4", [white(slice(0, 0))] * 4)
    (tmp_path / "text.mp4").write_text("no video")
    cases = {
        "occluders_too_short": film(tmp_path / "short.mp4", [white(slice(0, 9))] * 3),
        "occluders_other_size": film(tmp_path / "small.mp4", [white(slice(0, 9), side=32)] * 4),
        "occluders_unreadable": tmp_path / "text.mp4",
        "no_occluders": None,
    }
    for reason, path in cases.items():
        with pytest.raises(FeatureUnavailableError) as caught:
            visible(path, reference)
        assert caught.value.reason == reason
    with pytest.raises(FeatureUnavailableError) as caught:
        visible(tmp_path / "short.mp4", tmp_path / "text.mp4")
    assert caught.value.reason == "reference_video_unreadable"
