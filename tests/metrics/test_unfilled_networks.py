"""A network that is about to be filled from a checkpoint draws no random initial weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from evalkit.metrics.networks.checkpoints import Unfilled, fill


class Network(nn.Module):
    """One of each kind of layer that initialises itself."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)
        self.linear, self.table = nn.Linear(8, 4), nn.Embedding(5, 4)
        self.attention = nn.MultiheadAttention(4, 2)


def test_no_random_number_is_drawn() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    with Unfilled():
        Network()
    assert torch.equal(torch.get_rng_state(), before)
    Network()
    assert not torch.equal(torch.get_rng_state(), before)


def test_filled_is_the_network_of_the_checkpoint(tmp_path) -> None:
    state = Network().state_dict()
    with Unfilled():
        network = Network()
    fill(network, state, tmp_path / "file.pth")
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())


def test_outside_of_it_layers_are_initialised() -> None:
    with pytest.raises(KeyError), Unfilled():
        raise KeyError
    assert nn.Linear(64, 64).weight.abs().max() <= 1 / 8
