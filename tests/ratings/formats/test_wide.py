"""Wide CSV: a row per rater, a column per item or per item and dimension."""

from __future__ import annotations

import pytest
from builders.rating_files import BATCH, DIMENSIONS, Write, batch, qualtrics, short, table

from evalkit.errors import InputError
from evalkit.ratings import RatingMapping, read_ratings


def test_wide(write: Write) -> None:
    text = table(
        ("rater", "item001__lip_sync", "item001__charm", "lip_sync - item002", "remark", "seconds", "submitted_at"),
        ("r01", "5", "4", "", "long", "30", "2026-03-01T12:00:00Z"),
        ("r02", "1", "", "2", "", "30", ""),
    )
    file = read_ratings(write(text), dimensions=DIMENSIONS)
    assert file.format == "wide"
    assert short(file) == [
        ("r01", "item001", "lip_sync", 5),
        ("r01", "item001", "charm", 4),
        ("r02", "item001", "lip_sync", 1),
        ("r02", "item002", "lip_sync", 2),
    ]
    # A row's time is shared by its items: one item in the first row, two in the second.
    assert [rating.seconds for rating in file] == [30, 30, 15, 15]
    assert file.unread_columns == ("remark",)


def test_wide_with_a_column_per_item(write: Write) -> None:
    text = table(("rater", "item001", "item002", "notes"), ("r01", "5", "4", "ok"), ("r02", "", "x", ""))
    mapping = RatingMapping.model_validate({"constants": {"dimension": "lip_sync"}, "ignore": ["notes"]})
    file = read_ratings(write(text), mapping=mapping)
    found = [(rating.rater, rating.item, rating.dimension, rating.value) for rating in file]
    assert found == [("r01", "item001", "lip_sync", 5), ("r01", "item002", "lip_sync", 4)]
    assert [(fault.row, fault.column) for fault in file.faults] == [(3, "item002")]


def test_wide_by_a_pattern(write: Write) -> None:
    text = table(
        ("Code", "Clip 7: how are the lips?", "Clip 8: how are the lips?", "Clip 8: remarks"), ("r01", "5", "4", "ok")
    )
    mapping = RatingMapping.model_validate(
        {
            "rater": "Code",
            "pattern": r"Clip (?P<item>\d+): how are (?P<dimension>.+)\?",
            "dimensions": {"the lips": "lip_sync"},
        }
    )
    file = read_ratings(write(text), mapping=mapping)
    assert short(file) == [("r01", "7", "lip_sync", 5), ("r01", "8", "lip_sync", 4)]
    assert file.unread_columns == ("Clip 8: remarks",)


def test_a_pattern_of_items_alone_needs_a_dimension(write: Write) -> None:
    text = table(("rater", "v1", "v2"), ("r01", "5", "4"))
    pattern = {"pattern": "v(?P<item>[0-9]+)"}
    with pytest.raises(InputError, match="which item and which dimension"):
        read_ratings(write(text), "wide", RatingMapping.model_validate(pattern))
    told = RatingMapping.model_validate({**pattern, "constants": {"dimension": "lip_sync"}})
    assert short(read_ratings(write(text), "wide", told)) == [("r01", "1", "lip_sync", 5), ("r01", "2", "lip_sync", 4)]


def test_columns_that_mean_the_same_are_refused(write: Write) -> None:
    header = ("rater", "Clip 1 [Lip synchronization]", "Clip 1 - lip_sync", "Clip 2 [Lip synchronization]")
    path = write(table(header, ("r01", "5", "1", "4")))
    with pytest.raises(InputError, match="2 columns mean the same, item 'Clip 1' and dimension 'lip_sync'") as error:
        read_ratings(path, dimensions=DIMENSIONS)
    assert header[1] in str(error.value)
    assert header[2] in str(error.value)
    assert "'pattern'" in str(error.value)
    one = RatingMapping(ignore=(header[2],))
    assert short(read_ratings(path, mapping=one, dimensions=DIMENSIONS)) == [
        ("r01", "Clip 1", "lip_sync", 5),
        ("r01", "Clip 2", "lip_sync", 4),
    ]
    batches = table((*BATCH, "Input.item", "Answer.lip_sync.label", "Answer.lip_sync"), (*batch("r01"), "i", "4", "2"))
    with pytest.raises(InputError, match="2 columns mean the same, dimension 'lip_sync'"):
        read_ratings(write(batches), dimensions=DIMENSIONS)


def test_a_question_text_that_every_column_has_names_no_item(write: Write) -> None:
    """Qualtrics repeats a question's text for every clip when the survey shows the clip beside it."""
    row = ("2026-03-01 12:00:00", "2026-03-01 12:01:00", "0", "60", "R_1", "r01", "5", "4", "")
    asked = "Rate the video - Lip synchronization"
    text = qualtrics("Z", row).replace("How are the lips?", asked).replace("item002 - Lip synchronization", asked)
    text = text.replace("item001_lip_sync", "Q1_1")
    with pytest.raises(InputError, match="the columns Q1_1, Q2_1"):
        read_ratings(write(text), dimensions=DIMENSIONS)
    told = RatingMapping.model_validate({"pattern": r"(?P<item>Q\d)_1", "constants": {"dimension": "lip_sync"}})
    found = short(read_ratings(write(text), mapping=told, dimensions=DIMENSIONS))
    assert found == [("r01", "Q1", "lip_sync", 5), ("r01", "Q2", "lip_sync", 4)]


def test_a_faulty_cell_costs_one_rating_and_a_faulty_rater_the_row(write: Write) -> None:
    text = table(("rater", "a [q]", "b [q]"), ("r01", "5", "x"), ("", "5", "4"), ("r03", "1", "2"))
    file = read_ratings(write(text))
    assert [(rating.rater, rating.item) for rating in file] == [("r01", "a"), ("r03", "a"), ("r03", "b")]
    assert [(fault.row, fault.column) for fault in file.faults] == [(2, "b [q]"), (3, "rater")]
