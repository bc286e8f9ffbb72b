"""The features ``arcface`` (faces of the video) and ``arcface_reference`` (faces of the reference images)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from evalkit.errors import TestSetError
from evalkit.metrics.features.align import norm_crop
from evalkit.metrics.features.arcface import ArcFace
from evalkit.metrics.features.base import (
    Arrays,
    Extractor,
    FeatureRecord,
    FeatureUnavailableError,
    Item,
    Picture,
    Session,
    Times,
    WeightFile,
)
from evalkit.metrics.features.face_policy import Detection, add_margin, largest
from evalkit.metrics.features.face_types import Face
from evalkit.metrics.features.faces import (
    ATTEMPTS,
    DETECTOR,
    MARGIN,
    SECOND_DETECTOR,
    FacesExtractor,
    FacesSession,
    FacesView,
    make_policy,
)

EMBEDDER = "arcface"
CROP = {"align": "5 points, similarity, 112", "crop_from": "the image that the detector saw"}


def make_embedder(weights: Mapping[str, WeightFile], device: str) -> ArcFace:
    """Return the network that the manifest's options describe: ``{mean, std}``."""
    weight = weights[EMBEDDER]
    return ArcFace(weight.path, device=device, **weight.options)


def crop_faces(rgb: Picture, detection: Detection) -> list[NDArray[np.uint8] | None]:
    """Return an aligned 112x112 crop per face, ``None`` where the keypoints are degenerate.

    A face found with a grey margin is cropped from the image with the margin, as ConsisID does (METRICS.md 4.2).
    """
    source, offset = rgb, (0, 0)
    if detection.margin != (0, 0):
        source, offset = add_margin(rgb, MARGIN)
    return [norm_crop(source, _shift(face, offset), 112) for face in detection.faces]


def _shift(face: Face, offset: tuple[int, int]) -> NDArray[np.float32]:
    return (face.keypoints + np.array(offset, dtype=np.float32)).astype(np.float32)


class ArcFaceSession(Session):
    """Crops while the video is decoded; one batched run of the network at the end."""

    def __init__(self, network: ArcFace, faces: FacesSession | FacesView) -> None:
        self._network = network
        self._faces = faces
        self._crops: dict[int, list[NDArray[np.uint8] | None]] = {}

    def plan(self, times: Times) -> NDArray[np.bool_]:
        """Want the frames in which faces were looked for."""
        self._crops = {}
        mask = np.zeros(len(times), dtype=bool)
        mask[self._faces.sampled()] = True
        return mask

    def frame(self, index: int, time: float, rgb: Picture) -> None:
        """Cut out the faces."""
        del time
        self._crops[index] = crop_faces(rgb, self._faces.detection(index))

    def finish(self) -> Arrays:
        """Embed all crops."""
        crops = [crop for index in sorted(self._crops) for crop in self._crops[index]]
        usable = [crop for crop in crops if crop is not None]
        stack = np.stack(usable) if usable else np.empty((0, 112, 112, 3), dtype=np.uint8)
        return {
            "embedding": self._network.embed(stack),
            "face": np.array([row for row, crop in enumerate(crops) if crop is not None], dtype=np.int64),
        }


class ArcFaceExtractor(Extractor):
    """ArcFace embeddings of every face that ``faces`` found (METRICS.md 4.1)."""

    record = FeatureRecord(
        name="arcface",
        version=1,
        title="face embeddings of the video",
        weights=(EMBEDDER,),
        needs=("faces",),
        options=CROP,
        arrays={
            "embedding": "(E, D) float32, not normalised",
            "face": "(E,) int64: row of the faces feature's box array",
        },
    )

    def __init__(self, weights: Mapping[str, WeightFile], device: str = "cpu") -> None:
        super().__init__(weights, device)
        self._network = make_embedder(weights, device)

    def open(self, item: Item, upstream: Mapping[str, Any]) -> ArcFaceSession:
        """Start on a video whose faces are being, or were, detected."""
        del item
        return ArcFaceSession(self._network, upstream["faces"])


class ReferenceSession(Session):
    """Wants no frame of the video: it reads the reference images."""

    def __init__(self, extractor: ArcFaceReferenceExtractor, images: tuple[Path, ...]) -> None:
        self._extractor = extractor
        self._images = images

    def finish(self) -> Arrays:
        """Embed the largest face of every reference image."""
        return self._extractor.embed_images(self._images)


class ArcFaceReferenceExtractor(Extractor):
    """ArcFace embedding of the largest face in each reference image; computed once per image set, not per team."""

    record = FeatureRecord(
        name="arcface_reference",
        version=1,
        title="face embeddings of the reference images",
        inputs=frozenset({"reference_images"}),
        weights=(DETECTOR, EMBEDDER),
        optional_weights=(SECOND_DETECTOR,),
        options={**CROP, "face": "largest area", "attempts": list(ATTEMPTS), "margin": MARGIN},
        arrays={
            "embedding": "(R, D) float32, zeros where no face was found",
            "found": "(R,) bool",
            "attempt": "(R,) int8, as in faces",
        },
    )

    def __init__(self, weights: Mapping[str, WeightFile], device: str = "cpu") -> None:
        super().__init__(weights, device)
        self._policy = make_policy(weights, device)
        self._network = make_embedder(weights, device)

    def open(self, item: Item, upstream: Mapping[str, Any]) -> ReferenceSession:
        """Start on a sample.

        Raises:
            FeatureUnavailableError: ``no_reference_image``.
        """
        del upstream
        if not item.reference_images:
            raise FeatureUnavailableError("no_reference_image", "the sample has no reference image")
        return ReferenceSession(self, item.reference_images)

    def embed_images(self, images: tuple[Path, ...]) -> Arrays:
        """Return the arrays for one sample's reference images.

        Raises:
            FeatureUnavailableError: ``reference_no_face`` when none of the images shows a face,
                ``reference_image_unreadable`` when one is no image.
        """
        found: list[bool] = []
        embeddings, attempts = [], []
        for image in images:
            try:
                rgb = read_image(image)
            except TestSetError:
                detail = f"reference image {len(found) + 1} of {len(images)} can't be read"
                raise FeatureUnavailableError("reference_image_unreadable", detail) from None
            detection = self._policy.detect(rgb)
            face = largest(detection.faces)
            crop = crop_faces(rgb, Detection((face,), detection.attempt, detection.margin))[0] if face else None
            found.append(crop is not None)
            attempts.append(ATTEMPTS.index(detection.attempt) if detection.attempt else -1)
            vector = self._network.embed(crop[None])[0] if crop is not None else np.zeros(self._network.dimension)
            embeddings.append(vector)
        if not any(found):
            raise FeatureUnavailableError("reference_no_face", "no reference image shows a face that is found")
        return {
            "embedding": np.array(embeddings, dtype=np.float32),
            "found": np.array(found),
            "attempt": np.array(attempts, dtype=np.int8),
        }


def read_image(path: Path) -> Picture:
    """Return an image file as (H, W, 3) uint8 RGB.

    Raises:
        TestSetError: when it is no image.
    """
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"), dtype=np.uint8)
    except (OSError, UnidentifiedImageError, ValueError, Image.DecompressionBombError) as error:
        raise TestSetError(f"The reference image {path} can't be read.", found=str(error)) from None


EXTRACTORS = (FacesExtractor, ArcFaceExtractor, ArcFaceReferenceExtractor)
