"""2D-FAN: the crop of a face to 68 heatmaps.

Bulat and Tzimiropoulos, "How far are we from solving the 2D & 3D Face Alignment problem?" (ICCV 2017): four hourglasses
one behind the other, each with heatmaps of its own; the last one's count. Names of parameters are those of
the published checkpoints (1adrianb/face-alignment).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its customary name
from numpy.typing import NDArray
from torch import Tensor, nn

from evalkit.metrics.features.placement import Inputs, Network, placed
from evalkit.metrics.features.stopwatch import running
from evalkit.metrics.networks.checkpoints import Unfilled, fill, load_state_dict, settle
from evalkit.metrics.networks.folding import settle_layout
from evalkit.metrics.networks.runners import TorchRunner
from evalkit.metrics.networks.torchscript import is_torchscript, load_torchscript_state

SIDE = 256  # of the crop, in pixels
HEATMAP = 64  # side of a heatmap
POINTS = 68
MODULES = 4
_DEPTH = 4
_WIDTH = 256
_UNUSED = ("*.num_batches_tracked",)  # a counter of training


class ConvBlock(nn.Module):
    """Three 3x3 convolutions, each after normalisation and ReLU; their outputs side by side, added to the input."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, out // 2, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out // 2)
        self.conv2 = nn.Conv2d(out // 2, out // 4, 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(out // 4)
        self.conv3 = nn.Conv2d(out // 4, out // 4, 3, padding=1, bias=False)
        self.downsample: nn.Module = nn.Identity()  # changes the number of channels, not the size
        if channels != out:
            self.downsample = nn.Sequential(
                nn.BatchNorm2d(channels), nn.ReLU(), nn.Conv2d(channels, out, 1, bias=False)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, out, H, W) of (N, channels, H, W)."""
        first = self.conv1(F.relu(self.bn1(x)))
        second = self.conv2(F.relu(self.bn2(first)))
        third = self.conv3(F.relu(self.bn3(second)))
        result: Tensor = torch.cat([first, second, third], dim=1) + self.downsample(x)
        return result


class Hourglass(nn.Module):
    """Halves its input four times and adds each size to what comes back from the smaller ones."""

    def __init__(self) -> None:
        super().__init__()
        for level in range(_DEPTH, 0, -1):
            for name in ("b1", "b2", "b3") if level > 1 else ("b1", "b2", "b2_plus", "b3"):
                self.add_module(f"{name}_{level}", ConvBlock(_WIDTH, _WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, 256, H, W) of (N, 256, H, W); H and W are multiples of 16."""
        return self._level(_DEPTH, x)

    def _level(self, level: int, x: Tensor) -> Tensor:
        upper: Tensor = self._block("b1", level)(x)
        lower = self._block("b2", level)(F.avg_pool2d(x, 2))
        lower = self._level(level - 1, lower) if level > 1 else self._block("b2_plus", level)(lower)
        return upper + F.interpolate(self._block("b3", level)(lower), scale_factor=2, mode="nearest")

    def _block(self, name: str, level: int) -> nn.Module:
        return self.get_submodule(f"{name}_{level}")


class FanModel(nn.Module):
    """The network, with the parameter names of the published checkpoints."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3)
        self.bn1 = nn.BatchNorm2d(64)
        self.conv2 = ConvBlock(64, 128)
        self.conv3 = ConvBlock(128, 128)
        self.conv4 = ConvBlock(128, _WIDTH)
        for number in range(MODULES):
            self.add_module(f"m{number}", Hourglass())
            self.add_module(f"top_m_{number}", ConvBlock(_WIDTH, _WIDTH))
            self.add_module(f"conv_last{number}", nn.Conv2d(_WIDTH, _WIDTH, 1))
            self.add_module(f"bn_end{number}", nn.BatchNorm2d(_WIDTH))
            self.add_module(f"l{number}", nn.Conv2d(_WIDTH, POINTS, 1))
            if number < MODULES - 1:
                self.add_module(f"bl{number}", nn.Conv2d(_WIDTH, _WIDTH, 1))
                self.add_module(f"al{number}", nn.Conv2d(POINTS, _WIDTH, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return the last heatmaps (N, 68, H / 4, W / 4) of images (N, 3, H, W) in 0..1; H, W multiples of 64."""
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.conv4(self.conv3(F.avg_pool2d(self.conv2(x), 2)))
        for number in range(MODULES):
            inside = self.get_submodule(f"top_m_{number}")(self.get_submodule(f"m{number}")(x))
            inside = F.relu(self.get_submodule(f"bn_end{number}")(self.get_submodule(f"conv_last{number}")(inside)))
            heatmaps: Tensor = self.get_submodule(f"l{number}")(inside)
            if number < MODULES - 1:
                x = x + self.get_submodule(f"bl{number}")(inside) + self.get_submodule(f"al{number}")(heatmaps)
        return heatmaps


class Fan:
    """The network, ready to run.

    Args:
        path: a state dict in the published names, or a TorchScript archive of the network (``2DFAN4-cd938726ad.zip``),
            of which the tensors are read.
        pin: the digest that the manifest pins; without it no TorchScript is loaded.
        device: ``cpu`` or ``cuda``.
        precision: of the convolutions.

    Raises:
        WeightsError: the file is missing, asks for code to run, or holds another network.
        MachineError: CUDA was asked for and is not there.
    """

    def __init__(
        self, path: Path, pin: str | None = None, device: str = "cpu", precision: torch.dtype = torch.float32
    ) -> None:
        def build() -> Network:
            with Unfilled():
                model = FanModel()
            state = load_torchscript_state(path, pin) if is_torchscript(path) else load_state_dict(path)
            fill(model, state, path, _UNUSED)
            place = settle(device)
            network = model.eval().to(place).requires_grad_(requires_grad=False)
            settle_layout(network)

            def fan(crops: Tensor) -> Tensor:
                heatmaps: Tensor = network(crops.float() / 255.0)
                return heatmaps

            return Network({"crops": TorchRunner(fan, place, precision)}, {"crops": Inputs("uint8", (3, SIDE, SIDE))})

        self._runner = placed(("Fan", path, pin, precision), build).runners["crops"]

    def heatmaps(self, crop: NDArray[Any]) -> NDArray[np.float32]:
        """Return the heatmaps (68, 64, 64) float32 of a crop (256, 256, 3) uint8 RGB.

        Raises:
            ValueError: another shape or dtype.
        """
        if crop.shape != (SIDE, SIDE, 3) or crop.dtype != np.uint8:
            raise ValueError(f"a crop is ({SIDE}, {SIDE}, 3) uint8, not {crop.shape} {crop.dtype}")
        with running("landmarks68"):
            heatmaps: NDArray[np.float32] = self._runner(np.ascontiguousarray(crop.transpose(2, 0, 1))[None])[0][0]
        return heatmaps
