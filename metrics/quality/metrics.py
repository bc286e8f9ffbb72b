"""Picture quality: against the reference video (PSNR, SSIM) and without one (BRISQUE)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.base import Event, Metric, MetricRecord, VideoValue, definition_beside, unscored

FLAT_SHARE = 0.05


class MeanOverPairs(Metric):
    """The mean of one column of ``paired_pixels`` over the frames where it is finite."""

    def __init__(self, record: MetricRecord, column: str) -> None:
        self.record = record
        self._column = column

    def compute(self, features: Mapping[str, Mapping[str, NDArray[Any]]]) -> VideoValue:
        """Return the mean; frames identical to the reference have an infinite PSNR and are counted apart."""
        values = features["paired_pixels"][self._column]
        finite = values[np.isfinite(values)]
        identical = int(np.isposinf(values).sum())
        if len(finite) == 0 and identical:
            return unscored("infinite", f"all {len(values)} frames are identical to the reference")
        if len(finite) == 0:
            return unscored("not_finite" if len(values) else "no_common_frame")
        events = (Event("identical_frames", f"{identical} of {len(values)} frames left out"),) if identical else ()
        return VideoValue(float(finite.mean()), events=events)


class MeanBrisque(Metric):
    """Mean BRISQUE over the frames that have structure."""

    record = MetricRecord(
        id="iqa.brisque",
        title="BRISQUE",
        summary="No-reference quality of the LIVE release, mean over every frame up to 64, else 64 spread evenly.",
        higher_is_better=False,
        unit="",
        range=(None, None),
        features=("brisque",),
        protocol=1,
        citation="Mittal, Moorthy, Bovik, IEEE TIP 21(12), 2012; model of the LIVE release",
        role="diagnostic",
        missing_policy="frames without any structure are left out; unscored when all are",
        aliases=("brisque",),
        definition=definition_beside(__file__, "brisque.md"),
        notes="Unclamped: values below 0 and above 100 occur. OpenCV's and MATLAB's BRISQUE are other models. "
        "Ill-conditioned on pictures with many flat pixels (event flat_pictures).",
    )

    def compute(self, features: Mapping[str, Mapping[str, NDArray[Any]]]) -> VideoValue:
        """Return the mean over frames."""
        data = features["brisque"]
        scores = data["score"][np.isfinite(data["score"])]
        if len(scores) == 0:
            return unscored("flat_pictures", "no frame has any structure")
        events = []
        flat = float((data["flat_fraction"] > FLAT_SHARE).mean())
        if flat > 0:
            events.append(Event("flat_pictures", f"{flat:.0%} of the frames have more than 5 % flat pixels"))
        return VideoValue(float(scores.mean()), events=tuple(events))


_PAIRED_POLICY = "unscored without a reference video"

METRICS: tuple[Metric, ...] = (
    MeanOverPairs(
        MetricRecord(
            id="psnr.rgb",
            title="PSNR",
            summary="Peak signal-to-noise ratio against the reference video over RGB, mean of the per-frame values.",
            higher_is_better=True,
            unit="dB",
            range=(0.0, None),
            features=("paired_pixels",),
            protocol=1,
            citation="10 log10(255^2 / MSE); mean over frames, not PSNR of the mean error",
            missing_policy=_PAIRED_POLICY,
            aliases=("psnr",),
            definition=definition_beside(__file__, "psnr.md"),
            notes="Frames identical to the reference are infinite; they are left out and counted in an event.",
        ),
        "psnr",
    ),
    MeanOverPairs(
        MetricRecord(
            id="ssim.gray",
            title="SSIM",
            summary="Structural similarity to the reference video on grey, Gaussian 11x11, mean over frames.",
            higher_is_better=True,
            unit="",
            range=(-1.0, 1.0),
            features=("paired_pixels",),
            protocol=1,
            citation="Wang, Bovik, Sheikh, Simoncelli, IEEE TIP 13(4), 2004",
            missing_policy=_PAIRED_POLICY,
            aliases=("ssim",),
            definition=definition_beside(__file__, "ssim.md"),
            notes="Valid region, population covariance, MATLAB grey. skimage's default (7x7 uniform) differs.",
        ),
        "ssim_gray",
    ),
    MeanOverPairs(
        MetricRecord(
            id="ssim.rgb",
            title="SSIM (RGB)",
            summary="As ssim.gray on each of R, G and B, mean of the three.",
            higher_is_better=True,
            unit="",
            range=(-1.0, 1.0),
            features=("paired_pixels",),
            protocol=1,
            citation="Wang, Bovik, Sheikh, Simoncelli, IEEE TIP 13(4), 2004",
            missing_policy=_PAIRED_POLICY,
            definition=definition_beside(__file__, "ssim.md"),
        ),
        "ssim_rgb",
    ),
    MeanBrisque(),
)
