"""Random checkpoints of AMT-S in the published names."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from evalkit.metrics.networks.amt import AmtModel


def random_state(seed: int = 0) -> dict[str, Tensor]:
    """Return tensors whose layers neither fade nor burst, and whose flows are of a few pixels."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, empty in AmtModel().state_dict().items():
        if empty.ndim == 4:
            inputs = empty.shape[0] * 4 if ".convblock.2" in name else empty[0].numel()
            state[name] = torch.randn(empty.shape, generator=generator) * (2 / inputs) ** 0.5
        elif name.endswith("weight"):  # of a PReLU
            state[name] = torch.empty_like(empty).uniform_(0.1, 0.4, generator=generator)
        else:
            state[name] = torch.randn(empty.shape, generator=generator) * 0.05
    for name in state:
        if ".flow_head.2" in name or ".feat_head.2" in name:
            state[name] *= 0.1
    state["comb_block.2.weight"] *= 0.05
    state["decoder1.convblock.2.weight"][:, 15:] *= 0.05  # what is added to the warped pictures
    return state


def write_checkpoint(path: Path, seed: int = 0) -> Path:
    """Save a random checkpoint in the form of the published file."""
    torch.save({"epoch": 300, "state_dict": random_state(seed)}, path)
    return path
