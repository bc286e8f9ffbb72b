"""Opens ONNX models: execution providers, threads, and the errors of unsuitable models."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import MachineError, UsageError, WeightsError

if TYPE_CHECKING:
    import onnxruntime

# TF32 keeps 10 bits of mantissa: enough to move a cosine by 1e-3. "DEFAULT" picks cuDNN's algorithm without timing
# the candidates, so that two runs pick the same one.
_CUDA_OPTIONS = {"use_tf32": "0", "cudnn_conv_algo_search": "DEFAULT"}
_FATAL_ONLY = 4

Model = str | Path | bytes


@dataclass(frozen=True)
class ModelInput:
    """The one input of a model: its name and its shape, ``None`` where the model leaves a dimension open."""

    name: str
    shape: tuple[int | None, ...]


def model_label(model: Model) -> str:
    """How error messages name ``model``: the file's path, or the number of bytes."""
    return f"a model of {len(model)} bytes in memory" if isinstance(model, bytes) else str(model)


def model_key(model: Model) -> str:
    """Return what identifies ``model`` in a run: the file's path, or the digest of the bytes."""
    return hashlib.sha256(model).hexdigest() if isinstance(model, bytes) else str(model)


def read_model(model: Model) -> bytes:
    """Return the bytes of ``model``.

    Raises:
        WeightsError: the file is missing, unreadable or empty.
    """
    if isinstance(model, bytes):
        content = model
    else:
        try:
            content = Path(model).read_bytes()
        except OSError as error:
            raise WeightsError(
                f"The model {model} can't be read.",
                found=error.strerror or str(error),
                expected="a readable ONNX file",
                fix="Check the path, or fetch the weights again.",
            ) from error
    if not content:
        raise WeightsError(
            f"The model {model_label(model)} is empty.",
            found="0 bytes",
            expected="an ONNX model",
            fix="Fetch the weights again.",
        )
    return content


def open_session(model: Model, *, device: str = "cpu", threads: int = 1) -> onnxruntime.InferenceSession:
    """Open an ONNX model.

    Args:
        model: a file or its bytes. Models with external data are not supported.
        device: ``"cpu"`` or ``"cuda"``. The provider is part of a result: one published pair of images differs by
            2e-4..4e-4 in ArcFace cosine between the two, so there is no silent fall-back.
        threads: threads within one operator; operators never run in parallel. Scoring parallelises over videos.

    Raises:
        UsageError: ``device`` is something else.
        MachineError: ``"cuda"`` was asked for and this onnxruntime can't use it.
        WeightsError: the model is missing, corrupt, or uses what this onnxruntime does not know.
    """
    onnxruntime = _runtime()
    providers = _providers(device)
    content = read_model(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = _FATAL_ONLY  # what matters comes as an exception; exporters' leftovers do not
    try:
        session = onnxruntime.InferenceSession(content, sess_options=options, providers=providers)
    except Exception as error:  # onnxruntime's exceptions share no base class but this one
        raise WeightsError(
            f"The model {model_label(model)} can't be opened.",
            found=_first_line(error),
            expected=f"a complete ONNX model that onnxruntime {onnxruntime.__version__} can run",
            fix="Compare its SHA-256 with the manifest and fetch the weights again.",
        ) from error
    if device == "cuda" and session.get_providers()[0] != "CUDAExecutionProvider":
        raise _no_cuda(f"onnxruntime fell back to {session.get_providers()[0]}")
    return session


def single_input(
    session: onnxruntime.InferenceSession, expected: Sequence[int | None], *, model: Model, role: str
) -> ModelInput:
    """Check that the model takes one float32 tensor of a compatible shape, and describe it.

    Args:
        session: the open model.
        expected: the shape needed, ``None`` where any size will do. An open dimension of the model fits everything.
        model: as given to :func:`open_session`, for the message.
        role: what the model is meant to be, for the message: ``"face detector"``.

    Raises:
        WeightsError: another number of inputs, another type, rank or size.
    """
    inputs = session.get_inputs()
    wanted = f"one float32 input of shape {_shape_text(expected)}"
    fix = f"Name a model that is a {role}, or correct the manifest's entry."
    if len(inputs) != 1:
        raise WeightsError(
            f"The model {model_label(model)} is not a {role}.", found=f"{len(inputs)} inputs", expected=wanted, fix=fix
        )
    shape = tuple(size if isinstance(size, int) and size > 0 else None for size in inputs[0].shape)
    fits = len(shape) == len(expected) and all(
        have is None or want is None or have == want for have, want in zip(shape, expected, strict=True)
    )
    if not fits or inputs[0].type != "tensor(float)":
        raise WeightsError(
            f"The model {model_label(model)} is not a {role}.",
            found=f"{inputs[0].type} of shape {_shape_text(shape)}",
            expected=wanted,
            fix=fix,
        )
    return ModelInput(name=str(inputs[0].name), shape=shape)


class OnnxRunner:
    """Runs an open model with one input by ONNX Runtime (`evalkit.metrics.features.runner.Runner`).

    Args:
        session: from `open_session`.
        name: of the input, from `single_input`.
    """

    backend = "onnxruntime"

    def __init__(self, session: onnxruntime.InferenceSession, name: str) -> None:
        self._session, self._name = session, name

    def __call__(self, batch: Any) -> list[NDArray[Any]]:
        """Return all outputs in the model's order."""
        return [np.asarray(output) for output in self._session.run(None, {self._name: batch})]


def _runtime() -> Any:
    """Import onnxruntime, when a model is opened and not before, with its usage reports switched off."""
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    return onnxruntime


def _providers(device: str) -> list[Any]:
    if device == "cpu":
        return ["CPUExecutionProvider"]
    if device != "cuda":
        raise UsageError(
            f"Unknown device '{device}'.", expected="'cpu' or 'cuda'", fix="Choose one of the two with --device."
        )
    available = _runtime().get_available_providers()
    if "CUDAExecutionProvider" not in available:
        raise _no_cuda(f"providers {', '.join(available)}")
    return [("CUDAExecutionProvider", _CUDA_OPTIONS), "CPUExecutionProvider"]


def _no_cuda(found: str) -> MachineError:
    return MachineError(
        "ONNX models can't run on CUDA here.",
        found=found,
        expected="CUDAExecutionProvider",
        fix="Install onnxruntime-gpu in place of onnxruntime, or use --device cpu.",
    )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _shape_text(shape: Sequence[int | None]) -> str:
    return "x".join("?" if size is None else str(size) for size in shape)
