"""IR-101, the network of CurricularFace: aligned face crops in, 512 numbers out.

Huang et al., "CurricularFace: Adaptive Curriculum Learning Loss for Deep Face Recognition" (CVPR 2020); the residual
network with 49 units of Deng et al., "ArcFace" (CVPR 2019), section 3.2. The names of parameters are those of
``glint360k_curricular_face_r101_backbone.bin``.

For inference a batch norm that follows a convolution is folded into it, and tensors lie channels-last. A unit's first
batch norm precedes a convolution that pads with zeros, so it can't be folded.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from evalkit.metrics.features.placement import Inputs, Network, placed
from evalkit.metrics.features.stopwatch import running
from evalkit.metrics.networks.checkpoints import Unfilled, filled
from evalkit.metrics.networks.folding import fold_norm, settle_layout
from evalkit.metrics.networks.runners import TorchRunner

CROP_SIDE = 224
SIDE = 112
DIMENSION = 512
BATCH = 16
UNUSED = ("*.num_batches_tracked",)  # a counter of training
_STAGES = ((64, 3), (128, 13), (256, 30), (512, 3))  # channels, units; each stage's first unit halves the grid
_GRID = SIDE // 2 ** len(_STAGES)


class ResidualUnit(nn.Module):
    """A residual unit: two convolutions beside a shortcut.

    Args:
        channels: of the input.
        out: of the output. With another number the shortcut is a convolution, else it leaves out rows and columns.
        stride: of the second convolution and of the shortcut.
    """

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.shortcut_layer: nn.Module = nn.MaxPool2d(1, stride)
        if channels != out:
            self.shortcut_layer = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(channels),
            nn.Conv2d(channels, out, 3, 1, 1, bias=False),
            nn.BatchNorm2d(out),
            nn.PReLU(out),
            nn.Conv2d(out, out, 3, stride, 1, bias=False),
            nn.BatchNorm2d(out),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, out, H / stride, W / stride) of (N, channels, H, W)."""
        added: Tensor = self.res_layer(x) + self.shortcut_layer(x)
        return added


class IR101(nn.Module):
    """The network: (N, 3, 112, 112) in -1..1 to (N, 512), not normalised."""

    def __init__(self) -> None:
        super().__init__()
        channels = _STAGES[0][0]
        self.input_layer = nn.Sequential(
            nn.Conv2d(3, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels), nn.PReLU(channels)
        )
        units = []
        for out, count in _STAGES:
            units += [
                ResidualUnit(channels if number == 0 else out, out, 2 if number == 0 else 1) for number in range(count)
            ]
            channels = out
        self.body = nn.Sequential(*units)
        self.output_layer = nn.Sequential(
            nn.BatchNorm2d(channels),
            nn.Dropout(0.4),
            nn.Flatten(),
            nn.Linear(channels * _GRID * _GRID, DIMENSION),
            nn.BatchNorm1d(DIMENSION, affine=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the embeddings."""
        embeddings: Tensor = self.output_layer(self.body(self.input_layer(x)))
        return embeddings

    def fold(self) -> None:
        """Put every batch norm that follows a convolution into it."""
        for part in [module for module in self.modules() if isinstance(module, nn.Sequential)]:
            for at in range(len(part) - 1):
                conv, norm = part[at], part[at + 1]
                if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    fold_norm(conv, norm)
                    part[at + 1] = nn.Identity()


class CurricularFace:
    """The network, ready to run.

    Args:
        path: the checkpoint, pickle or safetensors.
        device: ``cpu`` or ``cuda``.
        precision: of convolutions and products.

    Raises:
        WeightsError: the checkpoint can't be read, is unsafe, or is another network's.
        MachineError: CUDA was asked for and is not there.
    """

    dimension = DIMENSION

    def __init__(self, path: Path, device: str = "cpu", precision: torch.dtype = torch.float32) -> None:
        def build() -> Network:
            with Unfilled():
                model = IR101()
            place = filled(model, path, device, ignore=UNUSED)
            model.fold()
            settle_layout(model)
            network = model.eval().to(place)

            def curricularface(small: Tensor) -> Tensor:
                """Return (N, 512) of crops (N, 112, 112, 3) uint8."""
                batch = small.permute(0, 3, 1, 2).to(torch.float32)
                batch = batch.div_(255.0).sub_(0.5).div_(0.5).contiguous(memory_format=torch.channels_last)
                return torch.nn.functional.normalize(network(batch).float(), dim=1)

            made = TorchRunner(curricularface, place, precision)
            return Network({"crops": made}, {"crops": Inputs("uint8", (SIDE, SIDE, 3), BATCH)})

        self._runner = placed(("CurricularFace", path, precision), build).runners["crops"]

    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed aligned crops.

        Args:
            crops: (N, 224, 224, 3) uint8 RGB, as :func:`~evalkit.metrics.faces.align.norm_crop` makes them with size
                224. They are halved here (OpenCV, linear), which is not what aligning at 112 gives.

        Returns:
            (N, 512) float32 of length 1; zeros where the network returns zeros. Which crops share a batch changes a
            value by less than 1e-5.

        Raises:
            ValueError: crops of another shape or type.
        """
        if crops.dtype != np.uint8 or crops.ndim != 4 or crops.shape[1:] != (CROP_SIDE, CROP_SIDE, 3):
            raise ValueError(f"crops are uint8 (N, {CROP_SIDE}, {CROP_SIDE}, 3), not {crops.dtype} {crops.shape}")
        parts = [self._forward(crops[start : start + BATCH]) for start in range(0, len(crops), BATCH)]
        return np.concatenate(parts) if parts else np.zeros((0, DIMENSION), dtype=np.float32)

    def _forward(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        small = np.stack([cv2.resize(crop, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR) for crop in crops])
        with running("curricularface"):
            (embeddings,) = self._runner(small)
        return embeddings
