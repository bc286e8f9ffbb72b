"""Long CSV: a row per answer, or per item with a column for each dimension."""

from __future__ import annotations

import csv
import io

import pytest
from builders.rating_files import DIMENSIONS, LONG, Write, short, table, utc

from evalkit.ratings import RatingMapping, read_ratings


def test_long(write: Write) -> None:
    file = read_ratings(write(LONG), dimensions=DIMENSIONS)
    first, second, third = file
    assert file.format == "long"
    assert file.unread_columns == ("Comment",)
    assert (first.rater, first.item, first.dimension, first.value, first.row) == ("r01", "item001", "lip_sync", 4, 2)
    assert (first.at, first.seconds) == (utc(2026, 3, 1, 12, 0, 9, 500_000), 9.5)
    assert (second.dimension, second.value) == ("identity_consistency", 2.5)
    assert (second.at, second.seconds) == (utc(2026, 3, 2, 0, 0, 10), None)
    assert (third.dimension, third.at, third.seconds, third.row) == ("charm", None, None, 4)  # for the rules to refuse


def test_reading_again_reads_again(write: Write) -> None:
    file = read_ratings(write(LONG), dimensions=DIMENSIONS)
    assert list(file) == list(file)
    broken = read_ratings(write(LONG.replace(",4,", ",four,")), dimensions=DIMENSIONS)
    assert (broken.fault_count, len(list(broken)), broken.fault_count) == (0, 2, 1)
    assert (len(list(broken)), broken.fault_count) == (2, 1)


def test_a_column_for_each_dimension(write: Write) -> None:
    text = table(
        ("participant", "clip", "Identity consistency", "lip_sync", "seconds", "status"),
        ("r01", "item001", "5", "", "12.5", "Approved"),
        ("r01", "item002", "4", "3", "8", "Rejected"),
    )
    file = read_ratings(write(text), dimensions=DIMENSIONS)
    assert short(file) == [
        ("r01", "item001", "identity_consistency", 5),
        ("r01", "item002", "identity_consistency", 4),
        ("r01", "item002", "lip_sync", 3),
    ]
    assert [(rating.seconds, rating.status) for rating in file] == [(12.5, ""), (8, "rejected"), (8, "rejected")]


def test_long_by_a_mapping(write: Write) -> None:
    text = table(
        ("who", "what", "mark", "when", "user"),
        ("r01", "item001", "Gut", "2.3.2026 14:26", "x"),
        ("r01", "item002", "k. A.", "2.3.2026 14:27", "x"),
        ("r01", "item003", "5", "2.3.2026 14:28", "x"),
    )
    mapping = RatingMapping.model_validate(
        {
            "rater": "who",
            "item": "WHAT",
            "value": "mark",
            "at": "when",
            "zone": "Europe/Berlin",
            "time_format": "%d.%m.%Y %H:%M",
            "constants": {"dimension": "lip_sync"},
            "values": {"Gut": 4},
        }
    )
    file = read_ratings(write(text), mapping=mapping)
    found = list(file)
    assert [(rating.item, rating.value, rating.at) for rating in found] == [
        ("item001", 4, utc(2026, 3, 2, 13, 26)),
        ("item003", 5, utc(2026, 3, 2, 13, 28)),
    ]
    assert [fault.row for fault in file.faults] == [3]
    told = mapping.model_copy(update={"missing": ("k. A.",)})
    file = read_ratings(write(text), mapping=told)
    assert len(list(file)) == 2
    assert [fault.message for fault in file.faults] == ["the rating is missing."]


@pytest.mark.parametrize(
    ("cells", "column", "words"),
    [
        ({"Submitted at": "2026-03-01 12:00:00"}, "Submitted at", "has no time zone. Write it with its offset"),
        ({"Submitted at": "3/2/2026 12:00"}, "Submitted at", "needs 'time_format' in the mapping"),
        ({"Submitted at": "2026-03-01T12:00:00Mars"}, "Submitted at", "is not a time such as"),
        ({"Submitted at": "x" * 100}, "Submitted at", "is not a time"),
        ({"Started at": "2026-03-01T13:00:00Z"}, "Submitted at", "submitted before it was started"),
        ({"Score": "5 stars"}, "Score", "'5 stars' is not a number"),
    ],
)
def test_faults_name_row_and_column(write: Write, cells: dict[str, str], column: str, words: str) -> None:
    header, *rows = csv.reader(io.StringIO(LONG))
    rows[0] = [cells.get(name, cell) for name, cell in zip(header, rows[0], strict=True)]
    file = read_ratings(write(table(header, *rows)), dimensions=DIMENSIONS)
    assert len(list(file)) == 2
    (fault,) = file.faults
    assert (fault.file, fault.row, fault.column) == ("ratings.txt", 2, column)
    assert words in fault.message


def test_labels_are_scores_and_never_times(write):
    rows = table(("rater", "item", "dimension", "value", "seconds"), ("r01", "i", "lip_sync", "5", "5"))
    (rating,) = read_ratings(write(rows), mapping=RatingMapping(values={"5": 1}), dimensions=DIMENSIONS)
    assert (rating.value, rating.seconds) == (1, 5)


def test_a_negative_duration_is_a_fault(write: Write) -> None:
    file = read_ratings(write(table(("rater", "item", "dimension", "value", "seconds"), ("r01", "i", "d", 3, "-1"))))
    assert list(file) == []
    assert file.fault_sentences == [
        "ratings.txt, row 2, column 'seconds': '-1' is not a time spent; it can't be below 0 seconds."
    ]


@pytest.mark.parametrize("cell", ["[4]", '["4"]', '[" 4 "]', '[{"rating": 4}]', '[{"choices": ["Good"]}]', '["Good"]'])
def test_a_json_list_of_one_answer_is_the_answer(write: Write, cell: str) -> None:
    text = table(("rater", "item", "dimension", "value"), ("r1", "i1", "lip_sync", cell))
    file = read_ratings(write(text), mapping=RatingMapping(values={"Good": 4}))
    assert short(file) == [("r1", "i1", "lip_sync", 4)]


@pytest.mark.parametrize("cell", ["[]", "[4, 5]", "[true]", "[null]", "[4", '[{"a": 1, "b": 2}]', "[" * 150])
def test_another_json_list_is_a_fault(write: Write, cell: str) -> None:
    text = table(("rater", "item", "dimension", "value"), ("r1", "i1", "lip_sync", cell))
    file = read_ratings(write(text))
    assert list(file) == []
    assert "is not a number" in file.fault_sentences[0]
