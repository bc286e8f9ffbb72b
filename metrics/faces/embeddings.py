"""Embeddings of aligned faces: one extractor for the faces of a video, one for those of the reference images.

Which network, and how its crops are cut, is said by each extractor (`CropRule`). The features ``arcface`` and
``arcface_reference`` are here; others stand beside (``curricularface``, ``face_inception``). All of them read the same
detections, so no face is looked for twice.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.faces.align import norm_crop
from evalkit.metrics.faces.arcface import ArcFace
from evalkit.metrics.faces.features import MARGIN, FacesExtractor, FacesSession, FacesView, attempt_number
from evalkit.metrics.faces.policy import Detection, add_margin
from evalkit.metrics.faces.references import (
    ReferenceFacesExtractor,
    ReferenceFacesSession,
    ReferenceFacesView,
)
from evalkit.metrics.features.base import (
    Arrays,
    Extractor,
    FeatureOptions,
    FeatureRecord,
    FeatureUnavailableError,
    Item,
    Picture,
    Session,
    Times,
    WeightFile,
    described,
    frame_mask,
)
from evalkit.metrics.features.face import Face
from evalkit.metrics.features.images import read_images

EMBEDDER = "arcface"


class FaceNetwork(Protocol):
    """Turns aligned crops into vectors."""

    dimension: int

    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (N, D) of (N, side, side, 3) uint8 RGB."""
        ...


@dataclass(frozen=True)
class CropRule(FeatureOptions):
    """How a face is cut out.

    Args:
        side: of the crop, in pixels.
        with_margin: whether a face that was found with a grey margin is cut from the image with the margin, as ConsisID
            does for ArcFace; else from the image itself, black outside, as it does for its 224 crops.
    """

    side: int
    with_margin: bool

    def cut(self, rgb: Picture, detection: Detection) -> list[NDArray[np.uint8] | None]:
        """Return an aligned (side, side, 3) crop per face, ``None`` where the keypoints are degenerate."""
        source, offset = rgb, (0, 0)
        if self.with_margin and detection.margin != (0, 0):
            source, offset = add_margin(rgb, MARGIN)
        return [norm_crop(source, _shift(face, offset), self.side) for face in detection.faces]


def _shift(face: Face, offset: tuple[int, int]) -> NDArray[np.float32]:
    return (face.keypoints + np.array(offset, dtype=np.float32)).astype(np.float32)


ARCFACE_CROP = CropRule(112, with_margin=True)


@dataclass(frozen=True)
class FaceEmbeddingOptions(FeatureOptions):
    """Options of a feature that embeds faces."""

    crop: CropRule = ARCFACE_CROP
    align: str = described("5 points, similarity")


class FaceEmbeddingSession(Session):
    """Crops while the video is decoded; one batched run of the network at the end."""

    def __init__(self, network: FaceNetwork, rule: CropRule, faces: FacesSession | FacesView) -> None:
        self._network, self._rule, self._faces = network, rule, faces
        self._crops: dict[int, list[NDArray[np.uint8] | None]] = {}

    def plan(self, times: Times) -> NDArray[np.bool_]:
        """Want the frames in which faces were looked for."""
        self._crops = {}
        return frame_mask(self._faces.sampled(), len(times))

    def frame(self, index: int, time: float, rgb: Picture) -> None:
        """Cut out the faces."""
        self._crops[index] = self._rule.cut(rgb, self._faces.detection(index))

    def finish(self) -> Arrays:
        """Embed all crops."""
        crops = [crop for index in sorted(self._crops) for crop in self._crops[index]]
        usable = [crop for crop in crops if crop is not None]
        side = self._rule.side
        stack = np.stack(usable) if usable else np.empty((0, side, side, 3), dtype=np.uint8)
        return {
            "embedding": self._network.embed(stack),
            "face": np.array([row for row, crop in enumerate(crops) if crop is not None], dtype=np.int64),
        }


class FaceEmbeddingExtractor(Extractor):
    """A vector of every face that ``faces`` found. A subclass says which network, and how its crops are cut."""

    def __init__(self, weights: Mapping[str, WeightFile], device: str = "cpu") -> None:
        super().__init__(weights, device)
        self._network = self.make_network(weights, device)

    @staticmethod
    @abstractmethod
    def make_network(weights: Mapping[str, WeightFile], device: str) -> FaceNetwork:
        """Return the network that the manifest describes."""

    def open(self, item: Item, upstream: Mapping[str, Any]) -> Session:
        """Start on a video whose faces are being, or were, detected."""
        return FaceEmbeddingSession(self._network, self.record.options.crop, upstream["faces"])


class ReferenceEmbeddingSession(Session):
    """Wants no frame of the video: it reads the reference images."""

    def __init__(
        self,
        network: FaceNetwork,
        rule: CropRule,
        faces: ReferenceFacesSession | ReferenceFacesView,
        images: tuple[Path, ...],
    ) -> None:
        self._network, self._rule, self._faces, self._images = network, rule, faces, images

    def finish(self) -> Arrays:
        """Embed the largest face of every reference image.

        Raises:
            FeatureUnavailableError: ``reference_no_face`` when none of the images shows a face that can be cut out,
                ``reference_image_unreadable`` when one is not an image.
        """
        detections = self._faces.detections()
        pictures = read_images(self._images)
        cut = [self._rule.cut(rgb, found) for rgb, found in zip(pictures, detections, strict=True)]
        crops = [faces[0] if faces else None for faces in cut]
        usable = [crop for crop in crops if crop is not None]
        if not usable:
            raise FeatureUnavailableError("reference_no_face", "no reference image shows a face that is found")
        found = np.array([crop is not None for crop in crops])
        embedding = np.zeros((len(crops), self._network.dimension), dtype=np.float32)
        embedding[found] = self._network.embed(np.stack(usable))
        return {
            "embedding": embedding,
            "found": found,
            "attempt": np.array([attempt_number(detection) for detection in detections], dtype=np.int8),
        }


class ReferenceEmbeddingExtractor(FaceEmbeddingExtractor):
    """A vector of the largest face in each reference image; computed once per image set, not per team."""

    def open(self, item: Item, upstream: Mapping[str, Any]) -> Session:
        """Start on a sample whose reference faces are being, or were, detected."""
        return ReferenceEmbeddingSession(
            self._network, self.record.options.crop, upstream["faces_reference"], item.reference_images
        )


def video_record(name: str, role: str, title: str, embedding: str, options: FaceEmbeddingOptions) -> FeatureRecord:
    """Return the record of an extractor for the faces of a video; ``embedding`` declares its array."""
    return FeatureRecord(
        name=name,
        version=1,
        title=title,
        weights=(role,),
        needs=("faces",),
        options=options,
        arrays={"embedding": f"(E, {embedding}", "face": "(E,) int64: row of the faces feature's box array"},
    )


def reference_record(name: str, role: str, title: str, embedding: str, options: FaceEmbeddingOptions) -> FeatureRecord:
    """Return the record of an extractor for the faces of the reference images."""
    return FeatureRecord(
        name=name,
        version=1,
        title=title,
        inputs=frozenset({"reference_images"}),
        weights=(role,),
        needs=("faces_reference",),
        options=options,
        arrays={
            "embedding": f"(R, {embedding}, zeros where no face was found",
            "found": "(R,) bool",
            "attempt": "(R,) int8, as in faces",
        },
    )


_DECLARED = "D) float32, not normalised"


def bundled_faces(file: WeightFile, device: str) -> FaceNetwork:
    """Return evalkit's own small network for faces; loads PyTorch."""
    from evalkit.metrics.networks.small.runners import SmallFaces

    return SmallFaces(file.path, file.sha256, device)


class ArcFaceExtractor(FaceEmbeddingExtractor):
    """ArcFace embeddings of every face that ``faces`` found (docs/definitions/identity.md#embeddings)."""

    record = video_record("arcface", EMBEDDER, "face embeddings of the video", _DECLARED, FaceEmbeddingOptions())

    @staticmethod
    def make_network(weights: Mapping[str, WeightFile], device: str) -> FaceNetwork:
        """Return the network that the manifest's options describe: ``{mean, std}``, or ``{format: bundled}``."""
        weight = weights[EMBEDDER]
        if weight.bundled:
            return bundled_faces(weight, device)
        return ArcFace(weight.path, device=device, **weight.options)


class ArcFaceReferenceExtractor(ReferenceEmbeddingExtractor, ArcFaceExtractor):
    """ArcFace embedding of the largest face in each reference image."""

    record = reference_record(
        "arcface_reference", EMBEDDER, "face embeddings of the reference images", _DECLARED, FaceEmbeddingOptions()
    )


FEATURES = (FacesExtractor, ReferenceFacesExtractor, ArcFaceExtractor, ArcFaceReferenceExtractor)
