"""AMT-S: the picture between two pictures.

Li et al., "AMT: All-Pairs Multi-Field Transforms for Efficient Frame Interpolation" (CVPR 2023), the small network at
scale 1, for the middle of the two. Names of parameters are those of the published checkpoint (MCG-NKU/AMT). Flows are
found from coarse to fine, corrected by the correlation of all pairs of places, and three of them place each pixel.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its customary name
from numpy.typing import NDArray
from torch import Tensor, nn

from evalkit.metrics.features.placement import Inputs, Network, placed
from evalkit.metrics.features.stopwatch import running
from evalkit.metrics.networks.checkpoints import Unfilled, fill, inference, load_state_dict, settle
from evalkit.metrics.networks.inception import check_frame
from evalkit.metrics.networks.raft import look_up, pool_levels

MULTIPLE: Final = 16  # of the padded picture's sides
SMALLEST_SIDE: Final = 128  # of the padded picture: two places on the coarsest level of the correlations
_LEVELS, _RADIUS = 4, 3
_FLOWS = 3
_WIDTHS = (20, 32, 44, 56)  # channels of the pictures' features at a half, a quarter, an eighth, a sixteenth
_SIDE = 20
_HIDDEN = 76
_MIDDLE = 0.5


def _resize(x: Tensor, factor: float) -> Tensor:
    return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)


def _convolution(inputs: int, out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, out, 3, stride, 1), nn.PReLU(out))


def warp(picture: Tensor, flow: Tensor) -> Tensor:
    """Return ``picture`` (N, C, H, W) sampled at each pixel's place plus ``flow`` (N, 2, H, W); edges are repeated."""
    count, _, height, width = flow.shape
    across = torch.linspace(-1.0, 1.0, width).view(1, 1, 1, width).expand(count, -1, height, -1)
    down = torch.linspace(-1.0, 1.0, height).view(1, 1, height, 1).expand(count, -1, -1, width)
    moved = torch.cat([flow[:, :1] / ((width - 1.0) / 2.0), flow[:, 1:] / ((height - 1.0) / 2.0)], dim=1)
    grid = (torch.cat([across, down], dim=1).to(picture) + moved).permute(0, 2, 3, 1)
    return F.grid_sample(picture, grid, mode="bilinear", padding_mode="border", align_corners=True)


class Bottleneck(nn.Module):
    """Three normalised convolutions through a quarter of the channels, added to the input or a convolution of it."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width // 4, 1)
        self.conv2 = nn.Conv2d(width // 4, width // 4, 3, padding=1, stride=stride)
        self.conv3 = nn.Conv2d(width // 4, width, 1)
        self.downsample: nn.Module = nn.Identity()
        if stride > 1:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, width, 1, stride=stride), nn.InstanceNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, width, h, w)."""
        y = x
        for convolution in (self.conv1, self.conv2, self.conv3):
            y = F.relu(F.instance_norm(convolution(y)))
        return F.relu(self.downsample(x) + y)


class FeatureEncoder(nn.Module):
    """A picture to 84 numbers for each of its places of 8 x 8 pixels, which are correlated."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 7, stride=2, padding=3)
        self.layer1 = nn.Sequential(Bottleneck(32, 32, 1), Bottleneck(32, 32, 1))
        self.layer2 = nn.Sequential(Bottleneck(32, 64, 2), Bottleneck(64, 64, 1))
        self.layer3 = nn.Sequential(Bottleneck(64, 96, 2), Bottleneck(96, 96, 1))
        self.conv2 = nn.Conv2d(96, 84, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, 84, H / 8, W / 8) of (N, 3, H, W)."""
        x = F.relu(F.instance_norm(self.conv1(x)))
        result: Tensor = self.conv2(self.layer3(self.layer2(self.layer1(x))))
        return result


class PyramidEncoder(nn.Module):
    """A picture to features at four sizes."""

    def __init__(self) -> None:
        super().__init__()
        inputs = 3
        for level, width in enumerate(_WIDTHS, 1):
            self.add_module(
                f"pyramid{level}", nn.Sequential(_convolution(inputs, width, 2), _convolution(width, width))
            )
            inputs = width

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return four maps of (N, 3, H, W), from a half to a sixteenth of its sides."""
        found = []
        for level in range(1, len(_WIDTHS) + 1):
            x = self.get_submodule(f"pyramid{level}")(x)
            found.append(x)
        return found


class SideBlock(nn.Module):
    """Five convolutions, two of which change the last 20 channels only; added to the input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.conv3 = _convolution(width, width), _convolution(width, width)
        self.conv2, self.conv4 = _convolution(_SIDE, _SIDE), _convolution(_SIDE, _SIDE)
        self.conv5, self.prelu = nn.Conv2d(width, width, 3, padding=1), nn.PReLU(width)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, width, H, W)."""
        y = self._side(self.conv2, self.conv1(x))
        y = self._side(self.conv4, self.conv3(y))
        result: Tensor = self.prelu(x + self.conv5(y))
        return result

    @staticmethod
    def _side(convolution: nn.Module, x: Tensor) -> Tensor:
        return torch.cat([x[:, :-_SIDE], convolution(x[:, -_SIDE:])], dim=1)


class Decoder(nn.Module):
    """Features and flows of one size to those of twice that size."""

    def __init__(self, inputs: int, width: int, out: int) -> None:
        super().__init__()
        self.convblock = nn.Sequential(
            _convolution(inputs, width), SideBlock(width), nn.ConvTranspose2d(width, out, 4, 2, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, out, 2 H, 2 W) of (N, inputs, H, W)."""
        result: Tensor = self.convblock(x)
        return result


class Update(nn.Module):
    """Correlations to a change of features and flows; both are resized to an eighth of the picture before."""

    def __init__(self, width: int, factor: int) -> None:
        super().__init__()
        places = 2 * _LEVELS * (2 * _RADIUS + 1) ** 2
        self.convc1 = nn.Conv2d(places, 64, 1)
        self.convf1 = nn.Conv2d(4, 40, 7, padding=3)
        self.convf2 = nn.Conv2d(40, 20, 3, padding=1)
        self.conv = nn.Conv2d(64 + 20, 68, 3, padding=1)
        self.gru = self._pair(68 + 4 + width, _HIDDEN)
        self.feat_head, self.flow_head = self._pair(_HIDDEN, width), self._pair(_HIDDEN, 4)
        self._factor = factor

    @staticmethod
    def _pair(inputs: int, out: int) -> nn.Sequential:
        first, second = nn.Conv2d(inputs, _HIDDEN, 3, padding=1), nn.Conv2d(_HIDDEN, out, 3, padding=1)
        return nn.Sequential(first, nn.LeakyReLU(0.1), second)

    def forward(self, features: Tensor, flow: Tensor, correlations: Tensor) -> tuple[Tensor, Tensor]:
        """Return changes of the features (N, width, h, w) and of both flows (N, 4, h, w), in their own size.

        Args:
            features: (N, width, h, w), ``factor`` times as large as the others.
            flow: (N, 4, H / 8, W / 8), in places.
            correlations: (N, 392, H / 8, W / 8).
        """
        factor = self._factor
        if factor > 1:
            features = _resize(features, 1 / factor)
        matched = F.leaky_relu(self.convc1(correlations), 0.1)
        moved = F.leaky_relu(self.convf2(F.leaky_relu(self.convf1(flow), 0.1)), 0.1)
        mixed = F.leaky_relu(self.conv(torch.cat([matched, moved], dim=1)), 0.1)
        state = self.gru(torch.cat([mixed, flow, features], dim=1))
        change: Tensor = self.feat_head(state)
        step: Tensor = self.flow_head(state)
        if factor > 1:
            change, step = _resize(change, factor), factor * _resize(step, factor)
        return change, step


class AmtModel(nn.Module):
    """The network, with the parameter names of the published checkpoint."""

    def __init__(self) -> None:
        super().__init__()
        first, second, third, fourth = _WIDTHS
        self.feat_encoder, self.encoder = FeatureEncoder(), PyramidEncoder()
        self.decoder4 = Decoder(2 * fourth + 1, 2 * fourth, third + 4)
        self.decoder3 = Decoder(3 * third + 4, 3 * third, second + 4)
        self.decoder2 = Decoder(3 * second + 4, 3 * second, first + 4)
        self.decoder1 = Decoder(3 * first + 4, 3 * first, 8 * _FLOWS)
        self.update4, self.update3, self.update2 = Update(third, 1), Update(second, 2), Update(first, 4)
        self.comb_block = nn.Sequential(
            nn.Conv2d(3 * _FLOWS, 6 * _FLOWS, 3, padding=1),
            nn.PReLU(6 * _FLOWS),
            nn.Conv2d(6 * _FLOWS, 3, 3, padding=1),
        )

    def forward(self, before: Tensor, after: Tensor) -> Tensor:
        """Return the picture in the middle (1, 3, H, W) of two (1, 3, H, W) in 0..1; H and W are multiples of 16."""
        mean = torch.cat([before, after], dim=2).mean(1, keepdim=True).mean(2, keepdim=True).mean(3, keepdim=True)
        before, after = before - mean, after - mean
        maps = self.feat_encoder(torch.cat([before, after]))
        levels = (pool_levels(maps[0], _LEVELS), pool_levels(maps[1], _LEVELS))
        earlier, later = self.encoder(before), self.encoder(after)

        middle = torch.full_like(earlier[3][:, :1], _MIDDLE)
        found = self.decoder4(torch.cat([earlier[3], later[3], middle], dim=1))
        flow, features = found[:, :4], found[:, 4:]
        flow, features = self._improved(self.update4, levels, features, flow, 1)
        for decoder, update, level, factor in (
            (self.decoder3, self.update3, 2, 2),
            (self.decoder2, self.update2, 1, 4),
        ):
            found = decoder(self._warped(features, earlier[level], later[level], flow))
            flow, features = found[:, :4] + 2.0 * _resize(flow, 2.0), found[:, 4:]
            flow, features = self._improved(update, levels, features, flow, factor)
        return self._combined(before, after, mean, flow, self._warped(features, earlier[0], later[0], flow))

    @staticmethod
    def _warped(features: Tensor, earlier: Tensor, later: Tensor, flow: Tensor) -> Tensor:
        return torch.cat([features, warp(earlier, flow[:, :2]), warp(later, flow[:, 2:]), flow], dim=1)

    @staticmethod
    def _improved(
        update: nn.Module, levels: tuple[list[Tensor], list[Tensor]], features: Tensor, flow: Tensor, factor: int
    ) -> tuple[Tensor, Tensor]:
        """Return flow and features, each with what the correlations change.

        The flows from the middle to both pictures, doubled, say where a place of one is seen in the other.
        """
        small = flow if factor == 1 else _resize(flow, 1 / factor) * (1 / factor)
        height, width = small.shape[-2:]
        places = torch.stack(torch.meshgrid(torch.arange(width), torch.arange(height), indexing="xy")).to(small)
        forth = look_up(levels[0][0], levels[1], places + small[0, 2:] / _MIDDLE, _RADIUS)
        back = look_up(levels[1][0], levels[0], places + small[0, :2] / (1.0 - _MIDDLE), _RADIUS)
        change, step = update(features, small, torch.cat([forth, back])[None])
        return flow + step, features + change

    def _combined(self, before: Tensor, after: Tensor, mean: Tensor, flow: Tensor, x: Tensor) -> Tensor:
        """Return the picture: three warps of each side, mixed by masks, corrected, averaged."""
        forth, back, mask, rest = self.decoder1(x).split([2 * _FLOWS, 2 * _FLOWS, _FLOWS, 3 * _FLOWS], dim=1)
        height, width = forth.shape[-2:]
        coarse = 2.0 * _resize(flow, 2.0)
        forth = (forth + coarse[:, :2].repeat(1, _FLOWS, 1, 1)).view(_FLOWS, 2, height, width)
        back = (back + coarse[:, 2:].repeat(1, _FLOWS, 1, 1)).view(_FLOWS, 2, height, width)
        mask = torch.sigmoid(mask).view(_FLOWS, 1, height, width)
        one, other = warp(before.repeat(_FLOWS, 1, 1, 1), forth), warp(after.repeat(_FLOWS, 1, 1, 1), back)
        all_three = mask * one + (1 - mask) * other + mean + rest.view(_FLOWS, 3, height, width)
        found: Tensor = all_three.mean(0, keepdim=True) + self.comb_block(all_three.view(1, -1, height, width))
        return found.clamp(0, 1)


class Amt:
    """The network, ready to run.

    Args:
        path: a checkpoint in the published names, whose entry ``state_dict`` holds the tensors, or the tensors alone.
        device: ``cpu`` or ``cuda``.
        precision: of convolutions and products.

    Raises:
        WeightsError: the file is missing, asks for code to run, or holds another network.
        MachineError: CUDA was asked for and is not there.
    """

    def __init__(self, path: Path, device: str = "cpu", precision: torch.dtype = torch.float32) -> None:
        def build() -> Network:
            with Unfilled():
                model = AmtModel()
            fill(model, load_state_dict(path, entry="state_dict"), path)
            place = settle(device)
            network = model.eval().to(place).requires_grad_(requires_grad=False)

            def between(pair: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
                height, width = pair.shape[1:3]
                left, right, above, below = padding(height, width)
                with inference(place, precision):
                    pixels = torch.from_numpy(pair).to(place).permute(0, 3, 1, 2) / 255.0
                    pixels = F.pad(pixels, (left, right, above, below), mode="replicate")
                    found = network(pixels[:1], pixels[1:])[0].float()
                    inner = found[:, above : above + height, left : left + width]
                    made = (inner * 255.0).permute(1, 2, 0).cpu().numpy()
                return [made.clip(0, 255).astype(np.uint8)]

            return Network({"pairs": between}, {"pairs": Inputs("uint8", (None, None, 3), batch=None)})

        self._run = placed(("Amt", path, precision), build).runners["pairs"]

    def between(self, before: NDArray[np.uint8], after: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the picture (H, W, 3) uint8 RGB in the middle of two such pictures, cut to whole numbers.

        Raises:
            ValueError: other shapes or types, two sizes, or a padded side below 128.
        """
        for picture in (before, after):
            check_frame(picture)
        if before.shape != after.shape:
            raise ValueError(f"two pictures of one size, not {before.shape} and {after.shape}")
        height, width = before.shape[:2]
        left, right, above, below = padding(height, width)
        if min(height + above + below, width + left + right) < SMALLEST_SIDE:
            raise ValueError(f"a padded picture has at least {SMALLEST_SIDE} by {SMALLEST_SIDE} pixels")
        with running("amt"):
            return self._run(np.stack([before, after]))[0]


def padding(height: int, width: int) -> tuple[int, int, int, int]:
    """Return how many pixels to add left, right, above and below, so that both sides are multiples of 16.

    Half of them on each side, the odd one right and below.
    """
    across, down = -width % MULTIPLE, -height % MULTIPLE
    return across // 2, across - across // 2, down // 2, down - down // 2
