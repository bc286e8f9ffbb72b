"""The device that a run is given: asked for, or chosen by what the machine has."""

import onnxruntime
import pytest
import torch

from evalkit.errors import UsageError
from evalkit.scoring.devices import settled_device

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch):
    """Call it with what PyTorch and ONNX Runtime say of a machine."""

    def pretend(*, torch_sees: bool, providers: list[str]) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: torch_sees)
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: providers)

    return pretend


@pytest.mark.parametrize(
    ("torch_sees", "providers", "auto"),
    [
        (True, [CUDA, CPU], "cuda"),
        (True, [CPU], "cpu"),  # the detector and ArcFace would have no device
        (False, [CUDA, CPU], "cpu"),
        (False, [CPU], "cpu"),
    ],
)
def test_auto_takes_a_gpu_that_all_networks_can_use(machine, torch_sees: bool, providers: list[str], auto: str) -> None:
    machine(torch_sees=torch_sees, providers=providers)
    assert settled_device("auto") == auto
    assert settled_device("cpu") == "cpu"


def test_what_is_asked_for_is_there_or_an_error(machine) -> None:
    machine(torch_sees=True, providers=[CPU])
    assert settled_device("cuda") == "cuda"
    machine(torch_sees=False, providers=[CUDA])
    with pytest.raises(UsageError, match="no CUDA device"):
        settled_device("cuda")
    with pytest.raises(UsageError, match="no such device"):
        settled_device("gpu")
