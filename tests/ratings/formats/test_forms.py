"""The CSV of Google Forms."""

from __future__ import annotations

import pytest
from builders.rating_files import DIMENSIONS, Write, short, table, utc

from evalkit.errors import InputError
from evalkit.ratings import RatingMapping, read_ratings


def test_forms(write: Write) -> None:
    text = "\ufeff" + table(
        ("Timestamp", "Please type your rater code", "item001 [Identity consistency]", "item001 [Charm]", "Remarks"),
        ("2026/03/06 12:00:00 AM GMT-12", "r12", "5", "4", ""),
        ("2026/03/02 02:26:34 PM GMT+8", "r01", "", "1", "none"),
    )
    file = read_ratings(write(text), dimensions=DIMENSIONS)
    assert file.format == "forms"
    assert short(file) == [
        ("r12", "item001", "identity_consistency", 5),
        ("r12", "item001", "Charm", 4),
        ("r01", "item001", "Charm", 1),
    ]
    assert [rating.at for rating in file] == [utc(2026, 3, 6, 12)] * 2 + [utc(2026, 3, 2, 6, 26, 34)]
    assert file.unread_columns == ("Remarks",)


def test_forms_from_a_sheet_need_zone_and_form_of_the_time(write: Write) -> None:
    text = table(("Timestamp", "Rater ID", "item001 [Lip synchronization]"), ("3/2/2026 14:26:34", "r01", "5"))
    file = read_ratings(write(text), dimensions=DIMENSIONS)
    assert list(file) == []
    assert "Another form needs 'time_format'" in file.fault_sentences[0]
    american = RatingMapping(zone="AoE", time_format="%m/%d/%Y %H:%M:%S")
    assert [rating.at for rating in read_ratings(write(text), mapping=american)] == [utc(2026, 3, 3, 2, 26, 34)]


def test_forms_in_a_zone_with_an_abbreviation(write: Write) -> None:
    rows = [("2026/03/02 02:26:34 PM CET", "r01", "5"), ("2026/03/02 02:26:34 PM EET", "r02", "4")]
    path = write(table(("Timestamp", "Rater ID", "item001 [Lip synchronization]"), *rows))
    file = read_ratings(path, dimensions=DIMENSIONS)
    assert list(file) == []
    assert file.fault_sentences[0].endswith("Write it with its offset, or name the 'zone' in the mapping.")
    named = read_ratings(path, dimensions=DIMENSIONS, mapping=RatingMapping(zone="Europe/Berlin"))
    assert [rating.at for rating in named] == [utc(2026, 3, 2, 13, 26, 34)]
    assert named.fault_sentences == [
        "ratings.txt, row 3, column 'Timestamp': clocks in Europe/Berlin showed CET at that time, not 'EET'. "
        "Fix the 'zone' in the mapping, or the time."
    ]


def test_forms_with_two_questions_for_the_rater_or_none(write: Write) -> None:
    text = table(("Timestamp", "Worker no.", "Observer name", "a [b]"), ("2026/03/02 1:00:00 AM GMT", "1", "2", "3"))
    with pytest.raises(InputError, match=r"ratings.txt: more than one question asks for the rater"):
        read_ratings(write(text))
    assert short(read_ratings(write(text), mapping=RatingMapping(rater="Worker no."))) == [("1", "a", "b", 3)]
    with pytest.raises(InputError, match="no column names the rater"):
        read_ratings(write(table(("Timestamp", "Email Address", "a [b]"), ("2026/03/02 1:00:00 AM GMT", "x@y", "3"))))
