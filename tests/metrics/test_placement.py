"""Where a network is opened: in this process, kept for others, or asked for elsewhere."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
import torch

from evalkit.errors import MachineError
from evalkit.metrics.features import placement, stopwatch
from evalkit.metrics.features.placement import Inputs, Network, RemoteRunner, collecting, placed
from evalkit.metrics.networks.runners import TorchRunner


def doubling() -> Network:
    return Network({"rows": lambda batch: [2 * batch]}, {"rows": Inputs("float32", (1,))}, {"width": 1})


def test_a_network_is_built_here_unless_it_is_collected() -> None:
    assert placed(("a", 1), doubling) is not placed(("a", 1), doubling)
    networks: dict[str, Network] = {}
    with collecting(networks):
        first = placed(("a", 1), doubling)
        assert placed(("a", 1), doubling) is first
        assert placed(("a", 2), doubling) is not first
    assert list(networks) == ['["a", 1]', '["a", 2]']
    assert placed(("a", 1), doubling) is not first


class Device:
    """A connection whose batches take a tenth of a second in all, and a hundredth on the device."""

    def __init__(self) -> None:
        self.networks = {'["a", 1]': {"parts": {"rows": 7}, "facts": {"width": 1}}}

    def run(self, number: int, batch: Any) -> tuple[list[Any], float]:
        time.sleep(0.1)
        return [batch * number], 0.01


def test_a_worker_with_a_device_process_builds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement, "client", Device)

    def build() -> Network:
        raise AssertionError("built")

    network = placed(("a", 1), build)
    assert network.facts == {"width": 1}
    np.testing.assert_array_equal(network.runners["rows"](torch.ones(2, 1))[0], [[7.0], [7.0]])
    with pytest.raises(MachineError, match="no such network"):
        placed(("b",), build)


def test_time_on_the_device_is_the_networks_and_the_rest_is_waiting() -> None:
    stopwatch.take()
    with stopwatch.running("inception"):
        RemoteRunner(Device(), 1)(np.ones((1, 1), np.float32))  # type: ignore[arg-type]
    seconds = stopwatch.take()
    assert set(seconds) == {"inception", stopwatch.WAITING}
    assert seconds[stopwatch.WAITING] > seconds["inception"]


def test_a_batch_that_was_begun_gives_what_a_call_gives() -> None:
    runner = TorchRunner(torch.nn.Linear(3, 2).eval(), torch.device("cpu"))
    batch = np.arange(12, dtype=np.float32).reshape(4, 3)
    np.testing.assert_array_equal(runner.begin(batch)()[0], runner(batch)[0])
