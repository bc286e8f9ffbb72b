"""S3FD and SyncNet, built once per process however many features use them; loads PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.features.base import WeightFile
from evalkit.metrics.features.networks import opened_once
from evalkit.metrics.features.runner import runner_of
from evalkit.metrics.sync.s3fd_boxes import DETECTION, DetectorOptions

DETECTOR = "sync_detector"
NETWORK = "syncnet"
PRECISION = "float32 without TF32, unless the backbones' option 'precision' of a role says otherwise"


class BoxDetector(Protocol):
    """Finds faces in frames; `networks.s3fd.S3fd` and its like."""

    def small(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return a frame as `detect` takes it."""
        ...

    def batch_size(self, small: NDArray[np.uint8]) -> int:
        """Return how many of such frames run at once."""
        ...

    def detect(
        self, smalls: Sequence[NDArray[np.uint8]], frame_sizes: Sequence[tuple[int, int]]
    ) -> list[NDArray[np.float64]]:
        """Return the boxes (n, 5) of each frame: x1, y1, x2, y2 in pixels of the frame, score."""
        ...


class SyncNetwork(Protocol):
    """Turns lips and audio into vectors; `networks.syncnet.SyncNet` and its like."""

    def lips(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (N - 4, D) of crops (N, 224, 224, 3) BGR."""
        ...

    def audio(self, coefficients: NDArray[np.float64], windows: int) -> NDArray[np.float32]:
        """Return (windows, D) of coefficients (T, 13)."""
        ...


@runtime_checkable
class LimitedNetwork(Protocol):
    """A network that knows which faces it can judge, as the bundled one does."""

    def ood_score(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (N,) of crops (N, 224, 224, 3) BGR: how unlike the faces of its training, 1 at the limit."""
        ...


@opened_once
def open_detector(file: WeightFile, device: str, options: DetectorOptions = DETECTION) -> BoxDetector:
    """Return S3FD with the file's weights, in the precision that its options ask for; or evalkit's own detector."""
    if file.bundled:
        from evalkit.metrics.networks.small.runners import SmallBoxes

        return SmallBoxes(file.path, file.sha256, device)
    from evalkit.metrics.networks.checkpoints import precision_of
    from evalkit.metrics.sync.s3fd import S3fd

    return S3fd(file.path, device, precision_of(file.options), options, runner_of(file.options))


@opened_once
def open_syncnet(file: WeightFile, device: str) -> SyncNetwork:
    """Return SyncNet with the file's weights, in the precision that its options ask for; or evalkit's own network."""
    if file.bundled:
        from evalkit.metrics.networks.small.runners import SmallSync

        return SmallSync(file.path, file.sha256, device)
    from evalkit.metrics.networks.checkpoints import precision_of
    from evalkit.metrics.sync.syncnet import SyncNet

    return SyncNet(file.path, device, precision_of(file.options))
