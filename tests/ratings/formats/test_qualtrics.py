"""The CSV of Qualtrics."""

from __future__ import annotations

import json

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


def test_unfinished_responses_have_that_status(write: Write) -> None:
    names = ("StartDate", "EndDate", "Finished", "PROLIFIC_PID", "item001_lip_sync")
    imports = [json.dumps({"ImportId": name, "timeZone": "Z"}) for name in names]
    times = ("2026-03-01 12:00:00", "2026-03-01 12:01:00")
    rows = [(*times, word, f"r{place}", "5") for place, word in enumerate(("True", "False", "1", "0", ""))]
    path = write(table(names, names, imports, *rows))
    file = read_ratings(path, dimensions=DIMENSIONS)
    assert [answer.status for answer in file] == ["", "unfinished", "", "unfinished", ""]
    taken = read_ratings(path, dimensions=DIMENSIONS, mapping=RatingMapping(ignore=("Finished",)))
    assert [answer.status for answer in taken] == [""] * 5


def test_an_unfinished_preview_stays_a_preview(write: Write) -> None:
    names = ("StartDate", "EndDate", "Status", "Finished", "PROLIFIC_PID", "item001_lip_sync")
    imports = [json.dumps({"ImportId": name, "timeZone": "Z"}) for name in names]
    times = ("2026-03-01 12:00:00", "2026-03-01 12:01:00")
    words = [("Survey Preview", "False"), ("IP Address", "False"), ("0", "True"), ("Spam", "True")]
    rows = [(*times, *word, f"r{place}", "5") for place, word in enumerate(words)]
    file = read_ratings(write(table(names, names, imports, *rows)), dimensions=DIMENSIONS)
    assert [answer.status for answer in file] == ["survey preview", "unfinished", "", "spam"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (
            ("V1", "V5", "V6", "V8", "V9", "V10", "Q1", "Q2_1"),
            ("ResponseID", "ExternalDataReference", "Status", "StartDate", "EndDate", "Finished"),
        ),
        (
            ("ResponseID", "ExternalReference", "Status", "StartDate", "EndDate", "Finished", "Q1", "Q2_1"),
            ("Response ID", "External Data Reference", "Response Type", "Start Date", "End Date", "Finished"),
        ),
    ],
)
def test_two_header_rows_of_old_exports(write: Write, first: tuple[str, ...], second: tuple[str, ...]) -> None:
    texts = ("item001 - Lip synchronization", "item002 - Lip synchronization")
    rows = [
        ("R_1", "r01", "0", "2026-03-01 12:00:00", "2026-03-01 12:01:00", "1", "5", "4"),
        ("R_2", "r02", "0", "2026-03-01 12:00:00", "2026-03-01 12:02:00", "0", "3", ""),
    ]
    path = write(table(first, (*second, *texts), *rows))
    file = read_ratings(path, dimensions=DIMENSIONS, mapping=RatingMapping(zone="UTC"))
    assert file.format == "qualtrics"
    assert [(one.rater, one.item, one.value, one.status, one.row) for one in file] == [
        ("r01", "item001", 5, "", 3),
        ("r01", "item002", 4, "", 3),
        ("r02", "item001", 3, "unfinished", 4),
    ]
    assert {one.at for one in file} == {utc(2026, 3, 1, 12, 1), utc(2026, 3, 1, 12, 2)}
    assert file.fault_sentences == []
