"""LAION's two predictors of how people rate a picture's looks, on CLIP ViT-L/14's vectors of length 1.

The linear one: https://github.com/LAION-AI/aesthetic-predictor. The one of five layers, without anything but products
between them: https://github.com/christophschuhmann/improved-aesthetic-predictor. Names of parameters are those of their
files. Definition: docs/definitions/aesthetic.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from torch import nn

from evalkit.metrics.networks.checkpoints import fill, load_state_dict

WIDTH: Final = 768
Kind = Literal["linear", "mlp"]


class Mlp(nn.Module):
    """Five linear layers, 768-1024-128-64-16-1, with the names of the file."""

    def __init__(self) -> None:
        super().__init__()
        sizes = ((WIDTH, 1024), (1024, 128), (128, 64), (64, 16), (16, 1))
        first, second, third, fourth, fifth = (nn.Linear(before, after) for before, after in sizes)
        dropout = nn.Identity()  # only training uses one, but the file counts it
        self.layers = nn.Sequential(first, dropout, second, dropout, third, dropout, fourth, fifth)


class AestheticHead:
    """A predictor, ready to run, in float64 on the CPU.

    Args:
        kind: which one.
        path: its file.

    Raises:
        WeightsError: the file is missing, asks for code to run, or holds another network.
    """

    def __init__(self, kind: Kind, path: Path) -> None:
        network = nn.Linear(WIDTH, 1) if kind == "linear" else Mlp()
        fill(network, load_state_dict(path), path)
        layers = [module for module in network.modules() if isinstance(module, nn.Linear)]
        self._layers = [
            (layer.weight.detach().double().numpy(), layer.bias.detach().double().numpy()) for layer in layers
        ]

    def score(self, units: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the score (N,) of vectors (N, 768) of length 1, about 1 to 10, higher is better.

        Raises:
            ValueError: vectors of another width.
        """
        if units.ndim != 2 or units.shape[1] != WIDTH:
            raise ValueError(f"vectors (N, {WIDTH}) of CLIP ViT-L/14, not {units.shape}")
        values = units
        for weight, bias in self._layers:
            values = values @ weight.T + bias
        return values[:, 0]
