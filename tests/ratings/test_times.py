from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.clock import ANYWHERE_ON_EARTH, parse_time
from evalkit.ratings.times import ZoneError, parse_moment, parse_zone


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-01T12:51:55.038-12:00", utc(2026, 3, 2, 0, 51, 55, 38_000)),
        ("2026-03-02T00:51:55Z", utc(2026, 3, 2, 0, 51, 55)),
        ("2026-03-01 12:51:55 AoE", utc(2026, 3, 2, 0, 51, 55)),
        ("2026-03-02 08:51:55 UTC", utc(2026, 3, 2, 8, 51, 55)),
        ("2026-03-02 08:51:55 GMT+8", utc(2026, 3, 2, 0, 51, 55)),
        # Forms: 12 AM is the hour after midnight, 12 PM the one after noon.
        ("2026/03/02 02:26:34 AM GMT-12", utc(2026, 3, 2, 14, 26, 34)),
        ("2026/03/02 2:26:34 PM GMT+5:30", utc(2026, 3, 2, 8, 56, 34)),
        ("2026/03/02 12:00:00 AM GMT", utc(2026, 3, 2)),
        ("2026/03/02 12:00:00 PM GMT", utc(2026, 3, 2, 12)),
        ("2026/03/02 2:26:34\u202fPM EST", utc(2026, 3, 2, 19, 26, 34)),
        # The halves of the day in other languages, behind the time or before it.
        ("2026/03/02 3:04:05 오후 GMT+9", utc(2026, 3, 2, 6, 4, 5)),
        ("2026/03/02 12:04:05 오전 GMT+9", utc(2026, 3, 1, 15, 4, 5)),
        ("2026/03/02 3:04:05 午後 GMT+9", utc(2026, 3, 2, 6, 4, 5)),
        ("2026/03/02 下午 3:04:05 GMT+8", utc(2026, 3, 2, 7, 4, 5)),
        ("2026/03/02 12:04:05 下午 GMT+8", utc(2026, 3, 2, 4, 4, 5)),
        ("2026/03/02 3:04:05 p. m. UTC\u22125", utc(2026, 3, 2, 20, 4, 5)),
        ("2026/03/02 3:04:05\u202fp.\u00a0m. GMT+1", utc(2026, 3, 2, 14, 4, 5)),
        ("2026/03/02 3:04:05 CH GMT+7", utc(2026, 3, 2, 8, 4, 5)),
        ("2026. 3. 2. 오후 3:04:05 GMT+9", utc(2026, 3, 2, 6, 4, 5)),
        # Batches of the crowd platform: PST is UTC-8, PDT UTC-7 (RFC 5322, 4.3).
        ("Mon Mar 02 02:26:34 PST 2026", utc(2026, 3, 2, 10, 26, 34)),
        ("Thu Jul 02 02:26:34 PDT 2026", utc(2026, 7, 2, 9, 26, 34)),
        ("1772423794", utc(2026, 3, 2, 3, 56, 34)),
        ("1772423794123", utc(2026, 3, 2, 3, 56, 34, 123_000)),
        ("1772423794.25", utc(2026, 3, 2, 3, 56, 34, 250_000)),
    ],
)
def test_native_forms(text: str, moment: datetime) -> None:
    found = parse_moment(text)
    assert found == moment
    assert found.tzinfo is UTC


def test_seconds_since_1970_are_those_of_the_standard_library() -> None:
    assert parse_moment("1772423794").timestamp() == 1772423794


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2026-03-01 12:00:00", "has no time zone"),
        ("2026/03/02 02:26:34 AM", "has no time zone"),
        ("2026-03-01", "no time of day"),
        ("2026-03-01 AoE", "no time of day"),
        ("3/2/2026 14:26:34", "is not a time such as"),
        ("2026-02-30T12:00:00Z", "is not a time such as"),
        ("2026/02/30 12:00:00 GMT", "of the calendar"),
        ("2026/03/02 14:26:34 PM GMT", "there is no 14 PM"),
        ("2026/03/02 00:26:34 AM GMT", "there is no 00 AM"),
        ("2026/03/02 14:26:34 오후 GMT+9", "there is no 14 PM"),
        ("2026/03/02 오전 2:26:34 오후 GMT+9", "two halves of the day"),
        ("2026/03/02 02:26:34 AM CET", "is not a time zone"),  # Europe's, but no standard says so
        ("2026/03/02 02:26:34 AM IST", "is not a time zone"),  # India, Israel or Ireland
        ("Mon Mrz 02 02:26:34 PST 2026", "is not a time such as"),
        ("2026-03-01T12:00:00+25:00", "is not a time such as"),
        ("2026-03-01T12:00:00+23:00", "no place on Earth"),
        ("2026-03-01T12:00:00-12:01", "no place on Earth"),
        ("2026/03/02 02:26:34 AM GMT+99", "no place on Earth"),
        ("0001-01-01T00:00:00+14:00", "outside of the supported range"),
        ("later", "is not a time such as"),
        ("", "is not a time such as"),
    ],
)
def test_what_is_no_moment_says_why(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_moment(text)


def test_a_zone_is_for_times_that_do_not_say_theirs() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    assert parse_moment("2026-07-01 12:00:00", berlin) == utc(2026, 7, 1, 10)
    assert parse_moment("2026-01-01 12:00:00", berlin) == utc(2026, 1, 1, 11)
    assert parse_moment("2026-07-01 12:00:00Z", berlin) == utc(2026, 7, 1, 12)
    assert parse_moment("2026/07/01 12:00:00 PM", ANYWHERE_ON_EARTH) == utc(2026, 7, 2, 0)


def test_when_the_clocks_change() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    with pytest.raises(ZoneError, match="clocks went forward") as error:
        parse_moment("2026-03-29 02:30:00", berlin)  # 02:00 became 03:00
    assert error.value.fix == "Fix the 'zone' in the mapping, or the time."
    # 02:30 was there twice: 00:30 UTC in summer time, then 01:30 UTC. The first is meant.
    assert parse_moment("2026-10-25 02:30:00", berlin) == utc(2026, 10, 25, 0, 30)


@pytest.mark.parametrize(
    ("text", "place", "moment"),
    [
        ("2026/03/01 10:22:33 PM CET", "Europe/Berlin", utc(2026, 3, 1, 21, 22, 33)),
        ("2026/07/01 10:22:33 PM CEST", "Europe/Berlin", utc(2026, 7, 1, 20, 22, 33)),
        ("2026/03/01 10:22:33 PM EET", "Europe/Helsinki", utc(2026, 3, 1, 20, 22, 33)),
        ("2026-07-01 22:22:33 CEST", "Europe/Berlin", utc(2026, 7, 1, 20, 22, 33)),
        ("Mon Mar 02 02:26:34 IST 2026", "Asia/Kolkata", utc(2026, 3, 1, 20, 56, 34)),
        ("2026/03/01 10:22:33 PM CST", "Asia/Shanghai", utc(2026, 3, 1, 14, 22, 33)),  # China's, not Chicago's
        ("2026/03/01 10:22:33 PM CST", "Europe/Berlin", utc(2026, 3, 2, 4, 22, 33)),
        ("2026/03/01 10:22:33 PM GMT", "Europe/Berlin", utc(2026, 3, 1, 22, 22, 33)),
        # The hour that is there twice has two names.
        ("2026/10/25 2:30:00 AM CEST", "Europe/Berlin", utc(2026, 10, 25, 0, 30)),
        ("2026/10/25 2:30:00 AM CET", "Europe/Berlin", utc(2026, 10, 25, 1, 30)),
    ],
)
def test_an_abbreviation_means_what_it_means_in_the_zone_that_is_named(text: str, place: str, moment: datetime) -> None:
    assert parse_moment(text, ZoneInfo(place)) == moment


def test_an_abbreviation_that_means_nothing_there_says_what_helps() -> None:
    with pytest.raises(ZoneError, match="'CET' is not a time zone") as none_named:
        parse_moment("2026/03/01 10:22:33 PM CET")
    assert "name the 'zone'" in none_named.value.fix
    berlin = ZoneInfo("Europe/Berlin")
    with pytest.raises(ZoneError, match="clocks in Europe/Berlin showed CET at that time, not 'CEST'") as another:
        parse_moment("2026/03/01 10:22:33 PM CEST", berlin)
    assert another.value.fix == "Fix the 'zone' in the mapping, or the time."
    with pytest.raises(ValueError, match="clocks went forward"):
        parse_moment("2026-03-29 02:30:00 CET", berlin)


def test_a_form_of_ones_own() -> None:
    found = parse_moment("2/3/2026 14:26", ANYWHERE_ON_EARTH, "%d/%m/%Y %H:%M")
    assert found == utc(2026, 3, 3, 2, 26)
    assert parse_moment("2/3/2026 14:26 +0100", ANYWHERE_ON_EARTH, "%d/%m/%Y %H:%M %z") == utc(2026, 3, 2, 13, 26)
    with pytest.raises(ValueError, match="is not written like"):
        parse_moment("2026-03-02", ANYWHERE_ON_EARTH, "%d/%m/%Y %H:%M")


@pytest.mark.parametrize(
    ("text", "hours"),
    [("AoE", -12), ("aoe", -12), ("Z", 0), ("utc", 0), ("+08:00", 8), ("-0330", -3.5), ("GMT-12", -12), ("UTC+14", 14)],
)
def test_zones(text: str, hours: float) -> None:
    offset = parse_zone(text).utcoffset(datetime(2026, 1, 1))
    assert offset is not None
    assert offset.total_seconds() == hours * 3600


@pytest.mark.parametrize(
    "text", ["", "Berlin", "Mars/Olympus", "+15:00", "+05:60", "CEST", "../../etc/passwd", "a/\x00"]
)
def test_what_is_no_zone(text: str) -> None:
    with pytest.raises(ValueError, match=r"zone|no place"):
        parse_zone(text)


@given(st.datetimes(datetime(1980, 1, 1), datetime(2100, 1, 1)), st.integers(-12 * 60, 14 * 60))
def test_iso_with_an_offset_is_what_the_clock_of_the_challenge_reads(moment: datetime, minutes: int) -> None:
    sign = "+" if minutes >= 0 else "-"
    text = f"{moment.isoformat()}{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
    assert parse_moment(text) == parse_time(text)


@given(
    st.text(max_size=40) | st.from_regex(r"[0-9]{4}/[0-9]{2}/[0-9]{2} [0-9]{2}:[0-9]{2} [A-Z]{3,4}", fullmatch=True),
    st.sampled_from([None, ANYWHERE_ON_EARTH, ZoneInfo("Europe/Berlin")]),
)
def test_any_text_is_a_moment_in_utc_or_a_value_error(text: str, zone: tzinfo | None) -> None:
    try:
        found = parse_moment(text, zone)
    except ValueError:
        return
    assert found.tzinfo is UTC
