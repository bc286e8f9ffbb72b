"""The curves of a detector as a scorecard holds them, read without trust: anybody may have edited it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evalkit.scoring.scorecard import Scorecard

Rate = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Curve(_Part):
    """The ROC curve of one generator: points are (false alarms, fakes found), shares from 0 to 1."""

    name: str = Field(max_length=1000)
    n_real: int = Field(ge=1)
    n_fake: int = Field(ge=1)
    points: tuple[tuple[Rate, Rate], ...] = Field(min_length=2, max_length=1000)


class Bin(_Part):
    """One bin of the reliability diagram."""

    n: int = Field(ge=1)
    probability: Rate
    share: Rate


class Curves(_Part):
    """What a scorecard has to draw of a detector."""

    roc: tuple[Curve, ...] = Field(max_length=1000)
    reliability: tuple[Bin, ...] = Field((), max_length=1000)


def read_curves(card: Scorecard) -> Curves | None:
    """Return the curves of a scorecard; ``None`` where it has none that can be drawn."""
    try:
        return Curves.model_validate((card.model_extra or {}).get("curves"))
    except ValidationError:  # a scorecard of others: its numbers are shown all the same
        return None
