"""Random checkpoints of DINO's vision transformer in the published names."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from evalkit.metrics.networks.dino import DinoModel, DinoSizes

BASE = DinoSizes(768, 12, 16, 14)  # ViT-B/16
TINY = DinoSizes(128, 2, 16, 14)


def random_state(sizes: DinoSizes, seed: int = 0) -> dict[str, Tensor]:
    """Return tensors whose layers neither fade nor burst."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, empty in DinoModel(sizes).state_dict().items():
        if "norm" in name and name.endswith("weight"):
            state[name] = torch.empty_like(empty).uniform_(0.5, 1.5, generator=generator)
        else:
            matrix = empty.ndim >= 2 and name not in {"cls_token", "pos_embed"}
            spread = empty[0].numel() ** -0.5 if matrix else 0.3
            state[name] = torch.randn(empty.shape, generator=generator) * spread
    return state


def write_checkpoint(path: Path, sizes: DinoSizes, seed: int = 0) -> Path:
    """Save a random checkpoint as ``torch.save`` does."""
    torch.save(random_state(sizes, seed), path)
    return path
