"""PSNR, SSIM and LPIPS of the face alone and of its lower half: features that cut pairs of frames, and their means.

Each feature wraps the one of whole frames: it brings the frames to one size, cuts both at the same place and passes
them on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, cast

import numpy as np

from evalkit.metrics.base import ArrayMetric, definition_beside
from evalkit.metrics.features.base import (
    Arrays,
    Extractor,
    FeatureOptions,
    FeatureUnavailableError,
    Item,
    PairCoverage,
    PairSession,
    Picture,
    WeightFile,
    described,
)
from evalkit.metrics.quality import lpips, paired_pixels
from evalkit.metrics.regions.face_region import NAME, FaceRegionView, Region

REGIONS: Mapping[Region, str] = {"face": "face", "mouth": "lower half of the face"}


@dataclass(frozen=True)
class RegionOptions(FeatureOptions):
    """Options of a feature of a region: those of the feature of whole frames, and which part is compared."""

    whole: FeatureOptions
    region: Region
    place: str = described("of the reference's face, the same in all frames and in both videos")


class RegionSession(PairSession):
    """Passes the cut frames to the session of whole frames."""

    def __init__(self, inner: PairSession, face: FaceRegionView, region: Region, smallest_side: int) -> None:
        self._inner, self._face, self._region, self._smallest = inner, face, region, smallest_side
        self._scales: list[float] = []

    def begin(self, coverage: PairCoverage) -> None:
        """Tell the inner session how much is compared."""
        self._inner.begin(coverage)

    def restart(self) -> None:
        """Forget all pairs."""
        self._scales = []
        self._inner.restart()

    def pair(self, index: int, candidate: Picture, reference: Picture) -> None:
        """Bring the candidate to the reference's size, cut both, and pass them on.

        Raises:
            FeatureUnavailableError: ``region_too_small``, or why there is no region.
        """
        rows, columns = self._face.slices(self._region)
        candidate, scale = paired_pixels.in_size_of(reference, candidate, 1)
        ours, theirs = candidate[rows, columns], reference[rows, columns]
        if min(theirs.shape[:2]) < self._smallest:
            found = f"{theirs.shape[1]}x{theirs.shape[0]} pixels; at least {self._smallest} on each side are needed"
            raise FeatureUnavailableError("region_too_small", found)
        self._scales.append(scale)
        self._inner.pair(index, np.ascontiguousarray(ours), np.ascontiguousarray(theirs))

    def finish(self) -> Arrays:
        """Return the inner session's arrays, with the scale of the whole frames."""
        return self._inner.finish() | {"scale": np.array(self._scales, dtype=np.float64)}


class RegionExtractor(Extractor):
    """Opens the session of whole frames behind one that cuts."""

    whole: ClassVar[type[Extractor]]

    def __init__(self, weights: Mapping[str, WeightFile], device: str = "cpu") -> None:
        super().__init__(weights, device)
        self._whole = type(self).whole(weights, device)

    def open(self, item: Item, upstream: Mapping[str, Any]) -> RegionSession:
        """Start on a video.

        Raises:
            FeatureUnavailableError: ``no_reference_video``.
        """
        inner = cast(PairSession, self._whole.open(item, {}))
        options = self.record.options
        return RegionSession(inner, upstream[NAME], options.region, options.whole.smallest_side)


def _of_region(whole: type[Extractor], region: Region) -> type[Extractor]:
    record = replace(
        whole.record,
        name=f"{whole.record.name}_{region}",
        version=1,
        title=f"{whole.record.title}, {REGIONS[region]}",
        needs=(NAME,),
        options=RegionOptions(whole.record.options, region),
    )
    return type(record.name, (RegionExtractor,), {"record": record, "whole": whole, "__module__": __name__})


_LPIPS = next(feature for feature in lpips.FEATURES if feature.record.name == "lpips_alex")
_WHOLE: Mapping[str, tuple[ArrayMetric, type[Extractor]]] = {
    "psnr": (paired_pixels.mean_over_frames, paired_pixels.paired_pixels),
    "ssim": (paired_pixels.ssim, paired_pixels.paired_ssim_gray),
    "lpips": (lpips.alex, _LPIPS),
}


def _metric(family: str, region: Region) -> ArrayMetric:
    whole, feature = _WHOLE[family]
    other = "mouth" if region == "face" else "face"
    return whole.variant(
        id=f"{family}.{region}",
        title=f"{whole.record.title}, {region}",
        summary=f"As {whole.record.id}, of the {REGIONS[region]} alone: a rectangle around the reference's face.",
        features=(f"{feature.record.name}_{region}",),
        protocol=1,
        people_only=True,
        aliases=(),
        blind_to="What is outside the rectangle, such as seams around a pasted mouth. A mouth that is right for the "
        "speech but not the one of the recording scores badly.",
        missing_policy="unscored without a reference video, without a face in it, and where the region is too small",
        definition=definition_beside(__file__, "regions.md"),
        notes=f"Never ranked beside {whole.record.id} or {family}.{other}: the regions of one video differ by several "
        "dB where most of the frame is copied from the source.",
    )


_WHOLE_FRAMES = {"psnr": ("psnr.rgb",), "ssim": ("ssim.gray", "ssim.rgb"), "lpips": ("lpips.alex", "lpips.vgg")}


def region_of(metric: str) -> tuple[str, str] | None:
    """Return the family and the region (``full``, ``face``, ``mouth``) of a metric's id that compares one.

    Numbers of one family and different regions must not be ranked together.
    """
    family, _, rest = metric.partition(".")
    if family not in _WHOLE_FRAMES:
        return None
    return (family, "full") if metric in _WHOLE_FRAMES[family] else (family, rest) if rest in REGIONS else None


FEATURES = tuple(_of_region(feature, region) for _, feature in _WHOLE.values() for region in REGIONS)
METRICS = tuple(_metric(family, region) for family in _WHOLE for region in REGIONS)
