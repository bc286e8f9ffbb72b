"""S3FD, the face detector in front of SyncNet, with the parameter names of the published ``sfd_face.pth``.

Zhang et al., "S3FD: Single Shot Scale-invariant Face Detector", ICCV 2017. Frames are
scaled to a quarter first. Frames of one size run in batches, channels last: on inputs of 64 x 64 more than twice as
fast as one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from evalkit.metrics.features.placement import Inputs, Network, placed
from evalkit.metrics.features.runner import PYTORCH
from evalkit.metrics.features.stopwatch import running
from evalkit.metrics.networks.checkpoints import Unfilled, filled
from evalkit.metrics.networks.runners import make_runner
from evalkit.metrics.sync.s3fd_boxes import DETECTION, DetectorOptions, faces

# Subtracted from B, G, R; the reference swaps the channels of its RGB frames before and back after.
MEANS_RGB = (123.0, 117.0, 104.0)
SMALLEST = 28  # pixels of the network's input; below, a pooling has nothing left to pool
BATCH_PIXELS, BATCH_MOST = 1 << 18, 16
_POOL, _POOL_UP = "pool", "pool, rounding up"
_VGG = (3, 64, 64, _POOL, 128, 128, _POOL, 256, 256, 256, _POOL_UP, 512, 512, 512, _POOL, 512, 512, 512, _POOL)
_TAKEN_AFTER = {"L2Norm3_3": (15, 256), "L2Norm4_3": (22, 512), "L2Norm5_3": (29, 512)}  # a ReLU of vgg, channels
_HEADS = (256, 512, 512, 1024, 512, 256)

Raw = tuple[NDArray[np.float32], NDArray[np.float32], list[tuple[int, int]]]


def build_s3fd() -> nn.ModuleDict:
    """Return the network with random parameters under the published names (``vgg.0.weight`` and so on)."""
    vgg: list[nn.Module] = []
    channels = 3
    for entry in _VGG[1:]:
        if isinstance(entry, int):
            vgg += [nn.Conv2d(channels, entry, 3, padding=1), nn.ReLU()]
            channels = entry
        else:
            vgg.append(nn.MaxPool2d(2, 2, ceil_mode=entry == _POOL_UP))
    vgg += [nn.Conv2d(512, 1024, 3, padding=6, dilation=6), nn.ReLU(), nn.Conv2d(1024, 1024, 1), nn.ReLU()]
    extras = [
        nn.Conv2d(1024, 256, 1),
        nn.Conv2d(256, 512, 3, 2, padding=1),
        nn.Conv2d(512, 128, 1),
        nn.Conv2d(128, 256, 3, 2, padding=1),
    ]
    parts: dict[str, nn.Module] = {"vgg": nn.ModuleList(vgg), "extras": nn.ModuleList(extras)}
    for name, (_, width) in _TAKEN_AFTER.items():
        parts[name] = nn.ParameterDict({"weight": nn.Parameter(torch.ones(width))})
    parts["loc"] = nn.ModuleList(nn.Conv2d(width, 4, 3, padding=1) for width in _HEADS)
    parts["conf"] = nn.ModuleList(
        nn.Conv2d(width, 4 if level == 0 else 2, 3, padding=1) for level, width in enumerate(_HEADS)
    )
    return nn.ModuleDict(parts).eval()


class S3fdModel(nn.Module):
    """The network with what comes before and after it: (B, h, w, 3) uint8 RGB to offsets and probabilities of anchors.

    Args:
        network: what `build_s3fd` returned.
    """

    def __init__(self, network: nn.ModuleDict) -> None:
        super().__init__()
        self._network = network

    def forward(self, smalls: Tensor) -> tuple[Tensor, Tensor]:
        """Return box offsets (B, P, 4) and face probabilities (B, P)."""
        x = smalls.float() - torch.tensor(MEANS_RGB, device=smalls.device)
        offsets, logits = [], []
        for level, source in enumerate(self._sources(x.permute(0, 3, 1, 2))):
            offsets.append(self._run("loc", level, source).permute(0, 2, 3, 1).flatten(1, 2).float())
            both = self._run("conf", level, source).float()
            if level == 0:  # the smallest anchors choose the strongest of three backgrounds
                both = torch.cat([both[:, :3].amax(dim=1, keepdim=True), both[:, 3:]], dim=1)
            logits.append(both.permute(0, 2, 3, 1).flatten(1, 2))
        return torch.cat(offsets, dim=1), torch.softmax(torch.cat(logits, dim=1), dim=-1)[..., 1]

    def _sources(self, x: Tensor) -> list[Tensor]:
        """Return the six feature maps that boxes are read from."""
        sources = []
        norms = {index: name for name, (index, _) in _TAKEN_AFTER.items()}
        vgg, extras = self._parts("vgg"), self._parts("extras")
        for index, layer in enumerate(vgg):
            x = layer(x)
            if index in norms:
                scale = self._network[norms[index]].get_parameter("weight")
                taken = x.float()
                length = taken.pow(2).sum(dim=1, keepdim=True).sqrt() + 1e-10
                sources.append(scale[None, :, None, None] * (taken / length))
        sources.append(x)
        for index, layer in enumerate(extras):
            x = torch.relu(layer(x))
            if index % 2 == 1:
                sources.append(x)
        return sources

    def _parts(self, name: str) -> list[nn.Module]:
        return list(self._network[name].children())

    def _run(self, name: str, level: int, x: Tensor) -> Tensor:
        output: Tensor = self._parts(name)[level](x)
        return output


def map_sizes(height: int, width: int) -> list[tuple[int, int]]:
    """Return rows and columns of the six feature maps of an input of this size.

    Three poolings come before the second map, the last of them rounding up; the last two maps halve, rounding up.
    """

    def sizes(side: int) -> list[int]:
        quarter = side // 2 // 2
        eighth = (quarter + 1) // 2
        found = [quarter, eighth, eighth // 2, eighth // 2 // 2]
        for _ in range(2):
            found.append((found[-1] + 1) // 2)
        return found

    return list(zip(sizes(height), sizes(width), strict=True))


def _batch_size(shape: tuple[int, ...]) -> int:
    return max(1, min(BATCH_MOST, int(BATCH_PIXELS // (shape[0] * shape[1]))))


class S3fd:
    """Finds faces.

    Args:
        path: the published checkpoint, or one of the same shapes.
        device: ``cpu`` or ``cuda``.
        precision: of the convolutions.
        options: scale of the frames, thresholds.
        runner: the library that runs it: ``pytorch``, or ``openvino`` on a CPU in float32.

    Raises:
        WeightsError: when the file can't be read, or a parameter is missing, unknown or of another shape.
    """

    def __init__(
        self,
        path: Path,
        device: str = "cpu",
        precision: torch.dtype = torch.float32,
        options: DetectorOptions = DETECTION,
        runner: str = PYTORCH,
    ) -> None:
        self._options = options

        def build() -> Network:
            with Unfilled():
                network = build_s3fd()
            place = filled(network, path, device)
            network.requires_grad_(requires_grad=False)
            for parameter in network.parameters():
                if parameter.ndim == 4:
                    parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
            made = make_runner(
                S3fdModel(network),
                runner,
                place,
                precision,
                layout=torch.contiguous_format,
                example=torch.zeros((1, 64, 64, 3), dtype=torch.uint8),
                shape=(-1, -1, -1, 3),
            )
            return Network({"frames": made}, {"frames": Inputs("uint8", (None, None, 3), _batch_size)})

        self._runner = placed(("S3fd", path, precision, runner), build).runners["frames"]

    def small(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the frame (H, W, 3) uint8 RGB as the network takes it, reduced by the scale."""
        scale = self._options.scale
        return np.asarray(cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR), dtype=np.uint8)

    def batch_size(self, small: NDArray[np.uint8]) -> int:
        """Return how many frames of this size run at once, so that memory stays near that of one large frame."""
        return _batch_size(small.shape)

    def detect(
        self, smalls: Sequence[NDArray[np.uint8]], frame_sizes: Sequence[tuple[int, int]]
    ) -> list[NDArray[np.float64]]:
        """Return the faces of each frame: (n, 5) float64 x1, y1, x2, y2 in the frame's pixels and the score.

        Args:
            smalls: what `small` gave; neighbours of one size share a batch.
            frame_sizes: width and height of each frame.
        """
        found: list[NDArray[np.float64]] = []
        start = 0
        while start < len(smalls):
            shape = smalls[start].shape
            stop = start + 1
            while stop < len(smalls) and smalls[stop].shape == shape and stop - start < self.batch_size(smalls[start]):
                stop += 1
            found += self._batch(smalls[start:stop], frame_sizes[start:stop])
            start = stop
        return found

    def _batch(
        self, smalls: Sequence[NDArray[np.uint8]], frame_sizes: Sequence[tuple[int, int]]
    ) -> list[NDArray[np.float64]]:
        height, width = smalls[0].shape[:2]
        if min(height, width) < SMALLEST:
            return [np.empty((0, 5)) for _ in smalls]
        offsets, scores, maps = self.raw(np.stack(smalls))
        return [
            faces(offsets[i], scores[i], maps, (width, height), size, options=self._options)
            for i, size in enumerate(frame_sizes)
        ]

    def raw(self, smalls: NDArray[np.uint8]) -> Raw:
        """Return box offsets (B, P, 4), face probabilities (B, P) and rows and columns of the six feature maps.

        Args:
            smalls: (B, h, w, 3) uint8 RGB.
        """
        with running("sync_detector"):
            offsets, scores = self._runner(smalls)
        return offsets, scores, map_sizes(smalls.shape[1], smalls.shape[2])
