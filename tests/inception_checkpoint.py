"""Random checkpoints with the names and shapes of the published Inception files."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from evalkit.metrics.networks.fid_inception import FidInception
from evalkit.metrics.networks.imagenet_inception import ImageNetInception
from evalkit.metrics.networks.inception import Inception, InceptionRunner


def random_inception(frames: torch.Tensor | None = None, kind: type[InceptionRunner] = FidInception) -> Inception:
    """Return a network whose layers neither fade nor burst: He's initialisation, statistics of ``frames``.

    Args:
        frames: (N, 3, 299, 299) in -1..1 to take the stored means and variances from.
        kind: whose network.
    """
    generator = torch.Generator().manual_seed(0)
    network = Inception(*kind.pools)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, generator=generator)
        if isinstance(module, nn.BatchNorm2d):
            module.weight.data.uniform_(0.5, 1.5, generator=generator)
            module.bias.data.uniform_(-0.2, 0.6, generator=generator)
            module.momentum = None  # the plain mean of what is shown
    if frames is not None:
        with torch.no_grad():
            network.train()(frames)
    return network.eval()


def state_of(network: Inception, kind: type[InceptionRunner] = FidInception) -> dict[str, torch.Tensor]:
    """Return the tensors as the published file has them: with the classifiers, without counters of training."""
    state = {name: value for name, value in network.state_dict().items() if "num_batches_tracked" not in name}
    if kind is not ImageNetInception:
        return {**state, "fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)}
    shapes = {"conv0.conv": (128, 768, 1, 1), "conv1.conv": (768, 128, 5, 5), "fc": (1000, 768)}
    auxiliary = {f"AuxLogits.{name}.weight": torch.zeros(shape) for name, shape in shapes.items()}
    auxiliary["AuxLogits.fc.bias"] = torch.zeros(1000)
    for name, channels in (("conv0.bn", 128), ("conv1.bn", 768)):
        for part in ("weight", "bias", "running_mean", "running_var"):
            auxiliary[f"AuxLogits.{name}.{part}"] = torch.ones(channels)
    return {**state, **auxiliary, "fc.weight": torch.zeros(1000, 2048), "fc.bias": torch.zeros(1000)}


def write_checkpoint(path: Path, network: Inception, kind: type[InceptionRunner] = FidInception) -> Path:
    """Save ``network`` as PyTorch does."""
    torch.save(state_of(network, kind), path)
    return path
