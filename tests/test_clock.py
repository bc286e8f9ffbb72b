from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.clock import ANYWHERE_ON_EARTH, exact_time, parse_time


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        # Anywhere on Earth is UTC-12: 23:59:59 there is 11:59:59 of the next day in UTC.
        ("2026-03-01T23:59:59 AoE", utc(2026, 3, 2, 11, 59, 59)),
        ("2026-03-01 23:59 AoE", utc(2026, 3, 2, 11, 59)),
        ("2026-03-01T00:00:00AOE", utc(2026, 3, 1, 12)),
        ("  2026-03-01T00:00:00   aoe ", utc(2026, 3, 1, 12)),
        ("2024-02-29T12:00 AoE", utc(2024, 3, 1, 0)),
        # A bare date is over when the last microsecond of it is.
        ("2026-03-01 23:59:59.25 UTC", utc(2026, 3, 1, 23, 59, 59, 250_000)),
        ("2026-03-01T23:59utc", utc(2026, 3, 1, 23, 59)),
        ("2026-03-01 UTC", utc(2026, 3, 1, 23, 59, 59, 999_999)),
        ("2026-03-01 AoE", utc(2026, 3, 2, 11, 59, 59, 999_999)),
        ("2026-12-31AoE", utc(2027, 1, 1, 11, 59, 59, 999_999)),
        ("20260301 AoE", utc(2026, 3, 2, 11, 59, 59, 999_999)),
        ("2026-W09-7 AoE", utc(2026, 3, 2, 11, 59, 59, 999_999)),  # ISO week 9 of 2026 ends on Sunday, 1 March
        ("2026-03-01T23:59:59Z", utc(2026, 3, 1, 23, 59, 59)),
        ("2026-03-01T23:59:59+00:00", utc(2026, 3, 1, 23, 59, 59)),
        ("2026-03-01T23:59:59+08:00", utc(2026, 3, 1, 15, 59, 59)),
        ("2026-03-01 23:59:59-05:30", utc(2026, 3, 2, 5, 29, 59)),
        ("2026-03-01T23:59:59.25+00:00", utc(2026, 3, 1, 23, 59, 59, 250_000)),
    ],
)
def test_times_are_understood(text: str, moment: datetime) -> None:
    found = parse_time(text)
    assert found == moment
    assert found.tzinfo is not None


def test_a_bare_date_opens_at_its_start_and_closes_at_its_end() -> None:
    opens = parse_time("2026-03-01 AoE", bare_date="start")
    closes = parse_time("2026-03-01 AoE")
    assert opens == utc(2026, 3, 1, 12)
    assert closes - opens == timedelta(days=1) - timedelta(microseconds=1)
    # A time of day is what it is, whichever end is asked for.
    assert parse_time("2026-03-01T10:00 AoE", bare_date="start") == parse_time("2026-03-01T10:00 AoE")


def test_one_second_after_closing_is_late() -> None:
    closes = parse_time("2026-03-01 AoE")
    assert parse_time("2026-03-01T23:59:59 AoE") <= closes
    assert parse_time("2026-03-02T11:59:59+00:00") <= closes
    assert parse_time("2026-03-02T19:59:59.9+08:00") <= closes
    assert parse_time("2026-03-02T12:00:00+00:00") > closes
    assert parse_time("2026-03-02T00:00:00 AoE") > closes
    exact = parse_time("2026-03-01T23:59:59 AoE")
    assert exact + timedelta(seconds=1) > exact
    assert parse_time("2026-03-02T12:00:00Z") - exact == timedelta(seconds=1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2026-03-01T23:59:59", "has no time zone; write"),
        ("2026-03-01", "has no time zone"),
        ("2026-03-01T23:59:59Z AoE", "has two time zones"),
        ("2026-03-01T23:59:59-12:00 AoE", "has two time zones"),
        ("2026-03-01 AoE AoE", "is not a date or time"),
        ("2026-03-01T23:59:59 CET", "is not a date or time"),
        ("2026-02-29 AoE", "is not a date or time"),
        ("2026-03-01T25:00Z", "is not a date or time"),
        ("2026-03-01T23:59:60Z", "is not a date or time"),
        ("AoE", "is not a date or time"),
        ("", "is not a date or time"),
        ("tomorrow", "is not a date or time"),
        ("01.03.2026 AoE", "is not a date or time"),
        ("1772409599", "is not a date or time"),
        ("9999-12-31 AoE", "is outside of the supported range"),
        ("0001-01-01T00:00+01:00", "is outside of the supported range"),
    ],
)
def test_what_is_no_moment_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_time(text)


def test_the_zone_has_its_name() -> None:
    assert parse_time("2026-03-01 AoE").tzname() == "AoE"
    assert ANYWHERE_ON_EARTH.utcoffset(None) == timedelta(hours=-12)


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(9990, 1, 1)))
def test_every_time_has_one_zone_or_is_refused(moment: datetime) -> None:
    text = moment.isoformat()
    with pytest.raises(ValueError, match="no time zone"):
        parse_time(text)
    anywhere = parse_time(f"{text} AoE")
    assert anywhere == parse_time(f"{text}-12:00") == moment.replace(tzinfo=UTC) + timedelta(hours=12)
    for zone in ("Z", "+00:00", "-12:00", "+05:45"):
        assert parse_time(text + zone).replace(tzinfo=None) == moment
        with pytest.raises(ValueError, match="two time zones"):
            parse_time(f"{text}{zone} AoE")


@given(st.text(st.one_of(st.characters(), st.sampled_from("0123456789-:T.+Z AoEaW")), max_size=30))
def test_any_text_is_a_moment_with_a_zone_or_a_value_error(text: str) -> None:
    try:
        moment = parse_time(text)
    except ValueError:
        return
    assert moment.utcoffset() is not None
    moment.astimezone(UTC)


@pytest.mark.parametrize("zone", [UTC, ANYWHERE_ON_EARTH])
@pytest.mark.parametrize("moment", [utc(2026, 3, 1), utc(2026, 3, 1, 23, 59, 59, 1), utc(987, 6, 5, 4, 3, 2, 999_999)])
def test_exact_times_are_read_back(moment, zone):
    assert parse_time(exact_time(moment, zone)) == moment
    assert exact_time(moment, zone).endswith(("UTC", "AoE"))
