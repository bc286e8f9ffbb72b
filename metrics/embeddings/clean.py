"""The features ``inception_clean`` and ``inception_clean_reference``: activations as clean-fid computes them.

Frames are those of ``inception`` (every frame at 25/s); resize and network are clean-fid's.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from evalkit.errors import InputError
from evalkit.media.sampling import Sampling
from evalkit.metrics.embeddings.frames import FrameNetwork, SampledFramesExtractor, bundled_frames, video_and_reference
from evalkit.metrics.embeddings.inception import ARRAYS, EVERY_FRAME
from evalkit.metrics.features.base import WeightFile, described
from evalkit.metrics.features.declare import SamplingOptions
from evalkit.metrics.features.networks import opened_once
from evalkit.metrics.features.runner import runner_of

ROLE = "inception_clean"
FORMATS = ("torchscript", "state_dict")


@dataclass(frozen=True)
class CleanOptions(SamplingOptions):
    """Options of clean-fid's features."""

    sampling: Sampling = field(default_factory=lambda: EVERY_FRAME)
    resize: str = described("pil_bicubic_f32 299x299, aspect ratio not kept, clipped, not rounded")
    range: str = described("(x - 128) / 128")
    layer: str = described("pool3, 2048")
    precision: str = described("float32, no TF32, unless the role's options say otherwise")
    network: str = described("the file's program, its layers without its resize, channels-last, batches of 16")


@opened_once
def open_network(file: WeightFile, device: str) -> FrameNetwork:
    """Return the network that the manifest's options describe; loads PyTorch.

    Raises:
        InputError: for a ``format`` that is not ``torchscript``, ``state_dict`` or ``bundled``.
    """
    if file.bundled:
        return bundled_frames(file, device)
    form = file.options.get("format", FORMATS[0])
    if form not in FORMATS:
        raise InputError(
            f"The backbones give '{ROLE}' an unknown format.",
            found=f"format: {form}",
            expected=" or ".join(FORMATS),
            fix="Correct the role's options in the backbones file.",
        )
    from evalkit.metrics.networks.checkpoints import precision_of
    from evalkit.metrics.networks.clean_inception import CleanFidInception, CleanInception

    precision = precision_of(file.options)
    if form == "state_dict":
        return CleanFidInception(file.path, device, precision, runner_of(file.options))
    return CleanInception(file.path, file.pin, device, precision)


FEATURES = video_and_reference(
    SampledFramesExtractor,
    open_network,
    name="inception_clean",
    title="clean-fid's activations of every frame at 25 frames/s",
    role=ROLE,
    options=CleanOptions(),
    arrays=ARRAYS,
)
