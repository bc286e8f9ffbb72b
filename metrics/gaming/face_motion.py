"""The feature ``face_stillness``: whether the face of a video is one image. No metric reads it.

It looks at the frames in which ``faces`` has found faces, so that no frame is converted and no network run for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from evalkit.media.sampling import Sampling, Uniform
from evalkit.metrics.features.base import (
    Arrays,
    Extractor,
    FeatureRecord,
    FeatureUnavailableError,
    Item,
    Picture,
    Session,
    Times,
    described,
    frame_mask,
)
from evalkit.metrics.features.declare import SamplingOptions
from evalkit.metrics.features.face import Face
from evalkit.metrics.gaming import face_stillness

FACE_STILLNESS = "face_stillness"
FACES = "faces"
SIDE = 640


@dataclass(frozen=True)
class FaceStillnessOptions(SamplingOptions):
    """Options of ``face_stillness``.

    Args:
        side: points of the longer side at which frames are kept.
    """

    sampling: Sampling = field(default_factory=lambda: Uniform(16, "floor"))
    side: int = SIDE
    size: int = described(face_stillness.SIZE)
    face: str = described("the largest of each frame")


OPTIONS = FaceStillnessOptions()


class _Found(Protocol):
    faces: Any


class _Faces(Protocol):
    """What the session of ``faces``, live or from the cache, is asked for."""

    def detection(self, index: int) -> _Found: ...


class FaceStillnessSession(Session):
    """Keeps sixteen small grey frames until it is known where the faces are."""

    def __init__(self, faces: _Faces, options: FaceStillnessOptions = OPTIONS) -> None:
        self._faces, self._options = faces, options
        self._frames: dict[int, NDArray[np.uint8]] = {}
        self._scale = 1.0

    def plan(self, times: Times) -> NDArray[np.bool_]:
        """Select the frames of ``faces``."""
        self._frames = {}
        return frame_mask(self._options.sampling.select(times), len(times))

    def frame(self, index: int, time: float, rgb: Picture) -> None:
        """Keep the frame, small and grey."""
        import cv2

        height, width = rgb.shape[:2]
        self._scale = min(1.0, self._options.side / max(height, width))
        if self._scale < 1:
            size = (max(1, round(width * self._scale)), max(1, round(height * self._scale)))
            rgb = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
        self._frames[index] = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8)

    def finish(self) -> Arrays:
        """Return the numbers.

        Raises:
            FeatureUnavailableError: where too few frames have a face that is large enough.
        """
        frames = sorted(self._frames)
        if len({self._frames[index].shape for index in frames}) > 1:
            raise FeatureUnavailableError("several_sizes", "the frames have several sizes")
        faces = [self._largest(index) for index in frames]
        seen = [face for face in faces if face is not None]
        if len(seen) < face_stillness.LEAST_FRAMES:
            raise FeatureUnavailableError("no_face", "too few frames have a face")
        boxes = self._scale * np.array([face.box for face in seen], np.float64)
        points = self._scale * np.array([face.keypoints for face in seen], np.float64)
        box, keypoints = np.median(boxes, axis=0), np.median(points, axis=0)
        extent = float(max(box[2] - box[0], box[3] - box[1]))
        if not np.isfinite(extent) or extent < face_stillness.SMALLEST_FACE:
            raise FeatureUnavailableError("small_face", "the face is too small")
        centre, side = (box[:2] + box[2:]) / 2, face_stillness.MARGIN * extent
        inside = (keypoints - centre) * face_stillness.SIZE / side + face_stillness.SIZE / 2
        parts = face_stillness.regions((inside[0] + inside[1]) / 2, (inside[3] + inside[4]) / 2)
        cut = [face_stillness.cut_out(self._frames[index], centre, side) for index in frames]
        rest, bent = face_stillness.face_stillness(cut, parts)
        moves = face_stillness.movement(cut, parts)
        return {
            "rest": np.array(rest),
            "bent": np.array(bent),
            "moves": np.array(moves, np.float64),
            "frames": np.array(len(cut)),
        }

    def _largest(self, index: int) -> Face | None:
        try:
            found = self._faces.detection(index).faces
        except KeyError:  # no face was looked for in this frame
            return None
        return max(found, key=lambda face: face.area, default=None)


class FaceStillnessExtractor(Extractor):
    """What the middle picture of a face leaves unexplained of the others."""

    record = FeatureRecord(
        name=FACE_STILLNESS,
        version=2,
        title="signs that a face is one image",
        needs=(FACES,),
        options=OPTIONS,
        arrays={
            "rest": "() float64 in 0..100: percent of the upper face that the middle image does not explain",
            "bent": "() float64 in 0..100: the same of the whole face, after a smooth bending",
            "moves": "(2,) float64: points of 96 by which the stillest quarter and the liveliest tenth move, or -1",
            "frames": "() int64: frames compared",
        },
    )

    def open(self, item: Item, upstream: Mapping[str, Any]) -> FaceStillnessSession:
        """Start on a video."""
        return FaceStillnessSession(upstream[FACES], self.record.options)


FEATURES = (FaceStillnessExtractor,)
