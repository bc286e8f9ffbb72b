"""A random checkpoint with the names and shapes of pt_inception-2015-12-05-6726825d.pth."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from evalkit.metrics.features.networks.fid_inception import InceptionV3


def random_inception(frames: torch.Tensor | None = None) -> InceptionV3:
    """Return a network whose layers neither fade nor burst: He's initialisation, statistics of ``frames``.

    Args:
        frames: (N, 3, 299, 299) in -1..1 to take the stored means and variances from.
    """
    generator = torch.Generator().manual_seed(0)
    network = InceptionV3()
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


def state_of(network: InceptionV3) -> dict[str, torch.Tensor]:
    """Return the tensors as the published file has them: with the classifier, without counters of training."""
    state = {name: value for name, value in network.state_dict().items() if "num_batches_tracked" not in name}
    return {**state, "fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)}


def write_checkpoint(path: Path, network: InceptionV3) -> Path:
    """Save ``network`` as PyTorch does."""
    torch.save(state_of(network), path)
    return path
