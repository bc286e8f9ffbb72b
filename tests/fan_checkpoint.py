"""Random and planted checkpoints of 2D-FAN and of face_alignment's S3FD, in the published names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from evalkit.metrics.networks.fan import FanModel
from evalkit.metrics.networks.sfd import HEADS, SfdModel


def random_fan(path: Path, seed: int = 0) -> Path:
    """Write a 2D-FAN whose activations stay alive through the hourglasses."""
    generator = torch.Generator().manual_seed(seed)
    model = FanModel()
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, generator=generator)
            if module.bias is not None:
                nn.init.normal_(module.bias, 0, 0.1, generator=generator)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0, 0.5, generator=generator)
            nn.init.uniform_(module.running_var, 0.5, 2, generator=generator)
            nn.init.uniform_(module.weight, 0.3, 0.6, generator=generator)
            nn.init.normal_(module.bias, 0, 0.1, generator=generator)
    torch.save(model.state_dict(), path)
    return path


def random_sfd(path: Path, seed: int = 0) -> Path:
    """Write an S3FD that is sure of faces here and there."""
    generator = torch.Generator().manual_seed(seed)
    model = SfdModel()
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, generator=generator)
            nn.init.normal_(module.bias, 0, 0.1, generator=generator)
            if name.endswith("_conf"):
                module.weight.data *= 4
                module.bias.data[-1] -= 4.5  # a few faces, not a hundred
            if name.endswith("_loc"):
                module.weight.data *= 0.2
    model.get_submodule("conv1_1").weight.data /= 100
    for head, value in zip(HEADS, (10.0, 8.0, 5.0), strict=False):
        nn.init.constant_(model.get_submodule(head).weight, value)
    torch.save(model.state_dict(), path)
    return path


def planted_sfd(path: Path, box: tuple[float, float, float, float] = (25.0, 20.0, 100.0, 110.0)) -> Path:
    """Write an S3FD whose first face of every picture of 128 x 128 is ``box`` (x1, y1, x2, y2 in pixels).

    All weights are zero, so only the biases of the heads speak. The last map of such a picture has two by two
    anchors of 512 pixels, equally sure of a face; the last one, around (192, 192), comes first.
    """
    model = SfdModel()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        for head in HEADS:
            model.get_submodule(f"{head}_mbox_conf").bias[-1] = 9.0 if head == HEADS[-1] else -9.0
        x1, y1, x2, y2 = box
        centre = [((x1 + x2) / 2 - 192) / (0.1 * 512), ((y1 + y2) / 2 - 192) / (0.1 * 512)]
        size = [np.log((x2 - x1) / 512) / 0.2, np.log((y2 - y1) / 512) / 0.2]
        model.get_submodule(f"{HEADS[-1]}_mbox_loc").bias.copy_(torch.tensor([*centre, *size]))
    torch.save(model.state_dict(), path)
    return path
