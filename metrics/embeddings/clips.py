"""I3D logits of clips: of the video, and of the reference video (docs/definitions/fvd-kvd.md).

A clip is 16 consecutive frames at the video's own frame rate. ``i3d`` and ``i3d_state`` look at the first clip, with
the network file of StyleGAN-V and of VideoGPT; ``i3d_clips`` looks at all clips that don't overlap, for small sets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import InputError, MediaError
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
    described,
)
from evalkit.metrics.features.networks import opened_once

if TYPE_CHECKING:
    from torch import Tensor

NETWORK = "i3d"  # role of i3d_torchscript.pt
STATE_NETWORK = "i3d_state"  # role of i3d_pretrained_400.pt
LENGTH = 16  # frames of a clip
# What the manifest may say of each role's file; the first is meant when it says nothing.
FORMATS = {NETWORK: ("torchscript", "state_dict"), STATE_NETWORK: ("state_dict",)}


@dataclass(frozen=True)
class I3DOptions(FeatureOptions):
    """Options of the features of I3D.

    Args:
        every_clip: whether all clips that don't overlap are looked at, or the first alone.
    """

    every_clip: bool = False
    length: int = described(LENGTH)
    clip: str = described("consecutive frames at the video's own rate")
    resize: str = described("torch_bilinear 224x224, aspect ratio not kept")
    range: str = described("2 x / 255 - 1")
    layer: str = described("400 logits, averaged over time")
    precision: str = described("float32, no TF32, unless the role's options say otherwise")
    network: str = described(
        "one clip a call; from a state dict: normalisation folded into the convolutions, channels-last"
    )


_ARRAYS = {
    "activation": "(K, 400) float32: logits, one row per clip",
    "row": "(K,) int64: 0, 1, ...: the row of each clip",
}


class ClipNetwork(Protocol):
    """Turns clips into vectors."""

    def prepare(self, rgb: Picture) -> Tensor:
        """Return a frame (H, W, 3) uint8 as the network takes it."""
        ...

    def embed(self, frames: Sequence[Tensor]) -> NDArray[np.float32]:
        """Return (D,) of the prepared frames of one clip."""
        ...


@opened_once
def open_network(file: WeightFile, device: str) -> ClipNetwork:
    """Return the network; loads PyTorch.

    The manifest's options of the role: ``format``, ``torchscript``, ``state_dict`` or ``bundled``; ``epsilon`` of the
    batch normalisation, for a state dict, 0.001 without it; ``precision``.

    Raises:
        InputError: an option that can't be.
        WeightsError: the file is not what the manifest says, or unsafe.
    """
    if file.bundled:
        from evalkit.metrics.networks.small.runners import SmallClips

        return SmallClips(file.path, file.sha256, device)
    forms = FORMATS[file.role]
    form = file.options.get("format", forms[0])
    if form not in forms:
        raise _bad_option(file.role, f"format: {form}", " or ".join(forms))
    epsilon = file.options.get("epsilon", 0.001)
    if not isinstance(epsilon, float) or not 0 < epsilon < 1:
        raise _bad_option(file.role, f"epsilon: {epsilon}", "a number between 0 and 1, as 0.001")
    from evalkit.metrics.networks.checkpoints import precision_of
    from evalkit.metrics.networks.i3d_clips import StateDictI3D, TorchScriptI3D

    precision = precision_of(file.options)
    if form == "torchscript":
        return TorchScriptI3D(file.path, file.pin, device, precision)
    return StateDictI3D(file.path, device, epsilon, precision)


def _bad_option(role: str, found: str, expected: str) -> InputError:
    return InputError(
        f"The backbones give '{role}' an option that can't be.",
        found=found,
        expected=expected,
        fix="Correct the role's options in the backbones file.",
    )


def wanted_frames(frames: int, *, every_clip: bool) -> int:
    """Return how many frames, from the first on, are looked at of a video of ``frames``; 0 when it has no clip."""
    clips = frames // LENGTH
    return LENGTH * (clips if every_clip else min(clips, 1))


class _Embedder:
    """Takes frames one by one and runs the network on every sixteenth."""

    def __init__(self, network: ClipNetwork) -> None:
        self._network = network
        self._size: tuple[int, ...] | None = None
        self._pending: list[Tensor] = []
        self._rows: list[NDArray[np.float32]] = []
        self.seen = 0

    def add(self, rgb: Picture) -> None:
        """Take the next frame.

        Raises:
            FeatureUnavailableError: ``frame_size_changes``.
        """
        if self._size not in (None, rgb.shape):
            raise FeatureUnavailableError("frame_size_changes", f"frame {self.seen} is not as large as the one before")
        self._size = rgb.shape
        self.seen += 1
        self._pending.append(self._network.prepare(rgb))
        if len(self._pending) == LENGTH:
            self._rows.append(self._network.embed(self._pending))
            self._pending = []

    def arrays(self) -> Arrays:
        """Return the arrays of at least one clip; frames after the last whole clip don't count."""
        return {"activation": np.stack(self._rows), "row": np.arange(len(self._rows), dtype=np.int64)}


class I3DSession(Session):
    """Embeds clips while the video is decoded."""

    def __init__(self, network: ClipNetwork, *, every_clip: bool) -> None:
        self._network, self._every_clip = network, every_clip
        self._start(0)

    def _start(self, frames: int) -> None:
        self._frames = frames
        self._wanted = wanted_frames(frames, every_clip=self._every_clip)
        self._embedder = _Embedder(self._network)

    def plan(self, times: Times) -> NDArray[np.bool_]:
        """Want the frames of the first clip, or of all whole clips."""
        self._start(len(times))
        return np.arange(len(times)) < self._wanted

    def frame(self, index: int, time: float, rgb: Picture) -> None:
        """Prepare the frame and, with the sixteenth, run the network."""
        self._embedder.add(rgb)

    def finish(self) -> Arrays:
        """Return the logits.

        Raises:
            FeatureUnavailableError: ``too_few_frames``.
        """
        if not self._wanted:
            raise FeatureUnavailableError("too_few_frames", f"{self._frames} frames; a clip has {LENGTH}")
        if self._embedder.seen != self._wanted:
            detail = f"{self._embedder.seen} of the {self._wanted} frames of its clips could be read"
            raise FeatureUnavailableError("too_few_frames", detail)
        return self._embedder.arrays()


class ReferenceI3DSession(Session):
    """Wants no frame of the video: it reads the reference video, no further than it needs."""

    def __init__(self, network: ClipNetwork, reference: Path, *, every_clip: bool) -> None:
        self._network, self._reference, self._every_clip = network, reference, every_clip

    def finish(self) -> Arrays:
        """Return the logits of the reference video.

        Raises:
            FeatureUnavailableError: ``reference_video_unreadable``, ``reference_video_too_short``.
        """
        from evalkit.media.decode import iter_frames
        from evalkit.media.inspect import scan_times

        embedder = _Embedder(self._network)
        try:
            frames = len(scan_times(self._reference))
            wanted = wanted_frames(frames, every_clip=self._every_clip)
            for rgb in islice(iter_frames(self._reference), wanted):
                embedder.add(rgb)
        except (MediaError, OSError) as error:
            raise FeatureUnavailableError("reference_video_unreadable", str(error)) from None
        if embedder.seen != wanted or not frames:
            detail = "it ends before its index says" if frames else "it has no frame"
            raise FeatureUnavailableError("reference_video_unreadable", detail)
        if not wanted:
            raise FeatureUnavailableError("reference_video_too_short", f"{frames} frames; a clip has {LENGTH}")
        return embedder.arrays()


def _record(name: str, title: str, role: str, *, every_clip: bool = False, reference: bool = False) -> FeatureRecord:
    return FeatureRecord(
        name=name,
        version=1,
        title=title + (" of the reference video" if reference else ""),
        inputs=frozenset({"reference_video"} if reference else {"video"}),
        weights=(role,),
        options=I3DOptions(every_clip),
        arrays=_ARRAYS,
    )


class I3DExtractor(Extractor):
    """Logits of the first clip, by the network file of StyleGAN-V."""

    record = _record("i3d", "I3D logits of the first 16 frames", NETWORK)

    def __init__(self, weights: Mapping[str, WeightFile], device: str = "cpu") -> None:
        super().__init__(weights, device)
        self._network = open_network(weights[self.record.weights[0]], device)

    def open(self, item: Item, upstream: Mapping[str, Any]) -> Session:
        """Start on a video."""
        return I3DSession(self._network, every_clip=self.record.options.every_clip)


class I3DReferenceExtractor(I3DExtractor):
    """The same of the reference video; computed once per test set, not per team."""

    record = _record("i3d_reference", "I3D logits of the first 16 frames", NETWORK, reference=True)

    def open(self, item: Item, upstream: Mapping[str, Any]) -> Session:
        """Start on a sample.

        Raises:
            FeatureUnavailableError: ``no_reference_video``.
        """
        if item.reference_video is None:
            raise FeatureUnavailableError("no_reference_video", "the sample has no reference video")
        return ReferenceI3DSession(self._network, item.reference_video, every_clip=self.record.options.every_clip)


class I3DClipsExtractor(I3DExtractor):
    """Logits of all clips that don't overlap, from the first frame on."""

    record = _record("i3d_clips", "I3D logits of every 16 frames", NETWORK, every_clip=True)


class I3DClipsReferenceExtractor(I3DReferenceExtractor):
    """The same of the reference video."""

    record = _record("i3d_clips_reference", "I3D logits of every 16 frames", NETWORK, every_clip=True, reference=True)


class I3DStateExtractor(I3DExtractor):
    """Logits of the first clip, by the network file of VideoGPT."""

    record = _record("i3d_state", "I3D logits of the first 16 frames, VideoGPT's network", STATE_NETWORK)


class I3DStateReferenceExtractor(I3DReferenceExtractor):
    """The same of the reference video."""

    record = _record(
        "i3d_state_reference", "I3D logits of the first 16 frames, VideoGPT's network,", STATE_NETWORK, reference=True
    )


FEATURES = (
    I3DExtractor,
    I3DReferenceExtractor,
    I3DClipsExtractor,
    I3DClipsReferenceExtractor,
    I3DStateExtractor,
    I3DStateReferenceExtractor,
)
