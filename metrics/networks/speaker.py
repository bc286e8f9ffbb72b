"""The speaker encoder of Resemblyzer: GE2E (Wan et al., ICASSP 2018), three LSTM layers over mel spectra.

Names of parameters are those of its file, https://github.com/resemble-ai/Resemblyzer (Apache-2.0).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from evalkit.metrics.networks.checkpoints import Unfilled, fill, inference, load_state_dict, settle

BANDS: Final = 40
WIDTH: Final = 256
LAYERS: Final = 3
_OF_TRAINING = ("similarity_weight", "similarity_bias")


class Ge2e(nn.Module):
    """Mel spectra (N, frames, 40) -> vectors (N, 256) of length 1, none of whose numbers is negative."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(BANDS, WIDTH, LAYERS, batch_first=True)
        self.linear = nn.Linear(WIDTH, WIDTH)

    def forward(self, mels: torch.Tensor) -> torch.Tensor:
        """Return the vectors; the last state of the top layer decides."""
        _, (hidden, _) = self.lstm(mels)
        return nn.functional.normalize(torch.relu(self.linear(hidden[-1])), dim=1)


class SpeakerEncoder:
    """The network, ready to run.

    Args:
        path: ``pretrained.pt`` of Resemblyzer.
        device: ``cpu`` or ``cuda``.

    Raises:
        WeightsError: the file is missing, asks for code to run, or holds another network.
    """

    def __init__(self, path: Path, device: str) -> None:
        with Unfilled():
            network = Ge2e()
        state = load_state_dict(path, "model_state")
        fill(network, state, path, ignore=_OF_TRAINING)
        self._device = settle(device)
        self._network = network.to(self._device).eval()

    def embed(self, mels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return vectors (N, 256) of length 1 of mel spectra (N, frames, 40)."""
        with inference(self._device):
            found = self._network(torch.from_numpy(np.ascontiguousarray(mels)).to(self._device))
        return np.asarray(found.cpu().numpy())
