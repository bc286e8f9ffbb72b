"""The rules of a challenge for detectors: how scores of frames become one, what is compared, what training may know."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from evalkit.challenges.parts import ChallengePart
from evalkit.statistics.rule_names import FrameRule

Shared = Literal["quality", "dataset"]
Secret = Literal["video", "person", "generator", "dataset"]


class DetectionRules(ChallengePart):
    """How the scores of a detector are read and compared, in a challenge of the kind ``scores``."""

    frames: FrameRule = Field(
        "mean", description="how the scores of a video's frames become its score, in a table with a row per frame"
    )
    frames_per_video: int | None = Field(
        None, ge=1, description="rows that each video must have in such a table; numbers of other counts differ"
    )
    within: tuple[Shared, ...] = Field(
        (), description="what a fake must have in common with the real videos that it is compared with"
    )
    base: str | None = Field(
        None, min_length=1, max_length=200, description="the quality that losses at the others are measured from"
    )
    disjoint: tuple[Secret, ...] = Field(
        ("video",), description="what the videos of the training must not have in common with those of the test"
    )
    held_out_generator: bool = Field(
        default=False,
        description="whether each run is named for a generator: it is tested on its fakes and trained without any",
    )

    @model_validator(mode="after")
    def _compared_by_quality(self) -> DetectionRules:
        if self.base is not None and "quality" not in self.within:
            raise ValueError("a 'base' quality needs 'quality' in 'within'")
        if len(set(self.within)) != len(self.within) or len(set(self.disjoint)) != len(self.disjoint):
            raise ValueError("'within' and 'disjoint' name everything once")
        return self
