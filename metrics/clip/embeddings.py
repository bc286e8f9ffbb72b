"""CLIP embeddings of frames and of reference images; those of the prompt are in `prompts`.

Two networks (ViT-B/32, ViT-L/14) and three ways to pick and prepare frames: 16 spread evenly, prepared as OpenAI or as
transformers does, and those that ConsisID picks, with red and blue exchanged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from evalkit.media.sampling import Sampling, Uniform
from evalkit.metrics.features.base import (
    Arrays,
    Extractor,
    FeatureOptions,
    FeatureRecord,
    FeatureUnavailableError,
    Item,
    Picture,
    Session,
    Times,
    WeightFile,
    described,
    frame_mask,
)
from evalkit.metrics.features.images import read_images
from evalkit.metrics.features.networks import opened_once
from evalkit.metrics.features.stopwatch import running

if TYPE_CHECKING:
    from evalkit.metrics.networks.clip import Crop

BASE, LARGE = "clip_vit_b32", "clip_vit_l14"
PRECISION = "float32, no TF32"
_RESIZE = "Pillow bicubic, antialiased, uint8; shorter side, then the middle square"


class Sizes(Protocol):
    """What a network for pictures and texts takes and gives."""

    @property
    def side(self) -> int:
        """Of its square pictures, in pixels."""
        ...

    @property
    def vocabulary(self) -> int:
        """How many token numbers there are."""
        ...


class PictureTextNetwork(Protocol):
    """Turns pictures and texts into vectors whose angle says how well they go together."""

    @property
    def sizes(self) -> Sizes:
        """Sides of its pictures, size of its vocabulary."""
        ...

    def embed_images(self, squares: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Return (N, D) of squares (side, side, 3) uint8 RGB, not normalised."""
        ...

    def embed_texts(self, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return (N, D) of token numbers (N, context), not normalised."""
        ...


@opened_once
def open_network(file: WeightFile, device: str) -> PictureTextNetwork:
    """Return the network; loads PyTorch."""
    if file.bundled:
        from evalkit.metrics.networks.small.runners import SmallText

        return SmallText(file.path, file.sha256, device)
    from evalkit.metrics.networks.checkpoints import precision_of
    from evalkit.metrics.networks.clip import Clip

    return Clip(file.path, device, file.pin, precision_of(file.options))


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


CONSISID = FrameOptions(sampling=Uniform(16, "step"), crop="transformers", channels="BGR")


class ClipFramesSession(Session):
    """Takes the wanted frames while the video is decoded; one batched run of the network at the end."""

    def __init__(self, network: PictureTextNetwork, frames: FrameOptions, name: str) -> None:
        self._network, self._frames, self._name = network, frames, name
        self._selection = np.empty(0, dtype=np.int64)
        self._squares: list[NDArray[np.uint8]] = []

    def plan(self, times: Times) -> NDArray[np.bool_]:
        """Want the frames that the sampling selects, each once."""
        self._selection = self._frames.sampling.select(times)
        self._squares = []
        return frame_mask(self._selection, len(times))

    def frame(self, index: int, time: float, rgb: Picture) -> None:
        """Keep the frame's middle square."""
        self._squares.append(_square(self._network, rgb, self._frames))

    def finish(self) -> Arrays:
        """Return the embeddings.

        Raises:
            FeatureUnavailableError: ``no_frame``.
        """
        if not self._squares:
            raise FeatureUnavailableError("no_frame", "the video has no frame")
        rows = np.unique(self._selection, return_inverse=True)[1]
        with running(self._name):
            embedding = self._network.embed_images(self._squares)
        return {"embedding": embedding, "row": rows.astype(np.int64)}


class _FramesExtractor(Extractor):
    """Embeddings of frames; a subclass says of which and by which network."""

    def __init__(self, weights: Mapping[str, WeightFile], device: str = "cpu") -> None:
        super().__init__(weights, device)
        file = weights[self.record.weights[0]]
        self._network = open_network(file, device)

    def open(self, item: Item, upstream: Mapping[str, Any]) -> ClipFramesSession:
        """Start on a video."""
        return ClipFramesSession(self._network, self.record.options, self.record.weights[0])


def _frames_record(name: str, title: str, role: str, options: FrameOptions) -> FeatureRecord:
    return FeatureRecord(
        name=name,
        version=1,
        title=title,
        weights=(role,),
        options=options,
        arrays={
            "embedding": "(F, D) float32: one row per frame looked at, not normalised",
            "row": "(K,) int64: which row of embedding each of the 16 picks shows; a short video shows one twice",
        },
    )


class ClipFramesExtractor(_FramesExtractor):
    """ViT-B/32 of 16 frames, prepared as OpenAI does."""

    record = _frames_record("clip_frames", "CLIP ViT-B/32 embeddings of 16 frames", BASE, FrameOptions())


class ClipFramesConsisidExtractor(_FramesExtractor):
    """ViT-B/32 of the frames int(i*N/16), red and blue exchanged, prepared as transformers does."""

    record = _frames_record(
        "clip_frames_consisid",
        "CLIP ViT-B/32 embeddings of 16 frames, as ConsisID picks and feeds them",
        BASE,
        CONSISID,
    )


class ClipFramesLargeExtractor(_FramesExtractor):
    """ViT-L/14 of 16 frames, prepared as transformers does."""

    record = _frames_record(
        "clip_frames_l14", "CLIP ViT-L/14 embeddings of 16 frames", LARGE, FrameOptions(crop="transformers")
    )


class ClipReferenceSession(Session):
    """Wants no frame of the video: it reads the reference images."""

    def __init__(self, network: PictureTextNetwork, images: tuple[Path, ...], options: ClipReferenceOptions) -> None:
        self._network, self._images, self._options = network, images, options

    def finish(self) -> Arrays:
        """Return the embeddings.

        Raises:
            FeatureUnavailableError: ``reference_image_unreadable``.
        """
        squares = [_square(self._network, image, self._options) for image in read_images(self._images)]
        with running(BASE):
            return {"embedding": self._network.embed_images(squares)}


class ClipReferenceExtractor(Extractor):
    """ViT-B/32 of every reference image, prepared as OpenAI does; once per image set, not per team."""

    record = FeatureRecord(
        name="clip_reference",
        version=1,
        title="CLIP ViT-B/32 embeddings of the reference images",
        inputs=frozenset({"reference_images"}),
        weights=(BASE,),
        options=ClipReferenceOptions(),
        arrays={"embedding": "(R, D) float32: one row per reference image, not normalised"},
    )

    def __init__(self, weights: Mapping[str, WeightFile], device: str = "cpu") -> None:
        super().__init__(weights, device)
        file = weights[BASE]
        self._network = open_network(file, device)

    def open(self, item: Item, upstream: Mapping[str, Any]) -> ClipReferenceSession:
        """Start on a sample.

        Raises:
            FeatureUnavailableError: ``no_reference_image``.
        """
        if not item.reference_images:
            raise FeatureUnavailableError("no_reference_image", "the sample has no reference image")
        return ClipReferenceSession(self._network, item.reference_images, self.record.options)


def _square(network: PictureTextNetwork, rgb: Picture, options: ClipReferenceOptions) -> NDArray[np.uint8]:
    from evalkit.metrics.networks.clip import middle_square

    return middle_square(rgb[:, :, ::-1] if options.channels == "BGR" else rgb, network.sizes.side, options.crop)


FEATURES = (
    ClipFramesExtractor,
    ClipFramesConsisidExtractor,
    ClipFramesLargeExtractor,
    ClipReferenceExtractor,
)
