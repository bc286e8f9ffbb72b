"""How people judge a challenge's videos, and which of their ratings count."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from evalkit.challenges.parts import Part, PositiveFloat, Window, reject_duplicates
from evalkit.errors import did_you_mean

# Rules that the first scorecards' challenges did not know: while they are unset, a challenge's digest is what it was.
LATER_RULES = (
    "window",
    "min_seconds_per_item",
    "max_seconds_per_item",
    "max_items_per_rater",
    "required_dimensions",
    "blind",
    "exclude_own_team",
    "estimator",
)
Estimator = Literal["mos.plain", "mos.bias-removed", "mos.bt500", "mos.p913", "mos.zscore", "mos.ap"]


class Dimension(Part):
    """One question that people answer about a video."""

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


class RatingRules(Part):
    """How people judge: scores per dimension, or pairs."""

    method: Literal["mos", "pairs", "none"] = "none"
    dimensions: tuple[Dimension, ...] = ()
    finalists: int | None = Field(None, ge=1, description="entries that go from the objective phase to the pairs")

    window: Window | None = Field(None, description="ratings outside it are kept and don't count")
    min_seconds_per_item: PositiveFloat | None = None
    max_seconds_per_item: PositiveFloat | None = None
    max_items_per_rater: int | None = Field(None, ge=1, description="items of one rater that count, the earliest")
    required_dimensions: tuple[str, ...] = Field((), description="a rater's item counts once it has all of these")
    blind: bool = Field(False, description="ratings refer to anonymous items, which only a key file resolves")
    exclude_own_team: bool = Field(True, description="what raters say about their own team doesn't count")
    estimator: Estimator = Field("mos.plain", description="how a video's opinion score is made of its ratings")

    @field_validator("dimensions")
    @classmethod
    def _unique(cls, value: tuple[Dimension, ...]) -> tuple[Dimension, ...]:
        reject_duplicates((dimension.id for dimension in value), "dimension")
        return value

    @model_validator(mode="after")
    def _possible(self) -> RatingRules:
        low, high = self.min_seconds_per_item, self.max_seconds_per_item
        if low is not None and high is not None and low > high:
            raise ValueError(f"no rating can have min_seconds_per_item {low} and max_seconds_per_item {high}")
        known = [dimension.id for dimension in self.dimensions]
        for name in self.required_dimensions:
            if name not in known:
                raise ValueError(f"the required dimension '{name}' is none of dimensions.{did_you_mean(name, known)}")
        return self
