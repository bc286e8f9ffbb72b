"""A random checkpoint as glint360k_curricular_face_r101_backbone.bin in names and shapes, and crops to try it on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from evalkit.metrics.faces.align import norm_crop
from evalkit.metrics.faces.policy import FacePolicy, largest
from evalkit.metrics.faces.scrfd import Scrfd
from evalkit.metrics.faces.yunet import YuNet
from evalkit.metrics.networks.ir101 import IR101


def random_ir101(pixels: torch.Tensor | None = None) -> IR101:
    """Return a network whose layers neither fade nor burst: He's initialisation, statistics of ``pixels``.

    Args:
        pixels: (N, 3, 112, 112) in -1..1, N > 1, to take the stored means and variances from.
    """
    generator = torch.Generator().manual_seed(0)
    network = IR101()
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, generator=generator)
        if isinstance(module, nn.PReLU):
            module.weight.data.uniform_(0.0, 0.5, generator=generator)
        if isinstance(module, nn.BatchNorm2d):
            module.weight.data.uniform_(0.5, 1.5, generator=generator)
            module.bias.data.uniform_(-0.3, 0.3, generator=generator)
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
            module.momentum = None  # the plain mean of what is shown
    if pixels is not None:
        network.train()
        network.output_layer[1].eval()  # dropout
        with torch.no_grad():
            network(pixels)
    return network.eval()


def state_of(network: nn.Module) -> dict[str, torch.Tensor]:
    """Return the tensors without counters of training."""
    return {name: value for name, value in network.state_dict().items() if "num_batches_tracked" not in name}


def real_crops(shared: Path, size: int = 224) -> NDArray[np.uint8]:
    """Return the largest face of twelve portraits and reference images, aligned: (12, size, size, 3) RGB."""
    weights = shared / "weights"
    policy = FacePolicy(Scrfd(weights / "scrfd_500m_kps.onnx"), YuNet(weights / "yunet_n_640_640.onnx"))
    paths = sorted((shared / "data/portraits").glob("*_[12].png"))[:6]
    paths += sorted((shared / "data/talking-heads/testset/images").glob("*.png"))[:6]
    return np.stack([_crop(policy, path, size) for path in paths])


def _crop(policy: FacePolicy, path: Path, size: int) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        rgb = np.array(image.convert("RGB"))
    face = largest(policy.detect(rgb).faces)
    assert face is not None, path
    crop = norm_crop(rgb, face.keypoints, size)
    assert crop is not None, path
    return crop


def as_pixels(crops: Sequence[NDArray[np.uint8]] | NDArray[np.uint8], side: int) -> torch.Tensor:
    """Return crops as a network of ``side`` takes them, roughly: (N, 3, side, side) in -1..1."""
    small = [np.asarray(Image.fromarray(crop).resize((side, side), Image.Resampling.BILINEAR)) for crop in crops]
    return torch.tensor(np.stack(small)).permute(0, 3, 1, 2) / 127.5 - 1
