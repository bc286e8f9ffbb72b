"""DINO's vectors of frames and of reference images."""

from __future__ import annotations

from dataclasses import dataclass, field

from evalkit.media.sampling import AllFrames, Sampling, Uniform
from evalkit.metrics.embeddings.frames import (
    FrameNetwork,
    ReferenceImagesExtractor,
    SampledFramesExtractor,
    bundled_frames,
)
from evalkit.metrics.features.base import (
    FeatureOptions,
    FeatureRecord,
    WeightFile,
    described,
)
from evalkit.metrics.features.declare import SamplingOptions
from evalkit.metrics.features.networks import opened_once

ROLE = "dino_vitb16"
_RESIZE = "torch_bilinear, shorter side 224, not antialiased, not rounded, nothing cut off"
_EMBEDDING = "float32: the class token's last state, D = 768 of ViT-B/16, not normalised"


@opened_once
def open_network(file: WeightFile, device: str) -> FrameNetwork:
    """Return the network; loads PyTorch."""
    if file.bundled:
        return bundled_frames(file, device)
    from evalkit.metrics.networks.checkpoints import precision_of
    from evalkit.metrics.networks.dino import DinoEncoder

    return DinoEncoder(file.path, device, precision_of(file.options))


@dataclass(frozen=True)
class DinoOptions(SamplingOptions):
    """Which frames, and how they are prepared."""

    sampling: Sampling = field(default_factory=AllFrames)
    resize: str = described(_RESIZE)
    precision: str = described("float32 without TF32, unless the role's options say otherwise")


@dataclass(frozen=True)
class DinoReferenceOptions(FeatureOptions):
    """How reference images are prepared."""

    resize: str = described(_RESIZE)
    precision: str = described("float32 without TF32, unless the role's options say otherwise")


def _frames(name: str, title: str, options: DinoOptions) -> type[SampledFramesExtractor]:
    arrays = {
        "activation": f"(F, D) {_EMBEDDING}, one row per frame looked at",
        "row": "(K,) int64: which row of activation each sample shows",
    }
    record = FeatureRecord(name, 1, title, weights=(ROLE,), options=options, arrays=arrays)
    return type(name, (SampledFramesExtractor,), {"record": record, "open_network": staticmethod(open_network)})


class DinoReferenceExtractor(ReferenceImagesExtractor):
    """Every reference image."""

    record = FeatureRecord(
        name="dino_reference",
        version=1,
        title="DINO vectors of the reference images",
        inputs=frozenset({"reference_images"}),
        weights=(ROLE,),
        options=DinoReferenceOptions(),
        arrays={"activation": f"(R, D) {_EMBEDDING}, one row per reference image"},
    )
    open_network = staticmethod(open_network)


FEATURES = (
    _frames("dino_frames", "DINO vectors of every frame", DinoOptions()),
    _frames("dino_frames_uniform", "DINO vectors of 16 frames", DinoOptions(sampling=Uniform(16, "round"))),
    DinoReferenceExtractor,
)
