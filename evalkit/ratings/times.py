"""Points in time as survey and crowd platforms write them. A time without a zone is never guessed.

Understood are ISO 8601 with an offset, Z or AoE (Anywhere on Earth, UTC-12); ``2026/03/02 2:26:34 AM GMT-12`` (form
exports), where AM and PM may be another language's words (``오전``, ``午後``, ``p. m.``) and stand before the hour;
``Mon Mar 02 02:26:34 PST 2026`` (crowd batches); seconds or milliseconds since 1970 in UTC. ISO 8601 and form
times without a zone take the one that the mapping names. An abbreviation means what it means there, when that place's
clocks show it at that time (CET for Europe/Berlin in winter, CST for Asia/Shanghai); else those of North American zones
mean what RFC 5322, section 4.3, says, and no other has one meaning. Of the two hours that look alike when clocks go
back, a time without an abbreviation or an offset means the first.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from evalkit.clock import ANYWHERE_ON_EARTH, parse_time

_HOURS_OF = {"EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7}
_UTC_WORDS = frozenset({"Z", "UT", "UTC", "GMT"})
# German words for zones whose English ones the zone database has.
_TRANSLATED = {"MEZ": "CET", "MESZ": "CEST", "OEZ": "EET", "OESZ": "EEST", "WEZ": "WET", "WESZ": "WEST"}
_OFFSET = re.compile(r"(?:GMT|UTC)?([+-])([0-9]{1,2})(?::?([0-9]{2}))?")
# The halves of the day as Unicode's locale data (CLDR, "abbreviated") writes them; dots, spaces and case don't matter.
_BEFORE_NOON = (
    *("am", "a m", "오전", "午前", "上午", "π μ", "sa", "öö", "पूर्वाह्न", "ص", "לפנה״צ", "ก่อนเที่ยง", "de", "dop", "ap"),
    *("fm", "дп", "ق ظ", "முற்பகல்", "f h"),
)
_AFTER_NOON = (
    *(
        "pm",
        "p m",
        "오후",
        "午後",
        "下午",
        "μ μ",
        "ch",
        "ös",
        "अपराह्न",
        "م",
        "אחה״צ",
        "หลังเที่ยง",
        "du",
        "odp",
        "pop",
        "ip",
    ),
    *("em", "пп", "ب ظ", "பிற்பகல்", "e h"),
)
_HALVES = {word.replace(" ", ""): half for half, words in (("AM", _BEFORE_NOON), ("PM", _AFTER_NOON)) for word in words}
_HALF = "|".join(
    "".join(r"\.? ?" if sign == " " else re.escape(sign) for sign in word) + r"\.?"
    for word in sorted((*_BEFORE_NOON, *_AFTER_NOON), key=len, reverse=True)
)
_HALF_WORD = re.compile(rf"(?<!\w)(?:{_HALF})(?!\w)", re.IGNORECASE)
_FORM = re.compile(
    r"([0-9]{4})(?:/|-|\. ?)([0-9]{1,2})(?:/|-|\. ?)([0-9]{1,2})[.,]? "
    rf"(?:(?P<before>{_HALF}) ?)?([0-9]{{1,2}}):([0-9]{{2}})(?::([0-9]{{2}}))?(?: ?(?P<after>{_HALF}))?"
    r"(?: ([A-Za-z0-9:+-]+))?",
    re.IGNORECASE,
)
# A day and a time of day in any order and language: enough to tell a column of times, not to read it.
_CLOCK = re.compile(r"(?<![0-9])[0-2]?[0-9](?:(?::|h|時|时|시 ?)[0-5][0-9]|\.[0-5][0-9]\.[0-5][0-9])(?![0-9])")
_DAY = re.compile(r"(?<![0-9])(?:[12][0-9]{3}|[0-9]{1,2}[/.-][0-9]{1,2}[/.-][0-9]{2})(?![0-9])")
MAX_LOOKS_LIKE = 60  # characters
_BATCH = re.compile(r"[A-Z][a-z]{2} ([A-Z][a-z]{2}) ([0-9]{1,2}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) (\S+) ([0-9]{4})")
_WITH_ZONE = re.compile(r"([0-9T:.,-]+(?: [0-9:.,]+)?) ?([A-Za-z]{1,3}(?:[+-][0-9:]{1,5})?|[A-Z]{4,5})")
_SINCE_1970 = re.compile(r"([0-9]{10}(?:\.[0-9]{1,6})?|[0-9]{13})")
_DATE_ONLY = re.compile(r"[0-9]{4}-?[0-9]{2}-?[0-9]{2}|[0-9]{4}-?W[0-9]{2}-?[0-9]")
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_WEST, _EAST = timedelta(hours=-12), timedelta(hours=14)
_NAME_IT = "Write it with its offset, or name the 'zone' in the mapping."
_FIX_ZONE = "Fix the 'zone' in the mapping, or the time."


class ZoneError(ValueError):
    """A time's zone is missing, or is not the one that was named; ``fix`` is a sentence that helps."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.fix = fix


def parse_zone(text: str) -> tzinfo:
    """Return the zone that ``text`` names: ``AoE``, ``UTC``, ``+08:00``, ``GMT-12``, ``PST`` or ``Europe/Berlin``.

    Raises:
        ValueError: when it is none of these.
    """
    words = text.strip()
    if words.casefold() == "aoe":
        return ANYWHERE_ON_EARTH
    if words.upper() in _UTC_WORDS:
        return UTC
    if words in _HOURS_OF:
        return timezone(timedelta(hours=_HOURS_OF[words]), words)
    match = _OFFSET.fullmatch(words)
    if match:
        sign, hours, minutes = match.groups()
        offset = timedelta(hours=int(hours), minutes=int(minutes or 0)) * (1 if sign == "+" else -1)
        if _WEST <= offset <= _EAST and int(minutes or 0) < 60:
            return timezone(offset)
        raise ValueError(f"no place on Earth is at UTC{words.removeprefix('GMT').removeprefix('UTC')}")
    if "/" in words and not words.startswith("/"):
        try:
            return ZoneInfo(words)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass  # the error below says what a zone looks like
    raise ValueError(
        f"'{text}' is not a time zone; write AoE, UTC, an offset such as +08:00 or a place as Europe/Berlin"
    )


@lru_cache(maxsize=1024)  # the answers of one page share their time
def parse_moment(text: str, zone: tzinfo | None = None, time_format: str | None = None) -> datetime:
    """Return the moment that ``text`` names, in UTC.

    A local time that a change of the clocks makes twice means the first of the two.

    Args:
        text: the time, in one of the module's forms or in ``time_format``.
        zone: where clocks showed it, for a text that does not say, or says it with an abbreviation.
        time_format: directives of ``datetime.strptime`` that replace the forms.

    Raises:
        ZoneError: when it has no zone, or an abbreviation that means nothing there, or never was in that zone.
        ValueError: with a sentence, when it is not a time.
    """
    words = _plain(text)
    local = _by_format(words, time_format) if time_format else _read(words, zone)
    if local.tzinfo is None:
        if zone is None:
            raise ZoneError(f"'{text}' has no time zone", _NAME_IT)
        aware = local.replace(tzinfo=zone)
    else:
        aware = local
    offset = aware.utcoffset()
    if offset is None or not _WEST <= offset <= _EAST:
        raise ValueError(f"'{text}' has an offset that no place on Earth has")
    try:
        moment = aware.astimezone(UTC)
        if aware.tzinfo is zone and moment.astimezone(zone).replace(tzinfo=None) != local.replace(tzinfo=None):
            raise ZoneError(f"'{text}' does not exist in {zone}: the clocks went forward over it", _FIX_ZONE)
    except OverflowError:
        raise ValueError(f"'{text}' is outside of the supported range") from None
    return moment


def looks_like_moment(text: str) -> bool:
    """Whether ``text`` seems to be a day with a time of day, in whatever language, order and form."""
    if not 0 < len(text) <= MAX_LOOKS_LIKE:
        return False
    try:
        parse_moment(text, UTC)
    except ValueError:
        day = _DAY.search(text)
        return day is not None and _CLOCK.search(f"{text[: day.start()]} {text[day.end() :]}") is not None
    return not text.replace(".", "").isdecimal()  # seconds since 1970 may be anything


def is_form_stamp(text: str) -> bool:
    """Whether ``text`` is a time as form services write it, such as ``2026/03/02 2:26:34 PM GMT+9``."""
    return len(text) <= MAX_LOOKS_LIKE and _FORM.fullmatch(_plain(text)) is not None


def _plain(text: str) -> str:
    """Return ``text`` with plain signs; some exports put narrow spaces before AM, and a sign for minus before hours."""
    return " ".join(unicodedata.normalize("NFC", text).replace("\u2212", "-").split())


def _half_of(words: str) -> str:
    """Return ``AM`` or ``PM`` for the words of any language that `_HALF` matches."""
    return _HALVES[re.sub(r"[. ]", "", words).casefold()]


def _by_format(text: str, time_format: str) -> datetime:
    written = _HALF_WORD.sub(lambda match: _half_of(match[0]), text, count=1) if "%p" in time_format else text
    try:
        return datetime.strptime(written, time_format)  # the zone follows
    except ValueError:
        raise ValueError(f"'{text}' is not written like '{time_format}'") from None


def _in_zone(local: datetime, words: str, zone: tzinfo | None) -> datetime:
    """Return ``local`` where ``words`` say, which are an abbreviation of ``zone``, or name a zone for themselves."""
    here = [] if zone is None else [local.replace(tzinfo=zone, fold=fold) for fold in (0, 1)]
    for aware in here:  # twice, for the hour that is there twice
        if aware.tzname() == _TRANSLATED.get(words, words):
            return aware
    try:
        return local.replace(tzinfo=parse_zone(words))
    except ValueError as error:
        if not words.isalpha():
            raise
        if not here:
            raise ZoneError(str(error), _NAME_IT) from None
        name = " or ".join(dict.fromkeys(str(aware.tzname()) for aware in here))
        raise ZoneError(f"clocks in {zone} showed {name} at that time, not '{words}'", _FIX_ZONE) from None


def _read(text: str, zone: tzinfo | None) -> datetime:
    if _DATE_ONLY.fullmatch(text) or _DATE_ONLY.fullmatch(text[:-3].strip() if text[-3:].casefold() == "aoe" else ""):
        raise ValueError(f"'{text}' names a day and no time of day")
    if text[-3:].casefold() == "aoe":
        return parse_time(text)
    if _SINCE_1970.fullmatch(text):
        whole, _, fraction = text.partition(".")
        since = timedelta(milliseconds=int(text)) if len(whole) == 13 else timedelta(seconds=int(whole))
        return datetime(1970, 1, 1, tzinfo=UTC) + since + timedelta(microseconds=int(fraction.ljust(6, "0")))
    match = _FORM.fullmatch(text)
    if match:
        return _form(text, match, zone)
    match = _BATCH.fullmatch(text)
    if match and match[1] in _MONTHS:
        month, day, hour, minute, second, words, year = match.groups()
        made = _made(text, year, str(_MONTHS.index(month) + 1), day, hour, minute, second)
        return _in_zone(made, words, zone)
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass  # not ISO 8601: the next form is tried
    match = _WITH_ZONE.fullmatch(text)
    if match:
        try:
            local = datetime.fromisoformat(match[1].strip())
        except ValueError:
            pass  # the error below says what a time looks like
        else:
            return _in_zone(local, match[2], zone)
    raise ValueError(f"'{text}' is not a time such as 2026-03-01T23:59:59+00:00")


def _form(text: str, match: re.Match[str], zone: tzinfo | None) -> datetime:
    year, month, day, before, hour, minute, second, after, words = match.groups()
    if before and after:
        raise ValueError(f"'{text}' is not a time: it names two halves of the day")
    if before or after:
        half = _half_of(before or after)
        if not 1 <= int(hour) <= 12:
            raise ValueError(f"'{text}' is not a time: there is no {hour} {half}")
        hour = str(int(hour) % 12 + (12 if half == "PM" else 0))
    made = _made(text, year, month, day, hour, minute, second or "0")
    return _in_zone(made, words, zone) if words else made


def _made(text: str, *parts: str) -> datetime:
    year, month, day, hour, minute, second = (int(part) for part in parts)
    try:
        return datetime(year, month, day, hour, minute, second)  # the zone follows
    except ValueError:
        raise ValueError(f"'{text}' is not a day and time of the calendar") from None
