"""A scorecard of samples some of which a metric is not applicable to."""

from __future__ import annotations

from board_tools import card as board_card

from evalkit.metrics.base import NO_PERSON
from evalkit.scoring.scorecard import Scorecard

SAMPLES = ("s1", "s2", "s3")


def make_mixed_card(name: str, values: list[float | None], outside: tuple[str, ...] = ("s3",)) -> Scorecard:
    """Return a scorecard of three samples, some of which the first metric is not about."""
    held = board_card(name)
    known = [value for value in values if value is not None]
    document = held.model_dump(mode="json", by_alias=True)
    asked = len(SAMPLES) - len(outside)
    document["metrics"] = {
        "identity.strict": document["metrics"]["identity.strict"]
        | {
            "value": sum(known) / len(known) if known else None,
            "reason": None if known else NO_PERSON,
            "ci95": None,
            "n": len(known),
            "coverage": len(known) / asked if asked else 0.0,
            "not_applicable": len(outside),
        }
    }
    document["videos"] = [
        {
            "sample": sample,
            "path": f"{sample}.mp4",
            "values": {"identity.strict": value},
            "reasons": {} if value is not None else {"identity.strict": NO_PERSON if sample in outside else "no_face"},
        }
        for sample, value in zip(SAMPLES, values, strict=True)
    ]
    return Scorecard.model_validate(document)
