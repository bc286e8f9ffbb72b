"""Reading TorchScript: programs, so only from files whose digest is pinned.

A TorchScript archive holds a network's code beside its weights, and loading it runs an unpickler and a compiler on
its content. So nothing of the file is loaded before its bytes are known to be the pinned ones; and the bytes
that were hashed are the bytes that are loaded, whatever happens to the file meanwhile.
"""

from __future__ import annotations

import hashlib
import io
import warnings
import zipfile
from pathlib import Path

import torch
from torch import Tensor

from evalkit.errors import WeightsError

_FIX = "Remove it and fetch the weights again, from the source that the manifest names."


def is_torchscript(path: Path) -> bool:
    """Return whether a file is laid out as a TorchScript archive: a ZIP with constants and code. Loads nothing."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.split("/", 1)[-1] == "constants.pkl" for name in archive.namelist())
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError):
        # The restricted loader then reports why the file can't be read; it takes no TorchScript.
        return False


def load_torchscript(path: Path, sha256: str | None) -> torch.jit.ScriptModule:
    """Return the network of a TorchScript archive, on the CPU, ready to evaluate.

    Args:
        path: the file.
        sha256: the digest that the manifest pins, 64 hexadecimal digits; ``None`` when it pins none.

    Raises:
        WeightsError: the file is missing, has no pinned or another digest (then nothing of it was loaded), or is no
            TorchScript.
    """
    if sha256 is None:
        raise WeightsError(
            f"The weights file {path} is TorchScript, which is loaded from a pinned digest only.",
            fix="Name the file with its SHA-256 in a backbones file.",
        )
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise WeightsError(f"The weights file {path} is missing.", fix="Fetch the weights.") from None
    except OSError as error:
        raise WeightsError(f"The weights file {path} can't be read.", found=str(error.strerror or error)) from None
    digest = hashlib.sha256(content).hexdigest()
    if digest != sha256.lower():
        raise WeightsError(
            f"The weights file {path} is rejected: it could run code, and it is not the pinned one.",
            found=f"SHA-256 {digest} ({len(content)} bytes)",
            expected=f"SHA-256 {sha256}",
            fix=_FIX,
        )
    try:
        with warnings.catch_warnings():
            # Published networks come in this format, however long it will be made.
            warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)
            module: torch.jit.ScriptModule = torch.jit.load(  # type: ignore[no-untyped-call]
                io.BytesIO(content), map_location="cpu"
            )
    except Exception as error:  # noqa: BLE001 - the compiler fails in many ways
        first = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise WeightsError(
            f"The weights file {path} can't be read as TorchScript.", found=first.rstrip("."), fix=_FIX
        ) from None
    return module.eval()


def load_torchscript_state(path: Path, sha256: str | None) -> dict[str, Tensor]:
    """Return the named tensors of a TorchScript archive, on the CPU; nothing of its code runs as a network.

    Raises:
        WeightsError: as `load_torchscript`.
    """
    return {name: tensor.detach() for name, tensor in load_torchscript(path, sha256).state_dict().items()}
