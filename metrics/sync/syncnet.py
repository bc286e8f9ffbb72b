"""SyncNet v2: one network for five mouth crops, one for the 0.2 s of audio beside them.

The layers carry the parameter names of the published ``syncnet_v2.model``. For inference each batch norm is folded into
the convolution before it (in float64), and the picture tower runs the five-frame convolution once over a run of frames,
channels last, and everything after it, whose kernels span one frame, as 2-D convolutions. On one CPU core that is 1.5
to 2 times as fast as window by window, with activations equal to 3e-6 of the largest.

Chung and Zisserman, "Out of time: automated lip sync in the wild", ACCV workshops 2016; joonson/syncnet_python.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from evalkit.metrics.features.placement import Inputs, Network, placed
from evalkit.metrics.features.stopwatch import running
from evalkit.metrics.networks.checkpoints import Unfilled, filled
from evalkit.metrics.networks.runners import TorchRunner

SIZE = 224
FRAMES = 5
DIMENSION = 1024
COLUMNS_PER_FRAME, COLUMNS = 4, 20  # of 10 ms
COEFFICIENTS = 13
LIP_BATCH = 8  # windows; larger batches leave the CPU's caches and are slower
AUDIO_BATCH = 64
UNUSED = ("*.num_batches_tracked",)  # a counter of training, which old checkpoints lack


@dataclass(frozen=True)
class _Layer:
    """A convolution with batch norm and ReLU, and the pooling after it: (kernel, stride, padding)."""

    inputs: int
    outputs: int
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    pool: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]] | None = None


_LIPS = (
    _Layer(3, 96, (5, 7, 7), (1, 2, 2), (0, 0, 0), ((1, 3, 3), (1, 2, 2), (0, 0, 0))),
    _Layer(96, 256, (1, 5, 5), (1, 2, 2), (0, 1, 1), ((1, 3, 3), (1, 2, 2), (0, 1, 1))),
    _Layer(256, 256, (1, 3, 3), (1, 1, 1), (0, 1, 1)),
    _Layer(256, 256, (1, 3, 3), (1, 1, 1), (0, 1, 1)),
    _Layer(256, 256, (1, 3, 3), (1, 1, 1), (0, 1, 1), ((1, 3, 3), (1, 2, 2), (0, 0, 0))),
    _Layer(256, 512, (1, 6, 6), (1, 1, 1), (0, 0, 0)),
)
_AUDIO = (
    _Layer(1, 64, (3, 3), (1, 1), (1, 1), ((1, 1), (1, 1), (0, 0))),
    _Layer(64, 192, (3, 3), (1, 1), (1, 1), ((3, 3), (1, 2), (0, 0))),
    _Layer(192, 384, (3, 3), (1, 1), (1, 1)),
    _Layer(384, 256, (3, 3), (1, 1), (1, 1)),
    _Layer(256, 256, (3, 3), (1, 1), (1, 1), ((3, 3), (2, 2), (0, 0))),
    _Layer(256, 512, (5, 4), (1, 1), (0, 0)),
)


def build_syncnet() -> nn.ModuleDict:
    """Return the network with random parameters under the published names (``netcnnlip.0.weight`` and so on)."""

    def tower(layers: Sequence[_Layer]) -> nn.Sequential:
        parts: list[nn.Module] = []
        for layer in layers:
            deep = len(layer.kernel) == 3
            conv, norm, pool = (
                (nn.Conv3d, nn.BatchNorm3d, nn.MaxPool3d) if deep else (nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d)
            )
            parts.append(conv(layer.inputs, layer.outputs, layer.kernel, layer.stride, layer.padding))  # type: ignore[arg-type]
            parts += [norm(layer.outputs), nn.ReLU()]
            if layer.pool is not None:
                parts.append(pool(*layer.pool))
        return nn.Sequential(*parts)

    def head() -> nn.Sequential:
        return nn.Sequential(nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Linear(512, DIMENSION))

    parts = {"netcnnaud": tower(_AUDIO), "netfcaud": head(), "netfclip": head(), "netcnnlip": tower(_LIPS)}
    return nn.ModuleDict(parts).eval()


class SyncNet:
    """Embeds pictures and audio.

    Args:
        path: the published checkpoint, or one of the same shapes.
        device: ``cpu`` or ``cuda``.
        precision: of convolutions and products.

    Raises:
        WeightsError: when the file can't be read, or a parameter is missing, unknown or of another shape.
    """

    def __init__(self, path: Path, device: str = "cpu", precision: torch.dtype = torch.float32) -> None:
        self._precision = precision

        def build() -> Network:
            with Unfilled():
                network = build_syncnet()
            place = filled(network, path, device, ignore=UNUSED)
            towers = _Towers(network, place)
            return Network(
                {
                    "lips": TorchRunner(towers.syncnet_lips, place, precision),
                    "audio": TorchRunner(towers.syncnet_audio, place, precision, torch.channels_last),
                },
                {
                    "lips": Inputs("uint8", (None, SIZE, SIZE, 3)),
                    "audio": Inputs("float32", (1, COEFFICIENTS, COLUMNS), AUDIO_BATCH),
                },
            )

        self._runners = placed(("SyncNet", path, precision), build).runners

    def lips(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return an embedding for every run of five pictures: (N - 4, 1024) float32, not normalised.

        Args:
            crops: (N, 224, 224, 3) uint8 **BGR** at 25 frames/s.

        Raises:
            ValueError: for images of another size or type.
        """
        if crops.shape[1:] != (SIZE, SIZE, 3) or crops.dtype != np.uint8:
            raise ValueError(f"crops is a (N, {SIZE}, {SIZE}, 3) uint8 array, found {crops.dtype} {crops.shape}")
        count = max(0, len(crops) - FRAMES + 1)
        parts = []
        for start in range(0, count, LIP_BATCH):
            with running("syncnet"):
                parts.append(
                    self._runners["lips"](crops[None, start : min(start + LIP_BATCH, count) + FRAMES - 1])[0][0]
                )
        return np.concatenate(parts) if parts else np.empty((0, DIMENSION), dtype=np.float32)

    def audio(self, coefficients: NDArray[np.float64], windows: int) -> NDArray[np.float32]:
        """Return an embedding of the 20 rows from row 4 i on, for the first ``windows`` i: (windows, 1024) float32.

        Args:
            coefficients: (T, 13), a row every 10 ms, T >= 4 windows + 16.

        Raises:
            ValueError: when there are too few rows.
        """
        if windows > 0 and len(coefficients) < COLUMNS_PER_FRAME * (windows - 1) + COLUMNS:
            raise ValueError(f"{len(coefficients)} rows are too few for {windows} windows")
        rows = np.ascontiguousarray(coefficients.T.astype(np.float32))
        parts = []
        for i in range(0, windows, AUDIO_BATCH):
            starts = [COLUMNS_PER_FRAME * j for j in range(i, min(i + AUDIO_BATCH, windows))]
            with running("syncnet"):
                batch = np.stack([rows[None, :, start : start + COLUMNS] for start in starts])
                parts.append(self._runners["audio"](batch)[0])
        return np.concatenate(parts) if parts else np.empty((0, DIMENSION), dtype=np.float32)


class _Towers:
    """The network as it is run: batch norms folded, kernels of one frame as 2-D convolutions.

    Args:
        network: what `build_syncnet` returned, filled.
        device: where it runs.
    """

    def __init__(self, network: nn.ModuleDict, device: torch.device) -> None:
        self._device = device
        parameters = {name: value.double() for name, value in network.state_dict().items()}
        self._lips = self._fold_tower(parameters, "netcnnlip", _LIPS)
        self._audio = self._fold_tower(parameters, "netcnnaud", _AUDIO)
        self._lip_head = self._fold_head(parameters, "netfclip")
        self._audio_head = self._fold_head(parameters, "netfcaud")

    def syncnet_lips(self, runs: Tensor) -> Tensor:
        """Return (B, T - 4, 1024) of runs of frames (B, T, 224, 224, 3) uint8 that follow on each other."""
        return torch.stack([self._run_lips(run) for run in runs])

    def syncnet_audio(self, windows: Tensor) -> Tensor:
        """Return (N, 1024) of (N, 1, 13, 20)."""
        return self._head(self._tower(windows, self._audio, _AUDIO), self._audio_head)

    def _run_lips(self, frames: Tensor) -> Tensor:
        clip = frames.permute(3, 0, 1, 2)[None].float().contiguous(memory_format=torch.channels_last_3d)
        (weight, bias), first = self._lips[0], _LIPS[0]
        x = functional.conv3d(clip, weight, bias, first.stride)[0].permute(1, 0, 2, 3)
        assert first.pool is not None  # noqa: S101 - a fact of the table above
        x = functional.relu_(functional.max_pool2d(x, first.pool[0][1:], first.pool[1][1:]))
        x = self._tower(x.contiguous(memory_format=torch.channels_last), self._lips, _LIPS, start=1)
        return self._head(x, self._lip_head)

    def _tower(self, x: Tensor, parameters: list[Any], layers: Sequence[_Layer], start: int = 0) -> Tensor:
        """Run 2-D layers from ``start`` on; a layer's leading dimension of one is left out."""
        for layer, (weight, bias) in list(zip(layers, parameters, strict=True))[start:]:
            x = functional.relu_(functional.conv2d(x, weight, bias, layer.stride[-2:], layer.padding[-2:]))
            if layer.pool is not None:
                kernel, stride, padding = (part[-2:] for part in layer.pool)
                x = functional.max_pool2d(x, kernel, stride, padding)
        return x

    @staticmethod
    def _head(x: Tensor, parameters: list[Any]) -> Tensor:
        (w1, b1), (w2, b2) = parameters
        return functional.linear(functional.relu_(functional.linear(x.flatten(1), w1, b1)), w2, b2)

    def _fold_tower(self, parameters: Mapping[str, Tensor], name: str, layers: Sequence[_Layer]) -> list[Any]:
        """Return weight and bias per layer with the batch norm inside; kernels of one frame become 2-D."""
        index, folded = 0, []
        for layer in layers:
            weight, bias = _folded(parameters, f"{name}.{index}", f"{name}.{index + 1}")
            if layer.kernel[0] == 1 and len(layer.kernel) == 3:
                weight = weight[:, :, 0]
            layout = torch.channels_last_3d if weight.ndim == 5 else torch.channels_last
            weight = weight.float().to(self._device).contiguous(memory_format=layout)
            folded.append((weight, bias.float().to(self._device)))
            index += 4 if layer.pool is not None else 3
        return folded

    def _fold_head(self, parameters: Mapping[str, Tensor], name: str) -> list[Any]:
        first = _folded(parameters, f"{name}.0", f"{name}.1")
        second = (parameters[f"{name}.3.weight"], parameters[f"{name}.3.bias"])
        return [tuple(part.float().to(self._device).contiguous() for part in pair) for pair in (first, second)]


def _folded(parameters: Mapping[str, Tensor], layer: str, norm: str) -> tuple[Tensor, Tensor]:
    """Return weight and bias of ``layer`` followed by the batch norm ``norm`` (epsilon 1e-5)."""
    weight, bias = parameters[f"{layer}.weight"], parameters[f"{layer}.bias"]
    scale = parameters[f"{norm}.weight"] / (parameters[f"{norm}.running_var"] + 1e-5).sqrt()
    shaped = scale.reshape(-1, *([1] * (weight.ndim - 1)))
    return weight * shaped, (bias - parameters[f"{norm}.running_mean"]) * scale + parameters[f"{norm}.bias"]
