"""The settings of PyTorch and OpenCV that belong to the process: set for a measurement, and given back after it.

A training loop has chosen its own threads, TF32, autocast, default dtype and random state. A measurement needs those of
a scoring worker, so that its numbers are those of `evalkit score`; neither may notice the other.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

# Where PyTorch 2.9 and later keep the precision of float32 products; each may be set alone.
_PRECISIONS = ("cuda.matmul", "cudnn.conv", "cudnn.rnn", "mkldnn.matmul", "mkldnn.conv", "mkldnn.rnn")


@contextmanager
def own_settings(device: str, threads: int) -> Iterator[None]:
    """Compute as a scoring worker does: float32, no TF32, no gradients, deterministic, ``threads`` threads.

    What the caller had is there again afterwards, also after an error: threads, TF32 and matmul precision, cuDNN's
    flags, deterministic algorithms, default dtype and device, autocast, gradient mode, and the random states of
    PyTorch (all GPUs too), NumPy and ``random``.
    """
    import cv2
    import torch

    from evalkit.metrics.networks.checkpoints import settle

    with ExitStack() as stack:
        stack.callback(random.setstate, random.getstate())
        stack.callback(np.random.set_state, np.random.get_state())
        stack.callback(cv2.setNumThreads, cv2.getNumThreads())
        stack.enter_context(torch.random.fork_rng(devices=_devices()))
        for restore in _saved():
            stack.callback(restore)
        stack.callback(torch.set_num_threads, torch.get_num_threads())
        torch.set_default_dtype(torch.float32)
        torch.use_deterministic_algorithms(False)
        # Gradients are off and inference mode is left: networks that are opened here are used by later calls, also
        # from outside of the caller's inference mode.
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.no_grad())
        stack.enter_context(torch.device("cpu"))
        for kind in ("cpu", "cuda"):
            stack.enter_context(torch.autocast(kind, enabled=False))
        cv2.setNumThreads(1)
        torch.set_float32_matmul_precision("highest")
        settle(device, threads)
        for place in _places():
            place.fp32_precision = "ieee"
        yield


def _devices() -> list[int]:
    import torch

    started = torch.cuda.is_available() and torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    return list(range(torch.cuda.device_count())) if started else []


def _saved() -> list[Callable[[], None]]:
    """Return what sets PyTorch's flags to what they are now, to be called from the last to the first."""
    import torch

    cudnn = torch.backends.cudnn
    strict, warn_only = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    dtype, benchmark, deterministic = torch.get_default_dtype(), cudnn.benchmark, cudnn.deterministic
    restore: list[Callable[[], None]] = [
        lambda: torch.set_default_dtype(dtype),
        lambda: torch.use_deterministic_algorithms(strict, warn_only=warn_only),
        lambda: setattr(cudnn, "benchmark", benchmark),
        lambda: setattr(cudnn, "deterministic", deterministic),
    ]
    places = [(place, place.fp32_precision) for place in _places()]
    legacy = _legacy()
    restore.append(lambda: _put_back(places, legacy))
    return restore


def _places() -> list[Any]:
    """Return what has an ``fp32_precision``: none before PyTorch 2.9."""
    import torch

    if not hasattr(torch.backends, "fp32_precision"):
        return []
    found = []
    for path in _PRECISIONS:
        place: Any = torch.backends
        for name in path.split("."):
            place = getattr(place, name, None)
        if hasattr(place, "fp32_precision"):
            found.append(place)
    return found


def _legacy() -> tuple[Any, Any, Any]:
    """Return TF32 of products and convolutions and the matmul precision by the names that all versions have.

    ``None`` where PyTorch refuses to say, because the caller used the newer names.
    """
    import torch

    readers: tuple[Callable[[], Any], ...] = (
        lambda: torch.backends.cuda.matmul.allow_tf32,
        lambda: torch.backends.cudnn.allow_tf32,
        torch.get_float32_matmul_precision,
    )
    found = []
    for read in readers:
        try:
            found.append(read())
        except RuntimeError:
            found.append(None)
    return found[0], found[1], found[2]


def _put_back(places: list[tuple[Any, str]], legacy: tuple[Any, Any, Any]) -> None:
    import torch

    products, convolutions, precision = legacy
    if products is not None:
        torch.backends.cuda.matmul.allow_tf32 = products
    if convolutions is not None:
        torch.backends.cudnn.allow_tf32 = convolutions
    if precision is not None:
        torch.set_float32_matmul_precision(precision)
    for place, value in places:
        if place.fp32_precision != value:
            place.fp32_precision = value
