"""Landmark distances: vectors, hand arithmetic, literal loops of the published scripts, and faults of a known size."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from evalkit.errors import WeightsError
from evalkit.metrics.base import FeatureData, VideoInputs, VideoValue, metric_registry
from evalkit.metrics.features.base import WeightFile
from evalkit.metrics.landmarks.arithmetic import (
    FACE,
    MOUTH,
    coordinate_distances,
    extents,
    eye_distances,
    point_distances,
    velocity_distances,
)
from evalkit.metrics.landmarks.features import LandmarksExtractor, VideoLandmarksExtractor

Points = NDArray[np.float64]
METRICS = metric_registry()
OF_LANDMARKS = sorted(name for name in METRICS if name.startswith("landmark."))
DISTANCES = [name for name in OF_LANDMARKS if name not in {"landmark.missed", "landmark.jitter"}]
UNCENTRED = (
    "landmark.vico_liplmd",
    "landmark.akd",
    "landmark.organiser_akd",
    "landmark.organiser_flmd",
    "landmark.organiser_lse_d",
)
STRICT = ("landmark.m_lmd", "landmark.f_lmd", "landmark.m_lmd.nme", "landmark.f_lmd.nme")


def vector() -> tuple[Points, Points]:
    """The pair of docs/definitions/landmarks.md#check-values."""
    draw = np.random.RandomState(0)
    reference = 128 + 40 * draw.randn(10, 68, 2)
    return reference + 2 * draw.randn(10, 68, 2) + [3, -1], reference


def talking(frames: int = 40) -> Points:
    """A face of whole and half pixels that opens its mouth and turns: (T, 68, 2)."""
    draw = np.random.default_rng(3)
    face = 128 + 40 * draw.standard_normal((68, 2))
    time = np.arange(frames)[:, None, None]
    points = np.repeat(face[None], frames, axis=0)
    points = points + np.array([6.0, 2.0]) * np.sin(time / 7)
    points[:, 57:] += np.array([0.0, 5.0]) * (1 + np.sin(time / 2))
    return np.round(points * 2) / 2


def arrays(candidate: Points, reference: Points, compared: tuple[float, float, float] | None = None) -> dict[str, Any]:
    count = len(reference)
    return {
        "compared": np.array(compared or (count, count, 0.0), np.float64),
        "candidate": candidate.astype(np.float32),
        "reference": reference.astype(np.float32),
        "candidate_faces": np.isfinite(candidate).all(axis=(1, 2)).astype(np.int16),
        "reference_faces": np.isfinite(reference).all(axis=(1, 2)).astype(np.int16),
        "scale": np.ones(count),
    }


def outcome(name: str, content: dict[str, Any]) -> VideoValue:
    (feature,) = METRICS[name].record.features
    return METRICS[name].score_video(VideoInputs("s", {feature: FeatureData(content)}))


def value(name: str, candidate: Points, reference: Points) -> float:
    found = outcome(name, arrays(candidate, reference)).value
    assert found is not None
    return found


# Arithmetic


def test_the_vectors_of_the_definition() -> None:
    candidate, reference = vector()
    eyes = eye_distances(reference)
    raw = point_distances(candidate, reference, FACE, centre=False)
    assert raw.mean() == pytest.approx(3.753581392, rel=1e-9)
    assert (raw.mean(axis=1) / eyes).mean() == pytest.approx(0.183855145, rel=1e-8)
    mouth = point_distances(candidate, reference, MOUTH, centre=False)
    assert mouth.mean() == pytest.approx(3.794099689, rel=1e-9)
    mouth = point_distances(candidate, reference, MOUTH, centre=True)
    assert mouth.mean() == pytest.approx(2.336130680, rel=1e-9)
    assert mouth.sum(axis=1).mean() == pytest.approx(46.722613595, rel=1e-9)
    face = point_distances(candidate, reference, FACE, centre=True)
    assert face.mean() == pytest.approx(2.434574085, rel=1e-9)
    assert coordinate_distances(candidate, reference, MOUTH).mean() == pytest.approx(2.388195303, rel=1e-9)
    assert coordinate_distances(candidate, reference, FACE).mean() == pytest.approx(2.380038250, rel=1e-9)
    steps = velocity_distances(candidate, reference, MOUTH)
    assert steps.mean() == pytest.approx(3.419603540, rel=1e-9)
    assert steps.mean(axis=1).sum() / 10 == pytest.approx(3.077643186, rel=1e-9)


def test_distances_by_hand() -> None:
    """The mouth's points 3 to the right and 4 down, two of 20 points 10 further: what is left after centring."""
    reference = np.zeros((1, 68, 2))
    candidate = reference.copy()
    candidate[:, MOUTH] += [3.0, 4.0]
    assert point_distances(candidate, reference, MOUTH, centre=False).tolist() == [[5.0] * 20]
    assert point_distances(candidate, reference, MOUTH, centre=True).tolist() == [[0.0] * 20]
    assert coordinate_distances(candidate, reference, MOUTH).mean() == 3.5
    candidate[:, 48:50] += [10.0, 0.0]
    # The mean moves by 1: two points are 9 away, eighteen 1.
    assert point_distances(candidate, reference, MOUTH, centre=True).mean() == pytest.approx((2 * 9 + 18 * 1) / 20)


def test_the_units_by_hand() -> None:
    """Landmarks in a box of 100 x 60 pixels, eyes 40 apart; one mouth point of 20 moves by 10 in every frame."""
    face = np.full((68, 2), 50.0)
    face[0], face[16] = [0.0, 10.0], [100.0, 70.0]
    face[36:42], face[42:48] = [30.0, 40.0], [70.0, 40.0]
    reference = np.repeat(face[None], 4, axis=0)
    candidate = reference.copy()
    candidate[:, 60, 1] += 10.0
    mouth = (9.5 + 19 * 0.5) / 20
    whole = (10 * 67 / 68 + 67 * 10 / 68) / 68
    assert extents(reference).tolist() == [100.0] * 4
    assert eye_distances(reference).tolist() == [40.0] * 4
    assert value("landmark.er_lmd", candidate, reference) == pytest.approx(mouth)
    assert value("landmark.m_lmd", candidate, reference) == pytest.approx(mouth * 256 / 200)
    assert value("landmark.f_lmd", candidate, reference) == pytest.approx(whole * 256 / 200)
    assert value("landmark.m_lmd.nme", candidate, reference) == pytest.approx(mouth / 40)
    assert value("landmark.f_lmd.nme", candidate, reference) == pytest.approx(whole / 40)


def test_the_canonical_numbers_do_not_depend_on_the_size_of_the_video() -> None:
    candidate, reference = vector()
    for name in STRICT:
        assert value(name, candidate * 4, reference * 4) == pytest.approx(value(name, candidate, reference), rel=1e-6)
    doubled = value("landmark.er_lmd", candidate * 2, reference * 2)
    assert doubled == pytest.approx(2 * value("landmark.er_lmd", candidate, reference), rel=1e-6)


def test_jitter_by_hand() -> None:
    """One of 68 points jumps up by 34 and back: second differences of 34, 68 and 34; eyes 40 apart."""
    face = np.zeros((68, 2))
    face[42:48] = [40.0, 0.0]
    points = np.repeat(face[None], 5, axis=0)
    assert value("landmark.jitter", points, points) == 0.0
    points[2, 0, 1] = 34.0
    # Centring spreads the jump: the point moves by 34 * 67/68, the others by 34/68 the other way.
    jump = (34 * 67 / 68 + 67 * 34 / 68) / 68
    assert value("landmark.jitter", points, points) == pytest.approx((1 + 2 + 1) / 3 * jump / 40)
    points[1] = np.nan  # leaves one run of three frames, and the jump at its start
    assert value("landmark.jitter", points, points[[0, 0, 0, 0, 0]]) == pytest.approx(jump / 40)
    points[3] = np.nan
    assert outcome("landmark.jitter", arrays(points, points)).reason == "too_few_frames"


# The published scripts, as loops


def of_the_scripts(candidate: Points, reference: Points) -> dict[str, float]:
    """What the scripts give for landmarks that they find in every frame or not at all, as loops over points."""
    mouth, face, absolute, velocity = [], [], [], []
    last = None
    for a, b in zip(candidate, reference, strict=True):
        if np.isnan(a).any() or np.isnan(b).any():
            continue
        for points, sums in ((range(48, 68), mouth), (range(68), face)):
            (ax, ay), (bx, by) = ([sum(x[i][k] for i in points) / len(points) for k in (0, 1)] for x in (a, b))
            sums.append(sum(math.hypot(a[i][0] - ax - b[i][0] + bx, a[i][1] - ay - b[i][1] + by) for i in points))
        absolute.append([abs(a[i][k] - b[i][k]) for i in range(68) for k in (0, 1)])
        if last is not None:
            before, there = last
            velocity.append(
                sum(
                    math.hypot(*((a[i][k] - before[i][k]) - (b[i][k] - there[i][k]) for k in (0, 1)))
                    for i in range(48, 68)
                )
            )
        last = (a, b)
    frames = len(mouth)
    raw = [math.hypot(*(a[i] - b[i])) for a, b in zip(candidate, reference, strict=True) for i in range(68)]
    lips = [distance for at, distance in enumerate(raw) if at % 68 >= 48 and not math.isnan(distance)]
    raw = [distance for distance in raw if not math.isnan(distance)]
    return {
        "landmark.er_lmd": sum(mouth) / 20 / frames,
        "landmark.atvg_lmd": sum(mouth) / frames,
        "landmark.synctalk_lmd": sum(mouth) / (frames * 20),
        "landmark.eat_mlmd": sum(mouth) / (frames * 20),
        "landmark.eat_flmd": sum(face) / (frames * 68),
        "landmark.eat_lvd": sum(velocity) / (frames * 20),
        "landmark.vico_liplmd": float(np.mean([row[96:] for row in absolute])),
        "landmark.akd": float(np.mean(absolute)),
        "landmark.organiser_akd": sum(raw) / len(raw),
        "landmark.organiser_flmd": sum(raw) / len(raw),
        "landmark.organiser_lse_d": sum(lips) / len(lips),
    }


@pytest.mark.parametrize("gaps", [(), (0, 4, 5, 9)])
def test_published_forms_equal_the_scripts(gaps: tuple[int, ...]) -> None:
    candidate, reference = (np.round(points) for points in vector())
    for frame in gaps:
        (candidate if frame % 2 else reference)[frame] = np.nan
    expected = of_the_scripts(candidate, reference)
    assert set(expected) == set(DISTANCES) - set(STRICT)
    for name, number in expected.items():
        assert value(name, candidate, reference) == pytest.approx(number, rel=1e-12), name


def test_the_velocity_of_one_frame_is_unscored() -> None:
    candidate, reference = vector()
    assert outcome("landmark.eat_lvd", arrays(candidate[:1], reference[:1])).reason == "too_few_frames"
    assert outcome("landmark.er_lmd", arrays(candidate[:1], reference[:1])).value is not None


# Faults of a known size


def shifted(points: Points, size: float) -> Points:
    return points + np.array([size, -size / 2])


def trembling(points: Points, size: float) -> Points:
    return points + size * np.random.default_rng(5).standard_normal(points.shape)


def late(points: Points, size: float) -> Points:
    return points[np.maximum(np.arange(len(points)) - int(size), 0)]


def frozen(points: Points, size: float) -> Points:
    """The last part of the video stands still, from ``size`` frames before the end."""
    kept = np.minimum(np.arange(len(points)), len(points) - 1 - int(size))
    return points[kept]


@pytest.mark.parametrize("name", DISTANCES)
@pytest.mark.parametrize("fault", [shifted, trembling, late, frozen])
def test_distances_grow_with_the_fault(name: str, fault: Callable[[Points, float], Points]) -> None:
    reference = talking()
    sizes = (0, 8, 16, 32) if fault is frozen else (0, 1, 2, 3)
    values = [value(name, fault(reference, size), reference) for size in sizes]
    assert values[0] == 0.0
    if fault is shifted and name not in UNCENTRED:
        assert values == pytest.approx([0.0] * 4, abs=1e-5)
    else:
        assert values == sorted(values)
        assert values[1] > 0.01 * values[3] > 0


def test_jitter_grows_with_trembling_and_is_none_in_a_frozen_face() -> None:
    reference = talking()
    values = [value("landmark.jitter", trembling(reference, size), reference) for size in (0, 1, 2, 4)]
    assert values == sorted(values)
    assert values[3] > 2 * values[0]
    assert value("landmark.jitter", frozen(reference, len(reference) - 1), reference) == 0.0


# Missing landmarks


def gone(points: Points, *frames: int) -> Points:
    changed = points.copy()
    changed[list(frames)] = np.nan
    return changed


def test_frames_without_landmarks_are_left_out_and_counted() -> None:
    reference = talking()
    candidate = trembling(reference, 1.0)
    rest = np.delete(np.arange(40), [3, 11])
    for name in DISTANCES:
        if name == "landmark.eat_lvd":  # a step leads over the gap: not the number of the rest alone
            continue
        found = outcome(name, arrays(gone(candidate, 3), gone(reference, 11)))
        assert found.value == pytest.approx(value(name, candidate[rest], reference[rest]), rel=0.02)
        assert [event.kind for event in found.events] == ["frames_without_landmarks"]
        assert found.events[0].detail == "1 of 40 frames have no landmarks, of the reference 1"


def test_more_than_a_twentieth_missing_is_unscored() -> None:
    reference = talking()
    for name in STRICT:
        assert outcome(name, arrays(gone(reference, 1, 2), reference)).value == 0.0
        assert outcome(name, arrays(gone(reference, 1, 2, 3), reference)).reason == "landmarks_missing"
        # Where the reference has none either, nothing can be missing.
        assert outcome(name, arrays(gone(reference, 1, 2, 3), gone(reference, 1, 2, 3))).value == 0.0
        half = gone(reference, *range(20))
        assert outcome(name, arrays(reference, half)).value == 0.0
        most = gone(reference, *range(21))
        assert outcome(name, arrays(reference, most)).reason == "reference_without_landmarks"
    for name in set(DISTANCES) - set(STRICT):
        assert outcome(name, arrays(gone(reference, *range(30)), reference)).value == 0.0


def test_the_share_of_missed_frames() -> None:
    reference = talking()
    for missing in (0, 1, 4, 40):
        assert value("landmark.missed", gone(reference, *range(missing)), reference) == missing / 40
    assert value("landmark.missed", gone(reference, 0, 1, 2), gone(reference, 2, 3)) == 2 / 38
    nothing = gone(reference, *range(40))
    assert outcome("landmark.missed", arrays(reference, nothing)).reason == "reference_without_landmarks"


def test_no_landmarks_at_all_and_a_short_video() -> None:
    reference = talking()
    nothing = gone(reference, *range(40))
    for name in DISTANCES:
        assert outcome(name, arrays(nothing, reference)).reason == "no_landmarks"
        assert outcome(name, arrays(reference[:0], reference[:0])).reason == "no_common_frame"
        short = outcome(name, arrays(reference, reference, (40.0, 60.0, 0.0)))
        if name in STRICT:
            assert short.reason == "too_little_compared"
        else:
            assert [event.kind for event in short.events] == ["shorter_than_reference"]


# What finds them


def test_dlibs_version_counts_only_where_dlib_finds_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dlib", SimpleNamespace(__version__="20.9"))
    for extractor in (LandmarksExtractor, VideoLandmarksExtractor):
        versions = {
            family: extractor.resolved_record({"landmarks68": weight}).options.dlib
            for family, weight in (
                ("none", WeightFile("landmarks68", Path("a"), "0" * 64)),
                ("dlib", WeightFile("landmarks68", Path("a"), "0" * 64, {"family": "dlib"})),
                ("other", WeightFile("landmarks68", Path("a"), "0" * 64, {"family": "other"})),
            )
        }
        assert versions == {"none": "20.9", "dlib": "20.9", "other": None}
        assert extractor.resolved_record().options.dlib == "20.9"


def test_an_unknown_family_is_refused_with_or_without_dlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dlib", None)
    weights = {"landmarks68": WeightFile("landmarks68", Path("a"), "0" * 64, {"family": "other"})}
    for extractor in (LandmarksExtractor, VideoLandmarksExtractor):
        with pytest.raises(WeightsError, match="family 'other'"):
            extractor(weights)
