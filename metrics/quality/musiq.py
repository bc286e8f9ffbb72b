"""MUSIQ, how people would rate the quality of frames: the feature ``musiq_spaq`` and its mean over a video."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evalkit.media.sampling import Sampling, Uniform
from evalkit.metrics.base import VideoValue, definition_beside, metric, unscored
from evalkit.metrics.features.base import Picture, WeightFile, described
from evalkit.metrics.features.declare import SamplingOptions, frame_feature
from evalkit.metrics.features.stopwatch import running

if TYPE_CHECKING:
    from evalkit.metrics.networks.musiq import Musiq


@dataclass(frozen=True)
class MusiqOptions(SamplingOptions):
    """Options of ``musiq_spaq``: which frames, and to how many pixels their longer side is shrunk."""

    sampling: Sampling = field(default_factory=lambda: Uniform(16, "round"))
    longest: int = 512
    precision: str = described("float32, no TF32")


def _open(weights: Mapping[str, WeightFile], device: str) -> Musiq:
    from evalkit.metrics.networks.checkpoints import precision_of
    from evalkit.metrics.networks.musiq import Musiq

    file = weights["musiq_spaq"]
    return Musiq(file.path, device, precision_of(file.options))


@frame_feature(
    name="musiq_spaq",
    version=1,
    title="MUSIQ (SPAQ) of 16 frames",
    weights=("musiq_spaq",),
    load=_open,
    options=MusiqOptions(),
    arrays={"score": "(K,) float64, about 0 to 100, higher is better"},
)
def musiq_spaq(rgb: Picture, options: MusiqOptions, network: Musiq) -> Mapping[str, float]:
    """Score the frame."""
    with running("musiq"):
        return {"score": network.score(rgb, options.longest)}


@metric(
    id="imaging.musiq_spaq",
    title="Imaging quality (MUSIQ)",
    summary="How people would rate the quality of 16 frames, by MUSIQ trained on SPAQ, mean over frames.",
    higher_is_better=True,
    features=("musiq_spaq",),
    blind_to="Who or what is shown, motion and audio: single frames are judged, without a reference.",
    citation="Ke et al., MUSIQ, ICCV 2021; as in Huang et al., VBench, CVPR 2024, on 16 frames",
    role="diagnostic",
    missing_policy="a video without a frame is unscored",
    aliases=("musiq",),
    definition=definition_beside(__file__, "musiq.md"),
    notes="Typically 40 to 75; not limited. VBench takes all frames and divides by 100. Learned from phones' photos.",
)
def mean_musiq(frames: Mapping[str, NDArray[Any]]) -> VideoValue:
    """Return the mean over the frames."""
    finite = frames["score"][np.isfinite(frames["score"])]
    if len(finite) == 0 or len(finite) < len(frames["score"]):
        return unscored("not_finite" if len(frames["score"]) else "no_frame")
    return VideoValue(float(finite.mean()))


FEATURES, METRICS = (musiq_spaq,), (mean_musiq,)
