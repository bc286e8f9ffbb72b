"""JSON Lines and arrays of records."""

from __future__ import annotations

import json

import pytest
from builders.rating_files import Write, short, utc

from evalkit.ratings import RatingMapping, jsonfile, read_ratings


def test_jsonl(write: Write) -> None:
    lines = [
        {"rater": {"id": 7}, "item": "item001", "scores": {"lip_sync": 4}, "at": 1772423794123},
        {"rater": {"id": 7}, "item": "item002", "scores": {"lip_sync": None}, "at": None, "seconds": 3},
        {"rater": {"id": 7}, "item": "item003", "scores": {"lip_sync": "2"}, "at": "2026-03-01 AoE"},
        {"rater": {"id": 7}, "item": "item004", "scores": {"lip_sync": True}},
        {"item": "item004", "scores": {"lip_sync": 4}},
        {"rater": {"id": [1]}, "item": "item004", "scores": {"lip_sync": 4}},
        {"rater": {"id": 8}, "seconds": 3.5, "item": "item005", "scores": {"lip_sync": 5, "charm": 1}},
    ]
    mapping = RatingMapping.model_validate({"rater": "rater.id", "dimensions": {"scores.lip_sync": "lip_sync"}})
    file = read_ratings(write("\n".join(map(json.dumps, lines)) + "\n\n"), mapping=mapping)
    assert file.format == "jsonl"
    assert [(rating.rater, rating.item, rating.value, rating.seconds, rating.row) for rating in file] == [
        ("7", "item001", 4, None, 1),
        ("8", "item005", 5, 3.5, 7),
    ]
    assert next(iter(file)).at == utc(2026, 3, 2, 3, 56, 34, 123_000)
    assert len(list(file)) == 2
    assert [(fault.row, fault.column) for fault in file.faults] == [
        (3, "at"),
        (4, "scores.lip_sync"),
        (5, None),
        (6, "rater.id"),
    ]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "not JSON"),
        ("[1]", "not a JSON object"),
        ('{"a": NaN}', "not JSON: NaN is not a JSON value"),
        ('{"rater": "r01", "item": "i", "dimension": "d", "value": 3, "value": 5}', "the key 'value' appears twice"),
        ('{"rater": {"id": "r01", "id": "r02"}, "item": "i", "dimension": "d", "value": 3}', "'id' appears twice"),
        ("[" * 100_000, "not JSON"),
        ('{"rater": "r01", "item": "i", "dimension": "d", "value": ' + "9" * 5000 + "}", "not JSON"),
        ('{"rater": "r01", "item": "i", "dimension": "d", "value": 1e400}', "is not a number"),
        ('{"rater": "r01", "item": "i", "dimension": "d", "value": ' + "9" * 400 + "}", "is not a number"),
        ('{"rater": "r\\u0000", "item": "i", "dimension": "d", "value": 3}', "characters that nobody sees"),
        ('{"rater": "\\ud800", "item": "i", "dimension": "d", "value": 3}', "characters that nobody sees"),
        ('{"rater": "r01", "item": "i", "dimension": "d", "value": "4,5"}', "is not a number"),
        ("x" * (4 * 1024 * 1024 + 5), "the line is longer"),
    ],
)
def test_a_bad_line_is_named_and_the_next_is_read(write: Write, line: str, words: str) -> None:
    good = '{"rater": "r01", "item": "i", "dimension": "d", "value": 3}'
    file = read_ratings(write(f"{good}\n{line}\n{good}\n"))
    assert [rating.row for rating in file] == [1, 3]
    (fault,) = file.faults
    assert fault.row == 2
    assert words in fault.message


def test_an_array_larger_than_the_buffer_is_read_as_json_reads_it(write: Write) -> None:
    records = [
        {"annotator": 1 + number % 7, "item": f"item{number:05d}", "lip_sync": number % 5 + 1, "note": "]}," * 40}
        for number in range(5_000)
    ]
    mapping = RatingMapping.model_validate({"rater": "annotator", "dimensions": {"lip_sync": "lip_sync"}})
    text = json.dumps(records)
    assert len(text) > 800_000
    found = short(read_ratings(write(text), mapping=mapping))
    assert found == [(str(r["annotator"]), r["item"], "lip_sync", r["lip_sync"]) for r in json.loads(text)]


@pytest.mark.parametrize(
    ("text", "rows", "fault"),
    [
        ("[ ]", 0, None),
        ("[{R}]", 1, None),
        (" [\n{R} ,{R}\n] ", 2, None),
        ("[{R},", 1, 2),
        ("[{R}", 1, 2),
        ("[{R} {R}]", 1, 2),
        ("[{R},]", 1, 2),
        ("[{R},{R", 1, 2),
        ("[,{R}]", 0, 1),
        ("[{R},3,{R}]", 2, 2),
    ],
)
def test_arrays_that_break_off(write: Write, text: str, rows: int, fault: int | None) -> None:
    record = '"rater": "r01", "item": "i", "dimension": "d", "value": 3'
    path = write(text.replace("{R", "{" + record))
    file = read_ratings(path, "jsonl")
    assert [rating.row for rating in file] == ([1, 3] if "3," in text else list(range(1, rows + 1)))
    assert [found.row for found in file.faults] == ([] if fault is None else [fault])


def test_a_number_that_the_buffer_cuts_is_one_number(write: Write) -> None:
    record = '{"rater": "r01", "item": "i", "dimension": "d", "value": 3}'
    blank = " " * (jsonfile._CHUNK - 3)
    file = read_ratings(write(f"[{blank}12345, {record}]"), "jsonl")
    assert [rating.row for rating in file] == [2]
    assert [(fault.row, fault.message) for fault in file.faults] == [(1, "not a JSON object in braces.")]


@pytest.mark.parametrize(
    "more",
    [
        '"extra.note": 1, "extra": {"note": 2}',
        '"extra": {"note": 2}, "extra.note": 1',
        '"a": {"b.c": 1, "b": {"c": 1}}',
    ],
)
def test_keys_that_have_one_name_when_they_are_joined_are_a_fault(write: Write, more: str) -> None:
    """Two programs could take different ones."""
    good = '{"rater": "r1", "item": "i1", "dimension": "lip_sync", "value": 3}\n'
    for first, second in (
        (good, good.replace("{", "{" + more + ", ", 1)),
        (good.replace("}", ", " + more + "}"), good),
    ):
        file = read_ratings(write(first + second))
        assert len(list(file)) == 1
        (fault,) = file.faults
        assert fault.message.endswith("is there twice.")
