"""The 68 points of a puppet's face lie on what is drawn, in every pose."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from evalkit.metrics.landmarks.blinks import eye_aspect_ratios
from evalkit.reference_models.puppet.facial_features import facial_shapes
from evalkit.reference_models.puppet.geometry import Camera, place
from evalkit.reference_models.puppet.head_shapes import head_shapes
from evalkit.reference_models.puppet.landmarks import landmarks, landmarks68
from evalkit.reference_models.puppet.look import Look, make_look
from evalkit.reference_models.puppet.pose import Pose
from evalkit.reference_models.puppet.renderer import PuppetRenderer, centre_of, unit_of

SIZE = 256
POSES = {
    "rest": Pose(),
    "speaking": Pose(jaw=0.8, gap=0.9, wide=0.3),
    "turned": Pose(yaw=0.4, pitch=-0.1, jaw=0.5, gap=0.4),
    "tilted": Pose(roll=0.25, smile=0.9, blink=0.6, zoom=1.05, x=0.1),
}
# The same point on the other side of the face.
OPPOSITE = {
    **{point: 16 - point for point in range(17)},
    **{point: 43 - point for point in range(17, 27)},
    **{point: point for point in range(27, 31)},
    **{point: 66 - point for point in range(31, 36)},
    **{36: 45, 37: 44, 38: 43, 39: 42, 40: 47, 41: 46, 42: 39, 43: 38, 44: 37, 45: 36, 46: 41, 47: 40},
    **{point: 102 - point for point in range(48, 55)},
    **{point: 114 - point for point in range(55, 60)},
    **{point: 124 - point for point in range(60, 65)},
    **{65: 67, 66: 66, 67: 65},
}
Points = NDArray[np.float64]


def drawn(look: Look, pose: Pose) -> dict[str, Points]:
    """Return the outlines in pixels as the renderer fills and draws them."""
    camera = Camera(unit_of(SIZE), centre_of(SIZE), pose)
    shapes = place(camera, head_shapes(look).frozen(), facial_shapes(look, pose), 0.1 * pose.jaw)
    return {name: points / 16 for name, points in shapes.items()}


def farthest(points: Points, line: Points, *, closed: bool) -> float:
    """Return the largest distance in pixels of a point from a line through points."""
    ends = np.roll(line, -1, axis=0) if closed else line[1:]
    starts = line if closed else line[:-1]
    step = ends - starts
    length = (step**2).sum(axis=1)
    share = ((points[:, None] - starts) * step).sum(axis=2) / np.where(length > 0, length, 1)
    nearest = starts + np.clip(share, 0, 1)[..., None] * step
    return float(np.linalg.norm(points[:, None] - nearest, axis=2).min(axis=1).max())


@pytest.mark.parametrize("pose", POSES.values(), ids=POSES)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_points_lie_on_what_is_drawn(seed: int, pose: Pose) -> None:
    look = make_look(seed)
    found, shapes = landmarks68(look, pose, SIZE), drawn(look, pose)
    near = 0.15  # pixels: the outlines are rounded to sixteenths, and perspective bends a straight line a little
    assert farthest(found[:17], shapes["head"], closed=True) < near, "the jaw"
    for side, first in ((-1, 17), (1, 22)):
        inside = [cv2.pointPolygonTest(shapes[f"brow{side}"].astype(np.float32), tuple(p), True)
                  for p in found[first : first + 5]]  # fmt: skip
        assert min(inside) > -near, "the brows"
    for side, first in ((-1, 36), (1, 42)):
        assert farthest(found[first + 1 : first + 3], shapes[f"upper_lid{side}"], closed=False) < near
        assert farthest(found[first + 4 : first + 6], shapes[f"lower_lid{side}"], closed=False) < near
        assert farthest(found[[first, first + 3]], shapes[f"eye{side}"], closed=True) < near, "the corners"
    assert farthest(found[48:60], shapes["lips"], closed=True) < near
    assert farthest(found[60:], shapes["inside"], closed=True) < near
    assert farthest(found[32:35], shapes["nose_base"], closed=False) < near
    for point, side in ((31, -1), (35, 1)):
        assert np.linalg.norm(found[point] - shapes[f"wing{side}"][-1]) < near


def test_pixels_tell_the_inside_from_the_outside() -> None:
    """Around the points of a rendered picture: lips, what is between them, skin, and the white of the eyes."""
    look = make_look(4, tone=1.0, lipstick=1.0, beard="none", glasses="none", hair="bald", background="dark")
    pose = Pose(jaw=1.0, gap=1.0)
    picture = PuppetRenderer(look, SIZE).render(pose).astype(int)
    points = landmarks68(look, pose, SIZE)

    def colour(*which: int) -> NDArray[np.int64]:
        x, y = np.rint(points[list(which)].mean(axis=0)).astype(int)
        return np.asarray(picture[y, x])

    red = [row[0] - row[1] for row in (colour(51, 62), colour(57, 66))]
    assert min(red) > 60, "between the lips' outline and edge is lipstick"
    assert colour(62, 66).sum() < 300, "between the lips is the dark mouth or the tongue"
    assert min(colour(30).min(), colour(3).min()) > 120, "the nose and the cheek are light skin"
    dark = PuppetRenderer(make_look(4, tone=8.0, glasses="none"), SIZE).render(Pose(gaze_x=-1.0)).astype(int)
    face = landmarks68(make_look(4, tone=8.0, glasses="none"), Pose(gaze_x=-1.0), SIZE)
    for lids in ((38, 40), (44, 46)):  # right of the iris that looks to the left
        x, y = np.rint(face[list(lids)].mean(axis=0)).astype(int)
        assert dark[y, x].min() > 180, "between the lids is the white of the eye"


def test_a_face_seen_from_the_front_is_its_mirror_image() -> None:
    for seed in range(5):
        points = landmarks68(make_look(seed), Pose(jaw=0.4, gap=0.5, smile=0.4), SIZE)
        opposite = points[[OPPOSITE[point] for point in range(68)]]
        assert np.allclose(opposite[:, 0], SIZE - points[:, 0], atol=1e-9)
        assert np.allclose(opposite[:, 1], points[:, 1], atol=1e-9)
        assert points[0, 0] < points[36, 0] < points[39, 0] < points[42, 0] < points[45, 0] < points[16, 0]
        assert points[19, 1] < points[37, 1] < points[41, 1] < points[30, 1] < points[33, 1] < points[51, 1]
        assert points[51, 1] < points[62, 1] < points[66, 1] < points[57, 1] < points[8, 1]


def test_lids_meet_in_a_blink() -> None:
    look = make_look(7)
    blinks = np.linspace(0, 1, 6)
    faces = np.stack([landmarks68(look, Pose(blink=float(blink), gaze_y=0.6), SIZE) for blink in blinks])
    ratios = eye_aspect_ratios(faces)
    assert (np.diff(ratios) < -0.02).all()
    assert ratios[-1] == pytest.approx(0, abs=1e-9)
    for upper, lower in ((37, 41), (38, 40), (43, 47), (44, 46)):
        assert np.allclose(faces[-1, upper], faces[-1, lower])


def test_lips_and_chin_follow_an_opened_mouth() -> None:
    """By hand: the lips part by 0.27 face units, 28 % of it upwards; the chin goes down by 0.1."""
    look = make_look(8)
    rest, opened = (landmarks68(look, pose, SIZE) for pose in (Pose(), Pose(jaw=1.0, gap=1.0)))
    unit = 0.285 * SIZE
    near_mouth = 1 / (1 - 0.1 * (0.62 + 0.02 - 0.4))  # perspective at the depth of the lips
    moved = opened[:, 1] - rest[:, 1]
    assert moved[66] == pytest.approx(0.72 * 0.27 * unit * near_mouth, rel=0.04)
    assert moved[62] == pytest.approx(-0.28 * 0.27 * unit * near_mouth, rel=0.04)
    assert moved[8] == pytest.approx(0.1 * unit / (1 - 0.1 * (0.02 - 0.4)), rel=1e-6)
    assert (moved[55:60] > 0.4 * moved[57]).all()
    assert np.abs(moved[17:48]).max() < 1e-9, "nothing above the mouth moves"
    assert np.abs(moved[[0, 1, 15, 16]]).max() < 1e-9, "nor beside the eyes"
    assert (np.diff(moved[3:9]) >= 0).all()


@pytest.mark.parametrize("pose", POSES.values(), ids=POSES)
def test_they_agree_with_the_five_points(pose: Pose) -> None:
    look = make_look(9)
    points, five = landmarks68(look, pose, SIZE), landmarks(look, pose, SIZE).keypoints
    assert np.allclose(points[[30, 48, 54]], five[2:])
    eyes = np.array([points[36:42].mean(axis=0), points[42:48].mean(axis=0)])
    assert np.linalg.norm(eyes - five[:2], axis=1).max() < 0.05 * np.linalg.norm(five[1] - five[0])
    assert np.allclose(landmarks68(look, pose, 2 * SIZE), 2 * points)
