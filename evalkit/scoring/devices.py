"""Which devices run the networks of a run."""

from __future__ import annotations

import os
import re

from evalkit.errors import UsageError
from evalkit.text import escape_for_display

AUTO = "auto"
VARIABLE = "EVALKIT_DEVICE_PROCESS"
_NUMBERED = re.compile(r"cuda:[0-9]{1,3}(,cuda:[0-9]{1,3})*")


def settled_device(device: str, *, several: bool = False) -> str:
    """Return the device: what was asked for, or for ``auto`` the GPU where all networks can use one.

    Args:
        device: ``cpu``, ``cuda`` or ``auto``.
        several: whether GPUs may be named: ``cuda:0,cuda:2``.

    Raises:
        UsageError: for an unknown device, or a GPU that PyTorch does not see.
    """
    if device == "cpu":
        return device
    numbered = several and _NUMBERED.fullmatch(device) is not None
    if device not in {"cuda", AUTO} and not numbered:
        expected = "cpu, cuda, auto, or GPUs by their numbers: cuda:0,cuda:1" if several else "cpu, cuda or auto"
        raise UsageError("There is no such device.", found=escape_for_display(device, limit=80), expected=expected)
    import torch

    available = torch.cuda.is_available()
    if device == AUTO:
        return "cuda" if available and _onnx_can_use_it() else "cpu"
    if not available:
        raise UsageError(
            "PyTorch finds no CUDA device on this machine.", fix="Use the device cpu, or install PyTorch for CUDA."
        )
    if not numbered:
        return device
    there = torch.cuda.device_count()
    named = sorted({int(part.removeprefix("cuda:")) for part in device.split(",")})
    if named[-1] >= there:
        raise UsageError(
            f"There is no GPU cuda:{named[-1]}.",
            found=f"{there} that PyTorch sees",
            expected=f"numbers up to {there - 1}",
        )
    return ",".join(f"cuda:{number}" for number in named)


def kind_of(device: str) -> str:
    """Return ``cpu`` or ``cuda``: which of several GPUs of a machine are used is no part of a result."""
    return device.partition(":")[0]


def device_places(device: str) -> tuple[str, ...]:
    """Return where a run has device processes (design/025), one for each; none where workers run their networks.

    Args:
        device: from `settled_device`; ``cuda`` stands for all GPUs that this process sees.

    Raises:
        UsageError: ``EVALKIT_DEVICE_PROCESS``, which asks for one on the processor, is neither 0 nor 1.
    """
    if device == "cpu":
        asked = os.environ.get(VARIABLE) or "0"
        if asked not in {"0", "1"}:
            raise UsageError(
                f"{VARIABLE} is not a choice.", found=escape_for_display(asked, limit=80), expected="0 or 1"
            )
        return ("cpu",) if asked == "1" else ()
    if device == "cuda":
        import torch

        return tuple(f"cuda:{number}" for number in range(torch.cuda.device_count()))
    return tuple(device.split(","))


def _onnx_can_use_it() -> bool:
    """Return whether this build of ONNX Runtime, which runs the face detector and ArcFace, knows CUDA."""
    import onnxruntime

    return "CUDAExecutionProvider" in onnxruntime.get_available_providers()
