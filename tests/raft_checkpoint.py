"""Random checkpoints of RAFT in the published names."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from evalkit.metrics.networks.raft import RaftNetwork


def random_state(seed: int = 0) -> dict[str, Tensor]:
    """Return tensors whose layers neither fade nor burst, and whose flow is of a few pixels."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, empty in RaftNetwork().state_dict().items():
        if name.endswith("num_batches_tracked"):
            state[name] = empty
        elif name.endswith("running_var") or (".norm" in name and name.endswith("weight")):
            state[name] = torch.empty_like(empty).uniform_(0.5, 1.5, generator=generator)
        elif empty.ndim == 4:
            state[name] = torch.randn(empty.shape, generator=generator) * (2 / empty[0].numel()) ** 0.5
        else:
            state[name] = torch.randn(empty.shape, generator=generator) * 0.05
    for name in ("update_block.flow_head.conv2.weight", "update_block.flow_head.conv2.bias"):
        state[name] *= 0.02
    return state


def published_form(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors as the published files have them: a prefix, and two names for some normalisations."""
    twice = {
        name.replace("downsample.1", "norm3"): tensor
        for name, tensor in state.items()
        if name.startswith("cnet") and "downsample.1" in name
    }
    return {f"module.{name}": tensor for name, tensor in {**state, **twice}.items()}


def write_checkpoint(path: Path, seed: int = 0) -> Path:
    """Save a random checkpoint in the form of the published files."""
    torch.save(published_form(random_state(seed)), path)
    return path
