"""Landmarks of a rendered face: the ground truth with which detectors are trained and tested."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evalkit.reference_models.puppet.facial_features import facial_shapes
from evalkit.reference_models.puppet.geometry import Camera, flat, on_face
from evalkit.reference_models.puppet.head_shapes import outline
from evalkit.reference_models.puppet.look import Look
from evalkit.reference_models.puppet.pose import Pose
from evalkit.reference_models.puppet.renderer import centre_of, unit_of

FOREHEAD = -0.62  # face coordinate of the box's upper edge: in the middle of the forehead, as face detectors draw it
_LEFT_CORNER, _RIGHT_CORNER = 0, 10  # of the lips' outline


class Landmarks(NamedTuple):
    """Positions in pixels of an image.

    Args:
        box: (4,) x1, y1, x2, y2: sides of the head, middle of the forehead, chin with a closed mouth.
        keypoints: (5, 2) eyes, tip of the nose, corners of the mouth; the left one in the image first.
    """

    box: NDArray[np.float64]
    keypoints: NDArray[np.float64]


def landmarks(look: Look, pose: Pose, size: int) -> Landmarks:
    """Return the landmarks of ``look`` in ``pose``, rendered at ``size``."""
    camera = Camera(unit_of(size), centre_of(size), pose)
    shapes = facial_shapes(look, pose)
    nose = on_face(np.array([[0.0, 0.33 * look.nose_length - 0.06]]), 0.2)[0]
    lips = shapes["lips"]
    eyes = [shapes["eye-1"].mean(axis=0), shapes["eye1"].mean(axis=0)]
    edge = outline(look)
    edge = edge[edge[:, 1] >= FOREHEAD]
    sides = camera.project(flat(edge, 0.02))
    points = camera.project(np.array([*eyes, nose, lips[_LEFT_CORNER], lips[_RIGHT_CORNER]]))
    return Landmarks(np.concatenate([sides.min(axis=0), sides.max(axis=0)]), points)
