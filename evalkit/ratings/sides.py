"""What a comparison, or a key, calls a video that is no team's: the real one, or a control of the organizer's.

Teams can't have such names, and no answer about such a video ranks anybody: it shows how far teams are from the truth,
or whether a rater looks.
"""

from __future__ import annotations

REFERENCE = "(reference)"
_CONTROL = "(control "


def control_side(file: str) -> str:
    """Return what a comparison calls the organizer's video ``file``."""
    return f"{_CONTROL}{file})"


def is_nobodys(side: str) -> bool:
    """Return whether a video, such as a side of a comparison, is no team's by its name."""
    return side == REFERENCE or (side.startswith(_CONTROL) and side.endswith(")"))
