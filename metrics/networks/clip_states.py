"""Reading CLIP's checkpoints: OpenAI's own, and those of transformers; both to OpenAI's names.

Three forms: OpenAI's published ``.pt``, a TorchScript archive with float16 matrices; a plain state dict in the same
names; a state dict of transformers' ``CLIPModel`` (``pytorch_model.bin``, ``model.safetensors``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from evalkit.errors import WeightsError
from evalkit.metrics.networks.checkpoints import load_state_dict
from evalkit.metrics.networks.torchscript import is_torchscript, load_torchscript_state

_FIX = "The manifest names a file of another network: correct its entry."
# Sizes that OpenAI's archive keeps as tensors, and the running numbers 0, 1, 2, ... that older transformers wrote.
_NOT_WEIGHTS = {
    "input_resolution",
    "context_length",
    "vocab_size",
    "text_model.embeddings.position_ids",
    "vision_model.embeddings.position_ids",
}
_TRANSFORMERS = {
    "vision_model.embeddings.class_embedding": "visual.class_embedding",
    "vision_model.embeddings.patch_embedding.weight": "visual.conv1.weight",
    "vision_model.embeddings.position_embedding.weight": "visual.positional_embedding",
    "vision_model.pre_layrnorm.weight": "visual.ln_pre.weight",
    "vision_model.pre_layrnorm.bias": "visual.ln_pre.bias",
    "vision_model.post_layernorm.weight": "visual.ln_post.weight",
    "vision_model.post_layernorm.bias": "visual.ln_post.bias",
    "text_model.embeddings.token_embedding.weight": "token_embedding.weight",
    "text_model.embeddings.position_embedding.weight": "positional_embedding",
    "text_model.final_layer_norm.weight": "ln_final.weight",
    "text_model.final_layer_norm.bias": "ln_final.bias",
    "logit_scale": "logit_scale",
}
_TRANSPOSED = {"visual_projection.weight": "visual.proj", "text_projection.weight": "text_projection"}
_LAYER = re.compile(
    r"(?P<side>vision|text)_model\.encoder\.layers\.(?P<number>\d+)\.(?P<part>.+)\.(?P<kind>weight|bias)"
)
_PARTS = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}
_QKV = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")


@dataclass(frozen=True)
class Sizes:
    """The sizes of a network, from the shapes of its tensors."""

    HEAD: ClassVar[int] = 64  # numbers of one head, in every network that OpenAI published
    vision_width: int
    vision_layers: int
    patch: int
    grid: int
    text_width: int
    text_layers: int
    context: int
    vocabulary: int
    dimension: int

    @property
    def side(self) -> int:
        """Height and width of an image in pixels."""
        return self.patch * self.grid


def load_clip_state(path: Path, sha256: str | None = None) -> dict[str, Tensor]:
    """Return a checkpoint's tensors as float32 in OpenAI's names.

    Args:
        path: one of the three forms.
        sha256: the pinned digest of the file; only with it a TorchScript archive is loaded.

    Raises:
        WeightsError: the file is missing or damaged, asks for code to run, is TorchScript without the pinned digest, or
            lacks a part of a layer.
    """
    state = load_torchscript_state(path, sha256) if is_torchscript(path) else load_state_dict(path)
    state = {name: tensor.float() for name, tensor in state.items() if name not in _NOT_WEIGHTS}
    if any(name.startswith(("vision_model.", "text_model.")) for name in state):
        return openai_names(state, path)
    return state


def openai_names(state: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Return the tensors of transformers' ``CLIPModel`` in OpenAI's names; names it doesn't know stay as they are.

    Raises:
        WeightsError: a layer has only some of query, key and value.
    """
    renamed: dict[str, Tensor] = {}
    attention: dict[str, dict[str, Tensor]] = {}
    for name, tensor in state.items():
        layer = _LAYER.fullmatch(name)
        if layer is not None and layer["part"] in _QKV:
            target = f"{_block(layer)}.attn.in_proj_{layer['kind']}"
            attention.setdefault(target, {})[layer["part"]] = tensor
        elif layer is not None and layer["part"] in _PARTS:
            renamed[f"{_block(layer)}.{_PARTS[layer['part']]}.{layer['kind']}"] = tensor
        elif name in _TRANSPOSED:
            renamed[_TRANSPOSED[name]] = tensor.t().contiguous()
        else:
            renamed[_TRANSFORMERS.get(name, name)] = tensor
    for target, parts in attention.items():
        lacking = [part for part in _QKV if part not in parts]
        if lacking:
            raise WeightsError(
                f"The weights file {path} holds no CLIP.", found=f"no {', '.join(lacking)} for {target}", fix=_FIX
            )
        renamed[target] = torch.cat([parts[part] for part in _QKV])
    return renamed


def sizes_of(state: Mapping[str, Tensor], path: Path) -> Sizes:
    """Return the sizes of the network that tensors in OpenAI's names belong to.

    Raises:
        WeightsError: they belong to no CLIP with a vision transformer, or its heads are not 64 wide.
    """
    patches = _shape(state, "visual.conv1.weight", 4, path)
    places = _shape(state, "visual.positional_embedding", 2, path)[0] - 1
    text = _shape(state, "positional_embedding", 2, path)
    sizes = Sizes(
        vision_width=patches[0],
        vision_layers=_layers(state, "visual.transformer.resblocks."),
        patch=patches[-1],
        grid=isqrt(max(places, 0)),
        text_width=text[1],
        text_layers=_layers(state, "transformer.resblocks."),
        context=text[0],
        vocabulary=_shape(state, "token_embedding.weight", 2, path)[0],
        dimension=_shape(state, "text_projection", 2, path)[1],
    )
    odd = [width for width in (sizes.vision_width, sizes.text_width) if width % Sizes.HEAD or not width]
    if odd or places < 1 or sizes.grid**2 != places:
        raise WeightsError(
            f"The weights file {path} holds no CLIP of a known shape.",
            found=f"widths {sizes.vision_width} and {sizes.text_width}, {places} patches",
            expected=f"widths that {Sizes.HEAD} divides, a square of patches",
            fix=_FIX,
        )
    return sizes


def _shape(state: Mapping[str, Tensor], name: str, dimensions: int, path: Path) -> tuple[int, ...]:
    if name not in state or state[name].ndim != dimensions:
        there = f"{name} of shape {tuple(state[name].shape)}" if name in state else f"no {name}"
        raise WeightsError(
            f"The weights file {path} holds no CLIP with a vision transformer.",
            found=there,
            expected="OpenAI's checkpoint (a ViT), or one of transformers' CLIPModel",
            fix=_FIX,
        )
    return tuple(state[name].shape)


def _layers(state: Mapping[str, Tensor], prefix: str) -> int:
    return len({name.removeprefix(prefix).split(".")[0] for name in state if name.startswith(prefix)})


def _block(layer: re.Match[str]) -> str:
    root = "visual." if layer["side"] == "vision" else ""
    return f"{root}transformer.resblocks.{layer['number']}"
