"""The rules of a challenge for submissions of motion coefficients: arrays, shapes, dtypes, rate, lengths."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from evalkit.challenges.parts import ChallengePart, PositiveFloat

FRAMES = "frames"  # in a shape: the length of the file in frames
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,99}")

FloatName = Literal["float16", "float32", "float64"]


def _array_name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError(f"an array has a name of letters, digits, '_', '.' and '-', found '{text}'")
    return text


class ArrayRules(ChallengePart):
    """Requirements for one array of a file.

    Args:
        shape: the length of each dimension: a number, ``frames`` for the file's length in frames, ``null`` for any.
        dtypes: allowed types of the elements, in any byte order.
    """

    shape: tuple[Annotated[int, Field(ge=1)] | Literal["frames"] | None, ...] = Field(("frames", None), min_length=1)
    dtypes: tuple[FloatName, ...] = Field(("float32", "float64"), min_length=1)

    @field_validator("shape")
    @classmethod
    def _few(cls, value: tuple[int | str | None, ...]) -> tuple[int | str | None, ...]:
        if len(value) > 8 or value.count(FRAMES) > 1:
            raise ValueError("a shape has at most 8 dimensions, one of them 'frames'")
        return value


class MotionRules(ChallengePart):
    """Requirements for the files of a submission of the kind ``motion``. ``null`` means: not checked.

    A ``.npy`` file holds one array without a name: it is the first of ``arrays``, and fits only where there is one.

    Args:
        arrays: name in the ``.npz`` file -> what the array must be like.
        rate: frames in a second; the files don't say it.
        min_frames, max_frames: allowed lengths in frames.
        partner: whether each sample of the test set must have the motion of the person who is spoken to.
    """

    arrays: dict[Annotated[str, AfterValidator(_array_name)], ArrayRules] = Field(
        default_factory=lambda: {"motion": ArrayRules()}, min_length=1
    )
    rate: PositiveFloat = 25.0
    min_frames: int = Field(2, ge=1)
    max_frames: int = Field(15_000, ge=1, le=1_000_000)
    match_reference_frames: int | None = Field(
        None,
        ge=0,
        description="largest difference to the length of the sample's reference motion (of its speech, where there is "
        "none), in frames",
    )
    partner: bool = False

    @model_validator(mode="after")
    def _possible(self) -> MotionRules:
        if self.min_frames > self.max_frames:
            raise ValueError(f"no file can have min_frames {self.min_frames} and max_frames {self.max_frames}")
        if not any(FRAMES in array.shape for array in self.arrays.values()):
            raise ValueError("one array at least needs 'frames' in its shape")
        return self
