"""What the bundled networks have in common behind the interfaces of the published ones."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from evalkit.metrics.features.placement import Inputs, Network, placed
from evalkit.metrics.networks.checkpoints import filled
from evalkit.metrics.networks.runners import TorchRunner
from evalkit.metrics.networks.small.models import NETWORKS, fused, last_channels

BATCH = 16


@lru_cache(maxsize=16)
def open_small(kind: str, path: Path, sha256: str, device: str) -> nn.Module:
    """Return the network ``kind`` of `small.NETWORKS` with the file's weights, built once per process.

    Raises:
        WeightsError: the file holds another network.
    """
    network = fused(NETWORKS[kind]())
    place = filled(network, path, device)
    last_channels(network)
    return network.eval().to(place)


class SmallRunner:
    """A network and what runs its parts.

    Attributes:
        kind: of `small.NETWORKS`.
        inputs: what each part takes; the method of the part's name makes its outputs of the network and a tensor.
    """

    kind = ""
    inputs: Mapping[str, Inputs] = {}

    def __init__(self, path: Path, sha256: str, device: str = "cpu") -> None:
        own = type(self)

        def build() -> Network:
            network = open_small(self.kind, path, sha256, device)

            def runner(part: str) -> TorchRunner:
                return TorchRunner(partial(getattr(own, part), network), torch.device(device), name=part)

            return Network({part: runner(part) for part in own.inputs}, own.inputs, own.facts_of(network))

        network = placed((own.__name__, path, sha256), build)
        self._parts, self._facts = network.runners, network.facts

    @staticmethod
    def facts_of(network: Any) -> dict[str, Any]:
        """Return the plain values that the class needs of its network."""
        return {}


def planes(pictures: Tensor) -> Tensor:
    """Return (N, C, H, W) float32 of 0..1 of (N, H, W, C) in 0..255."""
    scaled = pictures.permute(0, 3, 1, 2).to(torch.float32) / 255.0  # not in place: the batch may be run again
    return scaled.contiguous(memory_format=torch.channels_last)
