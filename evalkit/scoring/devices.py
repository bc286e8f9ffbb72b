"""Which device runs the networks of a run."""

from __future__ import annotations

from evalkit.errors import UsageError

AUTO = "auto"
DEVICES = ("cpu", "cuda", AUTO)


def settled_device(device: str) -> str:
    """Return ``cpu`` or ``cuda``: what was asked for, or for ``auto`` the GPU where all networks can use one.

    Raises:
        UsageError: for an unknown device, or ``cuda`` where PyTorch sees none.
    """
    if device == "cpu":
        return device
    if device not in DEVICES:
        raise UsageError("There is no such device.", found=device, expected="cpu, cuda or auto")
    import torch

    available = torch.cuda.is_available()
    if device == AUTO:
        return "cuda" if available and _onnx_can_use_it() else "cpu"
    if not available:
        raise UsageError(
            "PyTorch finds no CUDA device on this machine.", fix="Use the device cpu, or install PyTorch for CUDA."
        )
    return device


def _onnx_can_use_it() -> bool:
    """Return whether this build of ONNX Runtime, which runs the face detector and ArcFace, knows CUDA."""
    import onnxruntime

    return "CUDAExecutionProvider" in onnxruntime.get_available_providers()
