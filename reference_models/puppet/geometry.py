"""Face coordinates of a puppet's parts, and their projection to pixels.

Face coordinates: the unit is half the face's height, x to the viewer's right, y down, z towards the viewer; the origin
lies between crown and chin. Flat parts lie on the surface of an ellipsoid.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evalkit.reference_models.puppet.pose import Pose

Points = NDArray[np.float64]
Pixels = NDArray[np.int32]
FRACTION = 4  # bits of a pixel coordinate behind the point
DEPTH = 0.72
ARC = np.linspace(-1.0, 1.0, 11)
_TURN = np.linspace(0.0, 2 * np.pi, 17)[:-1]
_UNIT_RING = np.stack([np.cos(_TURN), np.sin(_TURN)], 1)


def ring(x: float, y: float, a: float, b: float, power: float = 1.0) -> Points:
    """Return an ellipse about (x, y) with half axes a and b: (16, 2); ``power`` below 1 makes it squarer."""
    shape = np.sign(_UNIT_RING) * np.abs(_UNIT_RING) ** power
    return np.asarray(shape * (a, b) + (x, y))


def band(x: Points, top: Points, bottom: Points) -> Points:
    """Return the outline between two curves over ``x``: (2 N, 2)."""
    return np.stack([np.concatenate([x, x[::-1]]), np.concatenate([top, bottom[::-1]])], 1)


def on_face(points: Points, lift: float = 0.0) -> Points:
    """Return (N, 3): face coordinates (N, 2) on the head's surface, ``lift`` above it."""
    x, y = points[:, 0], points[:, 1]
    z = DEPTH * np.sqrt(np.clip(1 - (x / 0.98) ** 2 - (y / 1.25) ** 2, 0.02, 1)) + lift
    return np.stack([x, y, z], 1)


def flat(points: Points, z: float) -> Points:
    """Return (N, 3): face coordinates (N, 2) in a plane."""
    return np.column_stack([points, np.full(len(points), z)])


def jaw_share(points: Points) -> NDArray[np.float64]:
    """Return how much each point of (N, 2+) goes down with the jaw: 0 above the upper lip, 1 from the chin on."""
    return np.asarray(np.clip((points[:, 1] - 0.35) / 0.5, 0, 1))


class Camera:
    """How a frame shows the head.

    Args:
        unit: pixels of a face unit.
        centre: pixel where the head's origin rests.
        pose: of the frame.
    """

    def __init__(self, unit: float, centre: tuple[float, float], pose: Pose) -> None:
        self.scale = unit * pose.zoom
        self.at = np.array([centre[0] + pose.x * unit, centre[1] + pose.y * unit])
        self._turn = _rotation(pose)

    def project(self, points: Points) -> Points:
        """Return the pixels (N, 2) of points (N, 3)."""
        turned = points @ self._turn.T
        near = self.scale / (1 - 0.10 * (turned[:, 2:] - 0.4))
        return np.asarray(turned[:, :2] * near + self.at)


class FrozenShapes(NamedTuple):
    """Outlines in one piece: names, where each ends, the points (N, 3), how far each goes down with the jaw."""

    names: tuple[str, ...]
    ends: NDArray[np.int64]
    points: Points
    share: NDArray[np.float64]


class Shapes:
    """Named outlines that are projected in one go."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._parts: list[Points] = []
        self._lowered: list[NDArray[np.float64]] = []

    def add(self, name: str, points: Points, *, lowered: bool = False) -> None:
        """Add an outline (N, 3); one that is ``lowered`` goes along with the jaw."""
        self._names.append(name)
        self._parts.append(points)
        self._lowered.append(jaw_share(points) if lowered else np.zeros(len(points)))

    def frozen(self) -> FrozenShapes:
        """Return all outlines in one piece."""
        ends = np.cumsum([len(part) for part in self._parts])
        return FrozenShapes(tuple(self._names), ends, np.concatenate(self._parts), np.concatenate(self._lowered))


def place(camera: Camera, still: FrozenShapes, moving: Mapping[str, Points], drop: float) -> dict[str, Pixels]:
    """Return the pixels of every outline in fixed point (`FRACTION` bits).

    Args:
        camera: of the frame.
        still: `Shapes.frozen`.
        moving: further outlines (N, 3).
        drop: how far the jaw has dropped, in face units.
    """
    lowered = still.points.copy()
    lowered[:, 1] += drop * still.share
    parts = list(moving.values())
    pixels = np.rint(camera.project(np.concatenate([lowered, *parts])) * (1 << FRACTION)).astype(np.int32)
    ends = np.concatenate([still.ends, still.ends[-1] + np.cumsum([len(part) for part in parts])]).astype(int)
    return dict(zip((*still.names, *moving), np.split(pixels, ends[:-1]), strict=True))


def _rotation(pose: Pose) -> NDArray[np.float64]:
    cy, sy = np.cos(pose.yaw), np.sin(pose.yaw)
    cp, sp = np.cos(pose.pitch), np.sin(pose.pitch)
    cr, sr = np.cos(pose.roll), np.sin(pose.roll)
    yaw = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    pitch = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    roll = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return np.asarray(roll @ pitch @ yaw)
