"""MUSIQ: how people rate the quality of a picture, from patches of it at three sizes.

Ke, Wang, Wang, Milanfar and Yang, "MUSIQ: Multi-scale Image Quality Transformer" (ICCV 2021), with the names of
parameters and the resizing of the port in IQA-PyTorch, whose checkpoints VBench uses. Definition:
docs/definitions/musiq.md.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its customary name
from numpy.typing import NDArray
from torch import Tensor, nn

from evalkit.metrics.features.placement import Inputs, Network, placed
from evalkit.metrics.networks.checkpoints import Unfilled, filled
from evalkit.metrics.networks.inception import check_frame
from evalkit.metrics.networks.runners import TorchRunner

PATCH: Final = 32
SIDES: Final = (224, 384)  # longer sides of the two smaller sizes; the third is the picture's own
GRID: Final = 10
WIDTH: Final = 384
HEADS: Final = 6
_TOKEN: Final = 256 * (PATCH // 4) ** 2


def _padded(x: Tensor, kernel: int, stride: int) -> Tensor:
    """Return ``x`` with zeros around it so that the output has ceil(side / stride) places, as TensorFlow's SAME."""
    sides = []
    for size in (x.shape[-1], x.shape[-2]):
        extra = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
        sides += [extra // 2, extra - extra // 2]
    return F.pad(x, sides)


class StandardConv(nn.Conv2d):
    """A convolution whose kernels have mean 0 and deviation 1 each."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution of the padded ``x``."""
        kernels = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        kernels = kernels / (kernels.std((1, 2, 3), keepdim=True) + 1e-5)
        return F.conv2d(_padded(x, self.kernel_size[0], self.stride[0]), kernels, stride=self.stride)


class Bottleneck(nn.Module):
    """Three convolutions, and one beside them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.gn1 = StandardConv(64, 64, 1, bias=False), nn.GroupNorm(32, 64, eps=1e-4)
        self.conv2, self.gn2 = StandardConv(64, 64, 3, bias=False), nn.GroupNorm(32, 64, eps=1e-4)
        self.conv3, self.gn3 = StandardConv(64, 256, 1, bias=False), nn.GroupNorm(32, 256, eps=1e-4)
        self.conv_proj, self.gn_proj = StandardConv(64, 256, 1, bias=False), nn.GroupNorm(32, 256, eps=1e-4)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, 256, h, w) of (N, 64, h, w)."""
        y = F.relu(self.gn1(self.conv1(x)))
        y = F.relu(self.gn2(self.conv2(y)))
        return F.relu(self.gn3(self.conv3(y)) + self.gn_proj(self.conv_proj(x)))


class Attention(nn.Module):
    """Self-attention of six heads."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.out = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, L, width) of (N, L, width)."""
        count, length, width = x.shape
        parts = [
            part(x).view(count, length, HEADS, width // HEADS).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        ]
        mixed = F.scaled_dot_product_attention(*parts)
        result: Tensor = self.out(mixed.transpose(1, 2).reshape(count, length, width))
        return result


class FeedForward(nn.Module):
    """Two linear layers with GELU between them."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(3 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, L, width) of (N, L, width)."""
        result: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return result


class Block(nn.Module):
    """Attention and feed-forward, each on the normalised input and added to it."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(WIDTH, eps=1e-6), Attention()
        self.norm2, self.mlp = nn.LayerNorm(WIDTH, eps=1e-6), FeedForward()

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, L, width) of (N, L, width)."""
        x = x + self.attention(self.norm1(x))
        result: Tensor = x + self.mlp(self.norm2(x))
        return result


class Encoder(nn.Module):
    """The transformer over the patches of all sizes and one token that becomes the score."""

    def __init__(self) -> None:
        super().__init__()
        self.posembed_input = nn.ParameterDict({"position_emb": nn.Parameter(torch.zeros(1, GRID * GRID, WIDTH))})
        self.scaleembed_input = nn.ParameterDict({"scale_emb": nn.Parameter(torch.zeros(len(SIDES) + 1, WIDTH))})
        self.cls = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.encoder_norm = nn.LayerNorm(WIDTH, eps=1e-6)
        self.transformer = nn.ModuleDict({f"encoderblock_{index}": Block() for index in range(14)})

    def forward(self, tokens: Tensor, places: Tensor, scales: Tensor) -> Tensor:
        """Return the token's state (width,) for patches (L, width) at grid places (L,) and scale numbers (L,)."""
        x = tokens + self.posembed_input["position_emb"][0, places] + self.scaleembed_input["scale_emb"][scales]
        x = torch.cat([self.cls[0], x])[None]
        for block in self.transformer.values():
            x = block(x)
        state: Tensor = self.encoder_norm(x)[0, 0]
        return state


class MusiqNetwork(nn.Module):
    """Patches to a score; names of parameters are those of IQA-PyTorch's checkpoints with one output."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_root = StandardConv(3, 64, 7, stride=2, bias=False)
        self.gn_root = nn.GroupNorm(32, 64, eps=1e-6)
        self.block1 = Bottleneck()
        self.embedding = nn.Linear(_TOKEN, WIDTH)
        self.transformer_encoder = Encoder()
        self.head = nn.Linear(WIDTH, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Return the score, a number, of a picture (1, 3, H, W) in -1..1."""
        parts = [patches(one, scale) for scale, one in enumerate(sizes(image))]
        pixels, places, scales = (torch.cat(several) for several in zip(*parts, strict=True))
        x = F.relu(self.gn_root(self.conv_root(pixels)))
        x = self.block1(F.max_pool2d(_padded(x, 3, 2), 3, 2))
        tokens = self.embedding(x.permute(0, 2, 3, 1).reshape(len(x), -1))
        score: Tensor = self.head(self.transformer_encoder(tokens, places, scales))[0]
        return score


def sizes(image: Tensor) -> list[Tensor]:
    """Return the picture (1, 3, H, W) with a longer side of 224 and of 384 pixels, bicubic, and itself."""
    height, width = image.shape[-2:]
    made = []
    for side in SIDES:
        ratio = side / max(height, width)
        size = (round(height * ratio), round(width * ratio))
        made.append(F.interpolate(image, size, mode="bicubic", align_corners=False))
    return [*made, image]


def patches(image: Tensor, scale: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the patches (L, 3, 32, 32) of a picture by rows, their places (L,) on a 10 x 10 grid, and ``scale`` (L,).

    Zeros around the picture fill whole patches. What the authors add up to a fixed length is masked, so it is left out.
    """
    rows, columns = (math.ceil(side / PATCH) for side in image.shape[-2:])
    cut = F.unfold(_padded(image, PATCH, PATCH), PATCH, stride=PATCH)[0].T.reshape(-1, 3, PATCH, PATCH)
    line = torch.arange(GRID, dtype=torch.float32, device=image.device).view(1, 1, GRID)
    down, across = (F.interpolate(line, count, mode="nearest")[0, 0].long() for count in (rows, columns))
    places = (down[:, None] * GRID + across).flatten()
    return cut, places, torch.full_like(places, scale)


class Musiq:
    """The network, ready to run.

    Args:
        path: a checkpoint of IQA-PyTorch with one output, as that for SPAQ.
        device: ``cpu`` or ``cuda``.
        precision: of convolutions and products.

    Raises:
        WeightsError: the file is missing, asks for code to run, or holds another network.
        MachineError: CUDA was asked for and is not there.
    """

    def __init__(self, path: Path, device: str = "cpu", precision: torch.dtype = torch.float32) -> None:
        def build() -> Network:
            with Unfilled():
                model = MusiqNetwork()
            place = filled(model, path, device)
            network = model.eval().to(place)

            def musiq(images: Tensor) -> Tensor:
                score: Tensor = network((images / 255.0 - 0.5) * 2.0)
                return score.reshape(1)

            inputs = Inputs("float32", (3, None, None))
            return Network({"images": TorchRunner(musiq, place, precision)}, {"images": inputs})

        self._runner = placed(("Musiq", path, precision), build).runners["images"]

    def score(self, rgb: NDArray[np.uint8], longest: int | None = None) -> float:
        """Return the score of a picture (H, W, 3) uint8 RGB; of SPAQ's checkpoint about 0 to 100, higher is better.

        Args:
            rgb: the picture.
            longest: a longer side above it is shrunk to it first, bilinear without antialiasing.

        Raises:
            ValueError: another shape or type.
        """
        check_frame(rgb)
        with torch.inference_mode():
            image = torch.from_numpy(np.ascontiguousarray(rgb)).permute(2, 0, 1)[None].float()
            height, width = rgb.shape[:2]
            if longest is not None and max(height, width) > longest:
                ratio = longest / max(height, width)
                size = (int(ratio * height), int(ratio * width))
                image = F.interpolate(image, size, mode="bilinear", align_corners=False)
        return float(self._runner(image)[0][0])
