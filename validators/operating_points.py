"""How often the rules about gaming were wrong about honest videos: docs/gaming.md#false-alarms."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class OperatingPoint:
    """What was measured of a rule at its limit.

    Args:
        clips: honest videos: 33 real clips, 7 generated videos and 15 puppets (12 beside videos of others), or
            the 27 of them with reference images and speech; 70 with 15 in which ``warp`` moves one photo. 64: three
            puppets less, as they are and with ``warp``.
        alarms: how many of them the rule was wrong about.
        caution: what an honest video may do that the rule tells of; empty for nothing known.
    """

    clips: int
    alarms: int
    caution: str = ""


_ONE_PHOTO = "systems that dub a photo move little but the mouth (warp: {} of 15), so let it tell where they compete"

OPERATING_POINTS = {
    "content.frozen": OperatingPoint(70, 0),
    "gaming.nearly-frozen": OperatingPoint(55, 0, _ONE_PHOTO.format(1)),
    "gaming.reference-image": OperatingPoint(27, 0, _ONE_PHOTO.format(1)),
    "gaming.reference-video": OperatingPoint(52, 0, "a model that is driven by the reference video moves as it does"),
    "gaming.duplicate": OperatingPoint(39, 0),
    "gaming.audio-replaced": OperatingPoint(27, 0, "a model that makes its own speech doesn't play the official one"),
    "gaming.audio-shifted": OperatingPoint(27, 0),
    "gaming.audio-mixed": OperatingPoint(27, 0, "strong compression, echo and noise leave as much as soft speech"),
    "gaming.face-still": OperatingPoint(70, 0),
    "gaming.mouth-only": OperatingPoint(55, 0, _ONE_PHOTO.format(11)),
    "gaming.looped": OperatingPoint(70, 0),
    "gaming.mouth-pasted": OperatingPoint(64, 0, "a system that dubs a photo and moves nothing else does exactly this"),
    "gaming.waves": OperatingPoint(64, 0),
    "gaming.inserted-frames": OperatingPoint(70, 0),
    "gaming.overlay": OperatingPoint(70, 4, "a microphone before a moving chest looks pasted"),
}
