"""The feature ``faces_reference``: the largest face of each reference image, for every face network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evalkit.metrics.faces.features import (
    ATTEMPTS,
    DETECTOR,
    MARGIN,
    SECOND_DETECTOR,
    detection_arrays,
    make_policy,
    read_detection,
)
from evalkit.metrics.faces.policy import Detection, FacePolicy, largest
from evalkit.metrics.features.base import (
    Arrays,
    Extractor,
    FeatureOptions,
    FeatureRecord,
    FeatureUnavailableError,
    Item,
    Picture,
    Session,
    WeightFile,
    described,
)
from evalkit.metrics.features.face import Face
from evalkit.metrics.features.images import read_images


class ReferenceFacesSession(Session):
    """Selects no frame of the video: it detects faces in the reference images, once, on the first request."""

    def __init__(self, policy: FacePolicy, images: tuple[Path, ...]) -> None:
        self._policy = policy
        self._images = images
        self._found: list[Detection] | None = None

    def detections(self) -> list[Detection]:
        """Return for each reference image a detection of its largest face, or of none.

        Raises:
            FeatureUnavailableError: ``reference_image_unreadable`` when one is not an image.
        """
        if self._found is None:
            self._found = [self._detect(rgb) for rgb in read_images(self._images)]
        return self._found

    def _detect(self, rgb: Picture) -> Detection:
        detection = self._policy.detect(rgb)
        face = largest(detection.faces)
        return Detection((face,), detection.attempt, detection.margin) if face else Detection((), None)

    def finish(self) -> Arrays:
        """Return the faces as arrays.

        Raises:
            FeatureUnavailableError: ``reference_no_face`` when none of the images shows a face,
                ``reference_image_unreadable`` when one is not an image.
        """
        found = self.detections()
        if not any(detection.faces for detection in found):
            raise FeatureUnavailableError("reference_no_face", "no reference image shows a face that is found")
        nobody = Face(np.zeros(4, np.float32), 0.0, np.zeros((5, 2), np.float32))
        faces = [detection.faces[0] if detection.faces else nobody for detection in found]
        return detection_arrays(found, faces)


@dataclass(frozen=True)
class ReferenceFacesOptions(FeatureOptions):
    """Options of ``faces_reference``."""

    face: str = described("largest area")
    attempts: tuple[str, ...] = described(ATTEMPTS)
    margin: float = described(MARGIN)


class ReferenceFacesView:
    """The same answers as a live session, from cached arrays."""

    def __init__(self, arrays: Arrays) -> None:
        self._arrays = arrays

    def detections(self) -> list[Detection]:
        """Return for each reference image a detection of its largest face, or of none."""
        attempts = self._arrays["attempt"]
        return [read_detection(self._arrays, row, [row] if code >= 0 else []) for row, code in enumerate(attempts)]


class ReferenceFacesExtractor(Extractor):
    """The largest face of each reference image, by the policy of ``faces``; once per image set, not per team."""

    record = FeatureRecord(
        name="faces_reference",
        version=1,
        title="the largest face and its five keypoints in each reference image",
        inputs=frozenset({"reference_images"}),
        weights=(DETECTOR,),
        optional_weights=(SECOND_DETECTOR,),
        options=ReferenceFacesOptions(),
        arrays={
            "attempt": "(R,) int8: which attempt found the face (index into options.attempts), -1 for none",
            "margin": "(R, 2) int32: columns and rows of grey that the attempt added",
            "box": "(R, 4) float32: x1, y1, x2, y2 in pixels, zeros without a face",
            "score": "(R,) float32 in 0..1",
            "keypoints": "(R, 5, 2) float32: eyes, nose, mouth corners in pixels, zeros without a face",
        },
    )

    def __init__(self, weights: Mapping[str, WeightFile], device: str = "cpu") -> None:
        super().__init__(weights, device)
        self._policy = make_policy(weights, device)

    def open(self, item: Item, upstream: Mapping[str, Any]) -> ReferenceFacesSession:
        """Start on a sample.

        Raises:
            FeatureUnavailableError: ``no_reference_image``.
        """
        if not item.reference_images:
            raise FeatureUnavailableError("no_reference_image", "the sample has no reference image")
        return ReferenceFacesSession(self._policy, item.reference_images)

    def view(self, arrays: Arrays) -> ReferenceFacesView:
        """Return the cached faces."""
        return ReferenceFacesView(arrays)


FEATURES = (ReferenceFacesExtractor,)
