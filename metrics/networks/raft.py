"""RAFT: optical flow between two pictures, in twenty steps over the correlation of all pairs of places.

Teed and Deng, "RAFT: Recurrent All-Pairs Field Transforms for Optical Flow" (ECCV 2020), the large network, with the
names of parameters of the published checkpoints (princeton-vl/RAFT). The correlations are not kept: those around the
places that a step asks for are computed tile by tile, so memory grows with the picture and not with its square.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its customary name
from numpy.typing import NDArray
from torch import Tensor, nn

from evalkit.metrics.features.placement import Inputs, Network, placed
from evalkit.metrics.features.stopwatch import running
from evalkit.metrics.networks.checkpoints import Unfilled, fill, load_state_dict, settle
from evalkit.metrics.networks.inception import check_frame
from evalkit.metrics.networks.runners import TorchRunner

STRIDE: Final = 8  # pixels of one place
LEVELS: Final = 4
RADIUS: Final = 4
SMALLEST_SIDE: Final = STRIDE * 2**LEVELS  # of the padded picture: two places on the coarsest level
STEPS: Final = 20
_STATE: Final = 128
_CHANNELS: Final = 256 // STRIDE**2  # of a picture's size that hold as many numbers as its features
_TILE: Final = 16

Norm = Literal["instance", "batch"]


def _norm(kind: Norm, width: int) -> nn.Module:
    return nn.InstanceNorm2d(width) if kind == "instance" else nn.BatchNorm2d(width)


class ResidualBlock(nn.Module):
    """Two convolutions, added to the input or, with a stride, to a convolution of it."""

    def __init__(self, inputs: int, width: int, norm: Norm, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride=stride, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.norm1, self.norm2 = _norm(norm, width), _norm(norm, width)
        self.downsample: nn.Module = nn.Identity()
        if stride > 1:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, width, 1, stride=stride), _norm(norm, width))

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, width, h, w), half as large with a stride of 2."""
        y = F.relu(self.norm1(self.conv1(x)))
        y = F.relu(self.norm2(self.conv2(y)))
        return F.relu(self.downsample(x) + y)


class Encoder(nn.Module):
    """A picture to 256 numbers for each of its places of 8 x 8 pixels."""

    def __init__(self, norm: Norm) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(3, 64, 7, stride=2, padding=3), _norm(norm, 64)
        self.layer1 = nn.Sequential(ResidualBlock(64, 64, norm, 1), ResidualBlock(64, 64, norm, 1))
        self.layer2 = nn.Sequential(ResidualBlock(64, 96, norm, 2), ResidualBlock(96, 96, norm, 1))
        self.layer3 = nn.Sequential(ResidualBlock(96, 128, norm, 2), ResidualBlock(128, 128, norm, 1))
        self.conv2 = nn.Conv2d(128, 256, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Return (N, 256, H / 8, W / 8) of (N, 3, H, W) in -1..1."""
        x = F.relu(self.norm1(self.conv1(images)))
        result: Tensor = self.conv2(self.layer3(self.layer2(self.layer1(x))))
        return result


class MotionEncoder(nn.Module):
    """Correlations and the flow so far to 128 numbers per place, the flow being the last two."""

    def __init__(self) -> None:
        super().__init__()
        self.convc1 = nn.Conv2d(LEVELS * (2 * RADIUS + 1) ** 2, 256, 1)
        self.convc2 = nn.Conv2d(256, 192, 3, padding=1)
        self.convf1 = nn.Conv2d(2, 128, 7, padding=3)
        self.convf2 = nn.Conv2d(128, 64, 3, padding=1)
        self.conv = nn.Conv2d(64 + 192, 126, 3, padding=1)

    def forward(self, flow: Tensor, correlations: Tensor) -> Tensor:
        """Return (N, 128, h, w) of (N, 2, h, w) and (N, 324, h, w)."""
        matched = F.relu(self.convc2(F.relu(self.convc1(correlations))))
        moved = F.relu(self.convf2(F.relu(self.convf1(flow))))
        mixed = F.relu(self.conv(torch.cat([matched, moved], dim=1)))
        return torch.cat([mixed, flow], dim=1)


class RowAndColumnGru(nn.Module):
    """A gated recurrent unit of convolutions along the rows, and then one along the columns."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        for pass_, kernel in ((1, (1, 5)), (2, (5, 1))):
            for gate in "zrq":
                padding = (kernel[0] // 2, kernel[1] // 2)
                self.add_module(f"conv{gate}{pass_}", nn.Conv2d(_STATE + inputs, _STATE, kernel, padding=padding))

    def forward(self, state: Tensor, x: Tensor) -> Tensor:
        """Return the new state (N, 128, h, w)."""
        for pass_ in (1, 2):
            update, reset, candidate = (self.get_submodule(f"conv{gate}{pass_}") for gate in "zrq")
            both = torch.cat([state, x], dim=1)
            z, r = torch.sigmoid(update(both)), torch.sigmoid(reset(both))
            q = torch.tanh(candidate(torch.cat([r * state, x], dim=1)))
            state = (1 - z) * state + z * q
        return state


class FlowHead(nn.Module):
    """The state to a change of the flow."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(_STATE, 256, 3, padding=1), nn.Conv2d(256, 2, 3, padding=1)

    def forward(self, state: Tensor) -> Tensor:
        """Return (N, 2, h, w) of (N, 128, h, w), in places."""
        result: Tensor = self.conv2(F.relu(self.conv1(state)))
        return result


class UpdateBlock(nn.Module):
    """One step: correlations, flow and context change the state, and the state the flow."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.gru, self.flow_head = MotionEncoder(), RowAndColumnGru(128 + _STATE), FlowHead()
        self.mask = nn.Sequential(nn.Conv2d(_STATE, 256, 3, padding=1), nn.ReLU(), nn.Conv2d(256, 64 * 9, 1))

    def forward(self, state: Tensor, context: Tensor, correlations: Tensor, flow: Tensor) -> tuple[Tensor, Tensor]:
        """Return the new state and the change of the flow."""
        state = self.gru(state, torch.cat([context, self.encoder(flow, correlations)], dim=1))
        return state, self.flow_head(state)


class RaftNetwork(nn.Module):
    """The three parts, with the parameter names of the published checkpoints."""

    def __init__(self) -> None:
        super().__init__()
        self.fnet, self.cnet, self.update_block = Encoder("instance"), Encoder("batch"), UpdateBlock()

    def forward(self, first: Tensor, first_map: Tensor, second_map: Tensor, steps: int) -> Tensor:
        """Return the flow (2, H, W) in pixels, x before y, from the first picture to the second.

        Args:
            first: (1, 3, H, W) in -1..1.
            first_map, second_map: (1, 256, H / 8, W / 8), what ``fnet`` makes of the pictures.
            steps: how often the flow is improved.
        """
        state, context = self.cnet(first).split(_STATE, dim=1)
        state, context = torch.tanh(state), F.relu(context)
        height, width = first_map.shape[-2:]
        places = torch.stack(
            torch.meshgrid(torch.arange(width), torch.arange(height), indexing="xy"),
        ).to(first_map)
        pyramid = pool_levels(second_map[0], LEVELS)
        flow = torch.zeros_like(places)
        for _ in range(steps):
            correlations = look_up(first_map[0], pyramid, places + flow)
            state, change = self.update_block(state, context, correlations[None], flow[None])
            flow = flow + change[0]
        return upsample(flow, 0.25 * self.update_block.mask(state)[0])


def pool_levels(features: Tensor, levels: int) -> list[Tensor]:
    """Return (C, h, w) features, and their means over 2 x 2 places, again and again: ``levels`` maps."""
    pyramid = [features]
    for _ in range(levels - 1):
        pyramid.append(F.avg_pool2d(pyramid[-1][None], 2)[0])
    return pyramid


def look_up(first: Tensor, pyramid: list[Tensor], places: Tensor, radius: int = RADIUS) -> Tensor:
    """Return how well each place of the first picture fits the surroundings of a place of the second one.

    Pooling the correlations over the second picture's places, as the paper does, is the same as correlating with its
    pooled features; so only the window that a tile of places asks for is ever computed.

    Args:
        first: (C, h, w) features.
        pyramid: (C, h', w') features of the second picture; each level half as fine as the one before.
        places: (2, h, w) x and y in the second picture, on the finest level.
        radius: places in each direction.

    Returns:
        (levels * side * side, h, w), side = 2 * radius + 1: for each level the products, divided by the square root of
        C, by columns; 0 outside the picture.
    """
    height, width = first.shape[-2:]
    side = 2 * radius + 1
    found = first.new_empty(len(pyramid) * side**2, height, width)
    steps = torch.arange(-radius, radius + 1, device=first.device, dtype=first.dtype)
    for top in range(0, height, _TILE):
        for left in range(0, width, _TILE):
            tile = (slice(None), slice(top, top + _TILE), slice(left, left + _TILE))
            shape = found[tile].shape[1:]
            features = first[tile].flatten(1).T / first.shape[0] ** 0.5
            x, y = places[tile].flatten(1)
            for level, second in enumerate(pyramid):
                columns, rows = _span(x, second.shape[2], radius), _span(y, second.shape[1], radius)
                window = second[:, rows, columns]
                products = (features @ window.flatten(1)).view(-1, 1, *window.shape[1:])
                across = (2 * (x[:, None] - columns.start + steps) + 1) / window.shape[2] - 1
                down = (2 * (y[:, None] - rows.start + steps) + 1) / window.shape[1] - 1
                grid = torch.stack(
                    [across[:, :, None].expand(-1, side, side), down[:, None, :].expand(-1, side, side)], dim=-1
                )
                sampled = F.grid_sample(products, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
                at = (slice(level * side**2, (level + 1) * side**2), *tile[1:])
                found[at] = sampled.view(-1, side**2).T.reshape(-1, *shape)
                x, y = x / 2, y / 2
    return found


def _span(places: Tensor, size: int, radius: int) -> slice:
    """Return the part of ``range(size)`` that the surroundings of the places need; never an empty one."""
    ends = torch.nan_to_num(torch.stack(places.aminmax())).clamp(-1e6, 1e6).floor().int().tolist()
    first = min(max(ends[0] - radius, 0), size - 1)
    return slice(first, max(min(ends[1] + radius + 2, size), first + 1))


def upsample(flow: Tensor, mask: Tensor) -> Tensor:
    """Return the flow of every pixel (2, 8 h, 8 w), in pixels.

    Args:
        flow: (2, h, w) in places.
        mask: (576, h, w), for each of the 8 x 8 pixels of a place the weights of 3 x 3 places before softmax; the
            weights come first.
    """
    height, width = flow.shape[1:]
    weights = torch.softmax(mask.view(9, STRIDE, STRIDE, height, width), dim=0)
    around = F.unfold(STRIDE * flow[None], 3, padding=1).view(2, 9, 1, 1, height, width)
    fine = (weights * around).sum(dim=1)
    return fine.permute(0, 3, 1, 4, 2).reshape(2, STRIDE * height, STRIDE * width)


@dataclass(frozen=True)
class RaftFrame:
    """A picture, padded, and its features: both pairs that it belongs to share them."""

    image: NDArray[np.float32]
    features: NDArray[np.float32]


class Raft:
    """The network, ready to run.

    Args:
        path: a checkpoint in the published names, with or without ``module.`` before them.
        device: ``cpu`` or ``cuda``.
        precision: of convolutions and products.
        steps: how often the flow is improved.

    Raises:
        WeightsError: the file is missing, asks for code to run, or holds another network.
        MachineError: CUDA was asked for and is not there.
    """

    def __init__(
        self, path: Path, device: str = "cpu", precision: torch.dtype = torch.float32, steps: int = STEPS
    ) -> None:
        def build() -> Network:
            state = {name.removeprefix("module."): tensor for name, tensor in load_state_dict(path).items()}
            with Unfilled():
                model = RaftNetwork()
            # The published files have the normalisation beside a strided convolution under two names.
            fill(model, state, path, ignore=("*.norm3.*",))
            place = settle(device)
            network = model.eval().to(place)

            def raft(joined: Tensor) -> Tensor:
                image, first, second = joined[:, :3], joined[:, 3 : 3 + _CHANNELS], joined[:, 3 + _CHANNELS :]
                rows, columns = (side // STRIDE for side in joined.shape[-2:])
                maps = [part.reshape(1, -1, rows, columns) for part in (first, second)]
                flow: Tensor = network(image, maps[0], maps[1], steps)
                return flow[None]

            return Network(
                {
                    "features": TorchRunner(network.fnet, place, precision),
                    "flow": TorchRunner(raft, place, precision),
                },
                {
                    "features": Inputs("float32", (3, None, None)),
                    "flow": Inputs("float32", (3 + 2 * _CHANNELS, None, None)),
                },
            )

        self._runners = placed(("Raft", path, precision, steps), build).runners

    def frame(self, rgb: NDArray[np.uint8]) -> RaftFrame:
        """Return a picture (H, W, 3) uint8 RGB, padded (`padding`) to at least 128 by 128, with its features.

        Raises:
            ValueError: another shape or type, or a smaller picture.
        """
        check_frame(rgb)
        pixels = torch.from_numpy(np.require(rgb, requirements=["C", "W"])).permute(2, 0, 1)[None]
        images = 2 * (F.pad(pixels.float(), padding(*rgb.shape[:2]), mode="replicate") / 255.0) - 1.0
        if min(images.shape[-2:]) < SMALLEST_SIDE:
            raise ValueError(f"a padded picture has at least {SMALLEST_SIDE} by {SMALLEST_SIDE} pixels")
        with running("raft"):
            return RaftFrame(images.numpy(), self._runners["features"](images)[0])

    def flow(self, first: RaftFrame, second: RaftFrame) -> NDArray[np.float32]:
        """Return the flow of every pixel of the padded picture (2, H', W') float32 in pixels, x before y.

        Raises:
            ValueError: two sizes.
        """
        if first.image.shape != second.image.shape:
            raise ValueError(f"two pictures of one size, not {first.image.shape} and {second.image.shape}")
        height, width = first.image.shape[-2:]
        maps = [frame.features.reshape(1, _CHANNELS, height, width) for frame in (first, second)]
        with running("raft"):
            result: NDArray[np.float32] = self._runners["flow"](np.concatenate([first.image, *maps], axis=1))[0][0]
        return result


def padding(height: int, width: int) -> tuple[int, int, int, int]:
    """Return how many pixels to add left, right, above and below, so that both sides are multiples of 8.

    Half of them on each side, the odd one right and below.
    """
    across, down = -width % STRIDE, -height % STRIDE
    return across // 2, across - across // 2, down // 2, down - down // 2
