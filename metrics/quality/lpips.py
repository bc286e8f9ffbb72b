"""LPIPS against the reference video, on AlexNet and on VGG16."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from evalkit.metrics.base import definition_beside
from evalkit.metrics.features.base import Extractor, Picture, WeightFile, described
from evalkit.metrics.features.declare import pair_feature
from evalkit.metrics.features.stopwatch import running
from evalkit.metrics.quality.paired_pixels import (
    SCALE,
    PairedPixelsOptions,
    PixelMetricOptions,
    in_size_of,
    mean_over_frames,
)

if TYPE_CHECKING:
    from evalkit.metrics.networks.lpips import Backbone, Lpips


@dataclass(frozen=True)
class LpipsOptions(PairedPixelsOptions):
    """Options of ``lpips_alex`` and ``lpips_vgg``: those of ``paired_pixels``, and what the network takes."""

    pixels: str = described("x / 127.5 - 1, the reference's own size")
    smallest_side: int = 32  # the last layer still has a place
    precision: str = described("float32, no TF32")


ALEX, VGG = ("alexnet", "lpips_alex"), ("vgg16", "lpips_vgg")


def _open(weights: Mapping[str, WeightFile], device: str, *, backbone: Backbone, roles: tuple[str, str]) -> Lpips:
    from evalkit.metrics.networks.checkpoints import precision_of
    from evalkit.metrics.networks.lpips import Lpips

    network, heads = (weights[role] for role in roles)
    return Lpips(backbone, network.path, heads.path, device, precision_of(network.options))


def _lpips(candidate: Picture, reference: Picture, options: LpipsOptions, network: Lpips) -> Mapping[str, float]:
    """Bring the candidate to the reference's size and compare the activations."""
    candidate, scale = in_size_of(reference, candidate, options.smallest_side)
    with running("lpips"):
        return {"lpips": network.distance(candidate, reference), "scale": scale}


def _feature(backbone: Backbone, roles: tuple[str, str], title: str) -> type[Extractor]:
    declare = pair_feature(
        name=f"lpips_{backbone}",
        version=1,
        title=title,
        weights=roles,
        load=partial(_open, backbone=backbone, roles=roles),
        options=LpipsOptions(),
        arrays={"lpips": "(K,) float64, at least 0, lower is more alike", "scale": SCALE},
    )
    return declare(_lpips)


alex = mean_over_frames.variant(
    options=PixelMetricOptions("lpips", None),
    id="lpips.alex",
    title="LPIPS (AlexNet)",
    summary="How different the frames look from the reference video's to AlexNet, mean of the per-frame values.",
    higher_is_better=False,
    unit="",
    range=(0.0, None),
    features=("lpips_alex",),
    protocol=1,
    blind_to="Motion and audio. A head that is right but moves differently scores high.",
    citation="Zhang, Isola, Efros, Shechtman, Wang, CVPR 2018; version 0.1 of the package lpips",
    missing_policy="unscored without a reference video, and where one side has fewer than 32 pixels",
    aliases=("lpips",),
    definition=definition_beside(__file__, "lpips.md"),
    notes="The network of most papers. Not resized: papers that shrink frames to 256 or 64 pixels publish other "
    "numbers, as do those that pass 0..1 where -1..1 is meant.",
)
vgg = alex.variant(
    id="lpips.vgg",
    title="LPIPS (VGG16)",
    summary="As lpips.alex on VGG16.",
    features=("lpips_vgg",),
    aliases=(),
    notes="Not comparable with lpips.alex: another network with weights of its own. Several times slower.",
)

FEATURES = (
    _feature("alex", ALEX, "LPIPS on AlexNet against the reference video, frame by frame"),
    _feature("vgg", VGG, "LPIPS on VGG16 against the reference video, frame by frame"),
)
METRICS = (alex, vgg)
