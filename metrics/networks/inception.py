"""Inception v3 without its classifier: a frame in, 2048 numbers of the last pooling layer out; and how it is run.

Szegedy, Vanhoucke, Ioffe, Shlens and Wojna, "Rethinking the Inception Architecture for Computer Vision" (CVPR 2016).
The TensorFlow graph of 2015-12-05 and torchvision's network have the same convolutions under the same names and differ
in how they pool, so that is a parameter.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its customary name
from numpy.typing import NDArray
from torch import Tensor, nn

from evalkit.metrics.features.placement import Inputs, Network, placed
from evalkit.metrics.features.runner import PYTORCH
from evalkit.metrics.features.stopwatch import running
from evalkit.metrics.networks.checkpoints import Unfilled, filled
from evalkit.metrics.networks.folding import fold_norm, settle_layout
from evalkit.metrics.networks.runners import make_runner

SIDE = 299
DIMENSION = 2048
BATCH = 16
FRAMES = Inputs("float32", (3, SIDE, SIDE), BATCH)
UNUSED = ("fc.*", "AuxLogits.*", "*.num_batches_tracked")  # the classifiers, and a counter of training
_EPSILON = 1e-3


@dataclass(frozen=True)
class Layer:
    """One convolution: its name in the checkpoint, output channels, kernel (height, width), stride, "same" padding."""

    name: str
    out: int
    kernel: tuple[int, int] = (1, 1)
    stride: int = 1
    same: bool = True


Step = Layer | str | tuple[Layer, Layer]  # a convolution, a pool, or two convolutions of the same input side by side
Branch = tuple[Step, ...]


def _3x3(name: str, out: int) -> Layer:
    return Layer(name, out, (3, 3))


def _halving(name: str, out: int) -> Layer:
    return Layer(name, out, (3, 3), stride=2, same=False)


def _wide(name: str, out: int, length: int = 7) -> Layer:
    return Layer(name, out, (1, length))


def _tall(name: str, out: int, length: int = 7) -> Layer:
    return Layer(name, out, (length, 1))


def _grid_35(average: str, pool: int) -> tuple[Branch, ...]:
    return (
        (Layer("branch1x1", 64),),
        (Layer("branch5x5_1", 48), Layer("branch5x5_2", 64, (5, 5))),
        (Layer("branch3x3dbl_1", 64), _3x3("branch3x3dbl_2", 96), _3x3("branch3x3dbl_3", 96)),
        (average, Layer("branch_pool", pool)),
    )


def _grid_17(average: str, width: int) -> tuple[Branch, ...]:
    return (
        (Layer("branch1x1", 192),),
        (Layer("branch7x7_1", width), _wide("branch7x7_2", width), _tall("branch7x7_3", 192)),
        (
            Layer("branch7x7dbl_1", width),
            _tall("branch7x7dbl_2", width),
            _wide("branch7x7dbl_3", width),
            _tall("branch7x7dbl_4", width),
            _wide("branch7x7dbl_5", 192),
        ),
        (average, Layer("branch_pool", 192)),
    )


def _grid_8(pool: str) -> tuple[Branch, ...]:
    return (
        (Layer("branch1x1", 320),),
        (Layer("branch3x3_1", 384), (_wide("branch3x3_2a", 384, 3), _tall("branch3x3_2b", 384, 3))),
        (
            Layer("branch3x3dbl_1", 448),
            _3x3("branch3x3dbl_2", 384),
            (_wide("branch3x3dbl_3a", 384, 3), _tall("branch3x3dbl_3b", 384, 3)),
        ),
        (pool, Layer("branch_pool", 192)),
    )


_STEM: tuple[Layer | str, ...] = (
    _halving("Conv2d_1a_3x3", 32),
    Layer("Conv2d_2a_3x3", 32, (3, 3), same=False),
    _3x3("Conv2d_2b_3x3", 64),
    "halving",
    Layer("Conv2d_3b_1x1", 80),
    Layer("Conv2d_4a_3x3", 192, (3, 3), same=False),
    "halving",
)


def _blocks(average: str, last: str) -> tuple[tuple[str, tuple[Branch, ...]], ...]:
    halving: tuple[Branch, ...] = (
        (_halving("branch3x3", 384),),
        (Layer("branch3x3dbl_1", 64), _3x3("branch3x3dbl_2", 96), _halving("branch3x3dbl_3", 96)),
        ("halving",),
    )
    halving_again: tuple[Branch, ...] = (
        (Layer("branch3x3_1", 192), _halving("branch3x3_2", 320)),
        (
            Layer("branch7x7x3_1", 192),
            _wide("branch7x7x3_2", 192),
            _tall("branch7x7x3_3", 192),
            _halving("branch7x7x3_4", 192),
        ),
        ("halving",),
    )
    return (
        ("Mixed_5b", _grid_35(average, 32)),
        ("Mixed_5c", _grid_35(average, 64)),
        ("Mixed_5d", _grid_35(average, 64)),
        ("Mixed_6a", halving),
        ("Mixed_6b", _grid_17(average, 128)),
        ("Mixed_6c", _grid_17(average, 160)),
        ("Mixed_6d", _grid_17(average, 160)),
        ("Mixed_6e", _grid_17(average, 192)),
        ("Mixed_7a", halving_again),
        ("Mixed_7b", _grid_8(average)),
        ("Mixed_7c", _grid_8(last)),
    )


class Convolution(nn.Module):
    """Convolution, batch normalisation with stored statistics, ReLU; `fold` makes one convolution of the first two."""

    def __init__(self, channels: int, layer: Layer) -> None:
        super().__init__()
        padding = (layer.kernel[0] // 2, layer.kernel[1] // 2) if layer.same else (0, 0)
        self.conv = nn.Conv2d(channels, layer.out, layer.kernel, stride=layer.stride, padding=padding, bias=False)
        self.bn: nn.Module = nn.BatchNorm2d(layer.out, eps=_EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, out, H', W') of (N, channels, H, W)."""
        normalised: Tensor = self.bn(self.conv(x))
        return F.relu(normalised, inplace=True)

    def fold(self) -> None:
        """Put the normalisation into the convolution."""
        if isinstance(self.bn, nn.BatchNorm2d):
            fold_norm(self.conv, self.bn)
            self.bn = nn.Identity()


def _pool(x: Tensor, kind: str) -> Tensor:
    if kind == "halving":
        return F.max_pool2d(x, 3, stride=2)
    if kind == "maximum":
        return F.max_pool2d(x, 3, stride=1, padding=1)
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=kind == "average_padded")


class Mixed(nn.Module):
    """Branches over the same input, their outputs one after the other along the channels."""

    def __init__(self, channels: int, branches: Sequence[Branch]) -> None:
        super().__init__()
        self._branches = tuple(branches)
        self.channels = sum(self._build(channels, branch) for branch in branches)

    def _build(self, channels: int, branch: Branch) -> int:
        for step in branch:
            if isinstance(step, str):
                continue
            layers = step if isinstance(step, tuple) else (step,)
            for layer in layers:
                self.add_module(layer.name, Convolution(channels, layer))
            channels = sum(layer.out for layer in layers)
        return channels

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, self.channels, H', W') of (N, channels, H, W)."""
        return torch.cat([self._run(x, branch) for branch in self._branches], dim=1)

    def _run(self, x: Tensor, branch: Branch) -> Tensor:
        for step in branch:
            if isinstance(step, str):
                x = _pool(x, step)
            elif isinstance(step, tuple):
                x = torch.cat([self.get_submodule(layer.name)(x) for layer in step], dim=1)
            else:
                x = self.get_submodule(step.name)(x)
        return x


class Inception(nn.Module):
    """The network: (N, 3, 299, 299) to (N, 2048).

    Args:
        average: how the grids pool: ``average``, or ``average_padded`` where the border's zeros count.
        last: the same of the last grid; ``maximum`` too.
    """

    def __init__(self, average: str, last: str) -> None:
        super().__init__()
        channels = 3
        for step in _STEM:
            if isinstance(step, Layer):
                self.add_module(step.name, Convolution(channels, step))
                channels = step.out
        blocks = _blocks(average, last)
        for name, branches in blocks:
            block = Mixed(channels, branches)
            self.add_module(name, block)
            channels = block.channels
        self._names = tuple(name for name, _ in blocks)

    def forward(self, x: Tensor) -> Tensor:
        """Return the average over the 8x8 grid after the last block."""
        for step in _STEM:
            x = _pool(x, step) if isinstance(step, str) else self.get_submodule(step.name)(x)
        for name in self._names:
            x = self.get_submodule(name)(x)
        return x.mean(dim=(2, 3))


class FrameRunner(ABC):
    """Runs a network on prepared frames, channels-last, 16 at a time: on a CPU about twice as fast as as published.

    A subclass sets ``_runner``.

    Attributes:
        name: of the network, for the times of a run.
    """

    name: str
    _runner: Any  # `Runner`, or what stands for it (`evalkit.metrics.features.placement`)

    @abstractmethod
    def prepare(self, rgb: NDArray[np.uint8]) -> Tensor:
        """Return a frame (H, W, 3) uint8 as the network takes it, on the CPU: (3, 299, 299) float32.

        Raises:
            ValueError: another shape or type.
        """

    def embed(self, frames: Sequence[Tensor]) -> NDArray[np.float32]:
        """Return the activations of prepared frames: (N, 2048) float32, 0 or more.

        Which frames share a batch changes a value by less than 1e-5 of the largest.
        """
        parts = [self._run(frames[start : start + BATCH]) for start in range(0, len(frames), BATCH)]
        return np.concatenate(parts) if parts else np.zeros((0, DIMENSION), dtype=np.float32)

    def _run(self, frames: Sequence[Tensor]) -> NDArray[np.float32]:
        with running(self.name):
            (activations,) = self._runner(torch.stack(list(frames)))
        vectors: NDArray[np.float32] = activations.reshape(len(frames), -1)
        return vectors


class InceptionRunner(FrameRunner):
    """A network with the weights of a checkpoint; normalisation is folded into the convolutions.

    Args:
        path: the checkpoint, pickle or safetensors.
        device: ``cpu`` or ``cuda``.
        precision: of convolutions and products.
        runner: the library that runs it: ``pytorch``, or ``openvino`` on a CPU in float32.

    Attributes:
        pools: arguments of `Inception`.

    Raises:
        WeightsError: the checkpoint can't be read, is unsafe, or is another network's.
        MachineError: CUDA was asked for and is not there.
    """

    pools: tuple[str, str]

    def __init__(
        self, path: Path, device: str = "cpu", precision: torch.dtype = torch.float32, runner: str = PYTORCH
    ) -> None:
        def build() -> Network:
            with Unfilled():
                network = Inception(*self.pools)
            place = filled(network, path, device, ignore=UNUSED)
            for module in network.modules():
                if isinstance(module, Convolution):
                    module.fold()
            settle_layout(network)
            made = make_runner(
                network.eval(),
                runner,
                place,
                precision,
                layout=torch.channels_last,
                example=torch.zeros(1, 3, SIDE, SIDE),
                shape=(-1, 3, SIDE, SIDE),
            )
            return Network({"frames": made}, {"frames": FRAMES})

        self._runner = placed(("Inception", self.pools, path, precision, runner), build).runners["frames"]


def check_frame(rgb: NDArray[np.uint8]) -> None:
    """Check that ``rgb`` is a frame of 8-bit numbers: 0..1 would give a plausible result.

    Raises:
        ValueError: it is not uint8 (H, W, 3) with at least one pixel.
    """
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or 0 in rgb.shape:
        raise ValueError(f"a frame is uint8 (H, W, 3) in 0..255, not {rgb.dtype} {rgb.shape}")
