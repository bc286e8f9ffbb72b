"""What runs a network: PyTorch, ONNX Runtime or OpenVINO behind one call, and the rule that chooses.

A network in the ONNX format is run by ONNX Runtime, every other one by PyTorch, with one exception. On a processor and
in float32, OpenVINO runs the networks of `CONVERTED` where it is installed (the extra ``fast``): it computes the same
numbers to 1e-5 of the largest and takes less time (``benchmarks/runners.py``; design/018-runners.md). The choice
depends on the machine and the backbones alone, never on how much there is to do, so that a run that is repeated with
half of its features in the cache chooses as before.

The parent of a run chooses once for all of its workers. The choice is an option of the role's file, so that it is a
part of cache keys: the last digits differ from library to library.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Protocol

from numpy.typing import NDArray

from evalkit.errors import InputError, MachineError, UsageError
from evalkit.metrics.features.base import WeightFile
from evalkit.text import escape_for_display

PYTORCH, OPENVINO = "pytorch", "openvino"
OPTION = "runner"
VARIABLE = "EVALKIT_RUNNER"
AUTO = "auto"
# Role -> formats of its file (None: the manifest names none) that OpenVINO runs faster than PyTorch.
CONVERTED: Mapping[str, tuple[str | None, ...]] = {
    "inception": (None,),
    "inception_clean": ("state_dict",),
    "inception_torchvision": (None,),
    "i3d": ("state_dict",),
    "i3d_state": (None, "state_dict"),
    "sync_detector": (None,),
}
_VERSIONS = (2025, 2028)  # of OpenVINO: the first year whose releases can be used, and the first that can't


class Runner(Protocol):
    """A network that is ready to run.

    Attributes:
        backend: the library: ``pytorch``, ``onnxruntime`` or ``openvino``.
    """

    backend: str

    def __call__(self, batch: Any) -> list[NDArray[Any]]:
        """Return the outputs of the network for one input: an array, or a tensor on the CPU."""
        ...


def with_runners(weights: Mapping[str, WeightFile], device: str) -> dict[str, WeightFile]:
    """Return the files; those whose network OpenVINO is to run have the option ``runner``.

    Args:
        weights: role -> checked file.
        device: ``cpu`` or ``cuda``.

    Raises:
        UsageError: ``EVALKIT_RUNNER`` is neither ``auto`` nor ``pytorch``.
    """
    asked = os.environ.get(VARIABLE) or AUTO
    if asked not in (AUTO, PYTORCH):
        raise UsageError(
            f"{VARIABLE} is not a choice.", found=escape_for_display(asked, limit=80), expected=f"{AUTO} or {PYTORCH}"
        )
    if asked == PYTORCH or device != "cpu" or openvino_version() is None:
        return dict(weights)
    return {
        role: replace(file, options={**file.options, OPTION: OPENVINO}) if _is_converted(file) else file
        for role, file in weights.items()
    }


def _is_converted(file: WeightFile) -> bool:
    return (
        file.options.get("format") in CONVERTED.get(file.role, ())
        and file.options.get("precision", "float32") == "float32"
        and OPTION not in file.options
    )


def runner_of(options: Mapping[str, Any]) -> str:
    """Return which library runs a role's network: what `with_runners` wrote into the options; PyTorch without it.

    Raises:
        InputError: another word, which can only be the manifest's.
        MachineError: OpenVINO was chosen on another machine and is not installed on this one.
    """
    name = options.get(OPTION, PYTORCH)
    if name not in (PYTORCH, OPENVINO):
        raise InputError(
            "The backbones ask for an unknown library.",
            found=f"{OPTION}: {escape_for_display(str(name), limit=80)}",
            fix=f"Remove '{OPTION}' from the role's options: it is chosen when a run starts.",
        )
    if name == OPENVINO and openvino_version() is None:
        raise MachineError(
            "This process was told to run a network with OpenVINO, which is not installed here.",
            fix=f"Install evalkit-video[fast] on all machines of a run, or set {VARIABLE}={PYTORCH} where it starts.",
        )
    return str(name)


def runners_used(weights: Mapping[str, WeightFile]) -> dict[str, str]:
    """Return role -> library, for the networks of a run that may be run by more than one; OpenVINO with its version."""
    names = {PYTORCH: PYTORCH, OPENVINO: f"{OPENVINO} {openvino_version()}"}
    return {
        role: names.get(file.options.get(OPTION, PYTORCH), PYTORCH)
        for role, file in sorted(weights.items())
        if file.options.get("format") in CONVERTED.get(role, ())
    }


def openvino_version() -> str | None:
    """Return the version of OpenVINO; ``None`` where it is missing, or a release that evalkit was not tested with."""
    try:
        found = version("openvino")
    except PackageNotFoundError:
        return None
    year = found.partition(".")[0]
    return found if year.isdigit() and _VERSIONS[0] <= int(year) < _VERSIONS[1] else None
