"""Random I3D files: a state dict like i3d_pretrained_400.pt, and a program that is called like i3d_torchscript.pt."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from evalkit.metrics.networks.i3d import I3D


def random_i3d(clips: Tensor | None = None, epsilon: float = 1e-3) -> I3D:
    """Return a network whose layers neither fade nor burst: He's initialisation, statistics of ``clips``.

    Args:
        clips: (N, 3, T, 224, 224) in -1..1 to take the stored means and variances from.
        epsilon: of the batch normalisation.
    """
    generator = torch.Generator().manual_seed(0)
    network = I3D(epsilon)
    for module in network.modules():
        if isinstance(module, nn.Conv3d):
            nn.init.kaiming_normal_(module.weight, generator=generator)
        if isinstance(module, nn.BatchNorm3d):
            module.weight.data.uniform_(0.5, 1.5, generator=generator)
            module.bias.data.uniform_(-0.2, 0.6, generator=generator)
            module.momentum = None  # the plain mean of what is shown
    if clips is not None:
        with torch.no_grad():
            network.train()(clips)
    return network.eval()


def write_checkpoint(path: Path, network: I3D) -> Path:
    """Save the tensors as the published file has them: without counters of training."""
    state = {name: value for name, value in network.state_dict().items() if "num_batches_tracked" not in name}
    torch.save(state, path)
    return path


class Program(nn.Module):
    """What the published program does when it is called."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, rescale: bool = False, resize: bool = False, return_features: bool = False) -> Tensor:
        b, c, t, h, w = x.shape
        if resize:
            frames = x.permute(0, 2, 1, 3, 4).reshape(b * t, c, h, w)
            frames = nn.functional.interpolate(frames, size=(224, 224), mode="bilinear", align_corners=False)
            x = frames.reshape(b, t, c, 224, 224).permute(0, 2, 1, 3, 4).contiguous()
        if rescale:
            x = 2 * x / 255 - 1
        logits = self.network(x)
        return logits if return_features else logits.softmax(dim=1)


def write_program(path: Path, network: nn.Module, length: int = 16) -> tuple[Path, str]:
    """Save ``network`` as a program for clips of ``length`` frames; return its path and its SHA-256."""
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # what is traced decides nothing by a clip's content
        traced = torch.jit.trace(network, torch.zeros(1, 3, length, 224, 224), check_trace=False)
        torch.jit.save(torch.jit.script(Program(traced).eval()), str(path))
    return path, hashlib.sha256(path.read_bytes()).hexdigest()
