"""S3FD as face_alignment runs it: an image to the scores and offsets of anchors.

Zhang et al., "S3FD: Single Shot Scale-invariant Face Detector" (ICCV 2017). Names of parameters are those of
``s3fd-619a316812.pth``. The detector of the lip-sync metrics (metrics/sync/s3fd.py) is another port with other weights:
there the sixth stage is dilated, here it pads by 3 and its maps are four cells wider.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its customary name
from numpy.typing import NDArray
from torch import Tensor, nn

from evalkit.metrics.features.placement import Inputs, Network, placed
from evalkit.metrics.features.stopwatch import running
from evalkit.metrics.networks.checkpoints import Unfilled, filled
from evalkit.metrics.networks.folding import settle_layout
from evalkit.metrics.networks.runners import TorchRunner

SMALLEST = 32  # pixels of an image; below, a pooling has nothing left to pool
MEANS_BGR = (104.0, 117.0, 123.0)
STRIDES = (4, 8, 16, 32, 64, 128)
# Stage: convolutions (name, channels in, out, kernel, stride, padding), then the map that a head reads, if any.
_STAGES = (
    ((("conv1_1", 3, 64, 3, 1, 1), ("conv1_2", 64, 64, 3, 1, 1)), None),
    ((("conv2_1", 64, 128, 3, 1, 1), ("conv2_2", 128, 128, 3, 1, 1)), None),
    ((("conv3_1", 128, 256, 3, 1, 1), ("conv3_2", 256, 256, 3, 1, 1), ("conv3_3", 256, 256, 3, 1, 1)), "conv3_3_norm"),
    ((("conv4_1", 256, 512, 3, 1, 1), ("conv4_2", 512, 512, 3, 1, 1), ("conv4_3", 512, 512, 3, 1, 1)), "conv4_3_norm"),
    ((("conv5_1", 512, 512, 3, 1, 1), ("conv5_2", 512, 512, 3, 1, 1), ("conv5_3", 512, 512, 3, 1, 1)), "conv5_3_norm"),
    ((("fc6", 512, 1024, 3, 1, 3), ("fc7", 1024, 1024, 1, 1, 0)), "fc7"),
    ((("conv6_1", 1024, 256, 1, 1, 0), ("conv6_2", 256, 512, 3, 2, 1)), "conv6_2"),
    ((("conv7_1", 512, 128, 1, 1, 0), ("conv7_2", 128, 256, 3, 2, 1)), "conv7_2"),
)
_POOLED = 5  # stages that a pooling follows
HEADS = tuple(head for _, head in _STAGES if head is not None)
Level = tuple[NDArray[np.float32], NDArray[np.float32]]


class ChannelNorm(nn.Module):
    """Each place's vector divided by its length, then a factor per channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, H, W) of (N, C, H, W), in float32."""
        x = x.float()
        return x / (x.pow(2).sum(dim=1, keepdim=True).sqrt() + 1e-10) * self.weight.view(1, -1, 1, 1)


class SfdModel(nn.Module):
    """The network, with the parameter names of the published checkpoint."""

    def __init__(self) -> None:
        super().__init__()
        for convolutions, head in _STAGES:
            for name, channels, out, kernel, stride, padding in convolutions:
                self.add_module(name, nn.Conv2d(channels, out, kernel, stride, padding))
            if head is not None:
                if head.endswith("norm"):
                    self.add_module(head, ChannelNorm(out))
                self.add_module(f"{head}_mbox_conf", nn.Conv2d(out, 4 if head == HEADS[0] else 2, 3, padding=1))
                self.add_module(f"{head}_mbox_loc", nn.Conv2d(out, 4, 3, padding=1))

    def forward(self, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return probability of a face (N, h, w) and offsets (N, 4, h, w) of six maps, from BGR less the means."""
        found = []
        for number, (convolutions, head) in enumerate(_STAGES):
            for name, *_ in convolutions:
                x = F.relu(self.get_submodule(name)(x))
            if head is not None:
                source = self.get_submodule(head)(x) if head.endswith("norm") else x
                logits = self.get_submodule(f"{head}_mbox_conf")(source).float()
                if head == HEADS[0]:  # the smallest anchors choose the strongest of three backgrounds
                    logits = torch.cat([logits[:, :3].amax(dim=1, keepdim=True), logits[:, 3:]], dim=1)
                offsets = self.get_submodule(f"{head}_mbox_loc")(source).float()
                found.append((torch.softmax(logits, dim=1)[:, 1], offsets))
            if number < _POOLED:
                x = F.max_pool2d(x, 2, 2)
        return found


class Sfd:
    """The network, ready to run.

    Args:
        path: a state dict in the published names.
        device: ``cpu`` or ``cuda``.
        precision: of the convolutions.

    Raises:
        WeightsError: the file is missing, asks for code to run, or holds another network.
        MachineError: CUDA was asked for and is not there.
    """

    def __init__(self, path: Path, device: str = "cpu", precision: torch.dtype = torch.float32) -> None:
        def build() -> Network:
            with Unfilled():
                model = SfdModel()
            place = filled(model, path, device)
            network = model.eval().to(place).requires_grad_(requires_grad=False)
            settle_layout(network)

            def sfd(images: Tensor) -> list[Tensor]:
                x = images.permute(0, 3, 1, 2).float() - torch.tensor(MEANS_BGR, device=place).view(1, 3, 1, 1)
                return [part for level in network(x) for part in level]

            return Network({"images": TorchRunner(sfd, place, precision)}, {"images": Inputs("uint8", (None, None, 3))})

        self._runner = placed(("Sfd", path, precision), build).runners["images"]

    def raw(self, rgb: NDArray[Any]) -> list[Level]:
        """Return probabilities (h, w) and offsets (4, h, w) float32 of six maps; none of an image that is too small.

        Args:
            rgb: (H, W, 3) uint8.
        """
        if min(rgb.shape[:2]) < SMALLEST:
            return []
        with running("landmarks68_detector"):
            found = self._runner(np.ascontiguousarray(rgb[..., ::-1])[None])
        return [(scores[0], offsets[0]) for scores, offsets in zip(found[::2], found[1::2], strict=True)]
