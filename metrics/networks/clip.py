"""CLIP: images and texts to vectors whose cosine measures how well they match.

Radford et al., "Learning Transferable Visual Models From Natural Language Supervision" (ICML 2021), the vision
transformer form. Names of parameters are those of OpenAI's checkpoints; sizes are read from the tensors' shapes, so one
class serves ViT-B/32, ViT-B/16, ViT-L/14 and smaller ones. `clip_states` reads the files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its customary name
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from evalkit.metrics.features.placement import Inputs, Network, placed
from evalkit.metrics.networks.checkpoints import Unfilled, fill, settle
from evalkit.metrics.networks.clip_states import Sizes, load_clip_state, sizes_of
from evalkit.metrics.networks.inception import check_frame
from evalkit.metrics.networks.runners import TorchRunner

BATCH = 16
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
_GELU = 1.702
Square = NDArray[np.uint8] | NDArray[np.float32]
Crop = Literal["openai", "transformers", "vbench"]


class Attention(nn.Module):
    """Self-attention of several heads, 64 numbers each; one matrix makes queries, keys and values."""

    def __init__(self, width: int, *, causal: bool) -> None:
        super().__init__()
        self.in_proj_weight = nn.Parameter(torch.zeros(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        self._heads = width // Sizes.HEAD
        self._causal = causal

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, L, width) of (N, L, width); causal attention ignores later positions."""
        count, length, width = x.shape
        joint = F.linear(x, self.in_proj_weight, self.in_proj_bias)
        query, key, value = joint.view(count, length, 3, self._heads, Sizes.HEAD).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=self._causal)
        result: Tensor = self.out_proj(mixed.transpose(1, 2).reshape(count, length, width))
        return result


class FeedForward(nn.Module):
    """Two linear layers with ``x * sigmoid(1.702 x)`` between them, CLIP's fast approximation of GELU."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.c_fc = nn.Linear(width, 4 * width)
        self.c_proj = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, L, width) of (N, L, width)."""
        inner = self.c_fc(x)
        result: Tensor = self.c_proj(inner * torch.sigmoid(_GELU * inner))
        return result


class TransformerBlock(nn.Module):
    """Attention and feed-forward, each on the normalised input and added to it."""

    def __init__(self, width: int, *, causal: bool) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.attn = Attention(width, causal=causal)
        self.ln_2 = nn.LayerNorm(width)
        self.mlp = FeedForward(width)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, L, width) of (N, L, width)."""
        x = x + self.attn(self.ln_1(x))
        result: Tensor = x + self.mlp(self.ln_2(x))
        return result


class Transformer(nn.Module):
    """Blocks one after the other."""

    def __init__(self, width: int, layers: int, *, causal: bool) -> None:
        super().__init__()
        self.resblocks = nn.Sequential(*(TransformerBlock(width, causal=causal) for _ in range(layers)))

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, L, width) of (N, L, width)."""
        result: Tensor = self.resblocks(x)
        return result


class VisionTransformer(nn.Module):
    """Square patches of an image and a class token, whose last state is the image's vector."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        width = sizes.vision_width
        self.conv1 = nn.Conv2d(3, width, sizes.patch, stride=sizes.patch, bias=False)
        self.class_embedding = nn.Parameter(torch.zeros(width))
        self.positional_embedding = nn.Parameter(torch.zeros(sizes.grid**2 + 1, width))
        self.ln_pre = nn.LayerNorm(width)
        self.transformer = Transformer(width, sizes.vision_layers, causal=False)
        self.ln_post = nn.LayerNorm(width)
        self.proj = nn.Parameter(torch.zeros(width, sizes.dimension))

    def forward(self, images: Tensor) -> Tensor:
        """Return (N, dimension) of normalised images (N, 3, side, side)."""
        patches = self.conv1(images).flatten(2).transpose(1, 2)
        first = self.class_embedding.expand(len(patches), 1, -1)
        x = self.ln_pre(torch.cat([first, patches], dim=1) + self.positional_embedding)
        result: Tensor = self.ln_post(self.transformer(x)[:, 0]) @ self.proj
        return result


class ClipModel(nn.Module):
    """Both transformers, with the parameter names of OpenAI's checkpoints."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        width = sizes.text_width
        self.visual = VisionTransformer(sizes)
        self.token_embedding = nn.Embedding(sizes.vocabulary, width)
        self.positional_embedding = nn.Parameter(torch.zeros(sizes.context, width))
        self.transformer = Transformer(width, sizes.text_layers, causal=True)
        self.ln_final = nn.LayerNorm(width)
        self.text_projection = nn.Parameter(torch.zeros(width, sizes.dimension))
        self.logit_scale = nn.Parameter(torch.zeros(()))

    def encode_image(self, images: Tensor) -> Tensor:
        """Return (N, dimension) of normalised images (N, 3, side, side)."""
        result: Tensor = self.visual(images)
        return result

    def encode_text(self, tokens: Tensor) -> Tensor:
        """Return (N, dimension) of token numbers (N, context).

        A text's vector is the state at its end mark, the largest number of the vocabulary; with several, at the first.
        """
        x = self.token_embedding(tokens) + self.positional_embedding
        x = self.ln_final(self.transformer(x))
        result: Tensor = x[torch.arange(len(x), device=x.device), tokens.argmax(dim=-1)] @ self.text_projection
        return result


class ClipEncoder:
    """The network, ready to run, up to 16 images or texts at a time.

    Args:
        path: a checkpoint that `clip_states.load_clip_state` reads.
        device: ``cpu`` or ``cuda``.
        sha256: the pinned digest of the file; only with it a TorchScript archive is loaded.
        precision: of convolutions and products.

    Attributes:
        sizes: of the network.
        logit_scale: what it multiplies cosines with: 100 in the published ones.

    Raises:
        WeightsError: the file is missing, asks for code to run, or holds another network.
        MachineError: CUDA was asked for and is not there.
    """

    def __init__(
        self,
        path: Path,
        device: str = "cpu",
        sha256: str | None = None,
        precision: torch.dtype = torch.float32,
    ) -> None:
        def load() -> Network:
            place = settle(device)
            state = load_clip_state(path, sha256)
            sizes = sizes_of(state, path)
            model = build(state, sizes, path).to(place)
            mean, std = (torch.tensor(values, device=place).view(1, 3, 1, 1) for values in (MEAN, STD))

            def clip_images(squares: Tensor) -> Tensor:
                planes = squares.permute(0, 3, 1, 2).to(torch.float32)
                return model.encode_image((planes / 255.0 - mean) / std)

            images, square = TorchRunner(clip_images, place, precision), (sizes.side, sizes.side, 3)
            return Network(
                {"uint8": images, "float32": images, "texts": TorchRunner(model.encode_text, place, precision)},
                {
                    "uint8": Inputs("uint8", square, BATCH),
                    "float32": Inputs("float32", square, BATCH),
                    "texts": Inputs("int64", (sizes.context,), BATCH, below=sizes.vocabulary),
                },
                {"sizes": asdict(sizes), "logit_scale": float(model.logit_scale.detach().exp())},
            )

        network = placed(("Clip", path, sha256, precision), load)
        self.sizes = Sizes(**network.facts["sizes"])
        self.logit_scale = float(network.facts["logit_scale"])
        self._runners = network.runners

    def embed_images(self, squares: Sequence[Square]) -> NDArray[np.float32]:
        """Return (N, dimension) float32, not normalised; which images share a batch changes a value by less than 1e-5.

        Args:
            squares: what `middle_square` or `unrounded_square` made of each image, (side, side, 3) RGB in 0..255.
        """
        parts: list[NDArray[np.float32]] = []
        for start in range(0, len(squares), BATCH):
            batch = np.stack(squares[start : start + BATCH])
            parts += self._runners[batch.dtype.name](batch)
        return np.concatenate(parts) if parts else self._none()

    def embed_texts(self, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return (N, dimension) float32, not normalised, of token numbers (N, context) int64.

        Raises:
            ValueError: another length, or a number that the vocabulary doesn't have.
        """
        if tokens.ndim != 2 or tokens.shape[1] != self.sizes.context:
            raise ValueError(f"token numbers are (N, {self.sizes.context}), not {tokens.shape}")
        if tokens.size and not 0 <= tokens.min() <= tokens.max() < self.sizes.vocabulary:
            raise ValueError(f"token numbers are below {self.sizes.vocabulary}, found up to {tokens.max()}")
        parts: list[NDArray[np.float32]] = []
        for start in range(0, len(tokens), BATCH):
            parts += self._runners["texts"](tokens[start : start + BATCH])
        return np.concatenate(parts) if parts else self._none()

    def _none(self) -> NDArray[np.float32]:
        return np.zeros((0, self.sizes.dimension), dtype=np.float32)


def build(state: Mapping[str, Tensor], sizes: Sizes, path: Path) -> ClipModel:
    """Return the network with the tensors of ``state`` in OpenAI's names, as float32.

    Raises:
        WeightsError: names are missing or unknown, or shapes differ.
    """
    with Unfilled():
        model = ClipModel(sizes)
    fill(model, state, path)
    return model.float().eval()


def middle_square(rgb: NDArray[np.uint8], side: int, crop: Crop) -> NDArray[np.uint8]:
    """Return (side, side, 3) uint8: shorter side to ``side`` by Pillow's antialiased bicubic, then the middle.

    The longer side is cut down to a whole number of pixels (docs/definitions/frames-and-audio.md#resizing).

    Args:
        rgb: (H, W, 3) uint8.
        side: of the square.
        crop: how half of an odd margin is rounded: to the even neighbour, as torchvision's crop that OpenAI uses
            (``openai``), or down (``transformers``).

    Raises:
        ValueError: another shape or type.
    """
    check_frame(rgb)
    height, width = rgb.shape[:2]
    shorter = min(height, width)
    size = (int(side * width / shorter), int(side * height / shorter))
    if size == (width, height):
        resized = rgb
    else:
        resized = np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.BICUBIC))
    left, top = (_half(extent - side, crop) for extent in size)
    return np.ascontiguousarray(resized[top : top + side, left : left + side])


def unrounded_square(rgb: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    """Return (side, side, 3) float32 in about 0..255: the middle square as VBench makes it.

    PyTorch's bicubic without antialiasing, neither rounded nor cut off, so that it overshoots at edges.

    Raises:
        ValueError: ``rgb`` is not uint8 (H, W, 3).
    """
    check_frame(rgb)
    height, width = rgb.shape[:2]
    shorter = min(height, width)
    size = (int(side * height / shorter), int(side * width / shorter))
    planes = torch.from_numpy(np.require(rgb, requirements=["C", "W"])).permute(2, 0, 1)[None].to(torch.float32)
    if size != (height, width):
        planes = F.interpolate(planes, size=size, mode="bicubic", align_corners=False, antialias=False)
    top, left = (round((extent - side) / 2) for extent in size)
    return planes[0, :, top : top + side, left : left + side].permute(1, 2, 0).contiguous().numpy()


def _half(margin: int, crop: Crop) -> int:
    return round(margin / 2) if crop == "openai" else margin // 2
