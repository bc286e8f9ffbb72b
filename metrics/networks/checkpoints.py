"""Reading the weights of a network: tensors only, never code, and errors that list what doesn't fit.

A checkpoint from the internet is a pickle, and a pickle can run anything. PyTorch's restricted unpickler builds tensors
and plain containers only; a file that asks for anything else is rejected before it can run.
"""

from __future__ import annotations

import fnmatch
import pickle
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from evalkit.errors import InputError, MachineError, WeightsError

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_SHOWN = 4
_REPLACE = "Remove it and fetch the weights again, from the source that the manifest names."


_DRAWS = (Tensor.normal_, Tensor.uniform_, Tensor.random_)


class Unfilled(TorchFunctionMode):
    """Build a network inside ``with Unfilled():`` without drawing its random initial weights: a checkpoint follows.

    A parameter that would be drawn keeps what the memory holds, so every one must be filled (`fill`).
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run ``func``, or return its tensor as it is where ``func`` only fills it with random numbers."""
        given = dict(kwargs or {})
        if getattr(func, "__module__", None) == "torch.nn.init" or func in _DRAWS:
            return given["tensor"] if "tensor" in given else args[0]
        return func(*args, **given)


def load_state_dict(path: Path, entry: str | None = None) -> dict[str, Tensor]:
    """Return the named tensors of a checkpoint, on the CPU.

    Args:
        path: a file of safetensors when its suffix says so, else what ``torch.save`` wrote.
        entry: where the tensors are when the file holds more; a file without it holds them alone.

    Raises:
        WeightsError: the file is missing or damaged, holds anything but named tensors, or asks for code to run.
    """
    try:
        content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickle(path)
    except FileNotFoundError:
        raise WeightsError(f"The weights file {path} is missing.", fix="Fetch the weights.") from None
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"The weights file {path} is rejected: it contains more than tensors and could run code.",
            found=_first_sentence(error),
            expected="tensors, numbers, text and containers of them",
            fix=_REPLACE,
        ) from None
    except Exception as error:  # noqa: BLE001 - a damaged file fails in as many ways as there are bytes
        raise WeightsError(
            f"The weights file {path} can't be read.",
            found=_first_sentence(error),
            expected="a state dict saved by PyTorch, or safetensors with that suffix",
            fix=_REPLACE,
        ) from None
    if entry is not None and isinstance(content, Mapping) and isinstance(content.get(entry), Mapping):
        content = content[entry]
    if not isinstance(content, Mapping) or not content:
        raise WeightsError(f"The weights file {path} holds no state dict.", found=_kind(content), fix=_REPLACE)
    strange = [name for name, value in content.items() if not (isinstance(name, str) and isinstance(value, Tensor))]
    if strange:
        raise WeightsError(
            f"The weights file {path} holds no state dict.",
            found=f"{_listed([str(name) for name in strange])}, not a tensor with a name",
            expected="names and tensors",
            fix=_REPLACE,
        )
    return dict(content)


def fill(module: nn.Module, state: Mapping[str, Tensor], path: Path, ignore: Sequence[str] = ()) -> None:
    """Copy ``state`` into ``module``, each tensor into the parameter or buffer of its name.

    Args:
        module: the network.
        state: names and tensors.
        path: of the checkpoint, for the message.
        ignore: patterns (``fc.*``) of names that only one side may have: layers that are not used.

    Raises:
        WeightsError: names are missing or unknown, or shapes differ; with the first of each.
    """
    wanted = {name: tensor.shape for name, tensor in module.state_dict().items() if not _matches(name, ignore)}
    given = {name: tensor.shape for name, tensor in state.items() if not _matches(name, ignore)}
    missing = [name for name in wanted if name not in given]
    unknown = [name for name in given if name not in wanted]
    shapes = [
        f"{name} {tuple(given[name])} instead of {tuple(wanted[name])}"
        for name in wanted
        if name in given and given[name] != wanted[name]
    ]
    groups = (("missing", missing), ("unknown", unknown), ("other shapes", shapes))
    if missing or unknown or shapes:
        raise WeightsError(
            f"The weights file {path} doesn't fit the network {type(module).__name__}.",
            found="; ".join(f"{len(names)} {label}: {_listed(names)}" for label, names in groups if names),
            expected=f"the {len(wanted)} tensors of the network",
            fix="The manifest names a file of another network: correct its entry.",
        )
    # What is ignored keeps the network's own value, so that every name is there.
    module.load_state_dict({**module.state_dict(), **{name: state[name] for name in wanted}})


def filled(module: nn.Module, path: Path, device: str, ignore: Sequence[str] = ()) -> torch.device:
    """Fill ``module`` with the checkpoint at ``path`` (`load_state_dict`, `fill`) and return the device (`settle`)."""
    fill(module, load_state_dict(path), path, ignore)
    return settle(device)


def precision_of(options: Mapping[str, Any]) -> torch.dtype:
    """Return the type of numbers that a role's options in the manifest ask for: ``precision``, float32 without it.

    float32 is the reference. The options are part of every cache key, so results of two precisions never mix.

    Raises:
        InputError: for another word.
    """
    name = options.get("precision", "float32")
    if not isinstance(name, str) or name not in PRECISIONS:
        raise InputError(
            "The backbones ask for an unknown precision.",
            found=f"precision: {name}",
            expected=", ".join(PRECISIONS),
            fix="Correct the role's options in the backbones file.",
        )
    return PRECISIONS[name]


@contextmanager
def inference(device: torch.device, precision: torch.dtype = torch.float32) -> Iterator[None]:
    """Run what is inside without gradients; convolutions and products in ``precision``.

    Weights stay float32 and are converted where an operator takes them (``torch.autocast``). What comes out may be of
    the lower type: call ``.float()`` on it, and on whatever is squared and summed, which leaves the range of float16.
    """
    lower = precision != torch.float32
    with torch.inference_mode(), torch.autocast(device.type, dtype=precision if lower else None, enabled=lower):
        yield


def settle(device: str, threads: int = 1) -> torch.device:
    """Make PyTorch compute the same numbers every time, and return the device.

    Full float32 (no TF32), deterministic convolution algorithms, a fixed number of threads.

    Args:
        device: ``cpu`` or ``cuda``.
        threads: of one operator on the CPU; the workers beside each other are what uses the other cores.

    Raises:
        MachineError: CUDA was asked for and is not there.
    """
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise MachineError(
            "CUDA was asked for, and PyTorch finds no CUDA device.",
            found=f"torch {torch.__version__}",
            fix="Choose --device cpu, or install a CUDA build of PyTorch and a driver for it.",
        )
    torch.set_num_threads(threads)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    return torch.device(device)


def _read_safetensors(path: Path) -> Any:
    from safetensors.torch import load_file

    return load_file(path)


def _read_pickle(path: Path) -> Any:
    return torch.load(path, map_location="cpu", weights_only=True)


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")


def _kind(content: Any) -> str:
    return "nothing" if isinstance(content, Mapping) else f"a {type(content).__name__}"


def _first_sentence(error: Exception) -> str:
    """Return the error's message without PyTorch's advice to load the file unsafely."""
    text = str(error)
    marker = "WeightsUnpickler error:"
    if marker in text:
        text = text[text.index(marker) + len(marker) :]
    text = next((line.strip() for line in text.splitlines() if line.strip()), "") or type(error).__name__
    return text.split(". ", maxsplit=1)[0].rstrip(".")
