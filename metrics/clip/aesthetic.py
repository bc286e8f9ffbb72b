"""How much people would like the looks of a video's frames, as LAION's predictors see it.

Definition: docs/definitions/aesthetic.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.base import ArrayMetric, MetricRecord, VideoValue, definition_beside, unscored
from evalkit.metrics.clip.cosines import UNUSABLE, unit_rows
from evalkit.metrics.features.base import (
    Arrays,
    Extractor,
    FeatureOptions,
    FeatureRecord,
    FeatureUnavailableError,
    Item,
    Session,
    WeightFile,
    described,
)

FRAMES = "clip_frames_l14"


@dataclass(frozen=True)
class AestheticOptions(FeatureOptions):
    """Options of ``aesthetic_linear`` and ``aesthetic_mlp``."""

    precision: str = described("float64")


class AestheticSession(Session):
    """Selects no frame: it reads the vectors of `clip_frames_l14`.

    Args:
        head: `AestheticHead`.
        frames: the session of these vectors, or the arrays that were stored.
    """

    def __init__(self, head: Any, frames: Session | Mapping[str, NDArray[Any]]) -> None:
        self._head, self._frames = head, frames

    def finish(self) -> Arrays:
        """Return the score of each frame.

        Raises:
            FeatureUnavailableError: ``embedding_unusable``.
        """
        arrays = self._frames.finish() if isinstance(self._frames, Session) else self._frames
        units = unit_rows(arrays["embedding"])
        if units is None:
            raise FeatureUnavailableError(UNUSABLE, "a vector of CLIP is zero or not finite")
        return {"score": self._head.score(units), "row": np.asarray(arrays["row"])}


class _AestheticExtractor(Extractor):
    """The predictor of the record's role, behind the vectors of CLIP."""

    def __init__(self, weights: Mapping[str, WeightFile], device: str = "cpu") -> None:
        super().__init__(weights, device)
        from evalkit.metrics.networks.aesthetic import AestheticHead

        (role,) = self.record.weights
        self._head = AestheticHead("linear" if role == "aesthetic_linear" else "mlp", weights[role].path)

    def open(self, item: Item, upstream: Mapping[str, Any]) -> Session:
        """Start on a video whose frames are being, or were, embedded."""
        return AestheticSession(self._head, upstream[FRAMES])


def _feature(name: str, title: str) -> type[Extractor]:
    record = FeatureRecord(
        name=name,
        version=1,
        title=title,
        weights=(name,),
        needs=(FRAMES,),
        options=AestheticOptions(),
        arrays={
            "score": "(F,) float64, about 1 to 10: one per frame looked at",
            "row": "(K,) int64: which score each of the 16 picks has; a short video has one twice",
        },
    )
    return type(name, (_AestheticExtractor,), {"record": record})


@dataclass(frozen=True)
class Scale:
    """What the mean score is divided by."""

    divisor: float = 10.0


def mean_score(frames: Mapping[str, NDArray[Any]], options: Scale) -> VideoValue:
    """Return the mean score over the picks."""
    if len(frames["row"]) == 0 or len(frames["score"]) == 0:
        return unscored("no_frame")
    mean = float(frames["score"][frames["row"]].mean())
    return VideoValue(mean / options.divisor) if np.isfinite(mean) else unscored("not_finite")


_BLIND = "Motion, audio, what was asked for, and who the person is: a still picture loses nothing."
LINEAR = ArrayMetric(
    MetricRecord(
        id="aesthetic.laion_linear",
        title="Aesthetics (LAION, linear)",
        summary="How people would rate the looks of 16 frames, by CLIP ViT-L/14 and one linear layer, divided by 10.",
        higher_is_better=True,
        unit="score / 10",
        features=("aesthetic_linear",),
        blind_to=_BLIND,
        citation="LAION-AI/aesthetic-predictor, 2022; as in Huang et al., VBench, CVPR 2024, on 16 frames",
        role="diagnostic",
        missing_policy="a video whose frames can't be embedded is unscored",
        aliases=("aesthetic",),
        definition=definition_beside(__file__, "aesthetic.md"),
        notes="Typically 0.4 to 0.7; not limited. VBench takes all frames and shrinks them without antialiasing: near, "
        "not equal. Learned from ratings of pictures of all kinds: says little of the same person in the same frame.",
    ),
    mean_score,
    Scale(),
)

FEATURES = (
    _feature("aesthetic_linear", "LAION's linear score of the looks of 16 frames"),
    _feature("aesthetic_mlp", "LAION's improved score of the looks of 16 frames"),
)
METRICS = (
    LINEAR,
    LINEAR.variant(
        mean_score,
        options=Scale(1.0),
        id="aesthetic.laion_mlp",
        title="Aesthetics (LAION, five layers)",
        summary="How people would rate the looks of 16 frames, by CLIP ViT-L/14 and five linear layers.",
        unit="score",
        features=("aesthetic_mlp",),
        blind_to=_BLIND,
        citation="christophschuhmann/improved-aesthetic-predictor, 2022; 16 frames instead of one picture",
        aliases=(),
        notes="Typically 4 to 6; not limited. OpenS2V takes 32 frames. Not comparable with aesthetic.laion_linear: "
        "other weights, another scale.",
    ),
)
