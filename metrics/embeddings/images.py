"""Inception activations of frames: of the video, and of the reference video.

Two ways to pick frames (docs/definitions/fid-kid.md#which-frames): ``inception`` takes every frame after the video is
brought to 25 frames/s, for sets with a reference video per sample; ``inception_uniform`` takes 16 frames spread over
the video.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import MediaError
from evalkit.media.sampling import AtRate, Sampling, Uniform
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
from evalkit.metrics.features.networks import opened_once

if TYPE_CHECKING:
    from torch import Tensor


NETWORK = "inception"
BATCH = 16
EVERY_FRAME = AtRate(25.0)
UNIFORM_16 = Uniform(16, "round")
_ARRAYS = {
    "activation": "(F, 2048) float32: the last pooling layer, one row per frame looked at",
    "row": "(K,) int64: which row of activation each sample of the clock shows; a frame may be shown twice",
}


@dataclass(frozen=True)
class InceptionOptions(SamplingOptions):
    """Options of the features of FID's Inception."""

    sampling: Sampling = field(default_factory=lambda: EVERY_FRAME)
    resize: str = described("torch_bilinear 299x299, aspect ratio not kept")
    range: str = described("-1..1")
    layer: str = described("pool3, 2048")
    precision: str = described("float32 without TF32, unless the role's options say otherwise")
    network: str = described("normalisation folded into the convolutions, channels-last, batches of 16")


class FrameNetwork(Protocol):
    """Turns frames into vectors; `FidInception` and its like."""

    def prepare(self, rgb: Picture) -> Tensor:
        """Return a frame as the network takes it."""
        ...

    def embed(self, frames: Sequence[Tensor]) -> NDArray[np.float32]:
        """Return (N, D) of N prepared frames."""
        ...


@opened_once
def open_network(file: WeightFile, device: str) -> FrameNetwork:
    """Return the network; loads PyTorch."""
    if file.bundled:
        return bundled_frames(file, device)
    from evalkit.metrics.networks.checkpoints import precision_of
    from evalkit.metrics.networks.fid_inception import FidInception

    return FidInception(file.path, device, precision_of(file.options))


def bundled_frames(file: WeightFile, device: str) -> FrameNetwork:
    """Return evalkit's own small network for frames; loads PyTorch."""
    from evalkit.metrics.networks.small.runners import SmallFrames

    return SmallFrames(file.path, file.sha256, device)


class _Embedder:
    """Takes the wanted frames one by one and runs the network on 16 at a time."""

    def __init__(self, network: FrameNetwork) -> None:
        self._network = network
        self._pending: list[Tensor] = []
        self._parts: list[NDArray[np.float32]] = []

    def add(self, rgb: Picture) -> None:
        self._pending.append(self._network.prepare(rgb))
        if len(self._pending) == BATCH:
            self._run()

    def _run(self) -> None:
        self._parts.append(self._network.embed(self._pending))
        self._pending = []

    def arrays(self, selection: NDArray[np.int64]) -> Arrays:
        """Return the feature's arrays.

        Raises:
            FeatureUnavailableError: ``no_frame``.
        """
        if self._pending:
            self._run()
        if not self._parts:
            raise FeatureUnavailableError("no_frame", "the video has no frame")
        rows = np.unique(selection, return_inverse=True)[1]
        return {"activation": np.concatenate(self._parts), "row": rows.astype(np.int64)}


class InceptionSession(Session):
    """Embeds frames while the video is decoded."""

    def __init__(self, network: FrameNetwork, sampling: Sampling) -> None:
        self._network, self._sampling = network, sampling
        self._start(np.empty(0, dtype=np.int64))

    def _start(self, selection: NDArray[np.int64]) -> None:
        self._selection = selection
        self._embedder = _Embedder(self._network)

    def plan(self, times: Times) -> NDArray[np.bool_]:
        """Want the frames that the sampling selects, each once."""
        self._start(self._sampling.select(times))
        return frame_mask(self._selection, len(times))

    def frame(self, index: int, time: float, rgb: Picture) -> None:
        """Resize the frame and, with the sixteenth, run the network."""
        self._embedder.add(rgb)

    def finish(self) -> Arrays:
        """Return the activations."""
        return self._embedder.arrays(self._selection)


class ReferenceInceptionSession(Session):
    """Wants no frame of the video: it reads the reference video."""

    def __init__(self, network: FrameNetwork, sampling: Sampling, reference: Path) -> None:
        self._network, self._sampling, self._reference = network, sampling, reference

    def finish(self) -> Arrays:
        """Return the activations of the reference video.

        Raises:
            FeatureUnavailableError: ``reference_video_unreadable``.
        """
        from evalkit.media.decode import iter_frames
        from evalkit.media.inspect import scan_times

        session = InceptionSession(self._network, self._sampling)
        try:
            mask = session.plan(scan_times(self._reference))
            seen = 0
            for index, rgb in enumerate(iter_frames(self._reference)):
                if index < len(mask) and mask[index]:
                    session.frame(index, 0.0, rgb)
                    seen += 1
        except (MediaError, OSError) as error:
            raise FeatureUnavailableError("reference_video_unreadable", str(error)) from None
        if seen != mask.sum() or not seen:
            detail = "it ends before its index says" if seen else "it has no frame"
            raise FeatureUnavailableError("reference_video_unreadable", detail)
        return session.finish()


def activation_record(
    name: str, title: str, role: str, options: SamplingOptions, *, reference: bool = False
) -> FeatureRecord:
    """Return the record of a feature that runs the network of ``role`` on the frames that are sampled."""
    return FeatureRecord(
        name=name,
        version=1,
        title=title,
        inputs=frozenset({"reference_video"} if reference else {"video"}),
        weights=(role,),
        options=options,
        arrays=_ARRAYS,
    )


def _record(name: str, title: str, sampling: Sampling, *, reference: bool) -> FeatureRecord:
    return activation_record(name, title, NETWORK, InceptionOptions(sampling), reference=reference)


class InceptionExtractor(Extractor):
    """FID-Inception activations of every frame at 25 frames/s."""

    record = _record("inception", "Inception activations of every frame at 25 frames/s", EVERY_FRAME, reference=False)

    def __init__(self, weights: Mapping[str, WeightFile], device: str = "cpu") -> None:
        super().__init__(weights, device)
        self._network = self.make_network(weights, device)

    @staticmethod
    def make_network(weights: Mapping[str, WeightFile], device: str) -> FrameNetwork:
        """Return the network that the manifest describes."""
        return open_network(weights[NETWORK], device)

    def open(self, item: Item, upstream: Mapping[str, Any]) -> Session:
        """Start on a video."""
        return InceptionSession(self._network, self.record.options.sampling)


class InceptionReferenceExtractor(InceptionExtractor):
    """The same of the reference video; computed once per test set, not per team."""

    record = _record(
        "inception_reference",
        "Inception activations of every frame of the reference video at 25 frames/s",
        EVERY_FRAME,
        reference=True,
    )

    def open(self, item: Item, upstream: Mapping[str, Any]) -> Session:
        """Start on a sample.

        Raises:
            FeatureUnavailableError: ``no_reference_video``.
        """
        if item.reference_video is None:
            raise FeatureUnavailableError("no_reference_video", "the sample has no reference video")
        return ReferenceInceptionSession(self._network, self.record.options.sampling, item.reference_video)


class InceptionUniformExtractor(InceptionExtractor):
    """FID-Inception activations of 16 frames spread over the video."""

    record = _record("inception_uniform", "Inception activations of 16 frames", UNIFORM_16, reference=False)


class InceptionUniformReferenceExtractor(InceptionReferenceExtractor):
    """The same of the reference video."""

    record = _record(
        "inception_uniform_reference",
        "Inception activations of 16 frames of the reference video",
        UNIFORM_16,
        reference=True,
    )


FEATURES = (
    InceptionExtractor,
    InceptionReferenceExtractor,
    InceptionUniformExtractor,
    InceptionUniformReferenceExtractor,
)
