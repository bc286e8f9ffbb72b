"""The device that a run is given: asked for, or chosen by what the machine has."""

import onnxruntime
import pytest
import torch

from evalkit.errors import UsageError
from evalkit.scoring.devices import device_places, kind_of, settled_device

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch):
    """Call it with what PyTorch and ONNX Runtime say of a machine."""

    def pretend(*, torch_sees: bool, providers: list[str], gpus: int = 1) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: torch_sees)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
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


def test_gpus_can_be_named_where_several_can_be_used(machine) -> None:
    machine(torch_sees=True, providers=[CUDA, CPU], gpus=3)
    assert settled_device("cuda:2,cuda:0,cuda:2", several=True) == "cuda:0,cuda:2"
    assert settled_device("cuda", several=True) == "cuda"
    with pytest.raises(UsageError, match="no GPU cuda:3"):
        settled_device("cuda:1,cuda:3", several=True)
    with pytest.raises(UsageError, match="no such device"):
        settled_device("cuda:0")


@pytest.mark.parametrize("device", ["", "cuda:", "cuda:0,", "cuda:0 ,cuda:1", "cuda:-1", "cpu,cuda:0", "\x1b"])
def test_what_names_no_gpu_is_an_error(machine, device: str) -> None:
    machine(torch_sees=True, providers=[CUDA, CPU])
    with pytest.raises(UsageError, match="no such device") as refused:
        settled_device(device, several=True)
    assert "\x1b" not in str(refused.value)


def test_each_gpu_is_a_place(machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(torch_sees=True, providers=[CUDA, CPU], gpus=2)
    assert device_places("cuda") == ("cuda:0", "cuda:1")
    assert device_places("cuda:1") == ("cuda:1",)
    assert device_places("cpu") == ()
    monkeypatch.setenv("EVALKIT_DEVICE_PROCESS", "1")
    assert device_places("cpu") == ("cpu",)
    monkeypatch.setenv("EVALKIT_DEVICE_PROCESS", "yes")
    with pytest.raises(UsageError, match="EVALKIT_DEVICE_PROCESS is not a choice"):
        device_places("cpu")
    assert [kind_of(device) for device in ("cpu", "cuda", "cuda:0,cuda:1")] == ["cpu", "cuda", "cuda"]
