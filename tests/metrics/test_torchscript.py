"""TorchScript is loaded from a pinned digest, and from nothing else."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import warnings
import zipfile
from pathlib import Path

import pytest
import torch

from evalkit.errors import WeightsError
from evalkit.metrics.features.base import WeightFile
from evalkit.metrics.networks.checkpoints import load_state_dict
from evalkit.metrics.networks.torchscript import is_torchscript, load_torchscript, load_torchscript_state

WRONG = "0" * 64


class Doubling(torch.nn.Module):
    """Twice the input and a shift."""

    def __init__(self, shift: float) -> None:
        super().__init__()
        self.shift = torch.nn.Parameter(torch.tensor([shift]))
        self.register_buffer("counter", torch.tensor(7))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * x + self.shift


def archive(shift: float) -> bytes:
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.script(Doubling(shift)), stream)
    return stream.getvalue()


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(scope="module")
def content() -> bytes:
    return archive(0.5)


@pytest.fixture
def path(tmp_path: Path, content: bytes) -> Path:
    file = tmp_path / "network.pt"
    file.write_bytes(content)
    return file


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Record what reaches PyTorch's loader, and let it through."""
    seen: list[bytes] = []
    real = torch.jit.load

    def load(stream, *args, **kwargs):
        seen.append(stream.getvalue() if isinstance(stream, io.BytesIO) else Path(stream).read_bytes())
        return real(stream, *args, **kwargs)

    monkeypatch.setattr(torch.jit, "load", load)
    return seen


def test_the_pinned_file_is_loaded_and_runs(path, content, loads):
    module = load_torchscript(path, digest(content))
    assert module(torch.tensor([3.0])).tolist() == [6.5]
    assert not module.training
    assert loads == [content]
    assert load_torchscript(path, digest(content).upper())(torch.tensor([1.0])).tolist() == [2.5]


def test_the_state_is_the_modules(path, content):
    state = load_torchscript_state(path, digest(content))
    assert {name: tensor.tolist() for name, tensor in state.items()} == {"shift": [0.5], "counter": 7}
    assert not any(tensor.requires_grad for tensor in state.values())


@pytest.mark.parametrize("load", [load_torchscript, load_torchscript_state])
def test_a_wrong_digest_is_never_loaded(path, content, loads, load):
    for pinned in (WRONG, digest(content)[:-1], "", digest(archive(0.25))):
        with pytest.raises(WeightsError, match="rejected: it could run code, and it is not the pinned one") as refused:
            load(path, pinned)
        assert digest(content) in str(refused.value)
    assert loads == []


def test_without_a_pinned_digest_nothing_is_loaded(path, loads):
    trusted = WeightFile("i3d", path, digest(path.read_bytes()), pinned=False)
    with pytest.raises(WeightsError, match="pinned digest only"):
        load_torchscript(path, trusted.pin)
    assert loads == []
    assert WeightFile("i3d", path, trusted.sha256).pin == trusted.sha256


def test_one_changed_byte_is_another_file(path, content, loads):
    changed = bytearray(content)
    changed[len(changed) // 2] ^= 1
    path.write_bytes(bytes(changed))
    with pytest.raises(WeightsError, match="not the pinned one"):
        load_torchscript(path, digest(content))
    assert loads == []


def test_a_file_that_changes_after_hashing_changes_nothing(path, content, monkeypatch):
    """The file is replaced between hash and load: what is loaded is what was hashed."""
    other = archive(100.0)
    real = torch.jit.load

    def load(*args, **kwargs):
        path.write_bytes(other)
        return real(*args, **kwargs)

    monkeypatch.setattr(torch.jit, "load", load)
    module = load_torchscript(path, digest(content))
    assert digest(path.read_bytes()) == digest(other)
    assert module(torch.tensor([3.0])).tolist() == [6.5]


class Evil:
    """Runs a command when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self._target = target

    def __reduce__(self):
        return os.mkdir, (str(self._target),)


@pytest.mark.parametrize("how", ["pickle", "torch", "archive"])
def test_a_pickle_that_runs_code_in_its_place_does_not_run(tmp_path, path, content, how):
    target = tmp_path / "executed"
    if how == "pickle":
        path.write_bytes(pickle.dumps(Evil(target)))
    elif how == "torch":
        torch.save({"shift": Evil(target)}, path)
    else:  # an archive whose data.pkl is exchanged
        with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(path, "w") as changed:
            for name in source.namelist():
                changed.writestr(name, pickle.dumps(Evil(target)) if name.endswith("/data.pkl") else source.read(name))
    with pytest.raises(WeightsError, match="not the pinned one"):
        load_torchscript(path, digest(content))
    # Even when it is what somebody pinned: TorchScript's own unpickler knows no such call.
    with pytest.raises(WeightsError, match="can't be read as TorchScript"):
        load_torchscript(path, digest(path.read_bytes()))
    with pytest.raises(WeightsError):
        load_state_dict(path)
    assert not target.exists()


def test_missing_and_damaged_files_are_told(tmp_path):
    with pytest.raises(WeightsError, match="is missing"):
        load_torchscript(tmp_path / "none.pt", WRONG)
    with pytest.raises(WeightsError, match="can't be read"):
        load_torchscript(tmp_path, WRONG)
    (tmp_path / "text.pt").write_bytes(b"<html>not found</html>")
    with pytest.raises(WeightsError, match="can't be read as TorchScript"):
        load_torchscript(tmp_path / "text.pt", digest(b"<html>not found</html>"))


def test_the_form_is_seen_without_loading(path, tmp_path, loads):
    assert is_torchscript(path)
    torch.save({"a": torch.zeros(1)}, tmp_path / "state.pt")
    torch.save({"a": torch.zeros(1)}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    (tmp_path / "text.pt").write_bytes(b"PK\x03\x04broken")
    for name in ("state.pt", "old.pt", "text.pt", "none.pt"):
        assert not is_torchscript(tmp_path / name)
    assert loads == []


def test_the_restricted_loader_takes_no_torchscript(path, loads):
    """Whoever asks for tensors only doesn't get code by another door."""
    with pytest.raises(WeightsError):
        load_state_dict(path)
    assert loads == []
