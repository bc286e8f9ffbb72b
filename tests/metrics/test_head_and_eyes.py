"""Head angles and blinks from landmarks: known rotations, SciPy's angles, hand arithmetic, faults of a known size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from evalkit.metrics.base import FeatureData, VideoInputs, VideoValue, metric_registry
from evalkit.metrics.landmarks.blinks import BlinkOptions, count_blinks, eye_aspect_ratios
from evalkit.metrics.landmarks.pose import FACE_MODEL, PARTS, camera_matrix, head_angles

Points = NDArray[np.float64]
METRICS = metric_registry()
WIDTH, HEIGHT = 320, 240


def seen(angles: NDArray[np.float64], distance: float = 1500.0) -> Points:
    """Project the model, turned by yaw, pitch and roll (T, 3) degrees as SciPy turns it: (T, 68, 2) pixels."""
    points = np.zeros((len(angles), 68, 2))
    turns = Rotation.from_euler("ZYX", np.asarray(angles)[:, [2, 0, 1]], degrees=True).as_matrix()
    inside = np.einsum("tij,pj->tpi", turns, FACE_MODEL) + np.array([30.0, -20.0, distance])
    image = inside @ camera_matrix(WIDTH, HEIGHT).T
    points[:, PARTS] = image[..., :2] / image[..., 2:]
    return points


def outcome(name: str, points: Points) -> VideoValue:
    content: dict[str, Any] = {
        "frame_index": np.arange(len(points)),
        "points": points.astype(np.float32),
        "faces": np.isfinite(points).all(axis=(1, 2)).astype(np.int16),
        "frame_size": np.array([WIDTH, HEIGHT]),
    }
    return METRICS[name].score_video(VideoInputs("s", {"landmarks68_video": FeatureData(content)}))


def value(name: str, points: Points) -> float:
    found = outcome(name, points).value
    assert found is not None
    return found


# Head


def test_known_rotations_are_found() -> None:
    draw = np.random.default_rng(1)
    angles = np.vstack([np.zeros(3), 30 * np.eye(3), -30 * np.eye(3), draw.uniform(-40, 40, (20, 3))])
    for distance in (900.0, 1500.0, 4000.0):
        assert head_angles(seen(angles, distance), WIDTH, HEIGHT) == pytest.approx(angles, abs=1e-3)


def test_signs() -> None:
    """In the image, positive yaw moves the nose to the left, positive pitch down; positive roll turns clockwise."""
    frontal, yaw, pitch, roll = seen(np.array([[0.0, 0, 0], [20, 0, 0], [0, 20, 0], [0, 0, 20]]))
    eyes = [face[45] - face[36] for face in (frontal, roll)]
    assert eyes[0][1] == pytest.approx(0)
    assert eyes[1][1] > 0
    middle = [face[30] - face[[36, 45]].mean(axis=0) for face in (frontal, yaw, pitch)]
    assert middle[1][0] < middle[0][0] - 1
    assert middle[2][1] > middle[0][1] + 1


def test_spread_and_range_by_hand() -> None:
    """Yaw swings by 10 degrees to either side, pitch steps by 4, roll stands still."""
    count = 50
    angles = np.zeros((count, 3))
    angles[:, 0] = np.where(np.arange(count) % 2, 10.0, -10.0)
    angles[25:, 1] = 4.0
    points = seen(angles)
    assert value("motion.pose_std.yaw", points) == pytest.approx(10.0, abs=1e-3)
    assert value("motion.pose_std.pitch", points) == pytest.approx(2.0, abs=1e-3)
    assert value("motion.pose_std.roll", points) == pytest.approx(0.0, abs=1e-3)
    assert value("motion.pose_std", points) == pytest.approx(4.0, abs=1e-3)
    assert value("motion.dynamic_range", points) == pytest.approx((20 + 4 + 0) / 3, abs=1e-3)


@pytest.mark.parametrize("name", ["motion.pose_std", "motion.dynamic_range"])
def test_more_motion_gives_more_and_a_frozen_head_none(name: str) -> None:
    swing = np.sin(np.arange(60)[:, None] / [5, 7, 9])
    values = [value(name, seen(size * swing)) for size in (0.0, 2.0, 5.0, 15.0)]
    assert values[0] == pytest.approx(0.0, abs=1e-6)
    assert values == sorted(values)
    assert values[3] == pytest.approx(3 * values[2], rel=0.01)


def test_missing_landmarks_and_points_without_a_pose() -> None:
    points = seen(np.zeros((50, 3)))
    points[:10] = np.nan
    found = outcome("motion.pose_std", points)
    assert found.value == pytest.approx(0.0, abs=1e-6)
    assert [event.detail for event in found.events] == ["10 of 50 frames have no landmarks"]
    points[10] = np.nan
    assert outcome("motion.pose_std", points).reason == "landmarks_missing"
    assert outcome("blink.rate", points).reason == "landmarks_missing"


# Eyes


def face_with(ratios: NDArray[np.float64]) -> Points:
    """Faces whose eyes are 30 pixels wide and have these aspect ratios."""
    points = np.zeros((len(ratios), 68, 2))
    for first in (36, 42):
        points[:, first : first + 6, 0] = [0, 10, 20, 30, 20, 10]
        for upper in (1, 2):
            points[:, first + upper, 1] = 15 * np.asarray(ratios)
        for lower in (4, 5):
            points[:, first + lower, 1] = -15 * np.asarray(ratios)
    return points


def test_the_ratio_by_hand() -> None:
    eye = np.array([[0, 0], [1, 1], [2, 1], [3, 0], [2, -1], [1, -1]], float)
    points = np.zeros((1, 68, 2))
    points[0, 36:42], points[0, 42:48] = eye, eye * [2, 1]
    assert eye_aspect_ratios(points)[0] == pytest.approx((2 / 3 + 1 / 3) / 2)
    assert np.isnan(eye_aspect_ratios(np.zeros((1, 68, 2)))).all()


def check_ratios() -> NDArray[np.float64]:
    runs = [(10, 0.3), (4, 0.1), (10, 0.3), (1, 0.1), (10, 0.3), (20, 0.12), (5, 0.3)]
    return np.concatenate([np.full(count, ratio) for count, ratio in runs])


def test_the_check_value_of_the_definition() -> None:
    assert value("blink.rate", face_with(check_ratios())) == pytest.approx(1 / 2.4, rel=1e-9)


@pytest.mark.parametrize(("closed", "blinks"), [(1, 0), (2, 1), (12, 1), (13, 0)])
def test_how_long_a_blink_is(closed: int, blinks: int) -> None:
    ratios = np.full(60, 0.3)
    ratios[20 : 20 + closed] = 0.2
    assert count_blinks(ratios, BlinkOptions()) == blinks
    ratios[20 : 20 + closed] = 0.226  # above 0.75 of the median
    assert count_blinks(ratios, BlinkOptions()) == 0


def test_more_blinks_give_more_and_a_frozen_face_none() -> None:
    def blinking(times: int) -> Points:
        ratios = np.full(100, 0.3)
        for number in range(times):
            ratios[5 + 20 * number : 9 + 20 * number] = 0.1
        return face_with(ratios)

    assert [value("blink.rate", blinking(times)) for times in range(5)] == pytest.approx([0, 0.25, 0.5, 0.75, 1.0])


def test_a_frame_without_landmarks_ends_a_run_and_its_time_does_not_count() -> None:
    ratios = np.full(60, 0.3)
    ratios[20:26] = 0.1
    points = face_with(ratios)
    points[23] = np.nan
    assert value("blink.rate", points) == pytest.approx(2 / (59 / 25))
    assert outcome("blink.rate", points[:24]).reason == "too_few_frames"
    assert outcome("blink.rate", np.zeros((60, 68, 2))).reason == "eyes_without_size"
