"""Files of comparisons: every way to write a winner, every fault with its place, and the real file."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from builders.answers import make_comparison

from evalkit.challenges.rating_rules import Dimension, RatingRules
from evalkit.errors import InputError
from evalkit.ratings import Answer, AnswerFile, PairMapping, check_answers, read_pairs

HEADER = "rater_id,sample_id,left,right,winner\n"
DIMENSIONS = (Dimension(id="lip_sync", title="Lip synchronization"),)
Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to_file(text: str) -> Path:
        path = tmp_path / "pairs.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return to_file


def clean(file: AnswerFile) -> list[Answer]:
    found = list(file)
    assert file.fault_sentences == []
    return found


@pytest.mark.parametrize(
    ("winner", "points"),
    [
        *(("left", 1.0), ("Right", 0.0), ("tie", 0.5), ("DRAW", 0.5), ("equal", 0.5), ("alpha", 1.0), ("Beta", 0.0)),
        *(("1", 1.0), ("0.5", 0.5), (".5", 0.5), ("0", 0.0), ("1.0", 1.0), ("win", 1.0), ("loss", 0.0)),
    ],
)
def test_every_way_to_write_a_winner(write: Write, winner: str, points: float) -> None:
    (one,) = clean(read_pairs(write(f"{HEADER}r01,s1,alpha,beta,{winner}\n")))
    assert one == make_comparison("r01", "s1", "alpha", "beta", points, "", None, None, 2)


def test_decimal_commas_where_cells_are_not_parted_by_commas(write: Write) -> None:
    header = HEADER.replace("\n", ",seconds\n").replace(",", ";")
    (one,) = clean(read_pairs(write(f"{header}r01;s1;alpha;beta;0,5;12,5\n")))
    assert (one.value, one.seconds) == (0.5, 12.5)


def test_all_columns(write: Write) -> None:
    text = (
        "Rater;Sample;Team A;Team B;Result;Question;Started at;Submitted at;Status;Remark\n"
        "r01;s1;alpha;beta;tie;Lip synchronization;2026-03-01T12:00:00Z;2026-03-01T00:00:07.5-12:00;Returned;hm\n"
        "r01;s2;alpha;beta;alpha;;;;;\n"
        "r01;s3;alpha;beta;beta;charm;;2026-03-01T12:00:00Z;Approved;\n"
    )
    file = read_pairs(write(text), dimensions=DIMENSIONS)
    first, second, third = clean(file)
    assert first == make_comparison(
        "r01", "s1", "alpha", "beta", 0.5, "lip_sync", datetime(2026, 3, 1, 12, 0, 7, 500_000, UTC), 7.5, 2, "returned"
    )
    assert (second.dimension, second.at, second.seconds, second.status) == ("", None, None, "")
    assert (third.dimension, third.status, third.row) == ("charm", "", 4)  # an unknown one is for the rules to refuse
    assert (file.format, file.unread_columns, file.path.name) == ("pairs", ("Remark",), "pairs.csv")


@pytest.mark.parametrize(
    ("row", "column", "words"),
    [
        ("r01,s1,alpha,alpha,left", "right", "'alpha' is compared with itself"),
        ("r01,s1,Alpha,alpha,tie", "right", "'Alpha' is compared with itself"),
        ("r01,s1,alpha,beta,gamma", "winner", "'gamma' names no winner"),
        ("r01,s1,alpha,beta,2", "winner", "'2' names no winner"),
        ("r01,s1,alpha,beta,nan", "winner", "'nan' names no winner"),
        ("r01,s1,alpha,beta,-0", "winner", "'-0' names no winner"),
        ("r01,s1,alpha,beta,", "winner", "the winner is missing"),
        ("r01,s1,right,beta,right", "winner", "can mean either side"),
        ("r01,s1,alpha,1,1", "winner", "can mean either side"),
        ("r01,s1,alpha,tie,tie", "winner", "can mean either side"),
        (",s1,alpha,beta,left", "rater_id", "the rater is missing"),
        ("r01,,alpha,beta,left", "sample_id", "the sample is missing"),
        ("r01,s1,,beta,left", "left", "the left is missing"),
        ("r01,s1,al\u202epha,beta,left", "left", r"'al\u202epha' has characters that nobody sees"),
        ("r01,s1,al\u200bpha,beta,left", "left", "has characters that nobody sees"),
        (f"r01,s1,alpha,{'b' * 201},left", "right", "it has 201 characters"),
        ("r01,s1,alpha,beta", None, "4 cells"),
    ],
)
def test_faults_have_their_place(write: Write, row: str, column: str | None, words: str) -> None:
    file = read_pairs(write(f"{HEADER}{row}\nr02,s1,alpha,beta,left\n"))
    assert [one.rater for one in file] == ["r02"]
    (fault,) = file.faults
    assert (fault.file, fault.row, fault.column) == ("pairs.csv", 2, column)
    assert words in fault.message
    assert file.fault_count == 1
    assert "\u202e" not in str(fault)


def test_a_team_called_like_a_side_is_no_trouble_where_both_mean_the_same(write: Write) -> None:
    text = f"{HEADER}r01,s1,left,right,left\nr01,s2,left,right,right\nr01,s3,0,beta,beta\nr01,s4,right,beta,0\n"
    assert [one.value for one in clean(read_pairs(write(text)))] == [1.0, 0.0, 0.0, 0.0]


def test_faults_in_times(write: Write) -> None:
    head = "rater,sample,left,right,winner,started_at,submitted_at\n"
    file = read_pairs(
        write(
            f"{head}r01,s1,a,b,left,,2026-03-01 12:00\n"
            "r01,s1,a,b,left,2026-03-01T12:00:01Z,2026-03-01T12:00:00Z\nr01,s1,a,b,left,,soon\n"
        )
    )
    assert list(file) == []
    assert [(fault.row, fault.column) for fault in file.faults] == [(row, "submitted_at") for row in (2, 3, 4)]
    assert "has no time zone" in file.faults[0].message
    assert "before it was started" in file.faults[1].message


def test_only_the_first_faults_are_kept_and_reading_again_starts_anew(write: Write) -> None:
    file = read_pairs(write(HEADER + "r01,s1,alpha,beta,nobody\n" * 30), limit=5)
    for _ in range(2):
        assert list(file) == []
        assert (len(file.faults), file.fault_count, len(file.fault_sentences)) == (5, 30, 6)


@pytest.mark.parametrize("missing", ["rater_id", "sample_id", "left", "right", "winner"])
def test_a_missing_column_is_said_at_once(write: Write, missing: str) -> None:
    columns = [name for name in HEADER.strip().split(",") if name != missing]
    field = missing.removesuffix("_id")
    with pytest.raises(InputError, match=f"no column names the {field} of a comparison"):
        read_pairs(write(",".join(columns) + "\n" + ",".join("abcd") + "\n"))


def test_ratings_are_not_taken_for_comparisons(write: Write) -> None:
    with pytest.raises(InputError, match="holds ratings of single items"):
        read_pairs(write("rater_id,item_id,dimension,score\nr01,i1,lip_sync,3\n"))


@pytest.mark.parametrize("form", ["lines", "array"])
def test_json(tmp_path: Path, form: str) -> None:
    records = [
        {"rater": "r01", "sample": "s1", "left": "alpha", "right": "beta", "winner": 1, "time": {"at": "x"}},
        {"rater": 7, "sample": "s2", "left": "alpha", "right": "beta", "winner": "tie", "lead_time": 3.5},
        {"rater": "r01", "sample": "s3", "left": "alpha", "right": "beta", "winner": True},
        {"rater": "r01", "sample": "s3", "left": "alpha", "right": "beta"},
    ]
    path = tmp_path / "pairs.json"
    lines = "\n".join(map(json.dumps, records))
    path.write_text(lines if form == "lines" else json.dumps(records))
    file = read_pairs(path)
    first, second = file
    assert file.format == "pairs-jsonl"
    assert (first.value, first.row, second.rater, second.value, second.seconds) == (1.0, 1, "7", 0.5, 3.5)
    assert [fault.row for fault in file.faults] == [3, 4]
    assert "no column names the winner" in file.faults[1].message


def test_a_mapping(tmp_path: Path, write: Write) -> None:
    text = "who;clip;A;B;better;when;spent\nr01;s1;alpha;beta;links;2026-03-01 12:00:00;1\nr01;s2;alpha;beta;1;;2\n"
    mapping = tmp_path / "map.yaml"
    mapping.write_text(
        "{rater: who, sample: clip, left: A, right: B, winner: better, at: when, seconds: spent, zone: AoE,\n"
        " values: {links: 1, '1': 0.5}, constants: {dimension: Lip synchronization}}"
    )
    first, second = clean(read_pairs(write(text), mapping, dimensions=DIMENSIONS))
    assert (first.value, first.dimension, first.at) == (1.0, "lip_sync", datetime(2026, 3, 2, tzinfo=UTC))
    assert (first.seconds, second.seconds, second.value) == (1.0, 2.0, 0.5)  # labels are not times
    with pytest.raises(InputError, match="'hu' for 'rater' is not there"):
        read_pairs(write(text), PairMapping(rater="hu"))


@pytest.mark.parametrize(
    "keys", [{"values": {"x": 2.0}}, {"left": "a", "right": "a"}, {"constants": {"item": "i"}}, {"pattern": "x"}]
)
def test_impossible_mappings(keys: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        PairMapping.model_validate(keys)


def test_many_rows(write: Write) -> None:
    stream = io.StringIO()
    csv.writer(stream).writerows((f"r{n % 97}", f"s{n}", "alpha", "beta", "left") for n in range(20_000))
    assert sum(1 for _ in read_pairs(write(HEADER + stream.getvalue()))) == 20_000


@pytest.mark.shared
def test_the_real_file_is_read_as_pandas_reads_it(shared: Path) -> None:
    path = shared / "data" / "talking-heads" / "ratings" / "pairs.csv"
    found = clean(read_pairs(path))
    frame = pd.read_csv(path)
    points = frame["winner"].map({"left": 1.0, "tie": 0.5, "right": 0.0})
    assert [(one.rater, one.item, *one.teams) for one in found] == list(
        frame[["rater_id", "sample_id", "left", "right"]].itertuples(index=False, name=None)
    )
    assert [one.value for one in found] == list(points)
    assert [one.at for one in found] == list(pd.to_datetime(frame["submitted_at"], utc=True).dt.to_pydatetime())
    assert len({one.id for one in found}) == len(found) == 600
    # What the rules leave: pandas counts the questions (rater, sample, both teams) that were asked for the first time.
    sides = frame[["left", "right"]].apply(lambda row: "/".join(sorted(row)), axis=1)
    questions = frame["rater_id"] + frame["sample_id"] + sides
    codes = Counter(code for verdict in check_answers(found, RatingRules(method="pairs")) for code in verdict.codes)
    assert codes == {"duplicate": int(questions.duplicated().sum())}
