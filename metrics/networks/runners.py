"""Runs a PyTorch network by PyTorch or by OpenVINO, behind one call (`evalkit.metrics.features.runner`)."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from evalkit.metrics.features.runner import OPENVINO, PYTORCH, Runner
from evalkit.metrics.networks.checkpoints import inference

# One stream of one thread, as PyTorch is run; no thread is bound to a core, which the sandbox would refuse.
_OPENVINO_OPTIONS = {
    "INFERENCE_NUM_THREADS": 1,
    "NUM_STREAMS": 1,
    "INFERENCE_PRECISION_HINT": "f32",
    "EXECUTION_MODE_HINT": "ACCURACY",
    "ENABLE_CPU_PINNING": False,
}


class TorchRunner:
    """Runs a network by PyTorch, on a processor or a graphics card.

    A batch that doesn't fit into the card's memory is run in halves, and so are later ones; a line on standard error
    says so. To a card, batches are copied from memory that the system doesn't move.

    Args:
        network: in evaluation mode, on ``device``; takes one tensor, of any number of items, and returns one or several
            with as many.
        device: where it is.
        precision: of convolutions and products.
        layout: of the input.
        name: of the network, for the line on standard error; ``None`` for that of its class or function.
    """

    backend = PYTORCH

    def __init__(
        self,
        network: Callable[[Tensor], Tensor | Sequence[Tensor]],
        device: torch.device,
        precision: torch.dtype = torch.float32,
        layout: torch.memory_format = torch.contiguous_format,
        name: str | None = None,
    ) -> None:
        self._network, self._device, self._precision, self._layout = network, device, precision, layout
        self._name = name or getattr(network, "__name__", type(network).__name__)
        self._most = sys.maxsize  # items at once
        self._copying: torch.cuda.Stream | None = None

    def __call__(self, batch: Tensor | NDArray[Any]) -> list[NDArray[np.float32]]:
        """Return the outputs, as float32.

        Raises:
            torch.OutOfMemoryError: one item alone doesn't fit into memory.
        """
        given = torch.as_tensor(batch)
        parts: list[list[NDArray[np.float32]]] = []
        start = 0
        while start < len(given) or not parts:
            part = given[start : start + self._most]
            made = self._attempt(part)
            if made is None:
                self._halve(len(part))
                continue
            parts.append(made)
            start += len(part)
        return parts[0] if len(parts) == 1 else [np.concatenate(outputs) for outputs in zip(*parts, strict=True)]

    def begin(self, batch: NDArray[Any]) -> Callable[[], list[NDArray[np.float32]]]:
        """Start to run a batch on a card, and return what waits for its outputs: the next one may begin before that.

        It is copied on a stream of its own, while the card computes the one before. On a processor nothing is left to
        wait for.
        """
        if self._device.type != "cuda":
            made = self(batch)
            return lambda: made
        if len(batch) <= self._most:
            try:
                return self._launched(torch.as_tensor(batch))
            except torch.OutOfMemoryError:
                pass  # the batch before holds memory; what is returned is called when that one has ended
        return partial(self, batch)

    def _launched(self, part: Tensor) -> Callable[[], list[NDArray[np.float32]]]:
        """Queue the copy to the card, the network and the copy back."""
        if self._copying is None:
            self._copying = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        current = torch.cuda.current_stream(self._device)
        with inference(self._device, self._precision):
            with torch.cuda.stream(self._copying):
                placed = part.pin_memory().to(device=self._device, non_blocking=True)
                placed = placed.to(memory_format=self._layout)
            current.wait_stream(self._copying)
            placed.record_stream(current)
            made = self._network(placed)
            outputs = [made] if isinstance(made, Tensor) else made
            copies = [torch.empty(output.shape, dtype=torch.float32, pin_memory=True) for output in outputs]
            for copy, output in zip(copies, outputs, strict=True):
                copy.copy_(output, non_blocking=True)
            done = torch.cuda.Event()  # type: ignore[no-untyped-call]
            done.record(current)

        def take() -> list[NDArray[np.float32]]:
            done.synchronize()
            return [np.array(copy.numpy()) for copy in copies]

        return take

    def _attempt(self, part: Tensor) -> list[NDArray[np.float32]] | None:
        """Return the outputs, or ``None`` when there is too little memory for several items."""
        try:
            return self._run(part)
        except torch.OutOfMemoryError:
            if len(part) <= 1:
                raise
        return None  # here the error is gone, and with it the tensors that its traceback held

    def _run(self, part: Tensor) -> list[NDArray[np.float32]]:
        with inference(self._device, self._precision):
            placed = part.pin_memory() if self._device.type == "cuda" else part
            placed = placed.to(device=self._device, memory_format=self._layout, non_blocking=True)
            made = self._network(placed)
            outputs = [made] if isinstance(made, Tensor) else made
            return [np.asarray(output.float().cpu().numpy()) for output in outputs]

    def _halve(self, items: int) -> None:
        self._most = items // 2
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        sys.stderr.write(f"{self._name}: {items} at once don't fit into memory; going on with {self._most}.\n")


class OpenVinoRunner:
    """Runs a network by OpenVINO on one thread of the processor, in float32.

    The network is traced by PyTorch and converted in memory, without a file: two to four CPU seconds.

    Args:
        network: in evaluation mode, in float32 on the processor; takes one tensor, returns one or several. It is not
            kept.
        example: a small input, of the type and layout of all.
        shape: of all inputs, -1 where it differs from one to the next.
    """

    backend = OPENVINO

    def __init__(self, network: nn.Module, example: Tensor, shape: Sequence[int]) -> None:
        openvino = _openvino()
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # of sizes that a trace fixes, and that PyTorch has newer ways to trace
            traced = torch.jit.trace(network, example, check_trace=False)  # type: ignore[no-untyped-call]
            model = openvino.convert_model(traced, example_input=example, input=[tuple(shape)])
        self._request = openvino.Core().compile_model(model, "CPU", _OPENVINO_OPTIONS).create_infer_request()

    def __call__(self, batch: Tensor | NDArray[Any]) -> list[NDArray[np.float32]]:
        """Return the outputs, as float32."""
        given = np.ascontiguousarray(batch)
        made = self._request.infer([given], share_inputs=True, share_outputs=True)
        return [np.array(output, dtype=np.float32) for output in made.values()]  # the request keeps its own


def make_runner(
    network: nn.Module,
    backend: str,
    device: torch.device,
    precision: torch.dtype,
    *,
    layout: torch.memory_format,
    example: Tensor,
    shape: Sequence[int],
) -> Runner:
    """Return what runs ``network``; the arguments are those of `TorchRunner` and `OpenVinoRunner`.

    Args:
        backend: what `evalkit.metrics.features.runner.runner_of` returned: ``pytorch`` or ``openvino``.
    """
    if backend == OPENVINO:
        return OpenVinoRunner(network, example, shape)
    return TorchRunner(network.to(device), device, precision, layout)


def _openvino() -> Any:
    """Import OpenVINO without its usage reports, which it would send to its makers when it is imported."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # importing it then fails
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import openvino

    return openvino
