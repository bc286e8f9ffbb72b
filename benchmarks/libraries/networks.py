"""Random weights for the Inception of all libraries: the same numbers as the published files would be named."""

from __future__ import annotations

import hashlib
import sys
import warnings
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))
from inception_checkpoint import random_inception, write_checkpoint  # noqa: E402

MANIFEST = """name: random
title: random weights
roles:
  inception:
    file: {file}
    sha256: {sha256}
    licence: none
"""


class AsTorchScript(nn.Module):
    """The network in the form in which clean-fid calls NVIDIA's file."""

    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers
        self.output = nn.Linear(2048, 4)

    def forward(self, img: torch.Tensor, return_features: bool = False) -> torch.Tensor:
        resized = nn.functional.interpolate(img.float(), size=[299, 299], mode="nearest")
        features = self.layers((resized - 128) / 128)
        return features if return_features else self.output(features)


def write_networks(work: Path, frames: NDArray[np.uint8]) -> Path:
    """Write the weights to ``work`` in each library's form; return evalkit's manifest of backbones.

    Args:
        work: a folder.
        frames: (N, H, W, 3) pictures that the layers' statistics are taken from, so that no layer fades.
    """
    shown = torch.from_numpy(frames).permute(0, 3, 1, 2).float()
    shown = nn.functional.interpolate(shown, size=(299, 299), mode="bilinear") / 127.5 - 1
    network = random_inception(shown)
    write_checkpoint(work / "inception.pth", network)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(network, torch.zeros(2, 3, 299, 299), check_trace=False)
        torch.jit.save(torch.jit.script(AsTorchScript(traced).eval()), work / "inception-2015-12-05.pt")
    digest = hashlib.sha256((work / "inception.pth").read_bytes()).hexdigest()
    manifest = work / "random.yaml"
    manifest.write_text(MANIFEST.format(file="inception.pth", sha256=digest), encoding="utf-8")
    return manifest
