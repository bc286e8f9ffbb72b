"""Whether a video moves at all, as VBench's dynamic degree: by RAFT, or by optical flow that needs no weights."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from evalkit.media.sampling import EveryNth, Sampling
from evalkit.metrics.base import VideoValue, definition_beside, metric, unscored
from evalkit.metrics.features.base import (
    Arrays,
    Extractor,
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
from evalkit.metrics.features.declare import SamplingOptions

ROLE = "raft"
SMALLEST_DIS = 16  # OpenCV's method fails below 12
ARRAYS = {
    "largest": "(K,) float64: mean length of the largest 5 % of the flow to the next sampled frame, in pixels",
    "frames": "() int64: sampled frames",
    "frame_size": "(2,) int64: width, height in pixels",
}


@dataclass(frozen=True)
class LargestFlowOptions(SamplingOptions):
    """Options of ``raft_largest_flow``: which frames, and which share of the pixels counts."""

    sampling: Sampling = field(default_factory=lambda: EveryNth(8))
    share: float = 0.05
    steps: int = 20
    padding: str = described("to multiples of 8, edges repeated, half on each side; the padding counts as pixels")
    precision: str = described("float32, no TF32")


@dataclass(frozen=True)
class LargestDisOptions(SamplingOptions):
    """Options of ``dis_largest_flow``: which frames, which share of the pixels counts, OpenCV's preset."""

    sampling: Sampling = field(default_factory=lambda: EveryNth(8))
    share: float = 0.05
    preset: str = "medium"


def mean_of_largest(flow: NDArray[np.float32], share: float) -> float:
    """Return the mean length of the longest vectors, ``int(share * pixels)`` of them but at least one.

    In float32 and in descending order, as VBench computes it.

    Args:
        flow: (2, H, W) x and y.
        share: of the pixels.
    """
    lengths = np.sqrt(np.square(flow[0]) + np.square(flow[1]))
    count = max(1, int(lengths.size * share))
    return float(np.mean(np.abs(np.sort(-lengths.ravel()))[:count]))


class _LargestFlowExtractor(Extractor):
    """Measures the flow between neighbours among the sampled frames."""

    @abstractmethod
    def prepare(self, rgb: Picture) -> Any:
        """Return what is kept of a frame.

        Raises:
            FeatureUnavailableError: ``frame_too_small``.
        """

    @abstractmethod
    def flow(self, first: Any, second: Any) -> NDArray[np.float32]:
        """Return the flow (2, H, W) between two prepared frames."""

    def open(self, item: Item, upstream: Mapping[str, Any]) -> LargestFlowSession:
        """Start on a video."""
        return LargestFlowSession(self)


class LargestFlowSession(Session):
    """Keeps the last frame and a number per step. A single frame is no error: it has no step."""

    def __init__(self, extractor: _LargestFlowExtractor) -> None:
        self._extractor = extractor

    def plan(self, times: Times) -> NDArray[np.bool_]:
        """Select frames by the sampling."""
        self._last: Any = None
        self._size: tuple[int, int] | None = None
        self._largest: list[float] = []
        selected = self._extractor.record.options.sampling.select(times)
        self._wanted = len(selected)
        return frame_mask(selected, len(times))

    def frame(self, index: int, time: float, rgb: Picture) -> None:
        """Measure the flow from the frame before."""
        size = (rgb.shape[1], rgb.shape[0])
        if self._size not in (None, size):
            raise FeatureUnavailableError("size_changes", f"frame {index} has another size than the one before")
        current = self._extractor.prepare(rgb)
        if self._size is not None:
            flow = self._extractor.flow(self._last, current)
            self._largest.append(mean_of_largest(flow, self._extractor.record.options.share))
        self._last, self._size = current, size

    def finish(self) -> Arrays:
        """Return the arrays.

        Raises:
            FeatureUnavailableError: ``no_frame``, ``frames_missing``.
        """
        if self._size is None:
            raise FeatureUnavailableError("no_frame", "the video has no frame")
        if len(self._largest) + 1 < self._wanted:
            raise FeatureUnavailableError("frames_missing", "some of the sampled frames can't be decoded")
        return {
            "largest": np.array(self._largest, np.float64),
            "frames": np.array(self._wanted, np.int64),
            "frame_size": np.array(self._size, np.int64),
        }


class RaftLargestFlow(_LargestFlowExtractor):
    """By RAFT, at the frame's own size."""

    record = FeatureRecord(
        name="raft_largest_flow",
        version=1,
        title="largest optical flow between frames, by RAFT",
        weights=(ROLE,),
        options=LargestFlowOptions(),
        arrays=ARRAYS,
    )

    def __init__(self, weights: Mapping[str, WeightFile], device: str = "cpu") -> None:
        super().__init__(weights, device)
        from evalkit.metrics.networks.checkpoints import precision_of
        from evalkit.metrics.networks.raft import Raft

        file = weights[ROLE]
        self._network = Raft(file.path, device, precision_of(file.options), self.record.options.steps)

    def prepare(self, rgb: Picture) -> Any:
        """Return the padded frame and its features."""
        from evalkit.metrics.networks.raft import SMALLEST_SIDE, STRIDE

        if min(rgb.shape[:2]) <= SMALLEST_SIDE - STRIDE:
            detail = f"{rgb.shape[1]}x{rgb.shape[0]} pixels, RAFT needs {SMALLEST_SIDE - STRIDE + 1} on each side"
            raise FeatureUnavailableError("frame_too_small", detail)
        return self._network.frame(rgb)

    def flow(self, first: Any, second: Any) -> NDArray[np.float32]:
        """Return the flow of the padded frame."""
        return self._network.flow(first, second)


class DisLargestFlow(_LargestFlowExtractor):
    """By OpenCV's DIS, at the frame's own size."""

    record = FeatureRecord(
        name="dis_largest_flow",
        version=1,
        title="largest optical flow between frames, by DIS",
        options=LargestDisOptions(),
        arrays=ARRAYS,
    )

    def prepare(self, rgb: Picture) -> Any:
        """Return the frame in grey."""
        import cv2

        if min(rgb.shape[:2]) < SMALLEST_DIS:
            raise FeatureUnavailableError("frame_too_small", f"{rgb.shape[1]}x{rgb.shape[0]} pixels")
        return cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)

    def flow(self, first: Any, second: Any) -> NDArray[np.float32]:
        """Return the flow; that of two equal frames is 0, where the method finds traces of some."""
        import cv2

        start = np.zeros((*second.shape, 2), np.float32)
        if np.array_equal(first, second):
            return start.transpose(2, 0, 1)
        preset = {"medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM}[self.record.options.preset]
        found = cv2.DISOpticalFlow.create(preset).calc(first, second, start)
        return cast("NDArray[np.float32]", found.transpose(2, 0, 1))


@dataclass(frozen=True)
class DegreeOptions:
    """When a video is dynamic.

    Args:
        pixels: flow above which a step moves, in a frame whose smaller side is ``side``.
        side: pixels.
        share: of the sampled frames, times which, rounded half to even, so many steps must move.
        least: steps that must move in any case; also the fewest that a scored video has.
    """

    pixels: float = 6.0
    side: float = 256.0
    share: float = 0.25
    least: int = 0


@metric(
    id="motion.dynamic_degree",
    title="Dynamic degree",
    summary="Whether the video moves, as VBench's dynamic degree: 1 when at least a quarter of the steps have large "
    "optical flow, else 0; the mean over videos is the share that moves.",
    higher_is_better=None,
    range=(0.0, 1.0),
    features=("raft_largest_flow",),
    role="diagnostic",
    blind_to="How much the video moves beyond the threshold, what moves, and whether it should.",
    citation="Huang et al., VBench, CVPR 2024; Teed and Deng, RAFT, ECCV 2020",
    missing_policy="a video without a frame is unscored",
    definition=definition_beside(__file__, "dynamic_degree.md"),
    notes="As VBench has it, a video of two sampled frames is always 1, a still one too, since no step need move; one "
    "of a single frame is always 0. RAFT takes seconds per step on a CPU.",
    options=DegreeOptions(),
)
def dynamic_degree(flow: Mapping[str, NDArray[Any]], options: DegreeOptions) -> VideoValue:
    """Return whether enough steps move."""
    largest = flow["largest"]
    if len(largest) < options.least:
        return unscored("too_few_frames")
    if not np.isfinite(largest).all():
        return unscored("not_finite")
    if flow["frame_size"].size == 0 or flow["frame_size"].min() < 1:
        return unscored("no_frame")
    threshold = options.pixels * (float(flow["frame_size"].min()) / options.side)
    needed = max(round(int(flow["frames"]) * options.share), options.least)
    return VideoValue(float(len(largest) > 0 and int((largest > threshold).sum()) >= needed))


by_dis = dynamic_degree.variant(
    options=DegreeOptions(least=1),
    id="motion.dynamic_degree.dis",
    title="Dynamic degree (DIS)",
    summary="Whether the video moves, by VBench's rule on OpenCV's DIS flow, which needs no weights; the mean over "
    "videos is the share that moves.",
    features=("dis_largest_flow",),
    citation="Huang et al., VBench, CVPR 2024, for the rule; Kroeger et al., ECCV 2016, for the flow",
    missing_policy="a video with fewer than two sampled frames is unscored",
    definition=definition_beside(__file__, "dynamic_degree_dis.md"),
    notes="Not comparable with VBench's numbers. At least one step must move, so a still video is never 1.",
)

FEATURES, METRICS = (RaftLargestFlow, DisLargestFlow), (dynamic_degree, by_dis)
