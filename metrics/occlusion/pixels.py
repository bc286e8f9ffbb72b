"""What a dub does to a hand or a thing before the mouth, and to the rest of the frame: squared errors by region.

The mouth is the lower half of the reference's face (`evalkit.metrics.regions`); a video of masks in the test set says
where it is covered.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.base import Event, VideoValue, definition_beside, metric, unscored
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
    described,
)
from evalkit.metrics.occlusion.masks import WHITE, Masks, check_inputs
from evalkit.metrics.quality.paired_pixels import CAP_DB, LEAST_SHARE, in_size_of
from evalkit.metrics.regions.face_region import NAME, FaceRegionView


@dataclass(frozen=True)
class OcclusionOptions(FeatureOptions):
    """Options of ``occluded_pixels`` and ``outside_mouth_pixels``."""

    clock: str = described("reference frames, nearest candidate frame in time, up to the shorter video's end")
    resize: str = described("candidate to the reference's size: cv_area down, pil_bicubic up")
    mouth: str = described("lower half of the reference's face")
    white: int = WHITE


def squared_errors(candidate: Picture, reference: Picture) -> NDArray[np.int64]:
    """Return the squared error of each pixel, summed over R, G and B: (H, W)."""
    difference = candidate.astype(np.int64) - reference
    errors: NDArray[np.int64] = (difference * difference).sum(axis=2)
    return errors


class _Errors(PairSession):
    """Keeps, of each pair, the squared error in one region and the number of its pixels."""

    def __init__(self, face: FaceRegionView) -> None:
        self._face = face
        self._coverage = PairCoverage(0, 0, 0.0)
        self._rows: list[tuple[int, int]] = []

    def begin(self, coverage: PairCoverage) -> None:
        """Keep how much is compared."""
        self._coverage = coverage

    def restart(self) -> None:
        """Forget all pairs."""
        self._rows = []

    def pair(self, index: int, candidate: Picture, reference: Picture) -> None:
        """Sum the errors of the region.

        Raises:
            FeatureUnavailableError: why there is no region, or no mask.
        """
        candidate, _ = in_size_of(reference, candidate, 1)
        chosen = self._region(reference)
        self._rows.append((int(squared_errors(candidate, reference)[chosen].sum()), int(chosen.sum())))

    def _region(self, reference: Picture) -> NDArray[np.bool_]:
        """Return the mask of all pixels outside the mouth."""
        outside = np.ones(reference.shape[:2], dtype=bool)
        outside[self._face.slices("mouth")] = False
        return outside

    def finish(self) -> Arrays:
        """Return the arrays."""
        if not self._rows:
            raise FeatureUnavailableError("no_common_frame", "the videos share no frame")
        whole = self._coverage
        errors, pixels = zip(*self._rows, strict=True)
        return {
            "compared": np.array([whole.pairs, whole.reference_frames, whole.extra_seconds], np.float64),
            "squared_error": np.array(errors, np.int64),
            "pixels": np.array(pixels, np.int64),
        }


class _CoveredErrors(_Errors):
    """The same where the mouth is covered; a frame of the masks belongs to each frame of the reference."""

    def __init__(self, face: FaceRegionView, item: Item) -> None:
        super().__init__(face)
        self._item = item
        self.restart()

    def restart(self) -> None:
        """Forget all pairs, and read the masks from the first again."""
        super().restart()
        self._masks = Masks(self._item)

    def _region(self, reference: Picture) -> NDArray[np.bool_]:
        height, width = reference.shape[:2]
        mouth = self._face.slices("mouth")
        covered = np.zeros((height, width), dtype=bool)
        covered[mouth] = self._masks.next(width, height, mouth)
        return covered


class OutsideMouthExtractor(Extractor):
    """Errors outside the mouth."""

    record = FeatureRecord(
        name="outside_mouth_pixels",
        version=1,
        title="squared error outside the mouth against the reference video, frame by frame",
        inputs=frozenset({"video", "reference_video"}),
        needs=(NAME,),
        options=OcclusionOptions(),
        arrays={
            "compared": "(3,) float64: pairs, reference frames, extra seconds",
            "squared_error": "(K,) int64: summed over pixels and R, G and B",
            "pixels": "(K,) int64: number of pixels",
        },
    )

    def open(self, item: Item, upstream: Mapping[str, Any]) -> PairSession:
        """Start on a video.

        Raises:
            FeatureUnavailableError: ``no_reference_video``.
        """
        if item.reference_video is None:
            raise FeatureUnavailableError("no_reference_video", "the sample has no reference video")
        return _Errors(upstream[NAME])


class OccludedExtractor(Extractor):
    """Errors where the mouth is covered."""

    record = FeatureRecord(
        name="occluded_pixels",
        version=1,
        title="squared error where the mouth is covered against the reference video, frame by frame",
        inputs=frozenset({"video", "reference_video", "occluders"}),
        needs=(NAME,),
        options=OcclusionOptions(),
        arrays=OutsideMouthExtractor.record.arrays,
    )

    def open(self, item: Item, upstream: Mapping[str, Any]) -> PairSession:
        """Start on a video.

        Raises:
            FeatureUnavailableError: ``no_reference_video``, ``no_occluders``.
        """
        check_inputs(item)
        return _CoveredErrors(upstream[NAME], item)


@metric(
    id="occl.outside_psnr",
    title="PSNR outside the mouth",
    summary="PSNR against the source video of all pixels but the lower half of its face; mean over frames.",
    higher_is_better=True,
    unit="dB",
    range=(0.0, CAP_DB),
    features=("outside_mouth_pixels",),
    people_only=True,
    blind_to="The mouth itself. A copy of the source is perfect.",
    citation="docs/definitions/dubbing.md",
    missing_policy="unscored without a reference video, and without a face in it",
    definition=definition_beside(__file__, "occlusion.md"),
    notes="Shows edits that nobody asked for: seams, a face that is redrawn whole, a background that flickers.",
)
def psnr_of_region(errors: Mapping[str, NDArray[Any]]) -> VideoValue:
    """Return the mean PSNR over the frames in which the region has pixels."""
    coverage = PairCoverage.of(errors["compared"])
    compared = f"{coverage.pairs} of {coverage.reference_frames} frames of the reference are compared"
    if coverage.share < LEAST_SHARE:
        return unscored("too_little_compared", f"{compared}; at least {LEAST_SHARE:.0%} must be")
    there = errors["pixels"] > 0
    if not there.any():
        return unscored("region_empty", f"in none of {len(there)} frames")
    values = [
        CAP_DB if error <= 0 else min(CAP_DB, max(0.0, 10 * math.log10(255.0**2 * 3 * int(pixels) / int(error))))
        for error, pixels in zip(errors["squared_error"][there], errors["pixels"][there], strict=True)
    ]
    counted = int(there.sum())
    events = (Event("frames_without_region", f"{len(there) - counted} of {len(there)} frames don't count"),)
    return VideoValue(float(np.mean(values)), events=events if counted < len(there) else ())


covered = psnr_of_region.variant(
    id="occl.keep_psnr",
    title="PSNR of what covers the mouth",
    summary="PSNR against the source video where a hand or a thing covers the lower half of the face; frames with one.",
    features=("occluded_pixels",),
    blind_to="Everything else: the mouth that is seen, and whether lips follow the speech.",
    missing_policy="unscored without masks in the test set; frames in which nothing covers the mouth don't count",
    notes="What covers the mouth should stay as it is. Made by evalkit: papers on occluded lips publish no definition.",
)

FEATURES, METRICS = (OutsideMouthExtractor, OccludedExtractor), (psnr_of_region, covered)
