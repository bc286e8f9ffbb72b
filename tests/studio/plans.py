"""Small plans by hand, for tests."""

from __future__ import annotations

import secrets
from typing import Any


def hex_id() -> str:
    return secrets.token_hex(16)


def plan_document(*, raters: int = 2, teams: tuple[str, ...] = ("lumen", "atlas"), samples: int = 2) -> dict[str, Any]:
    """Return the JSON of a plan of ratings: every rater sees every video once."""
    names = [f"s{number}" for number in range(samples)]
    media, items = {}, {}
    for team in teams:
        for sample in names:
            medium, item = hex_id(), hex_id()
            file = f"{sample}.mp4"
            media[medium] = {
                "team": team,
                "run": "1",
                "sample": sample,
                "submission": f"{team}.zip",
                "file": file,
                "sha256": secrets.token_hex(32),
            }
            items[item] = {"media": [medium], "sample": sample}
    return {
        "format": 1,
        "challenge": {"id": "mine", "sha256": "0" * 64},
        "seed": 1,
        "method": "mos",
        "questions": [{"id": "quality", "title": "Quality", "scale": [1, 5]}],
        "page": {"title": "Rate videos"},
        "completion": {"code": "C0DE-1"},
        "organizer": secrets.token_urlsafe(24),
        "join": secrets.token_urlsafe(24),
        "samples": {name: {"image": f"{name}.png", "audio": None} for name in names},
        "media": media,
        "items": items,
        "raters": {
            f"r{number:02}": {"token": secrets.token_urlsafe(24), "items": list(items), "team": None}
            for number in range(1, raters + 1)
        },
    }
