"""The CSV of Qualtrics."""

from __future__ import annotations

import pytest
from builders.rating_files import DIMENSIONS, Write, qualtrics, short, table, utc

from evalkit.errors import InputError
from evalkit.ratings import RatingMapping, read_ratings


def test_qualtrics(write: Write) -> None:
    text = qualtrics(
        "America/Denver",
        ("2026-03-01 12:00:00", "2026-03-01 12:01:00", "IP Address", "60", "R_1", "r01", "5", "4", "1|2"),
        ("2026-07-01 12:00:00", "2026-07-01 12:01:00", "Survey Preview", "60", "R_2", "r02", "3", "", ""),
        ("2026-07-01 12:00:00", "2026-07-01 12:01:00", "8", "60", "R_2", "r02", "3", "", ""),
        ("2026-07-01 12:00:00", "2026-07-01 12:01:00", "0", "60", "R_2", "r02", "3", "", ""),
    )
    file = read_ratings(write(text), dimensions=DIMENSIONS)
    assert file.format == "qualtrics"
    assert short(file) == [
        ("r01", "item001", "lip_sync", 5),
        ("r01", "item002", "lip_sync", 4),  # the question's text says so
        *[("r02", "item001", "lip_sync", 3)] * 3,
    ]
    found = list(file)
    assert [rating.row for rating in found] == [4, 4, 5, 6, 7]
    # Denver is at UTC-7 in winter, UTC-6 in summer.
    assert [rating.at for rating in found[1:3]] == [utc(2026, 3, 1, 19, 1), utc(2026, 7, 1, 18, 1)]
    assert [rating.seconds for rating in found] == [30, 30, 60, 60, 60]
    assert [rating.status for rating in found] == ["", "", "survey preview", "spam", ""]


def test_qualtrics_without_a_zone_that_is_known(write: Write) -> None:
    row = ("2026-03-01 12:00:00", "2026-03-01 12:01:00", "IP Address", "60", "R_1", "r01", "5", "4", "")
    file = read_ratings(write(qualtrics("Mars/Olympus", row)), dimensions=DIMENSIONS)
    assert list(file) == []
    assert "row 4, column 'EndDate': '2026-03-01 12:01:00' has no time zone" in file.fault_sentences[0]
    told = read_ratings(write(qualtrics("Z", row)), mapping=RatingMapping(zone="+08:00"), dimensions=DIMENSIONS)
    assert [rating.at for rating in told] == [utc(2026, 3, 1, 4, 1)] * 2


def test_qualtrics_that_ends_in_its_header(write: Write) -> None:
    assert list(read_ratings(write(qualtrics("Z")), dimensions=DIMENSIONS)) == []
    with pytest.raises(InputError, match="ends in its header"):
        read_ratings(write(table(("a", "b"))), "qualtrics")
