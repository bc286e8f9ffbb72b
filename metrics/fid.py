"""FID and KID: how far the frames of a submission lie from those of the reference videos (METRICS.md 1)."""

from __future__ import annotations

import hashlib
import tempfile
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.files import storage_error
from evalkit.metrics.base import FeatureData, MetricRecord, Outcome, SetMetric, Summary, VideoInputs, unscored
from evalkit.metrics.distributions import SUBSET_SIZE, frechet_from_features, kid
from evalkit.metrics.resampling import frechet_interval, kernel_interval

EVERY_FRAME = ("inception", "inception_reference")
UNIFORM_16 = ("inception_uniform", "inception_uniform_reference")
Rows = NDArray[np.float32]
Numbers = NDArray[np.int64]


class RowFile:
    """Vectors of many videos in a temporary file without a name, so that memory doesn't grow with the set.

    The file vanishes when the object is closed, however the process ends.
    """

    def __init__(self) -> None:
        try:
            self._file = tempfile.TemporaryFile(prefix="evalkit-")  # noqa: SIM115 - closed by __exit__
        except OSError as error:
            raise storage_error(Path(tempfile.gettempdir()), error) from None
        self._shape: tuple[int, int] = (0, 0)

    def __enter__(self) -> RowFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def append(self, rows: Rows) -> None:
        """Add vectors (N, d), d as of the first.

        Raises:
            StorageError: the disk is full.
            ValueError: another d.
        """
        if self._shape[0] and rows.shape[1] != self._shape[1]:
            raise ValueError(f"rows of {self._shape[1]} numbers are needed, not {rows.shape[1]}")
        try:
            self._file.write(np.ascontiguousarray(rows, dtype=np.float32).tobytes())
        except OSError as error:
            raise storage_error(Path(tempfile.gettempdir()), error) from None
        self._shape = (self._shape[0] + len(rows), rows.shape[1])

    def rows(self) -> Rows:
        """Return all vectors (N, d) float32, read from the file as they are needed."""
        if not self._shape[0]:
            return np.empty(self._shape, dtype=np.float32)
        try:
            self._file.flush()
        except OSError as error:
            raise storage_error(Path(tempfile.gettempdir()), error) from None
        return np.memmap(self._file, dtype=np.float32, mode="r", shape=self._shape)


@dataclass(frozen=True)
class Sides:
    """The vectors of both sides, those of a video one after the other, and the number of the video of each."""

    ours: Rows
    theirs: Rows
    our_video: Numbers
    their_video: Numbers


class DistributionDistance(SetMetric):
    """A distance of the frames of all videos from the frames of their references.

    Args:
        record: what it means; its features are the video's and the reference's.
        paired: keep as many frames of each video as of its reference: the first, up to the shorter one's end.
    """

    def __init__(self, record: MetricRecord, *, paired: bool) -> None:
        self.record = record
        self._paired = paired

    def compute(self, features: Mapping[str, Mapping[str, NDArray[Any]]]) -> Outcome:
        """Say that a single video has none."""
        del features
        return unscored("number_of_the_set")

    def score_set(self, videos: Iterable[VideoInputs]) -> Summary:
        """Return the distance of the videos whose features are all there, in the byte-wise order of their samples."""
        lost: Counter[str] = Counter()
        with ExitStack() as stack:
            files = [stack.enter_context(RowFile()) for _ in self.record.features]
            counts: dict[str, tuple[int, int]] = {}
            for video in videos:
                sides = self._frames(video)
                if isinstance(sides, str):
                    lost[sides] += 1
                    continue
                for file, rows in zip(files, sides, strict=True):
                    file.append(rows)
                counts[video.sample] = (len(sides[0]), len(sides[1]))
            if not counts:
                return Summary(None, 0, min(lost, key=lambda name: (-lost[name], name)) if lost else "no_video")
            (ours, our_video), (theirs, their_video) = (
                _sorted(
                    file.rows(), {name: count[side] for name, count in counts.items()}, stack.enter_context(RowFile())
                )
                for side, file in enumerate(files)
            )
            return self._measure(Sides(ours, theirs, our_video, their_video), len(counts))

    def _frames(self, video: VideoInputs) -> tuple[Rows, Rows] | str:
        """Return the vectors of both sides, or why there are none."""
        sides = []
        for name in self.record.features:
            rows = _activations(video.features[name])
            if isinstance(rows, str):
                return rows
            sides.append(rows)
        if self._paired:
            common = min(len(rows) for rows in sides)
            sides = [rows[:common] for rows in sides]
        return (sides[0], sides[1])

    @abstractmethod
    def _measure(self, sides: Sides, videos: int) -> Summary: ...

    @property
    def _seed(self) -> int:
        return int.from_bytes(hashlib.sha256(self.record.id.encode()).digest()[:8], "big")


def _activations(data: FeatureData) -> Rows | str:
    """Return a video's vectors (N, d), a frame that is shown twice twice; or why there are none."""
    if data.arrays is None:
        return data.reason or "feature_missing"
    rows = np.asarray(data.arrays["activation"], dtype=np.float32)[data.arrays["row"]]
    if len(rows) == 0:
        return "no_frame"
    return rows if np.isfinite(rows).all() else "activation_not_finite"


def _sorted(rows: Rows, counts: Mapping[str, int], room: RowFile) -> tuple[Rows, Numbers]:
    """Return the vectors with the videos in the byte-wise order of their samples, and the video of each.

    KID draws vectors by number: the number must not hang on the order in which the videos came.
    """
    names = sorted(counts, key=lambda name: name.encode())
    video = np.repeat(np.arange(len(names)), [counts[name] for name in names])
    if names == list(counts):
        return rows, video
    ends = dict(zip(counts, np.cumsum(list(counts.values())), strict=True))
    for name in names:
        room.append(rows[ends[name] - counts[name] : ends[name]])
    return room.rows(), video


class FrechetInception(DistributionDistance):
    """FID with pytorch-fid's network, resize and ddof."""

    def _measure(self, sides: Sides, videos: int) -> Summary:
        if min(len(sides.ours), len(sides.theirs)) < 2:
            return Summary(None, videos, "too_few_frames")
        value = frechet_from_features(sides.ours, sides.theirs, ddof=1)
        interval = frechet_interval(
            value, sides.ours, sides.theirs, sides.our_video, sides.their_video, seed=self._seed
        )
        return Summary(value, videos, ci95=interval)


class KernelInception(DistributionDistance):
    """KID with torch-fidelity's kernel and subsets."""

    def _measure(self, sides: Sides, videos: int) -> Summary:
        if min(len(sides.ours), len(sides.theirs)) < SUBSET_SIZE:
            return Summary(None, videos, f"fewer_than_{SUBSET_SIZE}_frames")
        value, _ = kid(sides.ours, sides.theirs)
        interval = kernel_interval(value, sides.ours, sides.theirs, sides.our_video, sides.their_video, seed=self._seed)
        return Summary(value, videos, ci95=interval)


_POLICY = "a video without a reference video, or that can't be read, is left out of both sides"
_FID = MetricRecord(
    id="fid.pytorch",
    title="FID",
    summary="Fréchet distance between the Inception activations of the frames of the videos and of their references.",
    higher_is_better=False,
    unit="",
    range=(0.0, None),
    features=EVERY_FRAME,
    protocol=1,
    citation="Heusel et al., NeurIPS 2017; network, resize and covariance as pytorch-fid 0.3.0",
    missing_policy=_POLICY,
    aliases=("fid",),
    notes="Every frame at 25 frames/s, each video and its reference up to the end of the shorter one. Biased upwards "
    "with few frames: compare only numbers of equally many, and rank only with well over 2048. Resize is bilinear to "
    "299x299 without antialiasing; numbers of clean-fid, torch-fidelity and torchmetrics differ by their resize.",
)
_KID = MetricRecord(
    id="kid.torchfidelity",
    title="KID",
    summary="Kernel distance (cubic, unbiased) between the activations of fid.pytorch: mean over 100 subsets of 1000.",
    higher_is_better=False,
    unit="",
    range=(None, None),
    features=EVERY_FRAME,
    protocol=1,
    citation="Binkowski et al., ICLR 2018; kernel, subsets and seed as torch-fidelity",
    missing_policy=_POLICY,
    aliases=("kid",),
    notes="Unbiased, so the number to look at with few frames; slightly negative for equal sets. Unscored below 1000 "
    "frames a side. torch-fidelity's own command resizes in another way.",
)
_UNIFORM = "16 frames spread over each video, for sets whose videos differ in length. "

METRICS: tuple[SetMetric, ...] = (
    FrechetInception(_FID, paired=True),
    KernelInception(_KID, paired=True),
    FrechetInception(
        replace(
            _FID,
            id="fid.pytorch.uniform16",
            title="FID, 16 frames a video",
            summary="As fid.pytorch, over 16 frames spread evenly over each video.",
            features=UNIFORM_16,
            aliases=(),
            notes=_UNIFORM + "Biased upwards with few frames: rank only with well over 128 videos of equal number.",
        ),
        paired=False,
    ),
    KernelInception(
        replace(
            _KID,
            id="kid.torchfidelity.uniform16",
            title="KID, 16 frames a video",
            summary="As kid.torchfidelity, over 16 frames spread evenly over each video.",
            features=UNIFORM_16,
            aliases=(),
            notes=_UNIFORM + "Unscored below 63 videos (1000 frames).",
        ),
        paired=False,
    ),
)
