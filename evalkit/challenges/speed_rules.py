"""The rules of a challenge for measurements of speed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from evalkit.challenges.parts import ChallengePart, PositiveFloat


class SpeedRules(ChallengePart):
    """Which measurements of speed count, and which may be compared."""

    frame_rate: PositiveFloat = Field(
        25.0, description="frames per second of video that count as generated; more frames make nobody faster"
    )
    across_hardware: bool = Field(
        default=False, description="whether runs that were measured on different hardware are ranked together"
    )
    sources: tuple[Literal["measured", "imported", "reported"], ...] = Field(
        ("measured", "imported", "reported"),
        min_length=1,
        description="whose measurements count: the organizer's, those that the organizer imports, the team's own",
    )
    min_samples: int = Field(
        1, ge=1, description="measured samples that a run needs to be ranked; `coverage` is about the other metrics"
    )
