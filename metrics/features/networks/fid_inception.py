"""The Inception network of the FID: frames in, 2048 numbers of the last pooling layer out.

Szegedy, Vanhoucke, Ioffe, Shlens and Wojna, "Rethinking the Inception Architecture for Computer Vision" (CVPR 2016), in
the form of the TensorFlow graph of 2015-12-05 that Heusel et al., "GANs Trained by a Two Time-Scale Update Rule
Converge to a Local Nash Equilibrium" (NeurIPS 2017) measured with (METRICS.md 1.1). It differs from the Inception of
torchvision: padding doesn't count in average pools, and the last block pools by maximum. The names of parameters are
those of ``pt_inception-2015-12-05-6726825d.pth``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its customary name
from numpy.typing import NDArray
from torch import Tensor, nn

from evalkit.metrics.features.networks.checkpoints import fill, load_state_dict, settle

SIDE = 299
DIMENSION = 2048
BATCH = 16
UNUSED = ("fc.*", "AuxLogits.*", "*.num_batches_tracked")  # the classifier, and a counter of training
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


def _grid_35(pool: int) -> tuple[Branch, ...]:
    return (
        (Layer("branch1x1", 64),),
        (Layer("branch5x5_1", 48), Layer("branch5x5_2", 64, (5, 5))),
        (Layer("branch3x3dbl_1", 64), _3x3("branch3x3dbl_2", 96), _3x3("branch3x3dbl_3", 96)),
        ("average", Layer("branch_pool", pool)),
    )


def _grid_17(width: int) -> tuple[Branch, ...]:
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
        ("average", Layer("branch_pool", 192)),
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
_BLOCKS: tuple[tuple[str, tuple[Branch, ...]], ...] = (
    ("Mixed_5b", _grid_35(32)),
    ("Mixed_5c", _grid_35(64)),
    ("Mixed_5d", _grid_35(64)),
    (
        "Mixed_6a",
        (
            (_halving("branch3x3", 384),),
            (Layer("branch3x3dbl_1", 64), _3x3("branch3x3dbl_2", 96), _halving("branch3x3dbl_3", 96)),
            ("halving",),
        ),
    ),
    ("Mixed_6b", _grid_17(128)),
    ("Mixed_6c", _grid_17(160)),
    ("Mixed_6d", _grid_17(160)),
    ("Mixed_6e", _grid_17(192)),
    (
        "Mixed_7a",
        (
            (Layer("branch3x3_1", 192), _halving("branch3x3_2", 320)),
            (
                Layer("branch7x7x3_1", 192),
                _wide("branch7x7x3_2", 192),
                _tall("branch7x7x3_3", 192),
                _halving("branch7x7x3_4", 192),
            ),
            ("halving",),
        ),
    ),
    ("Mixed_7b", _grid_8("average")),
    ("Mixed_7c", _grid_8("maximum")),
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
        """Put the normalisation into the convolution, computed in float64."""
        norm = self.bn
        if not isinstance(norm, nn.BatchNorm2d) or norm.running_mean is None or norm.running_var is None:
            return
        scale = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
        shift = norm.bias.double() - norm.running_mean.double() * scale
        weight = self.conv.weight.double() * scale[:, None, None, None]
        self.conv.weight = nn.Parameter(weight.to(self.conv.weight.dtype), requires_grad=False)
        self.conv.bias = nn.Parameter(shift.to(self.conv.weight.dtype), requires_grad=False)
        self.bn = nn.Identity()


def _pool(x: Tensor, kind: str) -> Tensor:
    if kind == "halving":
        return F.max_pool2d(x, 3, stride=2)
    if kind == "maximum":
        return F.max_pool2d(x, 3, stride=1, padding=1)
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


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


class InceptionV3(nn.Module):
    """The network without its classifier: (N, 3, 299, 299) in -1..1 to (N, 2048)."""

    def __init__(self) -> None:
        super().__init__()
        channels = 3
        for step in _STEM:
            if isinstance(step, Layer):
                self.add_module(step.name, Convolution(channels, step))
                channels = step.out
        for name, branches in _BLOCKS:
            block = Mixed(channels, branches)
            self.add_module(name, block)
            channels = block.channels

    def forward(self, x: Tensor) -> Tensor:
        """Return the average over the 8x8 grid after the last block."""
        for step in _STEM:
            x = _pool(x, step) if isinstance(step, str) else self.get_submodule(step.name)(x)
        for name, _ in _BLOCKS:
            x = self.get_submodule(name)(x)
        return x.mean(dim=(2, 3))


class FidInception:
    """The network, ready to run.

    Normalisation is folded into the convolutions and tensors lie channels-last, 16 frames at a time: two to three times
    as fast on a CPU as the same batch in the usual layout, four times as fast as frame after frame.

    Args:
        path: the checkpoint, pickle or safetensors.
        device: ``cpu`` or ``cuda``.
        threads: of one operator on the CPU.

    Raises:
        WeightsError: the checkpoint can't be read, is unsafe, or is another network's.
        MachineError: CUDA was asked for and is not there.
    """

    def __init__(self, path: Path, device: str = "cpu", threads: int = 1) -> None:
        self._device = settle(device, threads)
        network = InceptionV3()
        fill(network, load_state_dict(path), path, ignore=UNUSED)
        for module in network.modules():
            if isinstance(module, Convolution):
                module.fold()
            if isinstance(module, nn.Conv2d):
                module.weight.data = module.weight.data.to(memory_format=torch.channels_last)
        self._network = network.eval().to(self._device)

    def prepare(self, rgb: NDArray[np.uint8]) -> Tensor:
        """Return one frame as the network takes it (METRICS.md 1.1 steps 1 and 2).

        Args:
            rgb: (H, W, 3) uint8.

        Returns:
            (3, 299, 299) float32 in -1..1 on the CPU: bilinear without antialiasing (``torch_bilinear``), the aspect
            ratio not kept.

        Raises:
            ValueError: another shape or type.
        """
        if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or 0 in rgb.shape:
            raise ValueError(f"a frame is uint8 (H, W, 3), not {rgb.dtype} {rgb.shape}")
        with torch.inference_mode():
            planes = torch.tensor(rgb).permute(2, 0, 1)[None].to(torch.float32).div_(255.0)
            resized = F.interpolate(planes, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
            return resized[0].mul_(2.0).sub_(1.0)

    def embed(self, frames: Sequence[Tensor]) -> NDArray[np.float32]:
        """Return the activations of prepared frames, up to 16 at a time.

        Args:
            frames: what `prepare` returned for each.

        Returns:
            (N, 2048) float32, 0 or more. Which frames share a batch changes a value by less than 1e-5 of the largest.
        """
        parts = [self._forward(frames[start : start + BATCH]) for start in range(0, len(frames), BATCH)]
        return np.concatenate(parts) if parts else np.zeros((0, DIMENSION), dtype=np.float32)

    def _forward(self, frames: Sequence[Tensor]) -> NDArray[np.float32]:
        with torch.inference_mode():
            batch = torch.stack(list(frames)).to(device=self._device, memory_format=torch.channels_last)
            activations: NDArray[np.float32] = self._network(batch).cpu().numpy()
        return activations
