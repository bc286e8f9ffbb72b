"""Points in time with a zone: ISO 8601, or a time followed by "AoE" (Anywhere on Earth, UTC-12)."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

ANYWHERE_ON_EARTH = timezone(timedelta(hours=-12), "AoE")


def parse_time(text: str) -> datetime:
    """Return the time that ``text`` names, with its zone.

    ``2026-03-01T23:59:59 AoE`` is UTC-12; a bare date with AoE means the end of that day anywhere on Earth,
    which is how deadlines are announced.

    Raises:
        ValueError: when ``text`` is no time, or names no zone.
    """
    words = text.strip()
    if words.casefold().endswith("aoe"):
        bare = words[:-3].strip()
        moment = _iso(bare)
        if moment.tzinfo is not None:
            raise ValueError(f"'{text}' names two time zones")
        if len(bare) == len("2026-03-01"):
            moment = moment.replace(hour=23, minute=59, second=59)
        return moment.replace(tzinfo=ANYWHERE_ON_EARTH)
    moment = _iso(words)
    if moment.tzinfo is None:
        raise ValueError(f"'{text}' names no time zone; write '2026-03-01T23:59:59+00:00' or '2026-03-01 AoE'")
    return moment


def _iso(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"'{text}' is not a date or time like 2026-03-01T23:59:59") from None
