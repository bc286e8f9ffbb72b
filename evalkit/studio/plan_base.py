"""What all parts of a plan share: their base, and the kinds of text in them."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from evalkit.text import hidden_characters


def _shown(value: str) -> str:
    if value != value.strip() or not value or hidden_characters(value):
        raise ValueError("must be text without invisible characters, and without spaces at its ends")
    return value


def _prose(value: str) -> str:
    if any(sign not in "\n\t" and hidden_characters(sign) for sign in set(value)):
        raise ValueError("must be text without invisible characters")
    return value


Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_shown)]
Prose = Annotated[str, Field(max_length=20_000), AfterValidator(_prose)]
QuestionId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=200)]


class PlanPart(BaseModel):
    """Base of the parts of a plan: unknown keys are errors, values keep their types and can't be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
