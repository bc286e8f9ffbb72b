"""Landmarks of a rendered face: the ground truth with which detectors are trained and tested."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evalkit.reference_models.puppet.facial_features import facial_shapes
from evalkit.reference_models.puppet.geometry import ARC, Camera, flat, jaw_share, on_face
from evalkit.reference_models.puppet.head_shapes import outline
from evalkit.reference_models.puppet.look import Look
from evalkit.reference_models.puppet.pose import Pose
from evalkit.reference_models.puppet.renderer import JAW_DROP, centre_of, unit_of

Points = NDArray[np.float64]
FOREHEAD = -0.62  # face coordinate of the box's upper edge: in the middle of the forehead, as face detectors draw it
_LEFT_CORNER, _RIGHT_CORNER = 0, 10  # of the lips' outline
_LAST = len(ARC) - 1
# Places along a curve of len(ARC) points, from left to right in the image.
_BROW = np.array([0, 0.25, 0.5, 0.75, 1]) * _LAST
_LID = np.array([1, 2]) / 3 * _LAST
_OUTER_LIP = np.array([0.175, 0.35, 0.5, 0.65, 0.825]) * _LAST  # the second and fourth on the peaks of the bow
_INNER_LIP = np.array([0.3, 0.5, 0.7]) * _LAST


class Landmarks(NamedTuple):
    """Positions in pixels of an image.

    Args:
        box: (4,) x1, y1, x2, y2: sides of the head, middle of the forehead, chin with a closed mouth.
        keypoints: (5, 2) eyes, tip of the nose, corners of the mouth; the left one in the image first.
    """

    box: Points
    keypoints: Points


def landmarks(look: Look, pose: Pose, size: int) -> Landmarks:
    """Return the landmarks of ``look`` in ``pose``, rendered at ``size``."""
    camera = Camera(unit_of(size), centre_of(size), pose)
    shapes = facial_shapes(look, pose)
    lips = shapes["lips"]
    eyes = [shapes["eye-1"].mean(axis=0), shapes["eye1"].mean(axis=0)]
    edge = outline(look)
    edge = edge[edge[:, 1] >= FOREHEAD]
    sides = camera.project(flat(edge, 0.02))
    points = camera.project(np.array([*eyes, _tip(look), lips[_LEFT_CORNER], lips[_RIGHT_CORNER]]))
    return Landmarks(np.concatenate([sides.min(axis=0), sides.max(axis=0)]), points)


def landmarks68(look: Look, pose: Pose, size: int) -> Points:
    """Return the 68 points of 300-W (68, 2) of ``look`` in ``pose``, in pixels of an image of ``size``.

    Jaw 0-16 on the head's outline between the heights of the eyes, brows 17-26 along their middle, nose 27-35, eyes
    36-47 on the lines of the lids, mouth 48-67: the lips' outline and the edge of what is between them. Left is left
    in the image.
    """
    shapes = facial_shapes(look, pose)
    brows = [_middle(shapes[f"brow{side}"]) for side in (-1, 1)]
    outer, inner = _halves(shapes["lips"]), _halves(shapes["inside"])
    points = np.concatenate(
        [
            _jaw(look, pose),
            _along(brows[0], _BROW[::-1]),  # a brow's curve begins beside the nose
            _along(brows[1], _BROW),
            _nose(look),
            _eye(shapes["upper_lid-1"], shapes["lower_lid-1"]),
            _eye(shapes["upper_lid1"], shapes["lower_lid1"]),
            _ring(*outer, _OUTER_LIP),
            _ring(*inner, _INNER_LIP),
        ]
    )
    return Camera(unit_of(size), centre_of(size), pose).project(points)


def _tip(look: Look) -> Points:
    return np.asarray(on_face(np.array([[0.0, 0.33 * look.nose_length - 0.06]]), 0.2)[0])


def _jaw(look: Look, pose: Pose) -> Points:
    """Return 17 points (17, 3), evenly spaced on the outline of a closed mouth; they go down with the jaw."""
    edge = outline(look)
    right = edge[: len(edge) // 2 + 1]  # crown to chin
    start = [np.interp(look.eye_height, right[:, 1], right[:, 0]), look.eye_height]
    half = np.concatenate([[start], right[right[:, 1] > look.eye_height]])
    curve = np.concatenate([half * (-1, 1), half[::-1][1:]])  # left ear, chin, right ear
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))])
    lowered = flat(curve, 0.02)
    lowered[:, 1] += JAW_DROP * pose.jaw * jaw_share(lowered)
    places = np.interp(np.linspace(0, length[-1], 17), length, np.arange(len(curve)))
    return _along(lowered, places)


def _nose(look: Look) -> Points:
    """Return four points of the bridge, the last one the tip, and five below the nose from wing to wing: (9, 3)."""
    w, tip = 0.15 * look.nose_width, 0.33 * look.nose_length
    down = np.linspace(0, 1, 4)
    height = look.eye_height + down * (tip - 0.06 - look.eye_height)
    bridge = np.concatenate([on_face(np.array([[0.0, y]]), 0.2 * share) for y, share in zip(height, down, strict=True)])
    wings = on_face(np.array([[-0.8 * w, tip + 0.055], [0.8 * w, tip + 0.055]]), 0.05)
    base = on_face(np.array([[-0.5 * w, tip + 0.06], [0.0, tip + 0.075], [0.5 * w, tip + 0.06]]), 0.12)
    return np.concatenate([bridge, wings[:1], base, wings[1:]])


def _eye(upper: Points, lower: Points) -> Points:
    """Return corner, two points of the upper lid, corner, two of the lower lid, clockwise: (6, 3)."""
    return _ring(upper, lower, _LID)


def _ring(top: Points, bottom: Points, places: Points) -> Points:
    """Return the left end, ``places`` of the upper curve, the right end, and those of the lower one backwards.

    An end is in the middle of both curves' ends.
    """
    ends = (top[[0, -1]] + bottom[[0, -1]]) / 2
    return np.concatenate([ends[:1], _along(top, places), ends[1:], _along(bottom, places)[::-1]])


def _halves(outline_points: Points) -> tuple[Points, Points]:
    """Return the upper and the lower curve of a `geometry.band`, both from left to right."""
    count = len(outline_points) // 2
    return outline_points[:count], outline_points[count:][::-1]


def _middle(outline_points: Points) -> Points:
    upper, lower = _halves(outline_points)
    return np.asarray((upper + lower) / 2)


def _along(curve: Points, places: Points) -> Points:
    """Return the points (M, 3) at fractional indices ``places`` (M,) of a polyline (N, 3)."""
    index = np.arange(len(curve))
    return np.stack([np.interp(places, index, curve[:, axis]) for axis in range(curve.shape[1])], axis=1)
