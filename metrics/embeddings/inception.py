"""The features ``inception`` and ``inception_uniform``: activations of FID's Inception, of the video and its reference.

Two ways to pick frames (docs/definitions/fid-kid.md#which-frames): every frame after the video is brought to
25 frames/s, for sets with a reference video per sample; or 16 frames spread over the video.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from evalkit.media.sampling import AtRate, Sampling, Uniform
from evalkit.metrics.embeddings.frames import FrameNetwork, SampledFramesExtractor, bundled_frames, video_and_reference
from evalkit.metrics.features.base import WeightFile, described
from evalkit.metrics.features.declare import SamplingOptions
from evalkit.metrics.features.networks import opened_once
from evalkit.metrics.features.runner import runner_of

EVERY_FRAME = AtRate(25.0)
ARRAYS = {
    "activation": "(F, D) float32: the last pooling layer, D = 2048 of Inception, one row per frame looked at",
    "row": "(K,) int64: which row of activation each sample of the clock shows; a frame may be shown twice",
}


@dataclass(frozen=True)
class InceptionOptions(SamplingOptions):
    """Options of the features of FID's Inception."""

    sampling: Sampling = field(default_factory=lambda: EVERY_FRAME)
    resize: str = described("torch_bilinear 299x299, aspect ratio not kept")
    range: str = described("-1..1")
    layer: str = described("pool3, 2048")
    precision: str = described("float32 without TF32, unless the role's options say otherwise")
    network: str = described("normalisation folded into the convolutions, channels-last, batches of 16")


@opened_once
def open_network(file: WeightFile, device: str) -> FrameNetwork:
    """Return the network; loads PyTorch."""
    if file.bundled:
        return bundled_frames(file, device)
    from evalkit.metrics.networks.checkpoints import precision_of
    from evalkit.metrics.networks.fid_inception import FidInception

    return FidInception(file.path, device, precision_of(file.options), runner_of(file.options))


FEATURES = (
    *video_and_reference(
        SampledFramesExtractor,
        open_network,
        name="inception",
        title="Inception activations of every frame at 25 frames/s",
        role="inception",
        options=InceptionOptions(),
        arrays=ARRAYS,
    ),
    *video_and_reference(
        SampledFramesExtractor,
        open_network,
        name="inception_uniform",
        title="Inception activations of 16 frames",
        role="inception",
        options=InceptionOptions(Uniform(16, "round")),
        arrays=ARRAYS,
    ),
)
