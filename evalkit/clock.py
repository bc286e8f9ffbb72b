"""Parse and print times with a zone: ISO 8601, or a time followed by UTC or AoE (Anywhere on Earth, UTC-12)."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from typing import Literal

ANYWHERE_ON_EARTH = timezone(timedelta(hours=-12), "AoE")
_NAMED: dict[str, tzinfo] = {"aoe": ANYWHERE_ON_EARTH, "utc": UTC}


def parse_time(text: str, *, bare_date: Literal["start", "end"] = "end") -> datetime:
    """Return the time in ``text``, with its zone.

    ``2026-03-01T23:59:59 AoE`` is UTC-12; a bare date with AoE means the last moment of that day anywhere on Earth,
    which is how deadlines are announced; with UTC that of the day there.

    Args:
        text: ISO 8601 with a zone, or a time or date followed by "AoE" or "UTC".
        bare_date: the end of the day that a date without a time means; ``start`` for an opening time.

    Raises:
        ValueError: when ``text`` is not a time, has no zone, or is outside of the range of UTC.
    """
    words = text.strip()
    zone = _NAMED.get(words[-3:].casefold())
    if zone is not None:
        bare = words[:-3].strip()
        day = _date(bare)
        moment = _iso(bare) if day is None else datetime.combine(day, time.min if bare_date == "start" else time.max)
        if moment.tzinfo is not None:
            raise ValueError(f"'{text}' has two time zones")
        moment = moment.replace(tzinfo=zone)
    else:
        moment = _iso(words)
    if moment.tzinfo is None:
        raise ValueError(f"'{text}' has no time zone; write '2026-03-01T23:59:59+00:00' or '2026-03-01 AoE'")
    try:
        moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"'{text}' is outside of the supported range") from None
    return moment


def exact_time(moment: datetime, zone: timezone = UTC) -> str:
    """Return a moment as ``2026-03-06 11:59:59.250000 UTC``, which `parse_time` reads back as the very same moment.

    Raises:
        OverflowError: where the calendar has no such day in ``zone``.
    """
    return f"{moment.astimezone(zone).replace(tzinfo=None).isoformat(' ')} {zone.tzname(None)}"


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _iso(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"'{text}' is not a date or time like 2026-03-01T23:59:59") from None
