"""How often the rules about gaming were wrong about honest clips: design/034-detectors-of-tricks.md."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class OperatingPoint:
    """What was measured of a rule at its limit.

    Args:
        clips: honest clips.
        alarms: how many of them the rule told of.
        caution: what an honest video may do that the rule tells of; empty for nothing known.
    """

    clips: int
    alarms: int
    caution: str = ""


OPERATING_POINTS = {
    "gaming.nearly-frozen": OperatingPoint(39, 0),
    "gaming.reference-image": OperatingPoint(0, 0, "it was never measured on honest clips"),
    "gaming.reference-video": OperatingPoint(39, 0, "a model that is driven by the reference video moves as it does"),
    "gaming.duplicate": OperatingPoint(39, 0),
    "gaming.audio-replaced": OperatingPoint(27, 0, "a model that makes its own speech doesn't play the official one"),
    "gaming.audio-shifted": OperatingPoint(27, 0),
    "gaming.audio-mixed": OperatingPoint(27, 0, "strong compression, echo and noise leave as much as soft speech"),
    "gaming.face-still": OperatingPoint(39, 0),
    "gaming.mouth-only": OperatingPoint(39, 0, "models that dub a photo move nothing but the mouth"),
    "gaming.looped": OperatingPoint(39, 0),
    "gaming.inserted-frames": OperatingPoint(39, 0),
    "gaming.overlay": OperatingPoint(39, 0, "a microphone before a moving chest looks pasted"),
}
