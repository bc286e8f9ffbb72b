"""Locate eyes and mouth of a face with several finders, tried in order:

1. the face detectors of the chosen backbones whose files are on this machine;
2. OpenCV's cascades, which are part of its wheel;
3. the bundled small detector, which was trained on puppets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.faces.features import DETECTOR, SECOND_DETECTOR, make_detector
from evalkit.metrics.faces.policy import FacePolicy, add_margin
from evalkit.metrics.features.base import WeightFile
from evalkit.metrics.features.face import Face
from evalkit.reference_models.generators.base import GenerationError, RgbImage
from evalkit.weights.manifest import load_backbones
from evalkit.weights.store import file_state, folder_of

BUNDLED = "bundled"
MARGIN = 0.25
# Positions in the box of OpenCV's frontal cascade, as shares of its side.
_EYES = ((0.31, 0.39), (0.69, 0.39))
_MOUTH = ((0.355, 0.775), (0.645, 0.775))


@dataclass(frozen=True, eq=False)
class FaceParts:
    """Eyes and mouth of one face, in pixels of the image.

    Args:
        eyes: (2, 2) float64: x, y of the centre of the eye at the left of the image, and of the one at its right.
        mouth: (2, 2) float64: the corners of the mouth, left and right.
        finder: name of the finder.
        exact: whether the points were detected; if not, they are usual positions within a box.
    """

    eyes: NDArray[np.float64]
    mouth: NDArray[np.float64]
    finder: str
    exact: bool

    @property
    def eye_distance(self) -> float:
        """Distance of the eyes in pixels."""
        return float(np.linalg.norm(self.eyes[1] - self.eyes[0]))


class FaceFinder(Protocol):
    """Locates eyes and mouth of the subject's face."""

    name: str

    def find(self, rgb: RgbImage) -> FaceParts | None:
        """Return the parts of the subject's face in (H, W, 3) uint8 RGB; ``None`` if there is no face."""


class DetectorFinder:
    """A face detector with five key points, with the policy of the metrics: first as is, then with a grey margin."""

    def __init__(self, name: str, policy: FacePolicy) -> None:
        self.name = name
        self._policy = policy

    def find(self, rgb: RgbImage) -> FaceParts | None:
        """Return the parts of the largest face whose key points are plausible."""
        for face in sorted(self._policy.detect(rgb).faces, key=Face.sort_key):
            points = face.keypoints.astype(np.float64)
            parts = FaceParts(points[:2], points[3:], self.name, exact=True)
            if is_plausible_face(parts):
                return parts
        return None


class CascadeFinder:
    """OpenCV's cascades for faces and eyes (Viola and Jones), the mouth by proportion."""

    name = "cascade"

    def __init__(self) -> None:
        folder = Path(cv2.__file__).parent / "data"
        self._faces = [
            cv2.CascadeClassifier(str(folder / f"haarcascade_frontalface_{kind}.xml"))
            for kind in ("alt2", "default", "alt")
        ]
        self._eye = cv2.CascadeClassifier(str(folder / "haarcascade_eye_tree_eyeglasses.xml"))

    def find(self, rgb: RgbImage) -> FaceParts | None:
        """Return the parts of the largest face."""
        padded, (left, top) = add_margin(rgb, MARGIN)
        grey = cv2.cvtColor(padded, cv2.COLOR_RGB2GRAY)
        least = max(24, min(rgb.shape[:2]) // 8)
        for neighbours in (4, 2):
            for cascade in self._faces:
                boxes = np.array(cascade.detectMultiScale(grey, 1.05, neighbours, minSize=(least, least)))
                if len(boxes):
                    return self._parts(grey, boxes, (left, top))
        return None

    def _parts(self, grey: NDArray[Any], boxes: NDArray[Any], margin: tuple[int, int]) -> FaceParts:
        x, y, side, _ = max((tuple(map(int, box)) for box in boxes), key=lambda box: (box[2], box))
        eyes = self._eyes(grey, x, y, side)
        mouth = _mouth_below(eyes, x, y, side)
        offset = np.array(margin)
        return FaceParts(eyes - offset, mouth - offset, self.name, exact=False)

    def _eyes(self, grey: NDArray[Any], x: int, y: int, side: int) -> NDArray[np.float64]:
        """Return both eyes: where the cascade detects one near its usual position, else the usual position."""
        usual = np.array([[x + side * fx, y + side * fy] for fx, fy in _EYES])
        upper = grey[y + side // 6 : y + side * 6 // 10, x : x + side]
        found = self._eye.detectMultiScale(upper, 1.05, 3, minSize=(side // 8, side // 8))
        centres = np.array([[x + a + w / 2, y + side // 6 + b + h / 2] for a, b, w, h in found]).reshape(-1, 2)
        eyes = usual.copy()
        detected = []
        for k in range(2):
            away = np.linalg.norm(centres - usual[k], axis=1)
            if len(away) and away.min() < 0.12 * side:
                eyes[k] = centres[away.argmin()]
                detected.append(k)
        if len(detected) == 1:  # the other one has the same displacement
            eyes[1 - detected[0]] = usual[1 - detected[0]] + (eyes[detected[0]] - usual[detected[0]])
        return eyes


def _mouth_below(eyes: NDArray[np.float64], x: int, y: int, side: int) -> NDArray[np.float64]:
    """Return the usual corners of the mouth within a box, rotated and shifted like the eyes."""
    usual_eyes = np.array([[x + side * fx, y + side * fy] for fx, fy in _EYES])
    usual = np.array([[x + side * fx, y + side * fy] for fx, fy in _MOUTH])
    along = eyes[1] - eyes[0]
    angle = np.arctan2(along[1], along[0])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.asarray(eyes.mean(axis=0) + (usual - usual_eyes.mean(axis=0)) @ turn.T)


def is_plausible_face(parts: FaceParts) -> bool:
    """Whether the points can be a frontal face: the mouth below the eyes, plausible distances."""
    along = parts.eyes[1] - parts.eyes[0]
    distance = float(np.linalg.norm(along))
    if distance < 8:
        return False
    down = np.array([-along[1], along[0]]) / distance
    drop = float((parts.mouth.mean(axis=0) - parts.eyes.mean(axis=0)) @ down) / distance
    width = float(np.linalg.norm(parts.mouth[1] - parts.mouth[0])) / distance
    return along[0] > 0 and 0.5 < drop < 2.5 and 0.3 < width < 1.8


def backbone_finders(backbones: str) -> list[FaceFinder]:
    """Return finders on the detectors of ``backbones`` that are on this machine, first choice first."""
    found: list[FaceFinder] = []
    chosen = load_backbones(backbones)
    for role in (DETECTOR, SECOND_DETECTOR):
        entry = chosen.roles.get(role)
        state = file_state(entry, folder_of(chosen)) if entry is not None else None
        if entry is None or state is None or state.state != "there" or state.sha256 is None:
            continue
        weight = WeightFile(role, state.path, state.sha256, entry.options, entry.sha256 is not None)
        found.append(DetectorFinder(role, FacePolicy(make_detector(weight, "cpu"), None, MARGIN)))
    return found


def cascade_finders(backbones: str) -> list[FaceFinder]:
    """Return the finder that needs no weights."""
    return [CascadeFinder()]


def bundled_finders(backbones: str) -> list[FaceFinder]:
    """Return the finder on the bundled detector, unless ``backbones`` are the bundled ones already."""
    return [] if backbones == BUNDLED else backbone_finders(BUNDLED)


FACE_FINDERS: Sequence[Callable[[str], Sequence[Any]]] = (backbone_finders, cascade_finders, bundled_finders)


def face_finders(backbones: str) -> list[FaceFinder]:
    """Return the finders of this machine in the order of their use."""
    return [finder for make in FACE_FINDERS for finder in make(backbones)]


def find_face(rgb: RgbImage, tried: Sequence[FaceFinder]) -> FaceParts:
    """Return the result of the first finder that locates a face.

    Raises:
        GenerationError: no finder does.
    """
    for finder in tried:
        parts = finder.find(rgb)
        if parts is not None and is_plausible_face(parts):
            return parts
    raise GenerationError(
        "No face was found in the reference image.",
        found=f"tried: {', '.join(finder.name for finder in tried)}",
        fix="Install a face detector ('evalkit weights pull face_detector'), or use a frontal image.",
    )
