"""68 face landmarks of a video: ``landmarks68`` beside its reference's, ``landmarks68_video`` alone.

The order of the points is that of 300-W (Sagonas et al., ICCV workshops 2013): jaw 0-16, brows 17-26, nose 27-35, eyes
36-47, mouth 48-67. See docs/definitions/landmarks.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import WeightsError
from evalkit.media.sampling import AtRate, Sampling
from evalkit.metrics.features.base import (
    NO_WEIGHTS,
    Arrays,
    Extractor,
    FeatureOptions,
    FeatureRecord,
    FeatureUnavailableError,
    Item,
    PairCoverage,
    PairSession,
    Picture,
    Session,
    Times,
    WeightFile,
    described,
    frame_mask,
)
from evalkit.metrics.features.stopwatch import running
from evalkit.metrics.landmarks.fan_options import FanOptions
from evalkit.metrics.quality.paired_pixels import in_size_of

ROLE = "landmarks68"
DETECTOR = "landmarks68_detector"  # of families that need a file for it; dlib brings its own
POINTS = 68
SMALLEST_SIDE = 32
RATE = 25.0  # frames a second of a video without a reference
NO_DLIB = "the package dlib-bin is not installed; it comes with evalkit's extra 'landmarks'"


@dataclass(frozen=True)
class FinderOptions(FeatureOptions):
    """How landmarks are found in an image.

    Args:
        upsample: how often the image is doubled before faces are looked for.
        dlib: version of the package; filled in by the machine, ``None`` without it and for other families.
        fan: how 2D-FAN is run; ``None`` for other families.
    """

    face: str = described("the first of the detector's list, which has the highest score")
    upsample: int = 1
    dlib: str | None = None
    fan: FanOptions | None = None

    @property
    def last(self) -> bool:
        """Whether the last face of a network's list counts, in place of the first."""
        return False


@dataclass(frozen=True)
class LandmarkOptions(FinderOptions):
    """Options of ``landmarks68``."""

    clock: str = described("reference frames, nearest candidate frame in time, up to the shorter video's end")
    resize: str = described("candidate to the reference's size: cv_area down, pil_bicubic up")


@dataclass(frozen=True)
class LastFaceOptions(LandmarkOptions):
    """Options of ``landmarks68_last``."""

    face: str = described("the last of the detector's list, which has the lowest score; of dlib's the first")

    @property
    def last(self) -> bool:
        """Whether the last face of a network's list counts, in place of the first."""
        return True


@dataclass(frozen=True)
class VideoLandmarkOptions(FinderOptions):
    """Options of ``landmarks68_video``."""

    sampling: Sampling = field(default_factory=lambda: AtRate(RATE))


_Options = TypeVar("_Options", bound=FinderOptions)


class LandmarkFinder(Protocol):
    """Finds the landmarks of the face in an image."""

    def find(self, rgb: Picture) -> tuple[NDArray[np.float32], int]:
        """Return (68, 2) x, y in pixels, NaN without a face, and the number of faces."""
        ...


class DlibLandmarks:
    """dlib's frontal face detector (HOG) and its shape predictor, as the papers call them.

    Args:
        weight: file of the shape predictor with 68 points.
        upsample: how often the image is doubled before faces are looked for.

    Raises:
        WeightsError: the file holds no shape predictor, or one with another number of points.
    """

    def __init__(self, weight: WeightFile, upsample: int) -> None:
        import dlib

        self._upsample = upsample
        self._detector = dlib.get_frontal_face_detector()
        try:
            self._predictor = dlib.shape_predictor(str(weight.path))
            blank = self._predictor(np.zeros((8, 8, 3), np.uint8), dlib.rectangle(0, 0, 8, 8))
        except RuntimeError as error:
            raise _not_a_predictor(weight, str(error).strip() or "a file that dlib can't read") from None
        if blank.num_parts != POINTS:
            raise _not_a_predictor(weight, f"{blank.num_parts} points")

    def find(self, rgb: Picture) -> tuple[NDArray[np.float32], int]:
        """Return (68, 2) float32 x, y in whole pixels, NaN without a face, and the number of faces."""
        rgb = np.ascontiguousarray(rgb)
        with running(ROLE):
            faces = self._detector(rgb, self._upsample)
            if not len(faces):
                return np.full((POINTS, 2), np.nan, np.float32), 0
            shape = self._predictor(rgb, faces[0])
        return np.array([(part.x, part.y) for part in shape.parts()], np.float32), len(faces)


def _not_a_predictor(weight: WeightFile, found: str) -> WeightsError:
    return WeightsError(
        f"The file {weight.path} can't be used for the role '{weight.role}'.",
        found=found,
        expected=f"dlib's shape predictor with {POINTS} points",
        fix="Compare its SHA-256 with the manifest and fetch the weights again.",
    )


def family_of(weight: WeightFile) -> str:
    """Return the kind that the manifest's options name: ``{family: dlib|fan}``, or ``{format: bundled}``."""
    return "bundled" if weight.bundled else str(weight.options.get("family", "dlib"))


def make_finder(weights: Mapping[str, WeightFile], options: FinderOptions, device: str = "cpu") -> LandmarkFinder:
    """Return what the manifest's options of the role ``landmarks68`` describe.

    Args:
        weights: files of the roles `ROLE` and, for families that need one, `DETECTOR`.
        options: of the feature.
        device: ``cpu`` or ``cuda``, for families that are networks.

    Raises:
        WeightsError: for another family, or another file than the family's.
    """
    weight = weights[ROLE]
    family = family_of(weight)
    if family == "dlib":
        return DlibLandmarks(weight, options.upsample)
    if family == "fan":
        from evalkit.metrics.landmarks.fan import FanLandmarks

        if DETECTOR not in weights:
            raise WeightsError(
                f"The role '{ROLE}' has the family 'fan', and the set of backbones names no face detector for it.",
                expected=f"a role '{DETECTOR}'",
                fix="Add face_alignment's s3fd-619a316812.pth: docs/definitions/landmarks.md has the lines.",
            )
        return FanLandmarks(weights[DETECTOR], weight, options.fan or FanOptions(), device, last=options.last)
    if family == "bundled":
        from evalkit.metrics.landmarks.bundled import BundledLandmarks

        return BundledLandmarks(weights, ROLE, DETECTOR, device, last=options.last)
    raise WeightsError(
        f"The role '{weight.role}' has the family '{family}'.",
        expected="dlib or fan",
        fix="Change the set of backbones.",
    )


def resolved_options(options: _Options, weights: Mapping[str, WeightFile]) -> _Options:
    """Return ``options`` with dlib's version, or with what else finds the landmarks."""
    family = family_of(weights[ROLE]) if ROLE in weights else "dlib"
    if family == "fan":
        return replace(options, fan=FanOptions())
    if family != "dlib":
        return options
    try:
        import dlib
    except ImportError:
        return options
    return replace(options, dlib=dlib.__version__)


class WithFinder(Extractor):
    """Opens the finder once per worker; dlib's only where dlib is installed."""

    def __init__(self, weights: Mapping[str, WeightFile], device: str = "cpu") -> None:
        super().__init__(weights, device)
        self.record = self.resolved_record(weights)
        usable = self.record.options.dlib is not None or family_of(weights[ROLE]) != "dlib"
        self._finder = make_finder(weights, self.record.options, device) if usable else None

    @classmethod
    def resolved_record(cls, weights: Mapping[str, WeightFile] = NO_WEIGHTS) -> FeatureRecord:
        """Return the record with dlib's version, or with what else finds the landmarks."""
        return replace(cls.record, options=resolved_options(cls.record.options, weights))

    def finder(self) -> LandmarkFinder:
        """Return the finder.

        Raises:
            FeatureUnavailableError: ``no_dlib``.
        """
        if self._finder is None:
            raise FeatureUnavailableError("no_dlib", NO_DLIB)
        return self._finder


class LandmarksExtractor(WithFinder):
    """Landmarks of the video and its reference, paired in time."""

    record = FeatureRecord(
        name="landmarks68",
        version=1,
        title="68 face landmarks of the video and of its reference video, frame by frame",
        inputs=frozenset({"video", "reference_video"}),
        weights=(ROLE,),
        optional_weights=(DETECTOR,),
        options=LandmarkOptions(),
        arrays={
            "compared": "(3,) float64: pairs, reference frames, extra seconds",
            "candidate": "(K, 68, 2) float32 in 0..1024: x, y in pixels of the reference's frame, NaN without a face",
            "reference": "(K, 68, 2) float32 in 0..1024: x, y in pixels, NaN without a face",
            "candidate_faces": "(K,) int16: faces found in the frame",
            "reference_faces": "(K,) int16: faces found in the reference's frame",
            "scale": "(K,) float64: height of the candidate's frame by that of the reference's, before it is resized",
        },
    )

    def open(self, item: Item, upstream: Mapping[str, Any]) -> LandmarksSession:
        """Start on a video.

        Raises:
            FeatureUnavailableError: ``no_reference_video`` or ``no_dlib``.
        """
        if item.reference_video is None:
            raise FeatureUnavailableError("no_reference_video", "the sample has no reference video")
        return LandmarksSession(self.finder())


class LastFaceLandmarksExtractor(LandmarksExtractor):
    """As `LandmarksExtractor`, of the last face in each frame: SyncTalk's way to measure."""

    record = replace(
        LandmarksExtractor.record,
        name="landmarks68_last",
        title="68 landmarks of the last face that is found in the video's and its reference's frames",
        options=LastFaceOptions(),
    )


class LandmarksSession(PairSession):
    """Finds landmarks pair by pair."""

    def __init__(self, finder: LandmarkFinder) -> None:
        self._finder = finder
        self._coverage = PairCoverage(0, 0, 0.0)
        self.restart()

    def begin(self, coverage: PairCoverage) -> None:
        """Keep how much is compared."""
        self._coverage = coverage

    def restart(self) -> None:
        """Forget all pairs."""
        self._rows: list[tuple[Any, ...]] = []

    def pair(self, index: int, candidate: Picture, reference: Picture) -> None:
        """Find the landmarks of both frames, the candidate's in the reference's size."""
        candidate, scale = in_size_of(reference, candidate, SMALLEST_SIDE)
        self._rows.append((*self._finder.find(candidate), *self._finder.find(reference), scale))

    def finish(self) -> Arrays:
        """Return the arrays."""
        if not self._rows:
            raise FeatureUnavailableError("no_common_frame", "the videos share no frame")
        candidate, candidate_faces, reference, reference_faces, scale = zip(*self._rows, strict=True)
        whole = self._coverage
        return {
            "compared": np.array([whole.pairs, whole.reference_frames, whole.extra_seconds], np.float64),
            "candidate": np.stack(candidate),
            "reference": np.stack(reference),
            "candidate_faces": np.array(candidate_faces, np.int16),
            "reference_faces": np.array(reference_faces, np.int16),
            "scale": np.array(scale, np.float64),
        }


class VideoLandmarksExtractor(WithFinder):
    """Landmarks of the video alone, at 25 frames a second."""

    record = FeatureRecord(
        name="landmarks68_video",
        version=1,
        title="68 face landmarks of the video in 25 frames a second",
        weights=(ROLE,),
        optional_weights=(DETECTOR,),
        options=VideoLandmarkOptions(),
        arrays={
            "frame_index": "(K,) int64: number of each sampled frame, repeated in slower videos",
            "points": "(K, 68, 2) float32 in 0..1024: x, y in pixels, NaN without a face",
            "faces": "(K,) int16: faces found in the frame",
            "frame_size": "(2,) int64: width, height in pixels",
        },
    )

    def open(self, item: Item, upstream: Mapping[str, Any]) -> VideoLandmarksSession:
        """Start on a video.

        Raises:
            FeatureUnavailableError: ``no_dlib``.
        """
        return VideoLandmarksSession(self.finder(), self.record.options)


class VideoLandmarksSession(Session):
    """Finds landmarks while the video is decoded."""

    def __init__(self, finder: LandmarkFinder, options: VideoLandmarkOptions) -> None:
        self._finder, self._options = finder, options
        self._wanted: NDArray[np.int64] = np.empty(0, np.int64)
        self._found: dict[int, tuple[NDArray[np.float32], int]] = {}
        self._size = (0, 0)

    def plan(self, times: Times) -> NDArray[np.bool_]:
        """Select frames by the sampling."""
        self._wanted, self._found = self._options.sampling.select(times), {}
        return frame_mask(self._wanted, len(times))

    def frame(self, index: int, time: float, rgb: Picture) -> None:
        """Find the landmarks."""
        self._found[index] = self._finder.find(rgb)
        self._size = (rgb.shape[1], rgb.shape[0])

    def finish(self) -> Arrays:
        """Return the arrays, a row per tick of the clock."""
        if not self._found:
            raise FeatureUnavailableError("no_frame", "the video has no frame")
        rows = [self._found[int(index)] for index in self._wanted if int(index) in self._found]
        if len(rows) < len(self._wanted):
            raise FeatureUnavailableError("frames_missing", "some of the sampled frames can't be decoded")
        return {
            "frame_index": self._wanted.astype(np.int64),
            "points": np.stack([points for points, _ in rows]),
            "faces": np.array([count for _, count in rows], np.int16),
            "frame_size": np.array(self._size, np.int64),
        }


FEATURES = (LandmarksExtractor, LastFaceLandmarksExtractor, VideoLandmarksExtractor)
