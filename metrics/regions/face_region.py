"""The feature ``reference_face_region``: one fixed rectangle around the face of the reference video."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.embeddings.frames import ReferenceVideoSession
from evalkit.metrics.faces.features import DETECTOR, FACES, SECOND_DETECTOR, FacesOptions, FacesSession, make_policy
from evalkit.metrics.features.base import (
    Arrays,
    Extractor,
    FeatureRecord,
    FeatureUnavailableError,
    Item,
    Session,
    WeightFile,
    described,
)

Region = Literal["face", "mouth"]
NAME = "reference_face_region"


@dataclass(frozen=True)
class FaceRegionOptions(FacesOptions):
    """Options of ``reference_face_region``: those of ``faces``, and how one rectangle is made of its boxes."""

    rectangle: str = described("union of the subject's boxes, rounded outwards, cut off at the frame's edge")


REGION = FaceRegionOptions(FACES.sampling, track_iou=FACES.track_iou)


class FaceRegionView:
    """Where the face of a reference video is."""

    def __init__(self, arrays: Arrays) -> None:
        self._arrays = arrays

    def box(self) -> NDArray[np.int64]:
        """Return (4,) x1, y1, x2, y2 in whole pixels of the reference's frame; the last two are not part of it."""
        box: NDArray[np.int64] = self._arrays["box"]
        return box

    def frame_size(self) -> tuple[int, int]:
        """Return width and height of the reference's frame in pixels."""
        width, height = (int(value) for value in self._arrays["frame_size"])
        return width, height

    def slices(self, region: Region) -> tuple[slice, slice]:
        """Return the rows and columns of the face, or of its lower half."""
        x1, y1, x2, y2 = (int(value) for value in self.box())
        return slice((y1 + y2) // 2 if region == "mouth" else y1, y2), slice(x1, x2)


class FaceRegionSession(Session, FaceRegionView):
    """Selects no frame of the video: it looks for faces in the reference video, once, when it is asked first."""

    def __init__(self, inner: ReferenceVideoSession) -> None:
        self._inner = inner
        self._made: Arrays | None = None

    def box(self) -> NDArray[np.int64]:
        """As `FaceRegionView.box`.

        Raises:
            FeatureUnavailableError: ``reference_video_no_face``, ``reference_video_unreadable``.
        """
        box: NDArray[np.int64] = self.finish()["box"]
        return box

    def frame_size(self) -> tuple[int, int]:
        """As `FaceRegionView.frame_size`.

        Raises:
            FeatureUnavailableError: as `box`.
        """
        return FaceRegionView(self.finish()).frame_size()

    def finish(self) -> Arrays:
        """Return the rectangle.

        Raises:
            FeatureUnavailableError: as `box`.
        """
        if self._made is None:
            faces = self._inner.finish()
            boxes = faces["box"][faces["track"] == int(faces["subject"])]
            if not len(boxes):
                frames = len(faces["frame_index"])
                raise FeatureUnavailableError("reference_video_no_face", f"no face in {frames} frames of it")
            self._made = {
                "box": enclosing(boxes, faces["frame_size"]),
                "frames": np.array(len(boxes), dtype=np.int64),
                "frame_size": faces["frame_size"],
            }
        return self._made


def enclosing(boxes: NDArray[Any], frame_size: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the smallest rectangle of whole pixels around ``boxes``, cut off at the frame's edge.

    Args:
        boxes: (N, 4) x1, y1, x2, y2 in pixels, N at least 1.
        frame_size: (2,) width and height.

    Returns:
        (4,) int64; at least one pixel high and wide.
    """
    size = np.tile(np.asarray(frame_size, np.int64), 2)
    low = np.floor(boxes[:, :2].min(axis=0).astype(np.float64))
    high = np.ceil(boxes[:, 2:].max(axis=0).astype(np.float64))
    box: NDArray[np.int64] = np.clip(np.concatenate([low, high]), 0, size).astype(np.int64)
    box[:2] = np.minimum(box[:2], size[:2] - 1)
    box[2:] = np.maximum(box[2:], box[:2] + 1)
    return box


class FaceRegionExtractor(Extractor):
    """Finds the reference video's face; once per test set, not per team."""

    record = FeatureRecord(
        name=NAME,
        version=1,
        title="rectangle around the face of the reference video, the same in all frames",
        inputs=frozenset({"reference_video"}),
        weights=(DETECTOR,),
        optional_weights=(SECOND_DETECTOR,),
        options=REGION,
        arrays={
            "box": "(4,) int64: x1, y1, x2, y2 in pixels; the last two are not part of it",
            "frames": "() int64: sampled frames in which the face was found",
            "frame_size": "(2,) int64: width, height in pixels",
        },
    )

    def __init__(self, weights: Mapping[str, WeightFile], device: str = "cpu") -> None:
        super().__init__(weights, device)
        self._policy = make_policy(weights, device)

    def open(self, item: Item, upstream: Mapping[str, Any]) -> FaceRegionSession:
        """Start on a sample.

        Raises:
            FeatureUnavailableError: ``no_reference_video``.
        """
        if item.reference_video is None:
            raise FeatureUnavailableError("no_reference_video", "the sample has no reference video")
        faces = FacesSession(self._policy, self.record.options)
        return FaceRegionSession(ReferenceVideoSession(faces, item.reference_video))

    def view(self, arrays: Arrays) -> FaceRegionView:
        """Return the cached rectangle."""
        return FaceRegionView(arrays)


FEATURES = (FaceRegionExtractor,)
