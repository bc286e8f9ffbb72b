"""The features ``face_inception`` and ``face_inception_reference``: ImageNet activations of faces.

The faces are those of ``arcface``, the crops those of ``curricularface``: what ConsisID's "FID" compares.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.embeddings.frames import BATCH, FrameNetwork, bundled_frames
from evalkit.metrics.faces.curricularface import CROP
from evalkit.metrics.faces.embeddings import CropRule, FaceEmbeddingOptions, faces_and_reference
from evalkit.metrics.features.base import WeightFile, described
from evalkit.metrics.features.networks import opened_once
from evalkit.metrics.features.runner import runner_of

DIMENSION = 2048


@dataclass(frozen=True)
class FaceInceptionOptions(FaceEmbeddingOptions):
    """Options of the ImageNet activations of faces."""

    crop: CropRule = CROP
    resize: str = described("pil_bilinear_u8 299x299")
    range: str = described("0..1, then torchvision's transform_input")
    layer: str = described("average pool, 2048")
    network: str = described("normalisation folded into the convolutions, channels-last, batches of 16")
    precision: str = described("float32, no TF32, unless the role's options say otherwise")


class FaceInception:
    """The network for frames, applied to face crops."""

    def __init__(self, network: FrameNetwork, dimension: int) -> None:
        self._network, self.dimension = network, dimension

    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the activations (N, dimension) of crops (N, 224, 224, 3) uint8 RGB."""
        parts = [
            self._network.embed([self._network.prepare(crop) for crop in crops[start : start + BATCH]])
            for start in range(0, len(crops), BATCH)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, self.dimension), dtype=np.float32)


@opened_once
def open_network(file: WeightFile, device: str) -> FaceInception:
    """Return the network; loads PyTorch."""
    if file.bundled:
        network = bundled_frames(file, device)
        return FaceInception(network, network.dimension)
    from evalkit.metrics.networks.checkpoints import precision_of
    from evalkit.metrics.networks.imagenet_inception import ImageNetInception

    return FaceInception(
        ImageNetInception(file.path, device, precision_of(file.options), runner_of(file.options)), DIMENSION
    )


FEATURES = faces_and_reference(
    open_network,
    name="face_inception",
    role="inception_torchvision",
    title="ImageNet activations",
    embedding="D) float32, D = 2048 of Inception",
    options=FaceInceptionOptions(),
)
