"""Vectors that a network makes of a video's frames, and of its reference video's: what the features of them share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import MediaError
from evalkit.media.sampling import Sampling
from evalkit.metrics.features.base import (
    Arrays,
    Extractor,
    FeatureOptions,
    FeatureRecord,
    FeatureUnavailableError,
    Item,
    Picture,
    Session,
    Times,
    WeightFile,
    frame_mask,
)
from evalkit.metrics.features.images import read_images
from evalkit.metrics.features.repeats import Repeats

if TYPE_CHECKING:
    from torch import Tensor

    from evalkit.metrics.networks.small.runners import SmallFrames

BATCH = 16


class FrameNetwork(Protocol):
    """Turns frames into vectors; `FidInception` and its like."""

    def prepare(self, rgb: Picture) -> Tensor:
        """Return a frame (H, W, 3) uint8 as the network takes it."""
        ...

    def embed(self, frames: Sequence[Tensor]) -> NDArray[np.float32]:
        """Return (N, D) of N prepared frames."""
        ...


def bundled_frames(file: WeightFile, device: str) -> SmallFrames:
    """Return evalkit's own small network for frames; loads PyTorch."""
    from evalkit.metrics.networks.small.runners import SmallFrames

    return SmallFrames(file.path, file.sha256, device)


class NetworkExtractor(Extractor):
    """An extractor that runs one network: that of the first role in the record's weights."""

    open_network: Callable[[WeightFile, str], Any]

    def __init__(self, weights: Mapping[str, WeightFile], device: str = "cpu") -> None:
        super().__init__(weights, device)
        self._network = type(self).open_network(weights[self.record.weights[0]], device)


class FrameSession(Session):
    """Embeds the sampled frames while the video is decoded, 16 at a time.

    A frame that the network would see exactly as the one before has the same vector, and is not run.

    Args:
        network: `FrameNetwork`, or what has the same methods.
        sampling: which frames.
        array: name of the array of vectors.
    """

    def __init__(self, network: Any, sampling: Sampling, array: str = "activation") -> None:
        self._network, self._sampling, self._array = network, sampling, array

    def plan(self, times: Times) -> NDArray[np.bool_]:
        """Select the frames of the sampling, each once."""
        self._selection = self._sampling.select(times)
        self._pending: list[Any] = []
        self._parts: list[NDArray[np.float32]] = []
        self._vectors: list[int] = []  # which vector each frame has
        self._repeats = Repeats()
        return frame_mask(self._selection, len(times))

    def frame(self, index: int, time: float, rgb: Picture) -> None:
        """Prepare the frame and, with the sixteenth new one, run the network."""
        prepared = self._network.prepare(rgb)
        again = self._repeats.again(prepared)
        self._vectors.append(self._vectors[-1] + (not again) if self._vectors else 0)
        if again:
            return
        self._pending.append(prepared)
        if len(self._pending) == BATCH:
            self._run()

    def _run(self) -> None:
        self._parts.append(self._network.embed(self._pending))
        self._pending = []

    def finish(self) -> Arrays:
        """Return the vectors, and which of them each sample shows.

        Raises:
            FeatureUnavailableError: ``no_frame``.
        """
        if self._pending:
            self._run()
        if not self._parts:
            raise FeatureUnavailableError("no_frame", "the video has no frame")
        rows = np.unique(self._selection, return_inverse=True)[1]
        return {self._array: np.concatenate(self._parts)[self._vectors], "row": rows.astype(np.int64)}


class ReferenceVideoSession(Session):
    """Selects no frame of the video: passes the reference video's to another session, up to the last that it needs."""

    def __init__(self, session: Session, reference: Path) -> None:
        self._session, self._reference = session, reference

    def finish(self) -> Arrays:
        """Return the arrays of the reference video.

        Raises:
            FeatureUnavailableError: ``reference_video_unreadable``, ``reference_video_too_short``.
        """
        from evalkit.media.decode import iter_frames
        from evalkit.media.inspect import scan_times

        seen = 0
        try:
            times = scan_times(self._reference)
            mask = self._session.plan(times)
            last = int(np.flatnonzero(mask).max(initial=-1))
            for index, rgb in enumerate(islice(iter_frames(self._reference), last + 1)):
                if mask[index]:
                    self._session.frame(index, float(times[index]), rgb)
                    seen += 1
        except (MediaError, OSError) as error:
            raise FeatureUnavailableError("reference_video_unreadable", str(error)) from None
        if seen != mask.sum() or not len(mask):
            detail = "it ends before its index says" if seen else "it has no frame"
            raise FeatureUnavailableError("reference_video_unreadable", detail)
        try:
            return self._session.finish()
        except FeatureUnavailableError as error:
            if error.reason != "too_few_frames":
                raise
            raise FeatureUnavailableError("reference_video_too_short", error.detail) from None


class FrameExtractor(NetworkExtractor):
    """Makes the session of a video's frames, or of its reference video's."""

    @abstractmethod
    def session(self) -> Session:
        """Return a session that takes frames."""

    def open(self, item: Item, upstream: Mapping[str, Any]) -> Session:
        """Start on a sample.

        Raises:
            FeatureUnavailableError: ``no_reference_video``.
        """
        if "video" in self.record.inputs:
            return self.session()
        if item.reference_video is None:
            raise FeatureUnavailableError("no_reference_video", "the sample has no reference video")
        return ReferenceVideoSession(self.session(), item.reference_video)


class SampledFramesExtractor(FrameExtractor):
    """Vectors of the frames that the options' ``sampling`` selects."""

    def session(self) -> Session:
        """Return a session that takes the sampled frames."""
        return FrameSession(self._network, self.record.options.sampling)


class ReferenceImagesSession(Session):
    """Selects no frame of the video: it reads the reference images.

    Args:
        network: `FrameNetwork`, or what has the same methods.
        paths: of the images.
        array: name of the array of vectors.
    """

    def __init__(self, network: Any, paths: tuple[Path, ...], array: str) -> None:
        self._network, self._paths, self._array = network, paths, array

    def finish(self) -> Arrays:
        """Return the vectors, a row per image.

        Raises:
            FeatureUnavailableError: ``reference_image_unreadable``.
        """
        prepared = [self._network.prepare(rgb) for rgb in read_images(self._paths)]
        return {self._array: self._network.embed(prepared)}


class ReferenceImagesExtractor(NetworkExtractor):
    """Vectors of every reference image; once per image set, not per team."""

    array = "activation"

    def images(self) -> Any:
        """Return what prepares and embeds images: the network itself, unless overridden."""
        return self._network

    def open(self, item: Item, upstream: Mapping[str, Any]) -> Session:
        """Start on a sample.

        Raises:
            FeatureUnavailableError: ``no_reference_image``.
        """
        if not item.reference_images:
            raise FeatureUnavailableError("no_reference_image", "the sample has no reference image")
        return ReferenceImagesSession(self.images(), item.reference_images, self.array)


def video_and_reference(
    extractor: type[FrameExtractor],
    open_network: Callable[[WeightFile, str], Any],
    *,
    name: str,
    title: str,
    role: str,
    options: FeatureOptions,
    arrays: Mapping[str, str],
) -> tuple[type[FrameExtractor], type[FrameExtractor]]:
    """Return the features ``name``, of the video, and ``name_reference``, of the reference video.

    The second is computed once per test set, not per team. The other arguments are those of `FeatureRecord`.
    """

    def kind(suffix: str, title: str, source: Any) -> type[FrameExtractor]:
        record = FeatureRecord(
            f"{name}{suffix}", 1, title, inputs=frozenset({source}), weights=(role,), options=options, arrays=arrays
        )
        return type(record.name, (extractor,), {"record": record, "open_network": staticmethod(open_network)})

    return kind("", title, "video"), kind("_reference", f"{title}, reference video", "reference_video")
