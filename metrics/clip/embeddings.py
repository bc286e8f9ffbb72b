"""CLIP embeddings of frames and of reference images; those of the prompt are in `prompts`.

Two networks (ViT-B/32, ViT-L/14) and three ways to pick and prepare frames: 16 spread evenly, prepared as OpenAI or as
transformers does, and those that ConsisID picks, with red and blue exchanged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from evalkit.media.sampling import AllFrames, Sampling, Uniform
from evalkit.metrics.embeddings.frames import FrameSession, NetworkExtractor, ReferenceImagesExtractor
from evalkit.metrics.features.base import (
    Extractor,
    FeatureOptions,
    FeatureRecord,
    Item,
    Picture,
    Session,
    WeightFile,
    described,
)
from evalkit.metrics.features.networks import opened_once
from evalkit.metrics.features.stopwatch import running

if TYPE_CHECKING:
    from evalkit.metrics.networks.clip import Crop, Square

BASE, LARGE = "clip_vit_b32", "clip_vit_l14"
PRECISION = "float32, no TF32"
_RESIZE = "Pillow bicubic, antialiased, uint8; shorter side, then the middle square"


class NetworkSizes(Protocol):
    """What a network for images and texts takes and gives."""

    @property
    def side(self) -> int:
        """Side of its square images, in pixels."""
        ...

    @property
    def vocabulary(self) -> int:
        """How many token numbers there are."""
        ...


class ImageTextNetwork(Protocol):
    """Turns images and texts into vectors whose cosine measures how well they match."""

    @property
    def sizes(self) -> NetworkSizes:
        """Side of its images, size of its vocabulary."""
        ...

    def embed_images(self, squares: Sequence[Square]) -> NDArray[np.float32]:
        """Return (N, D) of squares (side, side, 3) RGB in 0..255, not normalised."""
        ...

    def embed_texts(self, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return (N, D) of token numbers (N, context), not normalised."""
        ...


@opened_once
def open_network(file: WeightFile, device: str) -> ImageTextNetwork:
    """Return the network; loads PyTorch."""
    if file.bundled:
        from evalkit.metrics.networks.small.texts import SmallActions, SmallText

        small = SmallActions if file.options.get("network") == "actions" else SmallText
        return small(file.path, file.sha256, device)
    from evalkit.metrics.networks.checkpoints import precision_of
    from evalkit.metrics.networks.clip import ClipEncoder

    return ClipEncoder(file.path, device, file.pin, precision_of(file.options))


@dataclass(frozen=True)
class ClipReferenceOptions(FeatureOptions):
    """How an image is prepared.

    Args:
        crop: whose middle square.
        channels: BGR gives the network blue where it expects red, as in ConsisID's script.
    """

    resize: str = described(_RESIZE)
    crop: Crop = "openai"
    channels: Literal["RGB", "BGR"] = "RGB"
    precision: str = described(PRECISION)


@dataclass(frozen=True)
class FrameOptions(ClipReferenceOptions):
    """How frames are picked and prepared."""

    sampling: Sampling = field(default_factory=lambda: Uniform(16, "round"))


@dataclass(frozen=True)
class VBenchOptions(FrameOptions):
    """Every frame, prepared as VBench does."""

    resize: str = described("torch_bicubic, not antialiased, not rounded; shorter side, then the middle square")
    crop: Crop = "vbench"
    sampling: Sampling = field(default_factory=AllFrames)


class ClipImages:
    """The network for images behind the options' preparation; counts its time under ``role``."""

    def __init__(self, network: ImageTextNetwork, options: ClipReferenceOptions, role: str) -> None:
        self._network, self._options, self._role = network, options, role

    def prepare(self, rgb: Picture) -> Square:
        """Return the middle square of an image (H, W, 3) uint8 RGB, as the network takes it."""
        from evalkit.metrics.networks.clip import middle_square, unrounded_square

        if self._options.crop == "vbench":
            return unrounded_square(rgb, self._network.sizes.side)
        channels = rgb[:, :, ::-1] if self._options.channels == "BGR" else rgb
        return middle_square(channels, self._network.sizes.side, self._options.crop)

    def embed(self, squares: Sequence[Square]) -> NDArray[np.float32]:
        """Return the vectors (N, D) of N squares, not normalised."""
        with running(self._role):
            return self._network.embed_images(squares)


class ClipFramesExtractor(NetworkExtractor):
    """Embeddings of the sampled frames."""

    open_network = staticmethod(open_network)

    def open(self, item: Item, upstream: Mapping[str, Any]) -> Session:
        """Start on a video."""
        options = self.record.options
        images = ClipImages(self._network, options, self.record.weights[0])
        return FrameSession(images, options.sampling, array="embedding")


def _frames(name: str, title: str, role: str, options: FrameOptions) -> type[Extractor]:
    arrays = {
        "embedding": "(F, D) float32: one row per frame looked at, not normalised",
        "row": "(K,) int64: which row of embedding each of the 16 picks shows; a short video shows one twice",
    }
    record = FeatureRecord(name, 1, title, weights=(role,), options=options, arrays=arrays)
    return type(name, (ClipFramesExtractor,), {"record": record})


class ClipReferenceExtractor(ReferenceImagesExtractor):
    """ViT-B/32 of every reference image, prepared as OpenAI does."""

    record = FeatureRecord(
        name="clip_reference",
        version=1,
        title="CLIP ViT-B/32 embeddings of the reference images",
        inputs=frozenset({"reference_images"}),
        weights=(BASE,),
        options=ClipReferenceOptions(),
        arrays={"embedding": "(R, D) float32: one row per reference image, not normalised"},
    )
    open_network = staticmethod(open_network)
    array = "embedding"

    def images(self) -> ClipImages:
        """Return the network with its preparation."""
        return ClipImages(self._network, self.record.options, BASE)


FEATURES = (
    _frames("clip_frames", "CLIP ViT-B/32 embeddings of 16 frames", BASE, FrameOptions()),
    _frames(
        "clip_frames_consisid",
        "CLIP ViT-B/32 embeddings of 16 frames, as ConsisID picks and feeds them",
        BASE,
        FrameOptions(sampling=Uniform(16, "step"), crop="transformers", channels="BGR"),
    ),
    _frames(
        "clip_frames_vbench",
        "CLIP ViT-B/32 embeddings of every frame, prepared as VBench does",
        BASE,
        VBenchOptions(),
    ),
    _frames("clip_frames_l14", "CLIP ViT-L/14 embeddings of 16 frames", LARGE, FrameOptions(crop="transformers")),
    ClipReferenceExtractor,
)
