"""DINO's vision transformer: an image to the vector of its class token.

Caron et al., "Emerging Properties in Self-Supervised Vision Transformers" (ICCV 2021). Names of parameters are those of
the published checkpoints (facebookresearch/dino). Sizes are read from the tensors, so one class serves ViT-S/16,
ViT-B/16 and smaller ones. Images of any shape are taken: the positions are interpolated as the published code does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its customary name
from numpy.typing import NDArray
from torch import Tensor, nn

from evalkit.errors import WeightsError
from evalkit.metrics.features.placement import Inputs, Network, placed
from evalkit.metrics.features.stopwatch import running
from evalkit.metrics.networks.checkpoints import Unfilled, fill, load_state_dict, settle
from evalkit.metrics.networks.inception import check_frame
from evalkit.metrics.networks.runners import TorchRunner

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
SHORTER_SIDE = 224
HEAD = 64  # numbers of one head, in every network that was published
_EPSILON = 1e-6
_NUDGE = 0.1  # of the published code: keeps the interpolated grid from losing a row to rounding


@dataclass(frozen=True)
class DinoSizes:
    """The sizes of a network, from the shapes of its tensors."""

    width: int
    layers: int
    patch: int
    grid: int


class Attention(nn.Module):
    """Self-attention of several heads, 64 numbers each."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self._heads = width // HEAD

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, L, width) of (N, L, width)."""
        count, length, width = x.shape
        query, key, value = self.qkv(x).view(count, length, 3, self._heads, HEAD).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value)
        result: Tensor = self.proj(mixed.transpose(1, 2).reshape(count, length, width))
        return result


class FeedForward(nn.Module):
    """Two linear layers with the exact GELU between them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, L, width) of (N, L, width)."""
        result: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return result


class Block(nn.Module):
    """Attention and feed-forward, each on the normalised input and added to it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=_EPSILON)
        self.attn = Attention(width)
        self.norm2 = nn.LayerNorm(width, eps=_EPSILON)
        self.mlp = FeedForward(width)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, L, width) of (N, L, width)."""
        x = x + self.attn(self.norm1(x))
        result: Tensor = x + self.mlp(self.norm2(x))
        return result


class PatchEmbedding(nn.Module):
    """Square patches of an image to vectors; what is left at the right and lower edge is not seen."""

    def __init__(self, sizes: DinoSizes) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, sizes.width, sizes.patch, stride=sizes.patch)

    def forward(self, images: Tensor) -> Tensor:
        """Return (N, width, rows, columns) of (N, 3, H, W)."""
        result: Tensor = self.proj(images)
        return result


class DinoModel(nn.Module):
    """The transformer, with the parameter names of the published checkpoints."""

    def __init__(self, sizes: DinoSizes) -> None:
        super().__init__()
        self.patch_embed = PatchEmbedding(sizes)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, sizes.width))
        self.pos_embed = nn.Parameter(torch.zeros(1, sizes.grid**2 + 1, sizes.width))
        self.blocks = nn.ModuleList(Block(sizes.width) for _ in range(sizes.layers))
        self.norm = nn.LayerNorm(sizes.width, eps=_EPSILON)
        self._grid, self._patch = sizes.grid, sizes.patch

    def positions(self, height: int, width: int) -> Tensor:
        """Return the positions (1, 1 + rows * columns, D) for an image: the learnt grid, interpolated to its shape.

        As in the published code: bicubic by the factors ``(rows + 0.1) / grid`` and ``(columns + 0.1) / grid``, which
        also place the samples. Only a square image with the learnt number of patches takes the grid as it is; one of
        230 by 224 pixels has as many patches, and is interpolated all the same.
        """
        rows, columns = height // self._patch, width // self._patch
        if height == width and rows == self._grid:
            return self.pos_embed
        learnt = self.pos_embed[:, 1:].view(1, self._grid, self._grid, -1).permute(0, 3, 1, 2)
        factors = ((rows + _NUDGE) / self._grid, (columns + _NUDGE) / self._grid)
        resized = F.interpolate(learnt, scale_factor=factors, mode="bicubic")
        return torch.cat([self.pos_embed[:, :1], resized.permute(0, 2, 3, 1).flatten(1, 2)], dim=1)

    def forward(self, images: Tensor) -> Tensor:
        """Return (N, width), the class token's last state, of normalised images (N, 3, H, W)."""
        tokens = self.patch_embed(images).flatten(2).transpose(1, 2)
        first = self.cls_token.expand(len(tokens), -1, -1)
        x = torch.cat([first, tokens], dim=1) + self.positions(*images.shape[-2:])
        for block in self.blocks:
            x = block(x)
        result: Tensor = self.norm(x)[:, 0]
        return result


def dino_sizes(state: Mapping[str, Tensor], path: Path) -> DinoSizes:
    """Return the sizes of the network that the tensors belong to.

    Raises:
        WeightsError: they belong to no vision transformer of DINO.
    """
    patches, places = state.get("patch_embed.proj.weight"), state.get("pos_embed")
    grid = math.isqrt(max(0, places.shape[1] - 1)) if places is not None and places.ndim == 3 else 0
    if patches is None or patches.ndim != 4 or grid < 1 or patches.shape[0] % HEAD:
        raise WeightsError(
            f"The weights file {path} holds no vision transformer of DINO.",
            found=", ".join(list(state)[:4]),
            expected="patch_embed.proj.weight, pos_embed, blocks.0.norm1.weight, ...",
            fix="The manifest names a file of another network: correct its entry.",
        )
    numbers = {int(part) for name in state if name.startswith("blocks.") and (part := name.split(".")[1]).isdigit()}
    return DinoSizes(patches.shape[0], max(numbers, default=-1) + 1, patches.shape[-1], grid)


class DinoEncoder:
    """The network, ready to run.

    Args:
        path: a checkpoint in the published names.
        device: ``cpu`` or ``cuda``.
        precision: of convolutions and products.

    Raises:
        WeightsError: the file is missing, asks for code to run, or holds another network.
        MachineError: CUDA was asked for and is not there.
    """

    def __init__(self, path: Path, device: str = "cpu", precision: torch.dtype = torch.float32) -> None:
        def build() -> Network:
            place = settle(device)
            state = load_state_dict(path)
            with Unfilled():
                model = DinoModel(dino_sizes(state, path))
            fill(model, state, path)
            made = TorchRunner(model.eval().to(place), place, precision)
            # Frames of any shape, whose number the caller chooses: never filled up.
            return Network(
                {"frames": made},
                {"frames": Inputs("float32", (3, None, None), batch=None)},
                {"dimension": model.cls_token.shape[-1]},
            )

        network = placed(("Dino", path, precision), build)
        self._runner, self._dimension = network.runners["frames"], int(network.facts["dimension"])
        self._mean = torch.tensor(MEAN).view(3, 1, 1)
        self._std = torch.tensor(STD).view(3, 1, 1)

    def prepare(self, rgb: NDArray[np.uint8]) -> Tensor:
        """Return a frame (H, W, 3) uint8 as the network takes it: (3, h, w) float32, normalised.

        The shorter side becomes 224 (PyTorch's bilinear, not antialiased, not rounded), nothing is cut off.
        """
        check_frame(rgb)
        height, width = rgb.shape[:2]
        shorter = min(height, width)
        size = (int(SHORTER_SIDE * height / shorter), int(SHORTER_SIDE * width / shorter))
        planes = torch.from_numpy(np.require(rgb, requirements=["C", "W"])).permute(2, 0, 1)[None].to(torch.float32)
        if size != (height, width):
            planes = F.interpolate(planes, size=size, mode="bilinear", align_corners=False, antialias=False)
        return (planes[0] / 255.0 - self._mean) / self._std

    def embed(self, frames: Sequence[Tensor]) -> NDArray[np.float32]:
        """Return (N, D) float32, not normalised, of N prepared frames; frames of one shape run together."""
        found = np.empty((len(frames), self._dimension), dtype=np.float32)
        shapes: dict[tuple[int, ...], list[int]] = {}
        for at, frame in enumerate(frames):
            shapes.setdefault(tuple(frame.shape), []).append(at)
        for places in shapes.values():
            with running("dino"):
                found[places] = self._runner(torch.stack([frames[at] for at in places]))[0]
        return found
