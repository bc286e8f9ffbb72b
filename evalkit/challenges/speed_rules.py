"""The rules of a challenge for measurements of speed."""

from __future__ import annotations

from pydantic import Field

from evalkit.challenges.parts import ChallengePart, PositiveFloat


class SpeedRules(ChallengePart):
    """What counts as speed."""

    frame_rate: PositiveFloat = Field(
        25.0, description="frames per second of video that count as generated; more frames make nobody faster"
    )
