"""Face vectors of frames of a video and of the reference's frames shown at the same times.

``arcface_paired`` finds and aligns the subject's face in both; ``arcface_idloss`` cuts one fixed place out of both, as
the identity losses of GAN papers do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.faces.embeddings import ARCFACE_CROP, CropRule, FaceNetwork, open_arcface
from evalkit.metrics.faces.features import ATTEMPTS, DETECTOR, FACES, MARGIN, SECOND_DETECTOR, make_policy
from evalkit.metrics.faces.policy import FacePolicy
from evalkit.metrics.faces.tracks import build_tracks, subject_track
from evalkit.metrics.features.base import (
    Arrays,
    Extractor,
    FeatureOptions,
    FeatureRecord,
    FeatureUnavailableError,
    Item,
    PairCoverage,
    PairSession,
    Picture,
    WeightFile,
    described,
)
from evalkit.metrics.features.face import Face

ROLE = "arcface"
COMPARED = "(3,) float64: pairs, reference frames, extra seconds"
_CLOCK = "reference frames, nearest candidate frame in time, up to the shorter video's end"


@dataclass(frozen=True)
class PairedFacesOptions(FeatureOptions):
    """Options of ``arcface_paired``.

    Args:
        frames: pairs that are compared, spread evenly.
        crop: how a face is cut out.
        track_iou: overlap that links the faces of two frames.
    """

    frames: int = 16
    crop: CropRule = ARCFACE_CROP
    track_iou: float = FACES.track_iou
    clock: str = described(_CLOCK)
    align: str = described("5 points, similarity")
    attempts: tuple[str, ...] = described(ATTEMPTS)
    margin: float = described(MARGIN)
    subject: str = described("most frames, then largest area, then nearest the centre; in each video")


@dataclass(frozen=True)
class FixedCropOptions(FeatureOptions):
    """Options of ``arcface_idloss``.

    Args:
        frames: pairs that are compared, spread evenly.
        side: width and height to which a frame is brought, without regard to its proportions.
        rows, columns: of the crop, first and one after the last.
        pooled: side of the averaged crop.
    """

    frames: int = 16
    side: int = 256
    rows: tuple[int, int] = (35, 223)
    columns: tuple[int, int] = (32, 220)
    pooled: int = 112
    clock: str = described(_CLOCK)
    resize: str = described("cv_area down, pil_bicubic up")
    rounding: str = described("the averages are rounded to whole grey levels")


def spread(pairs: int, frames: int) -> NDArray[np.int64]:
    """Return the numbers of up to ``frames`` of ``pairs`` pairs, first and last included: integer parts, each once."""
    if pairs < 1:
        return np.empty(0, np.int64)
    return np.unique(np.linspace(0, pairs - 1, frames).astype(np.int64))


def pooled(picture: NDArray[Any], side: int) -> NDArray[np.float64]:
    """Return the averages (side, side, C) of ``picture`` (H, W, C), as an adaptive average pool takes them.

    Cell i covers the rows from floor(i H / side) to ceil((i + 1) H / side), so neighbours may share a row; the same of
    columns. Sides must not be smaller than ``side``.
    """
    whole = picture.astype(np.float64)
    for axis in (0, 1):
        length = whole.shape[axis]
        first = np.arange(side) * length // side
        last = -(-(np.arange(side) + 1) * length // side)
        sums = np.cumsum(whole, axis=axis)
        sums = np.concatenate([np.zeros_like(np.take(sums, [0], axis=axis)), sums], axis=axis)
        shape = [1] * whole.ndim
        shape[axis] = side
        whole = (np.take(sums, last, axis=axis) - np.take(sums, first, axis=axis)) / (last - first).reshape(shape)
    return whole


class _Side:
    """The faces of one of the two videos."""

    def __init__(self, policy: FacePolicy, options: PairedFacesOptions) -> None:
        self._policy, self._options = policy, options
        self._indices: list[int] = []
        self._faces: list[tuple[Face, ...]] = []
        self._crops: list[list[Picture | None]] = []
        self._size = (0, 0)

    def add(self, index: int, rgb: Picture) -> None:
        detection = self._policy.detect(rgb)
        self._indices.append(index)
        self._faces.append(detection.faces)
        self._crops.append(self._options.crop.cut(rgb, detection))
        self._size = (rgb.shape[1], rgb.shape[0])

    def crops(self) -> list[Picture | None]:
        """Return the crop of the subject's face in each frame, ``None`` where it is not seen."""
        chosen: list[Picture | None] = [None] * len(self._indices)
        track = subject_track(build_tracks(self._faces, self._indices, iou=self._options.track_iou), self._size)
        if track is not None:
            for position, face in zip(track.positions, track.faces, strict=True):
                at = next(number for number, one in enumerate(self._faces[position]) if one is face)
                chosen[position] = self._crops[position][at]
        return chosen


def embedded(network: FaceNetwork, crops: Sequence[Picture | None]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the vectors (K, D), zeros where there is no crop, and where there is one (K,)."""
    found = np.array([crop is not None for crop in crops], dtype=bool)
    vectors = np.zeros((len(crops), network.dimension), np.float32)
    if found.any():
        vectors[found] = network.embed(np.stack([crop for crop in crops if crop is not None]))
    return vectors, found


class _SpreadPairs(PairSession):
    """Takes some of the pairs, spread evenly over those that there are."""

    def __init__(self, network: FaceNetwork, frames: int) -> None:
        self._network, self._frames = network, frames
        self._coverage = PairCoverage(0, 0, 0.0)
        self._wanted: frozenset[int] = frozenset()
        self.restart()

    def begin(self, coverage: PairCoverage) -> None:
        """Choose the pairs."""
        self._coverage = coverage
        self._wanted = frozenset(spread(coverage.pairs, self._frames).tolist())

    def _finished(self, ours: Sequence[Picture | None], theirs: Sequence[Picture | None]) -> Arrays:
        """Return the arrays of the crops of both videos."""
        if not ours:
            raise FeatureUnavailableError("no_common_frame", "the videos share no frame")
        whole = self._coverage
        candidate, candidate_found = embedded(self._network, ours)
        reference, reference_found = embedded(self._network, theirs)
        return {
            "compared": np.array([whole.pairs, whole.reference_frames, whole.extra_seconds], np.float64),
            "candidate": candidate,
            "candidate_found": candidate_found,
            "reference": reference,
            "reference_found": reference_found,
        }


class PairedFacesSession(_SpreadPairs):
    """Detects and cuts the faces of both videos while they are decoded; tracks and vectors follow at the end."""

    def __init__(self, policy: FacePolicy, network: FaceNetwork, options: PairedFacesOptions) -> None:
        self._policy, self._options = policy, options
        super().__init__(network, options.frames)

    def restart(self) -> None:
        """Forget all pairs."""
        self._sides = (_Side(self._policy, self._options), _Side(self._policy, self._options))

    def pair(self, index: int, candidate: Picture, reference: Picture) -> None:
        """Find the faces of a chosen pair."""
        if index in self._wanted:
            for side, rgb in zip(self._sides, (candidate, reference), strict=True):
                side.add(index, rgb)

    def finish(self) -> Arrays:
        """Return the vectors of both subjects.

        Raises:
            FeatureUnavailableError: ``no_common_frame``.
        """
        return self._finished(*(side.crops() for side in self._sides))


class FixedCropSession(_SpreadPairs):
    """Cuts the fixed place out of both videos' frames."""

    def __init__(self, network: FaceNetwork, options: FixedCropOptions) -> None:
        self._options = options
        super().__init__(network, options.frames)

    def restart(self) -> None:
        """Forget all pairs."""
        self._crops: tuple[list[Picture | None], list[Picture | None]] = ([], [])

    def pair(self, index: int, candidate: Picture, reference: Picture) -> None:
        """Cut a chosen pair."""
        if index in self._wanted:
            for crops, rgb in zip(self._crops, (candidate, reference), strict=True):
                crops.append(fixed_crop(rgb, self._options))

    def finish(self) -> Arrays:
        """Return the vectors of both videos.

        Raises:
            FeatureUnavailableError: ``no_common_frame``.
        """
        return self._finished(*self._crops)


def fixed_crop(rgb: Picture, options: FixedCropOptions) -> Picture:
    """Return the pooled crop (pooled, pooled, 3) uint8 of a frame."""
    from evalkit.metrics.quality.pixels import resize_to

    frame = resize_to(np.ascontiguousarray(rgb), options.side, options.side)
    crop = frame[slice(*options.rows), slice(*options.columns)]
    return np.rint(pooled(crop, options.pooled)).astype(np.uint8)


_ARRAYS = {
    "compared": COMPARED,
    "candidate": "(K, D) float32: vector of the video's frame, zeros without a face",
    "candidate_found": "(K,) bool",
    "reference": "(K, D) float32: vector of the reference's frame, zeros without a face",
    "reference_found": "(K,) bool",
}


class _PairExtractor(Extractor):
    role = ROLE

    def __init__(self, weights: Mapping[str, WeightFile], device: str = "cpu") -> None:
        super().__init__(weights, device)
        self._network: FaceNetwork = open_arcface(weights[self.role], device)

    def _check(self, item: Item) -> None:
        if item.reference_video is None:
            raise FeatureUnavailableError("no_reference_video", "the sample has no reference video")


class PairedFacesExtractor(_PairExtractor):
    """ArcFace vectors of the subject in the video and in its reference."""

    record = FeatureRecord(
        name="arcface_paired",
        version=1,
        title="ArcFace embeddings of the subject in 16 frames of the video and of its reference video",
        inputs=frozenset({"video", "reference_video"}),
        weights=(ROLE, DETECTOR),
        optional_weights=(SECOND_DETECTOR,),
        options=PairedFacesOptions(),
        arrays=_ARRAYS,
    )

    def __init__(self, weights: Mapping[str, WeightFile], device: str = "cpu") -> None:
        super().__init__(weights, device)
        self._policy = make_policy(weights, device)

    def open(self, item: Item, upstream: Mapping[str, Any]) -> PairedFacesSession:
        """Start on a video.

        Raises:
            FeatureUnavailableError: ``no_reference_video``.
        """
        self._check(item)
        return PairedFacesSession(self._policy, self._network, self.record.options)


class FixedCropExtractor(_PairExtractor):
    """ArcFace vectors of one fixed place of the video's and the reference's frames."""

    record = FeatureRecord(
        name="arcface_idloss",
        version=1,
        title="ArcFace embeddings of a fixed crop in 16 frames of the video and of its reference video",
        inputs=frozenset({"video", "reference_video"}),
        weights=(ROLE,),
        options=FixedCropOptions(),
        arrays=_ARRAYS,
    )

    def open(self, item: Item, upstream: Mapping[str, Any]) -> FixedCropSession:
        """Start on a video.

        Raises:
            FeatureUnavailableError: ``no_reference_video``.
        """
        self._check(item)
        return FixedCropSession(self._network, self.record.options)


FEATURES = (PairedFacesExtractor, FixedCropExtractor)
