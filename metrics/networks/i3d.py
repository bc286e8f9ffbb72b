"""The I3D network of the FVD: a clip in, 400 numbers before the softmax out.

Carreira and Zisserman, "Quo Vadis, Action Recognition? A New Model and the Kinetics Dataset" (CVPR 2017), the stream of
colour frames, trained on Kinetics-400. Convolutions and pools pad as TensorFlow's ``SAME``: as much as
the stride needs, an odd element behind. The names of parameters are those of ``i3d_pretrained_400.pt``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import torch
import torch.nn.functional as F  # noqa: N812 - its customary name
from torch import Tensor, nn

SIDE = 224
DIMENSION = 400
FEWEST_FRAMES = 10  # as in the published scripts
EPSILON = 1e-3  # of the batch normalisation in the TensorFlow graph; ports differ
UNUSED = ("*.num_batches_tracked",)  # a counter of training

Size = tuple[int, int, int]  # time, height, width
_CUBE: Size = (3, 3, 3)
_LAST_POOL: Size = (2, 7, 7)
_SLACK = 1e-3  # a resize weighs pixels with factors whose sum is 1 to within rounding


@dataclass(frozen=True)
class UnitShape:
    """A convolution with normalisation and ReLU."""

    name: str
    out: int
    kernel: Size = (1, 1, 1)
    stride: Size = (1, 1, 1)


@dataclass(frozen=True)
class Pool:
    """A maximum over windows."""

    name: str
    kernel: Size
    stride: Size


@dataclass(frozen=True)
class BlockShape:
    """Four branches: 1x1; 1x1 and 3x3; 1x1 and 3x3; pool and 1x1. ``widths`` are their six convolutions' channels."""

    name: str
    widths: tuple[int, int, int, int, int, int]


LAYERS: tuple[UnitShape | Pool | BlockShape, ...] = (
    UnitShape("Conv3d_1a_7x7", 64, (7, 7, 7), (2, 2, 2)),
    Pool("MaxPool3d_2a_3x3", (1, 3, 3), (1, 2, 2)),
    UnitShape("Conv3d_2b_1x1", 64),
    UnitShape("Conv3d_2c_3x3", 192, (3, 3, 3)),
    Pool("MaxPool3d_3a_3x3", (1, 3, 3), (1, 2, 2)),
    BlockShape("Mixed_3b", (64, 96, 128, 16, 32, 32)),
    BlockShape("Mixed_3c", (128, 128, 192, 32, 96, 64)),
    Pool("MaxPool3d_4a_3x3", (3, 3, 3), (2, 2, 2)),
    BlockShape("Mixed_4b", (192, 96, 208, 16, 48, 64)),
    BlockShape("Mixed_4c", (160, 112, 224, 24, 64, 64)),
    BlockShape("Mixed_4d", (128, 128, 256, 24, 64, 64)),
    BlockShape("Mixed_4e", (112, 144, 288, 32, 64, 64)),
    BlockShape("Mixed_4f", (256, 160, 320, 32, 128, 128)),
    Pool("MaxPool3d_5a_2x2", (2, 2, 2), (2, 2, 2)),
    BlockShape("Mixed_5b", (256, 160, 320, 32, 128, 128)),
    BlockShape("Mixed_5c", (384, 192, 384, 48, 128, 128)),
)


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return how many elements ``SAME`` adds before and behind an axis of ``size``.

    The output has ``ceil(size / stride)`` elements, and what is missing for the last window is added, the odd one
    behind.
    """
    missing = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return missing // 2, missing - missing // 2


def max_pool(x: Tensor, kernel: Size, stride: Size) -> Tensor:
    """Return the maximum over windows of ``x`` >= 0 (N, C, T, H, W), padded ``SAME``: zeros change no maximum there.

    One axis after the other, as the maximum of shifted copies: exactly what ``max_pool3d`` gives, several times as fast
    on a CPU. A trace, which is for a library with a fast pool, gets one operator.
    """
    sizes = [int(size) for size in x.shape[2:]]
    x = _pad(x, [same_padding(*axis) for axis in zip(sizes, kernel, stride, strict=True)])
    if torch.jit.is_tracing():  # type: ignore[attr-defined, no-untyped-call]
        return F.max_pool3d(x, kernel, stride)
    for axis, (width, step) in enumerate(zip(kernel, stride, strict=True), start=2):
        last = x.shape[axis] - width
        before = (slice(None),) * axis
        x = reduce(torch.maximum, [x[(*before, slice(at, at + last + 1, step))] for at in range(width)])
    return x


def _pad(x: Tensor, sides: list[tuple[int, int]]) -> Tensor:
    time, height, width = sides
    return F.pad(x, (*width, *height, *time)) if any((*width, *height, *time)) else x


class Convolution(nn.Module):
    """Convolution, batch normalisation with stored statistics, ReLU; `fold` makes one convolution of the first two."""

    def __init__(self, channels: int, unit: UnitShape, epsilon: float) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(channels, unit.out, unit.kernel, stride=unit.stride, bias=False)
        self.bn: nn.Module = nn.BatchNorm3d(unit.out, eps=epsilon)
        self._unit = unit

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, out, T', H', W') of (N, channels, T, H, W)."""
        unit = self._unit
        sizes = [int(size) for size in x.shape[2:]]
        sides = [same_padding(*axis) for axis in zip(sizes, unit.kernel, unit.stride, strict=True)]
        padding = [before for before, _ in sides]
        if any(before != behind for before, behind in sides):
            x, padding = _pad(x, sides), [0, 0, 0]
        x = F.conv3d(x, self.conv3d.weight, self.conv3d.bias, unit.stride, padding)
        normalised: Tensor = self.bn(x)
        return F.relu(normalised, inplace=True)

    def fold(self) -> None:
        """Put the normalisation into the convolution, computed in float64."""
        norm = self.bn
        if not isinstance(norm, nn.BatchNorm3d) or norm.running_mean is None or norm.running_var is None:
            return
        scale = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
        shift = norm.bias.double() - norm.running_mean.double() * scale
        weight = self.conv3d.weight.double() * scale[:, None, None, None, None]
        self.conv3d.weight = nn.Parameter(weight.to(self.conv3d.weight.dtype), requires_grad=False)
        self.conv3d.bias = nn.Parameter(shift.to(self.conv3d.weight.dtype), requires_grad=False)
        self.bn = nn.Identity()


class Mixed(nn.Module):
    """Four branches over the same input, their outputs one after the other along the channels."""

    def __init__(self, channels: int, widths: tuple[int, ...], epsilon: float) -> None:
        super().__init__()
        self.b0 = Convolution(channels, UnitShape("b0", widths[0]), epsilon)
        self.b1a = Convolution(channels, UnitShape("b1a", widths[1]), epsilon)
        self.b1b = Convolution(widths[1], UnitShape("b1b", widths[2], _CUBE), epsilon)
        self.b2a = Convolution(channels, UnitShape("b2a", widths[3]), epsilon)
        self.b2b = Convolution(widths[3], UnitShape("b2b", widths[4], _CUBE), epsilon)
        self.b3b = Convolution(channels, UnitShape("b3b", widths[5]), epsilon)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, sum of the branches' last widths, T, H, W) of (N, channels, T, H, W)."""
        pooled = max_pool(x, _CUBE, (1, 1, 1))
        return torch.cat([self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(pooled)], dim=1)


class Classifier(nn.Module):
    """The last convolution, with a bias and nothing behind it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(channels, DIMENSION, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, 400, T, H, W)."""
        logits: Tensor = self.conv3d(x)
        return logits


class I3D(nn.Module):
    """The network: (N, 3, T, 224, 224) in -1..1, T >= 10, to (N, 400).

    Args:
        epsilon: of the batch normalisation: 1e-3 in the TensorFlow graph, 1e-5 in VideoGPT's port.
    """

    def __init__(self, epsilon: float = EPSILON) -> None:
        super().__init__()
        channels = 3
        for layer in LAYERS:
            if isinstance(layer, UnitShape):
                self.add_module(layer.name, Convolution(channels, layer, epsilon))
                channels = layer.out
            elif isinstance(layer, BlockShape):
                self.add_module(layer.name, Mixed(channels, layer.widths, epsilon))
                channels = sum(layer.widths[index] for index in (0, 2, 4, 5))
        self.logits = Classifier(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits, averaged over time before any softmax.

        Raises:
            ValueError: another shape, or numbers outside -1..1.
        """
        if not torch.jit.is_tracing():  # type: ignore[attr-defined, no-untyped-call]
            check_clips(x)
        x = self.features(x)
        x = F.avg_pool3d(x, _LAST_POOL, stride=1)
        averaged: Tensor = self.logits(x).mean(dim=(2, 3, 4))
        return averaged

    def features(self, x: Tensor) -> Tensor:
        """Return (N, 1024, ceil(T / 8), 7, 7) after the last block."""
        for layer in LAYERS:
            x = (
                max_pool(x, layer.kernel, layer.stride)
                if isinstance(layer, Pool)
                else self.get_submodule(layer.name)(x)
            )
        return x

    def optimise(self) -> I3D:
        """Fold the normalisation and store the weights channels-last; returns the network, in evaluation mode."""
        for module in self.modules():
            if isinstance(module, Convolution):
                module.fold()
            if isinstance(module, nn.Conv3d):
                module.weight.data = module.weight.data.to(memory_format=torch.channels_last_3d)
        return self.eval()


def check_clips(x: Tensor) -> None:
    """Check that the network was trained on such clips (a wrong range gives a plausible number).

    See docs/definitions/fvd-kvd.md#traps.

    Raises:
        ValueError: not (N, 3, T >= 10, 224, 224), or numbers outside -1..1.
    """
    if x.ndim != 5 or x.shape[1] != 3 or x.shape[2] < FEWEST_FRAMES or tuple(x.shape[3:]) != (SIDE, SIDE):
        raise ValueError(f"clips are (N, 3, T >= {FEWEST_FRAMES}, {SIDE}, {SIDE}), not {tuple(x.shape)}")
    low, high = torch.aminmax(x)
    if not (low >= -1.0 - _SLACK and high <= 1.0 + _SLACK):
        raise ValueError(f"the network takes -1..1, found {float(low):.4g}..{float(high):.4g}")
