"""How raters assess the videos of a challenge, and which of their ratings count."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from evalkit.challenges.parts import ChallengePart, PositiveFloat, Window, reject_duplicate_names
from evalkit.errors import did_you_mean

Estimator = Literal["mos.plain", "mos.bias-removed", "mos.bt500", "mos.p913", "mos.zscore", "mos.ap"]


class Dimension(ChallengePart):
    """One question that raters answer about a video.

    Args:
        id: its name in files of ratings and in tie breaks.
        title: its name on pages.
        scale: lowest and highest rating, [low, high].
        weight: of its column in the ranking.
    """

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    title: str
    scale: tuple[int, int] = (1, 5)
    weight: float = Field(1.0, ge=0, allow_inf_nan=False)

    @field_validator("scale")
    @classmethod
    def _ordered(cls, value: tuple[int, int]) -> tuple[int, int]:
        if not value[0] < value[1]:
            raise ValueError("the scale must be [lowest, highest] with lowest < highest")
        return value


class RatingRules(ChallengePart):
    """How raters assess the videos: scores per dimension (MOS), or pairwise comparisons.

    Args:
        method: ``mos`` for scores, ``pairs`` for comparisons of two teams' videos.
        dimensions: the questions; pairs may do without.
        min_seconds_per_item, max_seconds_per_item: a rating that took less or more is kept but doesn't count.
    """

    method: Literal["mos", "pairs", "none"] = "none"
    dimensions: tuple[Dimension, ...] = ()
    finalists: int | None = Field(None, ge=1, description="entries that advance from the objective to the rated phase")

    window: Window | None = Field(None, description="ratings outside of it are kept but don't count")
    min_seconds_per_item: PositiveFloat | None = None
    max_seconds_per_item: PositiveFloat | None = None
    max_items_per_rater: int | None = Field(None, ge=1, description="items of one rater that count, the earliest first")
    required_dimensions: tuple[str, ...] = Field((), description="an item counts once its rater has rated all of these")
    blind: bool = Field(False, description="ratings refer to anonymous items, which only a key file resolves")
    exclude_own_team: bool = Field(True, description="ratings of the rater's own team don't count")
    estimator: Estimator = Field("mos.plain", description="how mean opinion scores are estimated from ratings")

    @field_validator("dimensions")
    @classmethod
    def _unique(cls, value: tuple[Dimension, ...]) -> tuple[Dimension, ...]:
        reject_duplicate_names((dimension.id for dimension in value), "dimension")
        return value

    @model_validator(mode="after")
    def _possible(self) -> RatingRules:
        low, high = self.min_seconds_per_item, self.max_seconds_per_item
        if low is not None and high is not None and low > high:
            raise ValueError(f"no rating can have min_seconds_per_item {low} and max_seconds_per_item {high}")
        known = [dimension.id for dimension in self.dimensions]
        for name in self.required_dimensions:
            if name not in known:
                raise ValueError(
                    f"the required dimension '{name}' is not one of the dimensions.{did_you_mean(name, known)}"
                )
        return self
