"""The base model of the parts of a challenge file, and the types of their values."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Self, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from evalkit.clock import parse_time


class ChallengePart(BaseModel):
    """Base of all parts of a challenge: unknown keys are errors, values are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    @field_validator("*", mode="before")
    @classmethod
    def _reject_booleans_as_numbers(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse ``max_fps: true``, which would be read as 1."""
        field = cls.model_fields[info.field_name or ""]
        if isinstance(value, bool) and _asks_for_number(field.annotation):
            raise PydanticCustomError("no_number", "must be a number")
        return value


def _asks_for_number(annotation: Any) -> bool:
    return annotation in (int, float) or any(_asks_for_number(inner) for inner in get_args(annotation))


def _moment(text: str) -> str:
    parse_time(text)
    return text


Moment = Annotated[str, AfterValidator(_moment)]
FiniteFloat = Annotated[float, Field(allow_inf_nan=False)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]


def reject_duplicate_names(names: Iterable[str], what: str) -> None:
    """Raise `ValueError` when a name appears twice; ``what`` is the kind of thing that it names."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"the {what} '{name}' appears twice")
        seen.add(name)


class Window(ChallengePart):
    """A span of time; both ends carry a zone, AoE is Anywhere on Earth (UTC-12).

    Args:
        opens: its start; a bare date is the start of that day.
        closes: its end; a bare date is the end of that day.
    """

    opens: Moment | None = None
    closes: Moment | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        start, end = self.opens_at(), self.closes_at()
        if start and end and not start < end:
            raise ValueError(f"a {type(self).__name__.lower()} must close after it opens")
        return self

    def opens_at(self) -> datetime | None:
        """Return when it opens, with its zone; a bare date is the start of that day."""
        return parse_time(self.opens, bare_date="start") if self.opens else None

    def closes_at(self) -> datetime | None:
        """Return when it closes, with its zone; a bare date is the end of that day."""
        return parse_time(self.closes) if self.closes else None
