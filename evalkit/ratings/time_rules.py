"""What the rules say about when an answer was given and how long it took; the same for ratings and for comparisons."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from evalkit.challenges.rating_rules import RatingRules
from evalkit.ratings.model import Reason

_FAR = datetime.max.replace(tzinfo=UTC)


class TimeRules:
    """The rating window, held to the second, and the time per item."""

    def __init__(self, rules: RatingRules) -> None:
        self._opens = rules.window.opens_at() if rules.window else None
        self._closes = rules.window.closes_at() if rules.window else None
        self._least, self._most = rules.min_seconds_per_item, rules.max_seconds_per_item

    def reasons(self, at: datetime | None, seconds: float | None) -> list[Reason]:
        """Return what speaks against an answer given at ``at`` after ``seconds``; what is not known is not judged."""
        reasons = []
        opens, closes, least, most = self._opens, self._closes, self._least, self._most
        if at is None:
            if opens or closes:
                reasons.append(Reason("no-time", "It has no time, and the challenge has a rating window."))
        else:
            if opens and at < opens:
                reasons.append(Reason("early", f"Rated at {utc_text(at)}; the window opens at {utc_text(opens)}."))
            if closes and at.replace(microsecond=0) > closes:
                reasons.append(Reason("late", f"Rated at {utc_text(at)}; the window closes at {utc_text(closes)}."))
        if seconds is not None and least is not None and seconds < least:
            reasons.append(Reason("too-quick", f"{seconds:.6g} s for the item; {least:g} s is the least."))
        if seconds is not None and most is not None and seconds > most:
            reasons.append(Reason("too-slow", f"{seconds:.6g} s for the item; {most:g} s is the most."))
        return reasons


def earliest_first(moments: Iterable[datetime | None]) -> list[int]:
    """Return the places of ``moments`` in order of time: those without one last, equal ones as they came."""
    times = [moment or _FAR for moment in moments]
    return sorted(range(len(times)), key=times.__getitem__)


def repeats(identities: Sequence[str]) -> dict[int, int]:
    """Return place -> place of the first with the same identity, for all but the first of each."""
    seen: dict[str, int] = {}
    firsts = ((place, seen.setdefault(one, place)) for place, one in enumerate(identities))
    return {place: first for place, first in firsts if first != place}


def utc_text(moment: datetime) -> str:
    """Return a moment as sentences show it: ``2026-03-06 11:59:59.000 UTC``."""
    return moment.astimezone(UTC).isoformat(sep=" ", timespec="milliseconds").removesuffix("+00:00") + " UTC"
