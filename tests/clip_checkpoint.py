"""Random CLIP checkpoints in the three forms that exist, of real and of reduced shapes, and small vocabularies."""

from __future__ import annotations

import gzip
import hashlib
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from evalkit.metrics.networks.clip import ClipModel
from evalkit.metrics.networks.clip_states import Sizes

BASE = Sizes(768, 12, 32, 7, 512, 12, 77, 49408, 512)  # ViT-B/32
LARGE = Sizes(1024, 24, 14, 16, 768, 12, 77, 49408, 768)  # ViT-L/14
SMALL = Sizes(128, 2, 32, 2, 64, 2, 77, 49408, 32)
SMALL_MERGES = (("h", "e"), ("l", "l"), ("he", "ll"), ("hell", "o</w>"), ("a", "b</w>"), ("b", "a"))
TINY = Sizes(128, 2, 32, 2, 64, 2, 77, 512 + len(SMALL_MERGES) + 2, 32)


def random_state(sizes: Sizes, seed: int = 0) -> dict[str, Tensor]:
    """Return tensors in OpenAI's names whose layers neither fade nor burst; cosines are multiplied with 100."""
    generator = torch.Generator().manual_seed(seed)
    state: dict[str, Tensor] = {}
    for name, empty in ClipModel(sizes).state_dict().items():
        if name == "logit_scale":
            state[name] = torch.tensor(100.0).log()
        elif "ln_" in name and name.endswith("weight"):
            state[name] = torch.empty_like(empty).uniform_(0.5, 1.5, generator=generator)
        else:
            matrix = empty.ndim >= 2 and "embedding" not in name
            # The two projections are (in, out), every other matrix (out, in, ...).
            fan_in = len(empty) if name.endswith(("proj", "projection")) else empty[0].numel() if matrix else 1
            spread = fan_in**-0.5 if matrix else 0.3
            state[name] = torch.randn(empty.shape, generator=generator) * spread
    return state


def as_published(state: Mapping[str, Tensor], sizes: Sizes) -> dict[str, Tensor]:
    """Return the tensors as OpenAI's archive has them: matrices and their biases in float16, and three sizes."""
    half = ("conv1.weight", "in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias", "visual.proj")
    half += ("c_fc.weight", "c_fc.bias", "c_proj.weight", "c_proj.bias", "text_projection")
    published = {name: tensor.half() if name.endswith(half) else tensor for name, tensor in state.items()}
    extra = {"input_resolution": sizes.side, "context_length": sizes.context, "vocab_size": sizes.vocabulary}
    return {**published, **{name: torch.tensor(value) for name, value in extra.items()}}


class _Tree(nn.Module):
    """Named tensors as a tree of modules, so that they can be saved as TorchScript."""

    def forward(self, x: Tensor) -> Tensor:
        return x


def write_archive(path: Path, state: Mapping[str, Tensor]) -> str:
    """Save ``state`` as a TorchScript archive, OpenAI's form, and return the file's SHA-256."""
    root = _Tree()
    for name, tensor in state.items():
        *folders, leaf = name.split(".")
        module: nn.Module = root
        for folder in folders:
            if folder not in dict(module.named_children()):
                module.add_module(folder, _Tree())
            module = module.get_submodule(folder)
        if tensor.is_floating_point():
            module.register_parameter(leaf, nn.Parameter(tensor.clone(), requires_grad=False))
        else:
            module.register_buffer(leaf, tensor.clone())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.script(root), path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def transformers_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors in OpenAI's names as an old ``pytorch_model.bin`` of transformers has them."""
    renamed: dict[str, Tensor] = {
        "text_model.embeddings.position_ids": torch.arange(77)[None],
        "vision_model.embeddings.position_ids": torch.arange(50)[None],
    }
    words = {
        "visual.transformer.resblocks": "vision_model.encoder.layers",
        "transformer.resblocks": "text_model.encoder.layers",
        "visual.class_embedding": "vision_model.embeddings.class_embedding",
        "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
        "visual.conv1": "vision_model.embeddings.patch_embedding",
        "visual.ln_pre": "vision_model.pre_layrnorm",
        "visual.ln_post": "vision_model.post_layernorm",
        "token_embedding": "text_model.embeddings.token_embedding",
        "positional_embedding": "text_model.embeddings.position_embedding.weight",
        "ln_final": "text_model.final_layer_norm",
        "ln_1": "layer_norm1",
        "ln_2": "layer_norm2",
        "c_fc": "fc1",
        "c_proj": "fc2",
        "attn.out_proj": "self_attn.out_proj",
    }
    for name, tensor in state.items():
        if name in {"visual.proj", "text_projection"}:
            renamed["visual_projection.weight" if "visual" in name else "text_projection.weight"] = tensor.t().clone()
            continue
        target = name
        for ours, theirs in words.items():
            if ours in target and not target.startswith(("vision_model.embeddings", "text_model.embeddings")):
                target = target.replace(ours, theirs)
        if "attn.in_proj_" in target:
            base, kind = target.split("attn.in_proj_")
            for part, piece in zip("qkv", tensor.chunk(3), strict=True):
                renamed[f"{base}self_attn.{part}_proj.{kind}"] = piece.clone()
        else:
            renamed[target] = tensor.clone()
    return renamed


def write_vocabulary(path: Path, merges: Sequence[tuple[str, str]] = SMALL_MERGES) -> Path:
    """Save a list of merges in the form of ``bpe_simple_vocab_16e6.txt.gz``."""
    lines = ["#version: 0.2", *(" ".join(merge) for merge in merges), ""]
    path.write_bytes(gzip.compress("\n".join(lines).encode(), mtime=0))
    return path
