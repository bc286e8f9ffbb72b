"""Features that need no network: comparison with the reference video, BRISQUE, small images for the reports."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.media.sampling import Sampling, Uniform
from evalkit.metrics.features.base import FeatureOptions, FeatureUnavailableError, Picture, WeightFile, described
from evalkit.metrics.features.declare import Clip, SamplingOptions, clip_feature, frame_feature, pair_feature
from evalkit.metrics.quality.brisque_model import BrisqueModel


@dataclass(frozen=True)
class PairedPixelsOptions(FeatureOptions):
    """Options of ``paired_pixels``."""

    clock: str = described("reference frames, nearest candidate frame in time, up to the shorter video's end")
    resize: str = described("candidate to the reference's size: cv_area down, pil_bicubic up")
    smallest_side: int = 11


@pair_feature(
    name="paired_pixels",
    version=1,
    title="PSNR and SSIM against the reference video, frame by frame",
    options=PairedPixelsOptions(),
    arrays={
        "psnr": "(K,) float64 dB, inf for identical frames",
        "ssim_gray": "(K,) float64",
        "ssim_rgb": "(K,) float64",
    },
)
def paired_pixels(candidate: Picture, reference: Picture, options: PairedPixelsOptions) -> Mapping[str, float]:
    """Bring the candidate to the reference's size and compare."""
    from evalkit.metrics.quality.pixels import psnr, resize_to, ssim_gray, ssim_rgb

    height, width = reference.shape[:2]
    if min(height, width) < options.smallest_side:
        raise FeatureUnavailableError("reference_video_too_small", f"{width}x{height} pixels")
    if candidate.shape != reference.shape:
        candidate = resize_to(candidate, height, width)
    pair = (candidate, reference)
    return {"psnr": psnr(*pair), "ssim_gray": ssim_gray(*pair), "ssim_rgb": ssim_rgb(*pair)}


@dataclass(frozen=True)
class BrisqueOptions(SamplingOptions):
    """Options of ``brisque``: every frame up to 64, else 64 spread evenly."""

    sampling: Sampling = field(default_factory=lambda: Uniform(64, "round"))
    region: str = described("full frame, native size")


def _brisque_model(weights: Mapping[str, WeightFile], device: str) -> BrisqueModel:
    return BrisqueModel.from_files(weights["brisque_model"].path, weights["brisque_range"].path)


@frame_feature(
    name="brisque",
    version=1,
    title="BRISQUE of up to 64 frames",
    weights=("brisque_model", "brisque_range"),
    load=_brisque_model,
    options=BrisqueOptions(),
    arrays={
        "score": "(K,) float64, lower is better, NaN for a frame without structure",
        "flat_fraction": "(K,) float64 in 0..1: share of pixels that are rounding noise",
    },
)
def brisque(rgb: Picture, options: BrisqueOptions, model: BrisqueModel) -> Mapping[str, float]:
    """Score the frame with the model of the LIVE release; a frame without any structure has no score."""
    from evalkit.metrics.quality.brisque import FlatImageError, brisque_score, flat_fraction
    from evalkit.metrics.quality.pixels import matlab_gray

    try:
        score = brisque_score(rgb, model)
    except FlatImageError:
        score = float("nan")
    return {"score": score, "flat_fraction": flat_fraction(matlab_gray(rgb))}


@dataclass(frozen=True)
class FilmstripOptions(SamplingOptions):
    """Options of ``filmstrip``: the height is in pixels, the quality JPEG's."""

    sampling: Sampling = field(default_factory=lambda: Uniform(6, "round"))
    height: int = 112
    quality: int = 80


@clip_feature(
    name="filmstrip",
    version=1,
    title="six small images for the reports",
    options=FilmstripOptions(),
    arrays={"jpeg": "(B,) uint8: JPEG files end to end", "end": "(K,) int64: where each ends"},
)
def filmstrip(clip: Clip, options: FilmstripOptions) -> Mapping[str, NDArray[Any]]:
    """Shrink and compress the frames; no number depends on them."""
    from PIL import Image

    files = []
    for rgb in {int(index): rgb for index, rgb in zip(clip.indices, clip.frames, strict=True)}.values():
        image = Image.fromarray(rgb)
        image.thumbnail((4 * options.height, options.height), Image.Resampling.LANCZOS)
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=options.quality, optimize=True)
        files.append(stream.getvalue())
    data = np.frombuffer(b"".join(files), dtype=np.uint8)
    return {"jpeg": data, "end": np.cumsum([len(one) for one in files], dtype=np.int64)}


def filmstrip_pictures(arrays: Mapping[str, NDArray[Any]]) -> list[bytes]:
    """Return the JPEG files of a cached filmstrip, in time order."""
    data, ends = arrays["jpeg"].tobytes(), [int(end) for end in arrays["end"]]
    return [data[start:end] for start, end in zip([0, *ends][:-1], ends, strict=True)]


FEATURES = (paired_pixels, brisque, filmstrip)
