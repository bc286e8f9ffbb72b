"""Batch results of MTurk."""

from __future__ import annotations

import json
from typing import Any

import pytest
from builders.rating_files import BATCH, DIMENSIONS, Write, batch, short, table, utc

from evalkit.errors import InputError
from evalkit.ratings import RatingMapping, read_ratings


def test_mturk(write: Write) -> None:
    text = table(
        (*BATCH, "Input.item_id", "Answer.lip_sync", "Answer.comments", "Approve", "Reject"),
        (*batch("r01"), "item001", "4", "nice", "", ""),
        (*batch("r02", "Rejected"), "item001", "", "", "", "x"),
        (*batch("r02", "Rejected"), "item002", "1", "", "", "x"),
    )
    file = read_ratings(write(text), dimensions=DIMENSIONS)
    assert file.format == "mturk"
    assert short(file) == [("r01", "item001", "lip_sync", 4), ("r02", "item002", "lip_sync", 1)]
    assert [(rating.at, rating.seconds, rating.status) for rating in file] == [
        (utc(2026, 3, 2, 10, 26, 34), 40, ""),
        (utc(2026, 3, 2, 10, 26, 34), 40, "rejected"),
    ]
    assert "Answer.comments" in file.unread_columns


def test_mturk_with_several_items_in_one_assignment(write: Write) -> None:
    text = table(
        (*BATCH, "Input.item1", "Input.item2", "Answer.item1_lip_sync", "Answer.lip_sync_2", "Answer.item9_lip_sync"),
        (*batch("r01"), "item034", "item070", "4", "2", ""),
    )
    file = read_ratings(write(text), dimensions=DIMENSIONS)
    assert short(file) == [("r01", "item034", "lip_sync", 4), ("r01", "item070", "lip_sync", 2)]
    assert [rating.seconds for rating in file] == [20, 20]


def test_mturk_with_a_column_per_radio_button(write: Write) -> None:
    buttons = tuple(f"Answer.lip_sync.{number}" for number in range(1, 6))
    text = table(
        (*BATCH, "Input.item", *buttons),
        (*batch("r01"), "item001", "false", "false", "false", "TRUE", "false"),
        (*batch("r02"), "item001", "false", "false", "false", "false", "false"),
        (*batch("r03"), "item001", "true", "false", "false", "true", "false"),
    )
    file = read_ratings(write(text), dimensions=DIMENSIONS)
    assert [(rating.rater, rating.value) for rating in file] == [("r01", 4)]
    assert [(fault.row, fault.message) for fault in file.faults] == [(4, "two answers are chosen for one question.")]
    assert not [name for name in file.unread_columns if name.startswith("Answer.")]


def test_mturk_with_answers_in_json(write: Write) -> None:
    def answers(**content: Any) -> str:
        return json.dumps([content])

    text = table(
        (*BATCH, "Input.item", "Answer.taskAnswers"),
        (*batch("r01"), "item001", answers(lip_sync={"4": True, "5": False}, comments="ok")),
        (*batch("r02"), "item001", answers(lip_sync="3")),
        (*batch("r03"), "item001", answers(lip_sync=2)),
        (*batch("r04"), "item001", "{"),
        (*batch("r05"), "item001", answers(lips=2)),
        (*batch("r06"), "item001", "[1]"),
        (*batch("r07"), "item001", answers(lip_sync=1)),
    )
    file = read_ratings(write(text), dimensions=DIMENSIONS)
    assert [(rating.rater, rating.value) for rating in file] == [("r01", 4), ("r02", 3), ("r03", 2), ("r07", 1)]
    assert [fault.row for fault in file.faults] == [5, 6, 7]
    assert "no answer's name says which dimension" in file.faults[1].message


def test_mturk_with_one_question_answered_twice(write: Write) -> None:
    twice = json.dumps([{"lip_sync": "3"}, {"lip_sync": "4"}])
    text = table(
        (*BATCH, "Input.item", "Answer.lip_sync", "Answer.taskAnswers"),
        (*batch("r01"), "item001", "", '[{"lip_sync": "3"}]'),
        (*batch("r02"), "item001", "5", '[{"lip_sync": "3"}]'),
        (*batch("r03"), "item001", "", twice),
    )
    file = read_ratings(write(text), dimensions=DIMENSIONS)
    assert [(rating.rater, rating.value) for rating in file] == [("r01", 3)]
    assert [(fault.row, fault.message) for fault in file.faults] == [
        (3, "'Answer.lip_sync' has a column of its own, too."),
        (4, "the key 'Answer.lip_sync' is there twice."),
    ]


@pytest.mark.parametrize("widget", [".label", ".slider", ".value", "_rating"])
def test_mturk_with_the_word_of_a_widget(write: Write, widget: str) -> None:
    text = table(
        (*BATCH, "Input.item", f"Answer.lip_sync{widget}", "Approve"),
        (*batch("r01"), "item001", "4", ""),
        (*batch("r02"), "item002", "2", ""),
    )
    file = read_ratings(write(text), dimensions=DIMENSIONS)
    assert short(file) == [("r01", "item001", "lip_sync", 4), ("r02", "item002", "lip_sync", 2)]
    in_json = table(
        (*BATCH, "Input.item", "Answer.taskAnswers"),
        (*batch("r01"), "item001", json.dumps([{f"lip_sync{widget}": "4"}])),
    )
    assert short(read_ratings(write(in_json), dimensions=DIMENSIONS)) == [("r01", "item001", "lip_sync", 4)]


def test_mturk_with_a_comment_on_a_dimension(write: Write) -> None:
    text = table(
        (*BATCH, "Input.item", "Answer.lip_sync", "Answer.lip_sync_comment", "Answer.remark__more"),
        (*batch("r01"), "item001", "4", "ok", "none"),
    )
    file = read_ratings(write(text), dimensions=DIMENSIONS)
    assert short(file) == [("r01", "item001", "lip_sync", 4)]
    assert {"Answer.lip_sync_comment", "Answer.remark__more"} <= set(file.unread_columns)
    # A pattern, or a file without a column for the item, still says the item in the name.
    told = RatingMapping(pattern="(?P<dimension>lip_sync)_(?P<item>.+)", ignore=("Answer.lip_sync_comment",))
    named = text.replace("lip_sync_comment", "lip_sync_item7").replace("ok", "3")
    assert short(read_ratings(write(named), mapping=told)) == [("r01", "item7", "lip_sync", 3)]
    bare = table((*BATCH, "Answer.item7_lip_sync"), (*batch("r01"), "3"))
    assert short(read_ratings(write(bare), dimensions=DIMENSIONS)) == [("r01", "item7", "lip_sync", 3)]


def test_mturk_by_a_mapping(write: Write) -> None:
    text = table((*BATCH, "Input.clip_url", "Answer.Q1"), (*batch("r01"), "item001", "4"))
    mapping = RatingMapping.model_validate({"item": "Input.clip_url", "dimensions": {"Q1": "lip_sync"}})
    assert short(read_ratings(write(text), mapping=mapping)) == [("r01", "item001", "lip_sync", 4)]
    with pytest.raises(InputError, match="no column names the item"):
        read_ratings(write(text), mapping=RatingMapping(dimensions={"Q1": "lip_sync"}))
    # Without any word on dimensions every answer is one.
    found = short(read_ratings(write(text), mapping=RatingMapping(item="Input.clip_url")))
    assert found == [("r01", "item001", "Q1", 4)]


def test_mturk_with_radio_buttons_named_by_words(write: Write) -> None:
    mapping = RatingMapping(values={"Good": 5, "Not bad. OK": 3, "Bad": 1})
    buttons = ("Answer.lip_sync.Good", "Answer.lip_sync.Not bad. OK", "Answer.lip_sync.Bad", "Answer.lip_sync.Awful")
    text = table(
        (*BATCH, "Input.item", *buttons),
        (*batch("r01"), "item001", "true", "false", "false", "false"),
        (*batch("r02"), "item001", "false", "true", "false", "false"),
        (*batch("r03"), "item001", "true", "false", "true", "false"),
        (*batch("r04"), "item001", "false", "false", "false", "true"),
    )
    file = read_ratings(write(text), mapping=mapping, dimensions=DIMENSIONS)
    assert [(rating.rater, rating.value) for rating in file] == [("r01", 5), ("r02", 3)]
    assert [fault.row for fault in file.faults] == [4, 5]
    words = json.dumps([{"lip_sync": {"Good": False, "Bad": True}}])
    text = table((*BATCH, "Input.item", "Answer.taskAnswers"), (*batch("r01"), "item001", words))
    assert short(read_ratings(write(text), mapping=mapping, dimensions=DIMENSIONS)) == [
        ("r01", "item001", "lip_sync", 1)
    ]
