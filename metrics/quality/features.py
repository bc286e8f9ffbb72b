"""Features that need no network: comparison with the reference video, BRISQUE statistics, a filmstrip."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from evalkit.media.sampling import Uniform
from evalkit.metrics.features.base import (
    Arrays,
    Extractor,
    FeatureRecord,
    FeatureUnavailableError,
    Item,
    PairSession,
    Picture,
    Session,
    Times,
    WeightFile,
)
from evalkit.metrics.quality.brisque import BrisqueModel, FlatImageError, brisque_score, flat_fraction
from evalkit.metrics.quality.pixels import matlab_gray, psnr, resize_to, ssim_gray, ssim_rgb

SMALLEST_SIDE = 11


class PairedPixelsSession(PairSession):
    """PSNR and SSIM of each pair of frames."""

    def __init__(self) -> None:
        self._rows: list[tuple[float, float, float]] = []

    def restart(self) -> None:
        """Forget all pairs."""
        self._rows = []

    def pair(self, index: int, candidate: Picture, reference: Picture) -> None:
        """Bring the candidate to the reference's size and compare."""
        height, width = reference.shape[:2]
        if min(height, width) < SMALLEST_SIDE:
            raise FeatureUnavailableError("reference_video_too_small", f"{width}x{height} pixels")
        if candidate.shape != reference.shape:
            candidate = resize_to(candidate, height, width)
        self._rows.append((psnr(candidate, reference), ssim_gray(candidate, reference), ssim_rgb(candidate, reference)))

    def finish(self) -> Arrays:
        """Return a row per reference frame."""
        if not self._rows:
            raise FeatureUnavailableError("no_common_frame", "the videos share no frame")
        columns = np.array(self._rows, dtype=np.float64)
        return {"psnr": columns[:, 0], "ssim_gray": columns[:, 1], "ssim_rgb": columns[:, 2]}


class PairedPixelsExtractor(Extractor):
    """PSNR and SSIM against the reference video (docs/definitions/psnr-ssim.md)."""

    record = FeatureRecord(
        name="paired_pixels",
        version=1,
        title="PSNR and SSIM against the reference video, frame by frame",
        inputs=frozenset({"video", "reference_video"}),
        options={
            "clock": "reference frames, nearest candidate frame in time, up to the shorter video's end",
            "resize": "candidate to the reference's size: cv_area down, pil_bicubic up",
        },
        arrays={
            "psnr": "(K,) float64 dB, inf for identical frames",
            "ssim_gray": "(K,) float64",
            "ssim_rgb": "(K,) float64",
        },
    )

    def open(self, item: Item, upstream: Mapping[str, Any]) -> PairedPixelsSession:
        """Start on a video.

        Raises:
            FeatureUnavailableError: ``no_reference_video``.
        """
        if item.reference_video is None:
            raise FeatureUnavailableError("no_reference_video", "the sample has no reference video")
        return PairedPixelsSession()


class BrisqueSession(Session):
    """BRISQUE of up to 64 frames."""

    def __init__(self, model: BrisqueModel) -> None:
        self._model = model
        self._rows: list[tuple[int, float, float]] = []

    def plan(self, times: Times) -> NDArray[np.bool_]:
        """Want every frame up to 64, else 64 spread evenly."""
        self._rows = []
        mask = np.zeros(len(times), dtype=bool)
        mask[BrisqueExtractor.sampling.select(times)] = True
        return mask

    def frame(self, index: int, time: float, rgb: Picture) -> None:
        """Score the frame; a frame without any structure has no score."""
        try:
            score = brisque_score(rgb, self._model)
        except FlatImageError:
            score = np.nan
        self._rows.append((index, score, flat_fraction(matlab_gray(rgb))))

    def finish(self) -> Arrays:
        """Return a row per frame looked at."""
        rows = np.array(self._rows, dtype=np.float64).reshape(-1, 3)
        return {"frame_index": rows[:, 0].astype(np.int64), "score": rows[:, 1], "flat_fraction": rows[:, 2]}


class BrisqueExtractor(Extractor):
    """BRISQUE of the LIVE release, native size, full frame (docs/definitions/brisque.md)."""

    sampling = Uniform(64, "round")
    record = FeatureRecord(
        name="brisque",
        version=1,
        title="BRISQUE of up to 64 frames",
        weights=("brisque_model", "brisque_range"),
        options={"sampling": sampling.id, "region": "full frame, native size"},
        arrays={
            "frame_index": "(K,) int64",
            "score": "(K,) float64, lower is better, NaN for a frame without structure",
            "flat_fraction": "(K,) float64 in 0..1: share of pixels that are rounding noise",
        },
    )

    def __init__(self, weights: Mapping[str, WeightFile], device: str = "cpu") -> None:
        super().__init__(weights, device)
        self._model = BrisqueModel.from_files(weights["brisque_model"].path, weights["brisque_range"].path)

    def open(self, item: Item, upstream: Mapping[str, Any]) -> BrisqueSession:
        """Start on a video."""
        return BrisqueSession(self._model)


class FilmstripSession(Session):
    """Six small JPEGs."""

    def __init__(self) -> None:
        self._pictures: list[bytes] = []

    def plan(self, times: Times) -> NDArray[np.bool_]:
        """Want six frames spread over the video."""
        self._pictures = []
        mask = np.zeros(len(times), dtype=bool)
        mask[FilmstripExtractor.sampling.select(times)] = True
        return mask

    def frame(self, index: int, time: float, rgb: Picture) -> None:
        """Shrink and compress the frame."""
        image = Image.fromarray(rgb)
        image.thumbnail((4 * FilmstripExtractor.height, FilmstripExtractor.height), Image.Resampling.LANCZOS)
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=80, optimize=True)
        self._pictures.append(stream.getvalue())

    def finish(self) -> Arrays:
        """Return the JPEGs end to end and where each ends."""
        data = np.frombuffer(b"".join(self._pictures), dtype=np.uint8)
        return {"jpeg": data, "end": np.cumsum([len(picture) for picture in self._pictures], dtype=np.int64)}


class FilmstripExtractor(Extractor):
    """Small pictures for the reports; no number depends on them."""

    sampling = Uniform(6, "round")
    height = 112
    record = FeatureRecord(
        name="filmstrip",
        version=1,
        title="six small pictures for the reports",
        options={"sampling": sampling.id, "height": height},
        arrays={"jpeg": "(B,) uint8: JPEG files end to end", "end": "(K,) int64: where each ends"},
    )

    def open(self, item: Item, upstream: Mapping[str, Any]) -> FilmstripSession:
        """Start on a video."""
        return FilmstripSession()


def filmstrip_pictures(arrays: Mapping[str, NDArray[Any]]) -> list[bytes]:
    """Return the JPEG files of a cached filmstrip, in time order."""
    data, ends = arrays["jpeg"].tobytes(), [int(end) for end in arrays["end"]]
    return [data[start:end] for start, end in zip([0, *ends][:-1], ends, strict=True)]


FEATURES = (PairedPixelsExtractor, BrisqueExtractor, FilmstripExtractor)
