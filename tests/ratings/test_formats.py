"""Every form of rating file, as its platform writes it, and described by a mapping where it differs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from evalkit.challenges.rating_rules import Dimension
from evalkit.errors import EvalkitError, InputError, UsageError
from evalkit.ratings import AnswerFile, RatingMapping, jsonfile, read_ratings
from evalkit.ratings.format_registry import format_names, rating_formats

DIMENSIONS = (
    Dimension(id="identity_consistency", title="Identity consistency"),
    Dimension(id="lip_sync", title="Lip synchronization"),
)
Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to_file(text: str) -> Path:
        path = tmp_path / "ratings.txt"
        path.write_text(text, encoding="utf-8")
        return path

    return to_file


def table(*rows: Sequence[Any]) -> str:
    stream = io.StringIO()
    csv.writer(stream).writerows(rows)
    return stream.getvalue()


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


def short(file: AnswerFile) -> list[tuple[str, str, str, float]]:
    """Return who said what, after a look that nothing was at fault."""
    found = [(rating.rater, rating.item, rating.dimension, rating.value) for rating in file]
    assert file.fault_sentences == []
    return found


def test_every_format_is_in_the_list_of_names() -> None:
    assert {*rating_formats(), "prolific"} == set(format_names())


# Long


LONG = table(
    ("Rater ID", "Item", "Aspect", "Score", "Started at", "Submitted at", "Comment"),
    ("r01", "item001", "Lip synchronization", "4", "2026-03-01T12:00:00Z", "2026-03-01T12:00:09.5Z", "fine"),
    ("r01", "item001", "identity_consistency", "2.5", "", "2026-03-01T12:00:10-12:00", ""),
    ("r02", "item001", "charm", "1", "", "", ""),
)


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
        ({"Submitted at": "2026-03-01T12:00:00Mars"}, "Submitted at", "is no time such as"),
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
        "ratings.txt, row 2, column 'seconds': '-1' is no time spent; it can't be below 0 seconds."
    ]


# Wide


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


# Google Forms


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


# Qualtrics


def qualtrics(zone: str, *rows: Sequence[str]) -> str:
    imports = [
        json.dumps({"ImportId": "startDate", "timeZone": zone}),
        json.dumps({"ImportId": "endDate", "timeZone": zone}),
        *(json.dumps({"ImportId": name}) for name in ("status", "duration", "_recordId", "pid", "QID1", "QID2", "do")),
    ]
    return table(
        (
            *("StartDate", "EndDate", "Status", "Duration (in seconds)", "ResponseId", "PROLIFIC_PID"),
            *("item001_lip_sync", "Q2_1", "item001_DO_lip_sync"),
        ),
        (
            *("Start Date", "End Date", "Response Type", "Duration (in seconds)", "Response ID", "PROLIFIC_PID"),
            *("How are the lips?", "item002 - Lip synchronization", "Display order"),
        ),
        imports,
        *rows,
    )


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


# MTurk


BATCH = ("HITId", "AssignmentId", "WorkerId", "AssignmentStatus", "AcceptTime", "SubmitTime", "WorkTimeInSeconds")


def batch(worker: str, status: str = "Submitted", seconds: str = "40") -> tuple[str, ...]:
    times = ("Mon Mar 02 02:25:54 PST 2026", "Mon Mar 02 02:26:34 PST 2026")
    return ("H1", "A1", worker, status, *times, seconds)


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


# Prolific


EXPORT = table(
    ("Submission id", "Participant id", "Status", "Started at", "Completed at", "Time taken"),
    ("s1", "r01", "APPROVED", "2026-03-01T12:00:00Z", "2026-03-01T12:30:00Z", "1800"),
    ("s2", "r02", "RETURNED", "2026-03-01T12:00:00Z", "", ""),
    ("s3", "r03", "TIMED-OUT", "2026-03-01T12:00:00Z", "", ""),
    ("s4", "r03", "AWAITING REVIEW", "2026-03-02T12:00:00Z", "2026-03-02T12:30:00Z", "1800"),
    ("s5", "r03", "RETURNED", "2026-03-02T12:00:00Z", "", ""),
)


def test_prolific_joins_by_participant(write: Write, tmp_path: Path) -> None:
    export = tmp_path / "prolific.csv"
    export.write_text(EXPORT)
    text = table(
        ("PROLIFIC_PID", "item", "dimension", "value", "submitted_at"),
        ("r01", "item001", "lip_sync", "4", "2026-03-01T12:10:00Z"),
        ("r01", "item002", "lip_sync", "3", ""),
        ("r02", "item001", "lip_sync", "2", ""),
        ("r03", "item001", "lip_sync", "1", ""),
        ("test", "item001", "lip_sync", "5", ""),
    )
    for name in ("auto", "prolific"):
        file = read_ratings(write(text), name, participants=export)
        assert file.format == "prolific"
        assert [(rating.rater, rating.at, rating.seconds, rating.status) for rating in file] == [
            ("r01", utc(2026, 3, 1, 12, 10), None, ""),
            ("r01", utc(2026, 3, 1, 12, 30), None, ""),
            ("r02", None, None, "returned"),
            ("r03", utc(2026, 3, 2, 12, 30), None, ""),
            ("test", None, None, "no participant"),
        ]
        assert file.fault_count == 0


def test_prolific_with_a_wide_survey_and_faults_in_the_export(write: Write, tmp_path: Path) -> None:
    export = tmp_path / "prolific.csv"
    export.write_text(EXPORT.replace("2026-03-01T12:30:00Z", "2026-03-01 12:30:00"))
    text = table(("Participant ID", "item001 [lip_sync]"), ("r01", "4"))
    file = read_ratings(write(text), participants=export)
    assert [(rating.rater, rating.item, rating.at) for rating in file] == [("r01", "item001", None)]
    assert [(fault.file, fault.row, fault.column) for fault in file.faults] == [("prolific.csv", 2, "Completed at")]


def test_prolific_export_has_its_own_form(write: Write, tmp_path: Path) -> None:
    """What a mapping says of the survey's cells is not the export's; only the zone is."""
    export = tmp_path / "prolific.csv"
    export.write_text(EXPORT.replace("2026-03-01T12:30:00Z", "2026-03-01 12:30:00"))
    text = table(
        ("Participant ID", "item", "dimension", "value", "submitted_at"),
        ("r01", "item001", "lip_sync", "4", ""),
        ("r01", "item002", "lip_sync", "Gut", "3/1/2026 14:26:34"),
    )
    mapping = RatingMapping(zone="Europe/Berlin", time_format="%m/%d/%Y %H:%M:%S", values={"Gut": 5})
    file = read_ratings(write(text), participants=export, mapping=mapping)
    assert [(rating.value, rating.at) for rating in file] == [
        (4, utc(2026, 3, 1, 11, 30)),
        (5, utc(2026, 3, 1, 13, 26, 34)),
    ]
    assert file.fault_sentences == []
    export.write_text(EXPORT.replace("2026-03-01T12:30:00Z", "1/3/2026"))
    file = read_ratings(write(text), participants=export, mapping=mapping)
    (fault,) = file.faults
    assert (fault.file, fault.column) == ("prolific.csv", "Completed at")
    assert "time_format" not in fault.message


def test_prolific_needs_both_files_the_right_way_round(write: Write, tmp_path: Path) -> None:
    export = tmp_path / "prolific.csv"
    export.write_text(EXPORT)
    with pytest.raises(UsageError, match="joins two files"):
        read_ratings(write(LONG), "prolific")
    with pytest.raises(InputError, match="is Prolific's export and holds no ratings"):
        read_ratings(export)
    with pytest.raises(InputError, match="is no export of participants"):
        read_ratings(write(LONG), participants=write(LONG))


# Label Studio


def task(item: str, *annotations: dict[str, Any]) -> dict[str, Any]:
    return {"id": 1, "data": {"item": item, "video": f"/data/{item}.mp4"}, "annotations": list(annotations)}


def annotation(rater: Any, *results: dict[str, Any], **more: Any) -> dict[str, Any]:
    times = {"created_at": "2026-03-01T12:00:00.123456Z", "updated_at": "2026-03-01T12:05:00Z", "lead_time": 12.25}
    return {"id": 7, "completed_by": rater, "result": list(results), "was_cancelled": False, **times, **more}


def answer(name: str, kind: str, value: Any) -> dict[str, Any]:
    return {"from_name": name, "to_name": "video", "type": kind, "value": {kind: value}}


def test_label_studio(write: Write) -> None:
    text = json.dumps(
        [
            task("item001", annotation(3, answer("lip_sync", "rating", 4), answer("remark", "textarea", ["ok"]))),
            task(
                "item002",
                annotation({"id": 4, "email": "x@y"}, answer("lip_sync", "choices", ["2"])),
                annotation(5, answer("lip_sync", "number", 1.5), was_cancelled=True),
            ),
            task("item003"),
        ],
        indent=1,
    )
    file = read_ratings(write(text), dimensions=DIMENSIONS)
    assert file.format == "label-studio"
    assert short(file) == [
        ("3", "item001", "lip_sync", 4),
        ("4", "item002", "lip_sync", 2),
        ("5", "item002", "lip_sync", 1.5),
    ]
    assert [(rating.row, rating.seconds, rating.status) for rating in file] == [
        (1, 12.25, ""),
        (2, 12.25, ""),
        (2, 12.25, "cancelled"),
    ]
    assert {rating.at for rating in file} == {utc(2026, 3, 1, 12, 5)}
    by_creation = read_ratings(write(text), mapping=RatingMapping(at="created_at", item="data.video"))
    assert {rating.at for rating in by_creation} == {utc(2026, 3, 1, 12, 0, 0, 123_456)}
    assert next(iter(by_creation)).item == "/data/item001.mp4"


def test_label_studio_counts_the_last_state_of_an_annotation(write: Write) -> None:
    def state(value: int, hour: int, **more: Any) -> dict[str, Any]:
        times = {"updated_at": f"2026-03-01T{hour:02d}:00:00Z"}
        return annotation(3, answer("lip_sync", "rating", value), **{**times, **more})

    tasks = [
        task("item001", state(4, 9), state(1, 12), state(5, 10)),
        task("item002", state(2, 9)),  # another task with the same numbers
        task("item001", state(3, 11), state(2, 8, id=8)),
        task("item003", state(2, 9, id=None), state(4, 10, id=None)),
    ]
    file = read_ratings(write(json.dumps(tasks)), dimensions=DIMENSIONS)
    assert [(rating.item, rating.value, rating.row) for rating in file] == [
        ("item001", 1, 1),
        ("item002", 2, 2),
        ("item001", 2, 3),
        ("item003", 2, 4),
        ("item003", 4, 4),
    ]
    assert file.fault_sentences == []
    # Without a time that can be read, the last one in the file.
    unknown = [task("item001", state(4, 9, updated_at=None), state(1, 9, updated_at=""))]
    assert [rating.value for rating in read_ratings(write(json.dumps(unknown)))] == [1]


def test_label_studio_goes_on_behind_a_bad_task(write: Write) -> None:
    tasks: list[Any] = [
        task("item001", annotation(3, answer("lip_sync", "rating", 4))),
        {"annotations": "none"},
        task("item002", annotation(3, answer("lip_sync", "choices", ["1", "2"]))),
        {"data": {"clip_no": 5}, "annotations": [annotation(3, answer("lip_sync", "rating", 4))]},
        task("item004", annotation(None, answer("lip_sync", "rating", 4))),
        task("item005", annotation(3, answer("lip_sync", "rating", 4), answer("lip_sync", "rating", 5))),
        17,
        {"data": {"item": "item006"}, "annotations": [5, {"result": None, "completed_by": 3}]},
        task("item007", annotation(3, answer("lip_sync", "rating", 4))),
    ]
    file = read_ratings(write(json.dumps(tasks)))
    assert [(rating.item, rating.value) for rating in file] == [("item001", 4), ("item007", 4)]
    assert [fault.row for fault in file.faults] == [2, 3, 4, 5, 6, 7, 8, 8]


# JSON Lines and arrays of records


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
        ('{"a": NaN}', "not JSON: NaN is no JSON"),
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


# Names, and what does not fit


def test_the_form_can_be_told(write: Write) -> None:
    assert read_ratings(write(LONG), "long").format == "long"
    assert read_ratings(write(LONG), mapping=RatingMapping(format="long")).format == "long"
    with pytest.raises(UsageError, match=r"no rating format 'lnog'. Did you mean 'long'"):
        read_ratings(write(LONG), "lnog")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"can't be read as 'jsonl'. Found a table; expected JSON"):
        read_ratings(write(LONG), "jsonl")
    with pytest.raises(InputError, match="Found JSON; expected a table"):
        read_ratings(write("{}\n"), "wide")


@pytest.mark.parametrize("name", [name for name, known in rating_formats().items() if not known.json])
def test_a_form_that_does_not_fit_says_which_column_is_missing(write: Write, name: Any) -> None:
    with pytest.raises(EvalkitError) as error:
        read_ratings(write(table(("a", "b"), ("1", "2"), ("3", "4"))), name)
    assert "a, b" in str(error.value)
    assert error.value.exit_code == 1


def test_a_column_of_the_mapping_that_is_not_there_is_named(write: Write) -> None:
    for name in ("auto", "long"):
        with pytest.raises(InputError, match=r"column 'Scoer' for 'value' is not there. Did you mean 'Score'\?"):
            read_ratings(write(LONG), name, RatingMapping(value="Scoer", rater="Rater ID"))


def test_pairs_are_no_ratings(write: Write) -> None:
    text = table(("rater_id", "sample_id", "left", "right", "winner"), ("r04", "s06", "swapped", "faithful", "right"))
    with pytest.raises(InputError, match="holds comparisons of pairs"):
        read_ratings(write(text))
