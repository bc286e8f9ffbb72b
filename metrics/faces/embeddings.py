"""Embeddings of aligned faces of a video and of the reference images; the features ``arcface``, ``arcface_reference``.

`curricularface` and `inception` declare the same of other networks and other crops (`CropRule`). All read the same
detections, so faces are detected once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.embeddings.frames import NetworkExtractor
from evalkit.metrics.faces.align import norm_crop
from evalkit.metrics.faces.arcface import ArcFace
from evalkit.metrics.faces.features import MARGIN, FacesSession, FacesView, attempt_number
from evalkit.metrics.faces.policy import Detection, add_margin
from evalkit.metrics.faces.references import ReferenceFacesSession, ReferenceFacesView
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
        """Select the frames in which faces were detected."""
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


class ReferenceEmbeddingSession(Session):
    """Selects no frame of the video: it reads the reference images."""

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


class FaceEmbeddingExtractor(NetworkExtractor):
    """A vector of every face that ``faces`` found, or of the largest face in each reference image."""

    def open(self, item: Item, upstream: Mapping[str, Any]) -> Session:
        """Start on a sample whose faces are being, or were, detected."""
        (needed,) = self.record.needs
        crop, faces = self.record.options.crop, upstream[needed]
        if needed == "faces":
            return FaceEmbeddingSession(self._network, crop, faces)
        return ReferenceEmbeddingSession(self._network, crop, faces, item.reference_images)


def faces_and_reference(
    open_network: Callable[[WeightFile, str], FaceNetwork],
    *,
    name: str,
    role: str,
    title: str,
    embedding: str,
    options: FaceEmbeddingOptions,
) -> tuple[type[Extractor], type[Extractor]]:
    """Return the features ``name``, of a video's faces, and ``name_reference``, of those of the reference images.

    The second is computed once per image set, not per team.

    Args:
        title: what the vectors are.
        embedding: the length, type and range of a vector, as ``arrays`` declares them.
    """
    video = FeatureRecord(
        name=name,
        version=1,
        title=f"{title} of the video's faces",
        weights=(role,),
        needs=("faces",),
        options=options,
        arrays={"embedding": f"(E, {embedding}", "face": "(E,) int64: row of the faces feature's box array"},
    )
    reference = replace(
        video,
        name=f"{name}_reference",
        title=f"{title} of the reference images' faces",
        inputs=frozenset({"reference_images"}),
        needs=("faces_reference",),
        arrays={
            "embedding": f"(R, {embedding}, zeros where no face was found",
            "found": "(R,) bool",
            "attempt": "(R,) int8, as in faces",
        },
    )

    def kind(record: FeatureRecord) -> type[Extractor]:
        contents = {"record": record, "open_network": staticmethod(open_network)}
        return type(record.name, (FaceEmbeddingExtractor,), contents)

    return kind(video), kind(reference)


def bundled_faces(file: WeightFile, device: str) -> FaceNetwork:
    """Return evalkit's own small network for faces; loads PyTorch."""
    from evalkit.metrics.networks.small.runners import SmallFaces

    return SmallFaces(file.path, file.sha256, device)


def open_arcface(file: WeightFile, device: str) -> FaceNetwork:
    """Return the network that the manifest's options describe: ``{mean, std}``, or ``{format: bundled}``."""
    return bundled_faces(file, device) if file.bundled else ArcFace(file.path, device=device, **file.options)


FEATURES = faces_and_reference(
    open_arcface,
    name="arcface",
    role="arcface",
    title="ArcFace embeddings",
    embedding="D) float32, not normalised",
    options=FaceEmbeddingOptions(),
)
