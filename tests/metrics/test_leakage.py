"""Lip leakage: the vectors of its definition, joined items, one length for all, and what is missing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import plausible_sync
import pytest
from numpy.typing import NDArray

from evalkit.metrics.base import FeatureData, SetMetric, SetValue, VideoInputs, metric_registry
from evalkit.metrics.leakage.arithmetic import leaked_share, mean_item_difference, sync_difference
from evalkit.metrics.leakage.references import mouth_openings
from evalkit.metrics.sync.arithmetic import cut_to, summarise
from evalkit.metrics.sync.track_scores import TrackChoice, track_syncs

METRICS = metric_registry()
# Confidence with the own and the other audio, distance with the own and the other: docs/definitions/dubbing.md.
ITEMS = np.array([[8, 7.4, 6.5, 7.1], [7, 7.6, 6.9, 6.6], [6, 5.1, 7.4, 8.2]])


def test_the_vector_of_the_set_and_of_the_items() -> None:
    assert sync_difference(ITEMS) == pytest.approx(0.333333, abs=5e-7)
    assert mean_item_difference(ITEMS) == pytest.approx(0.633333, abs=5e-7)


def test_the_vector_of_the_share() -> None:
    assert leaked_share(5.21, 2.0, 8.25) == pytest.approx(0.5136, abs=5e-7)
    assert leaked_share(2.0, 2.0, 8.25) == 0.0
    assert leaked_share(8.25, 2.0, 8.25) == 1.0
    assert leaked_share(3.0, 2.0, 2.0) is None


@pytest.mark.parametrize("numbers", [np.empty((0, 4)), np.ones((2, 3)), np.ones(4)])
def test_numbers_of_another_shape_are_refused(numbers: NDArray[np.float64]) -> None:
    with pytest.raises(ValueError, match="at least one item"):
        sync_difference(numbers)


def track(seed: int, windows: int = 60) -> dict[str, Any]:
    """One track of lips that fit the audio better at shift 0 than elsewhere."""
    draw = np.random.default_rng(seed)
    distances = draw.uniform(9, 14, (windows, 31)).astype(np.float32)
    distances[:, 15] -= 3
    return {
        "faces": np.ones(windows + 5, np.int64),
        "track_first": np.array([0]),
        "track_last": np.array([windows + 4]),
        "track_detections": np.array([windows + 5]),
        "track_latentsync": np.array([True]),
        "window_track": np.zeros(windows, np.int64),
        "official": distances,
        "silent": draw.uniform(9, 14, windows).astype(np.float32),
        "ood_score": np.zeros(windows, np.float32),
        "motion": np.full(windows, 3.0, np.float32),
        "has_official": np.array(True),
    }


def video(item: str, setup: str | None, arrays: dict[str, Any] | None, reason: str = "no_frame") -> VideoInputs:
    data = FeatureData(arrays) if arrays is not None else FeatureData(None, reason)
    return VideoInputs(f"{item}/{setup}", {"syncnet": data}, {}, item, setup)


def difference(videos: Iterable[VideoInputs]) -> SetValue:
    metric = METRICS["leak.lsd_cr"]
    assert isinstance(metric, SetMetric)
    return metric.score_set(videos)


def expected(own: dict[str, Any], other: dict[str, Any], windows: int) -> list[float]:
    (a,), (b,) = (track_syncs(one, TrackChoice(windows=windows)) for one in (own, other))
    return [a.confidence, b.confidence, a.distance, b.distance]


def test_items_are_joined_in_any_order_and_cut_to_one_length() -> None:
    own, other = {"a": track(1, 60), "b": track(2, 40)}, {"a": track(3, 50), "b": track(4, 70)}
    videos = [
        video("a", "own", own["a"]),
        video("b", "other", other["b"]),
        video("a", "other", other["a"]),
        video("b", "own", own["b"]),
    ]
    found = difference(videos)
    rows = np.array([expected(own["a"], other["a"], 50), expected(own["b"], other["b"], 40)])
    assert found.value == pytest.approx(sync_difference(rows), rel=1e-12)
    assert found.details["mean_of_items"] == pytest.approx(mean_item_difference(rows), rel=1e-12)
    assert found.details["own_confidence"] == pytest.approx(rows[:, 0].mean(), rel=1e-12)
    assert (found.n, found.details["items"], found.notes) == (4, 2, ())
    assert found.ci95 is not None
    assert found.ci95[0] <= found.value <= found.ci95[1] + 1e-9
    assert difference(videos[::-1]) == found


def test_a_longer_video_is_not_judged_by_its_length() -> None:
    """Without the cut the same lips would differ from themselves: zero padding lifts the longer one's confidence."""
    long = track(5, 120)
    short = {**long, **{name: long[name][:40] for name in ("window_track", "ood_score", "motion", "silent")}}
    short["official"] = cut_to(long["official"], long["silent"], 40)
    whole, part = summarise(long["official"]), summarise(short["official"])
    assert not isinstance(whole, str)
    assert not isinstance(part, str)
    assert abs(whole.confidence - part.confidence) > 0.1
    assert difference([video("a", "own", long), video("a", "other", short)]).value == pytest.approx(0.0, abs=1e-9)


def test_a_missing_partner_is_the_items_reason_and_the_rest_is_scored() -> None:
    videos = [
        video("a", "own", track(1)),
        video("a", "other", track(2)),
        video("b", "own", track(3)),
        video("c", "own", None, "no_frame"),
        video("c", "other", track(4)),
    ]
    found = difference(videos)
    assert found.details["items"] == 1
    (note,) = found.notes
    assert note.kind == "items_left_out"
    assert note.detail == "2 of 3 items: b (partner_missing: only the setup 'own' can be read), c (no_frame)"
    alone = difference(videos[2:3])
    assert (alone.value, alone.reason) == (None, "partner_missing")


def test_videos_without_setups_have_no_difference() -> None:
    found = difference([video("a", None, track(1)), video("b", None, track(2))])
    assert (found.value, found.reason) == (None, "no_setup")


def test_what_is_no_number_costs_its_item_only() -> None:
    broken = track(1)
    broken["official"][3, 4] = np.nan
    found = difference(
        [
            video("a", "own", broken),
            video("a", "other", track(2)),
            video("b", "own", track(3)),
            video("b", "other", track(4)),
        ]
    )
    assert found.details["items"] == 1
    assert found.notes[0].detail == "1 of 2 items: a (distance_not_finite)"


def still(seed: int, windows: int = 60) -> dict[str, Any]:
    draw = np.random.default_rng(seed)
    return {
        "official": draw.uniform(9, 11, (windows, 31)).astype(np.float32),
        "silent": draw.uniform(9, 11, windows).astype(np.float32),
        "ood_score": np.array(0.0),
        "frame": np.array(3),
        "opening": np.array(0.02),
    }


def share(items: Iterable[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]]) -> SetValue:
    metric = METRICS["leak.frac"]
    assert isinstance(metric, SetMetric)
    names = metric.record.features
    assert names == ("syncnet", "syncnet_reference", "syncnet_closed_mouth")
    return metric.score_set(
        VideoInputs(
            f"{item}/silent",
            {name: FeatureData(arrays) for name, arrays in zip(names, three, strict=True)},
            {},
            item,
            "silent",
        )
        for item, *three in items
    )


def test_the_recording_under_silence_leaks_all_and_a_closed_mouth_nothing() -> None:
    real = track(1)
    floor = still(2)
    assert share([("a", real, real, floor)]).value == pytest.approx(1.0, rel=1e-12)
    frozen = {**track(3), "official": floor["official"], "silent": floor["silent"]}
    assert share([("a", frozen, real, floor)]).value == pytest.approx(0.0, abs=1e-12)


def test_the_share_is_of_the_means_at_one_length() -> None:
    items = [("a", track(1, 60), track(2, 70), still(3, 80)), ("b", track(4, 50), track(5, 40), still(6, 80))]
    rows = []
    for (_, ours, theirs, floor), windows in zip(items, (60, 40), strict=True):
        (a,), (b,) = (track_syncs(one, TrackChoice(windows=windows)) for one in (ours, theirs))
        low = summarise(cut_to(floor["official"], floor["silent"], windows))
        assert not isinstance(low, str)
        rows.append((a.confidence, low.confidence, b.confidence))
    found = share(items)
    assert found.value == pytest.approx(leaked_share(*np.mean(rows, axis=0)), rel=1e-12)
    assert found.details["items"] == 2


def test_a_floor_that_the_network_can_not_judge_is_no_floor() -> None:
    floor = {**still(1), "ood_score": np.array(1.5)}
    found = share([("a", track(1), track(2), floor)])
    assert (found.value, found.reason) == (None, "outside_bundled_domain")


def test_a_closed_mouth_has_the_smallest_opening() -> None:
    points = np.zeros((3, 68, 2))
    points[:, 36:42] = [10.0, 10.0]
    points[:, 42:48] = [30.0, 10.0]
    points[:, 61:64] = [[19.0, 40.0], [20.0, 40.0], [21.0, 40.0]]
    for frame, gap in enumerate((0.0, 2.0, 8.0)):
        points[frame, 65:68] = [[21.0, 40.0 + gap], [20.0, 40.0 + gap], [19.0, 40.0 + gap]]
    assert mouth_openings(points) == pytest.approx([0.0, 0.1, 0.4])


def test_plausible_arrays_are_what_this_test_plants() -> None:
    assert set(track(1)) <= set(plausible_sync.syncnet(np.random.default_rng(0)))
