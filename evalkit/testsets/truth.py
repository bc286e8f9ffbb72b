"""What is true of a sample that detectors judge; organizers have it, participants don't."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from evalkit.text import hidden_characters


def _word(value: str) -> str:
    if value != value.strip() or hidden_characters(value):
        raise ValueError("must be without invisible characters, and without blanks at its ends")
    return value


Word = Annotated[str, Field(max_length=200), AfterValidator(_word)]


class Truth(BaseModel):
    """Whether a video is fake, and what it has in common with others.

    Args:
        label: ``fake`` or ``real``.
        generator: what made a fake; empty for a real video.
        identity: the person in the picture.
        driver: the person whose motion or speech drives a fake, where that may be another one.
        dataset: where it is from.
        quality: the level of compression.
        run: the detector that judges it, where a protocol trains several.
        video: name of the video apart from its quality and the run; empty for the sample's id.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    label: Literal["fake", "real"]
    generator: Word = ""
    identity: Word = ""
    driver: Word = ""
    dataset: Word = ""
    quality: Word = ""
    run: Word = ""
    video: Word = ""

    @model_validator(mode="after")
    def _real_or_made(self) -> Truth:
        if self.label == "real" and (self.generator or self.driver):
            raise ValueError("a real video has no generator and no driver")
        return self
