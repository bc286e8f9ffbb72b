"""I3D logits of clips: of the video, and of the reference video (docs/definitions/fvd-kvd.md).

A clip is 16 consecutive frames at the video's own frame rate. ``i3d`` and ``i3d_state`` look at the first clip, with
the network file of StyleGAN-V and of VideoGPT; ``i3d_clips`` looks at all clips that don't overlap, for small sets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import InputError
from evalkit.metrics.embeddings.frames import FrameExtractor, video_and_reference
from evalkit.metrics.features.base import (
    Arrays,
    FeatureOptions,
    FeatureUnavailableError,
    Picture,
    Session,
    Times,
    WeightFile,
    described,
)
from evalkit.metrics.features.networks import opened_once
from evalkit.metrics.features.runner import runner_of
from evalkit.text import count

if TYPE_CHECKING:
    from torch import Tensor

NETWORK = "i3d"  # role of i3d_torchscript.pt
STATE_NETWORK = "i3d_state"  # role of i3d_pretrained_400.pt
LENGTH = 16  # frames of a clip
# Formats that the manifest may name for each role's file; the first is the default.
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
    "activation": "(K, D) float32: logits, D = 400 of I3D, one row per clip",
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
        InputError: an invalid option.
        WeightsError: the file is not the one that the manifest names, or unsafe.
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
    return StateDictI3D(file.path, device, epsilon, precision, runner_of(file.options))


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


class ClipsSession(Session):
    """Embeds clips while the video is decoded: runs the network on every sixteenth frame."""

    def __init__(self, network: ClipNetwork, *, every_clip: bool) -> None:
        self._network, self._every_clip = network, every_clip

    def plan(self, times: Times) -> NDArray[np.bool_]:
        """Select the frames of the first clip, or of all whole clips."""
        self._frames = len(times)
        self._wanted = wanted_frames(self._frames, every_clip=self._every_clip)
        self._seen = 0
        self._size: tuple[int, ...] | None = None
        self._pending: list[Tensor] = []
        self._rows: list[NDArray[np.float32]] = []
        return np.arange(self._frames) < self._wanted

    def frame(self, index: int, time: float, rgb: Picture) -> None:
        """Prepare the frame and, with the sixteenth, run the network.

        Raises:
            FeatureUnavailableError: ``frame_size_changes``.
        """
        if self._size not in (None, rgb.shape):
            raise FeatureUnavailableError("frame_size_changes", f"frame {self._seen} is not as large as the one before")
        self._size = rgb.shape
        self._seen += 1
        self._pending.append(self._network.prepare(rgb))
        if len(self._pending) == LENGTH:
            self._rows.append(self._network.embed(self._pending))
            self._pending = []

    def finish(self) -> Arrays:
        """Return the logits; frames after the last whole clip don't count.

        Raises:
            FeatureUnavailableError: ``too_few_frames``.
        """
        if not self._wanted:
            raise FeatureUnavailableError("too_few_frames", f"{count(self._frames, 'frame')}; a clip has {LENGTH}")
        if self._seen != self._wanted:
            detail = f"{self._seen} of the {self._wanted} frames of its clips could be read"
            raise FeatureUnavailableError("too_few_frames", detail)
        return {"activation": np.stack(self._rows), "row": np.arange(len(self._rows), dtype=np.int64)}


class ClipsExtractor(FrameExtractor):
    """Logits of clips by I3D."""

    def session(self) -> Session:
        """Return a session that takes the frames of clips."""
        return ClipsSession(self._network, every_clip=self.record.options.every_clip)


_declare = partial(video_and_reference, ClipsExtractor, open_network, arrays=_ARRAYS)

FEATURES = (
    *_declare(name="i3d", title="I3D logits of the first 16 frames", role=NETWORK, options=I3DOptions()),
    *_declare(
        name="i3d_clips", title="I3D logits of every 16 frames", role=NETWORK, options=I3DOptions(every_clip=True)
    ),
    *_declare(
        name="i3d_state",
        title="I3D logits of the first 16 frames, VideoGPT's network",
        role=STATE_NETWORK,
        options=I3DOptions(),
    ),
)
