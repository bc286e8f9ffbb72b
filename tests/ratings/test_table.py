"""Tables that strangers made: whatever is in them, the rows that are right are read, and the others named."""

from __future__ import annotations

import csv
import io
import os
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalkit.errors import InputError
from evalkit.ratings import read_ratings, table
from evalkit.ratings.read_errors import Faults
from evalkit.ratings.table import MAX_ROW, read_table

HEADER = "rater_id,item_id,dimension,score\n"
GOOD = "r01,item001,lip_sync,3\n"


def read(tmp_path: Path, content: str | bytes) -> tuple[list[dict[str, str]], Faults]:
    path = tmp_path / "t.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    faults = Faults("t.csv")
    _, rows = read_table(path, faults)
    return [row.cells for row in rows], faults


def values(tmp_path: Path, content: str | bytes) -> tuple[list[tuple[int, float]], list[str]]:
    path = tmp_path / "t.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    file = read_ratings(path)
    return [(rating.row, rating.value) for rating in file], file.fault_sentences


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le-bom", "utf-16-be-bom"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_delimiters_encodings_and_line_ends(tmp_path: Path, delimiter: str, encoding: str, end: str) -> None:
    text = end.join(["a,b", "1,\u00e9", "", "3,4"]).replace(",", delimiter)
    if encoding.endswith("-bom"):
        content = ("\ufeff" + text).encode(encoding.removesuffix("-bom"))
    else:
        content = text.encode(encoding)
    rows, faults = read(tmp_path, content)
    assert rows == [{"a": "1", "b": "\u00e9"}, {"a": "3", "b": "4"}]
    assert faults.count == 0


def test_the_module_csv_reads_the_same(tmp_path: Path) -> None:
    stream = io.StringIO()
    cells = [["a", "b, c", 'd "e"'], ["1", "two\nlines", 'say "x", y'], ["", ";", "\t"]]
    csv.writer(stream).writerows(cells)
    rows, faults = read(tmp_path, stream.getvalue())
    expected = list(csv.DictReader(io.StringIO(stream.getvalue())))
    assert rows == [{name: cell.strip() for name, cell in row.items()} for row in expected]
    assert faults.count == 0


def test_row_numbers_are_those_of_a_spreadsheet(tmp_path: Path) -> None:
    """Blank rows and cells with line breaks count as a spreadsheet counts them."""
    found, faults = values(tmp_path, HEADER + "\n" + '"r01\n",item001,lip_sync,3\n' + ",,,\n" + GOOD + "r01,x,y,zero\n")
    assert found == [(3, 3.0), (5, 3.0)]
    assert faults == [
        "t.csv, row 6, column 'score': 'zero' is not a number. Name the labels in the mapping's 'values'."
    ]


@pytest.mark.parametrize("start", ["\n", "\r\n \r\n", "\ufeff\n"])
@pytest.mark.parametrize("delimiter", [";", "\t", ","])
def test_blank_lines_before_the_header_hide_no_delimiter(tmp_path: Path, start: str, delimiter: str) -> None:
    found, faults = values(tmp_path, start + (HEADER + GOOD).replace(",", delimiter))
    assert found == [(2 + start.count("\n"), 3.0)]
    assert faults == []


@pytest.mark.parametrize("line", ["sep=;", "sep=;\r", '"sep=;"', "\ufeffSEP=;", "\nsep=;"])
def test_a_spreadsheets_line_about_the_delimiter_is_heeded(tmp_path: Path, line: str) -> None:
    rows = ["r01;item001;x;lip_sync;3", "r01;item002;x;lip_sync;three"]
    text = "\n".join([line, "rater_id;item_id;a, b, c, d, e;dimension;score", *rows])
    found, faults = values(tmp_path, text)
    shift = text.splitlines().index(rows[0]) + 1
    assert found == [(shift, 3.0)]
    assert faults[0].startswith(f"t.csv, row {shift + 1}, column 'score'")


def test_a_tab_can_be_told_and_no_line_is_taken_for_one(tmp_path: Path) -> None:
    found, _ = values(tmp_path, "sep=\t\n" + (HEADER + GOOD).replace(",", "\t"))
    assert found == [(3, 3.0)]
    rows, faults = read(tmp_path, "sep=;,b\n1,2\n")
    assert (rows, faults.count) == ([{"sep=;": "1", "b": "2"}], 0)


@pytest.mark.parametrize(
    ("delimiter", "cell", "value"),
    [
        (";", "4,5", 4.5),
        (";", "-,25", -0.25),
        (";", "3,125", 3.125),
        (";", "4.5", 4.5),
        ("\t", "4,5", 4.5),
        ("\t", "3,125", None),  # or three thousand
        (";", "1.234,5", None),
        (";", "1,2,3", None),
        (";", "4,", None),
        (",", '"4,5"', None),
    ],
)
def test_decimal_commas_where_cells_are_not_parted_by_commas(
    tmp_path: Path, delimiter: str, cell: str, value: float | None
) -> None:
    text = (HEADER + "r01,item001,lip_sync,").replace(",", delimiter) + cell + "\n"
    found, faults = values(tmp_path, text)
    if value is None:
        assert found == []
        assert f"{cell.strip(chr(34))}' is not a number" in faults[0]
    else:
        assert found == [(2, value)]
        assert faults == []


def test_two_files_put_together_are_one(tmp_path: Path) -> None:
    found, faults = values(tmp_path, "\ufeff" + HEADER + GOOD + "\ufeff" + HEADER + GOOD)
    assert found == [(2, 3.0), (4, 3.0)]
    assert faults == []


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ("r01,item001,lip_sync\n", "the row has 3 cells, the header 4"),
        ("r01,item001,lip_sync,3,4\n", "the row has 5 cells, the header 4"),
        ("r01,item001,lip_sync,\x00\n", r"column 'score': '\x00' is not a number"),
        ("r\x0001,item001,lip_sync,3\n", r"column 'rater_id': the rater can't be read: 'r\x0001' has characters"),
        ("r01,item001,lip_sync,=1+2\n", "column 'score': '=1+2' is not a number"),
        ("r01,item001,lip_sync,nan\n", "'nan' is not a number"),
        ("r01,item001,lip_sync,inf\n", "'inf' is not a number"),
        ("r01,item001,lip_sync,1e999\n", "'1e999' is not a number"),
        ("r01,item001,lip_sync,\u0664\n", "is not a number"),  # an Arabic 4
        ("r01,item001,lip_sync,1_0\n", "'1_0' is not a number"),
        ("r01,item001,lip_sync,\n", "column 'score': the rating is missing"),
        (",item001,lip_sync,3\n", "column 'rater_id': the rater is missing"),
        ('r01,"item001"x,lip_sync,3\n', "the row can't be read"),
        (f"r01,{'i' * 300},lip_sync,3\n", "column 'item_id': the item can't be read: it has 300 characters"),
        (f"r01,{'i' * 200_000},lip_sync,3\n", "the row can't be read: field larger than field limit"),
        (f"{',' * (MAX_ROW + 10)}\n", f"longer than {MAX_ROW} characters"),
        ("\u202er01,item001,lip_sync,3\n", r"'\u202er01' has characters that nobody sees"),
    ],
)
def test_a_bad_row_is_named_and_the_next_is_read(tmp_path: Path, bad: str, words: str) -> None:
    found, faults = values(tmp_path, HEADER + GOOD + bad + GOOD)
    assert found == [(2, 3.0), (4, 3.0)]
    assert len(faults) == 1
    assert faults[0].startswith("t.csv, row 3")
    assert words in faults[0]


def test_bytes_that_are_no_text_are_a_fault_where_they_are_read(tmp_path: Path) -> None:
    header = HEADER.replace("\n", ",comment\n").encode()
    content = header + b"r01,item001,lip_sync,3,caf\xe9\n" + b"r\xe91,item001,lip_sync,3,\n" + b"r01,i,d,4,\n"
    found, faults = values(tmp_path, content)
    assert found == [(2, 3.0), (4, 4.0)]
    assert len(faults) == 1
    assert "row 3, column 'rater_id'" in faults[0]
    assert "is not valid UTF-8" in faults[0]


def test_a_quote_that_is_never_closed_costs_what_it_swallows_and_says_so(tmp_path: Path) -> None:
    lines = [GOOD] * 20_000
    lines[10] = 'r01,"item001,lip_sync,3\n'
    found, faults = values(tmp_path, HEADER + "".join(lines))
    # The csv module gives up on a cell of more than 131,072 characters: about 5,700 of these lines.
    lost = 20_000 - len(found)
    assert 5_000 < lost < 7_000
    assert found[9] == (11, 3.0)
    assert found[10] == (12 + lost, 3.0)
    assert found[-1] == (20_001, 3.0)
    assert len(faults) == 1
    assert f"row 12: the row can't be read, and {lost - 1} lines with it" in faults[0]


def test_a_row_without_end_does_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record whose cells each hold a line break goes on over lines; it is cut at `MAX_ROW` characters."""
    monkeypatch.setattr(table, "MAX_ROW", 20_000)
    path = tmp_path / "t.csv"
    path.write_text(HEADER + GOOD + '"' + 'x\n","' * 400_000 + '"\n')
    faults = Faults("t.csv")
    tracemalloc.start()
    _, rows = read_table(path, faults)
    assert next(rows).number == 2
    with pytest.raises(InputError, match=r"is not a table: 1000 rows up to row [0-9]+ can't be read"):
        next(rows)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert faults.count == 1000
    assert "longer than 20000 characters" in str(faults.kept[0])
    assert peak < 2_000_000  # the record itself is of 2 million characters in 400,000 cells


def test_many_unreadable_rows_among_good_ones_are_faults(tmp_path: Path) -> None:
    found, faults = values(tmp_path, HEADER + ('a"b",c\n"a"b,c\n' + GOOD) * 300)
    assert len(found) == 300
    assert len(faults) == 21
    assert faults[-1] == "t.csv: and 580 more faults."


def test_a_formula_in_a_name_is_a_name(tmp_path: Path) -> None:
    """It is kept as it is: whoever writes it into a table makes it harmless there."""
    path = tmp_path / "t.csv"
    path.write_text(HEADER + '"=HYPERLINK(""x"")",@item,lip_sync,3\n')
    (rating,) = read_ratings(path)
    assert (rating.rater, rating.item) == ('=HYPERLINK("x")', "@item")


def test_only_the_first_faults_are_kept_and_all_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(HEADER + "r01,item001,lip_sync,x\n" * 30 + GOOD)
    file = read_ratings(path, limit=3)
    assert len(list(file)) == 1
    assert [fault.row for fault in file.faults] == [2, 3, 4]
    assert file.fault_count == 30
    assert file.fault_sentences[-1] == "t.csv: and 27 more faults."


def test_two_faults_in_a_row_are_both_named(tmp_path: Path) -> None:
    found, faults = values(tmp_path, HEADER + " ,item001,lip_sync,five\n")
    assert found == []
    assert [fault.split(":")[0] for fault in faults] == [
        "t.csv, row 2, column 'rater_id'",
        "t.csv, row 2, column 'score'",
    ]


def test_a_column_that_is_read_must_be_the_only_one_of_its_name(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("rater_id,item_id,dimension,score,score\nr01,item001,lip_sync,3,4\n")
    with pytest.raises(InputError, match=r"2 columns are called 'score'. Found columns 4, 5"):
        read_ratings(path)
    path.write_text("rater_id,item_id,dimension,score,note,note\nr01,item001,lip_sync,3,a,b\n")
    file = read_ratings(path)
    assert [rating.value for rating in file] == [3.0]
    assert file.unread_columns == ("note", "note")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\n\n\r\n", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"\x00\x01\x02\xff", "is not encoded in UTF-8"),
        (b"a,b,c\n1,2,3\n", "has no format that evalkit knows. Found the columns a, b, c"),
        (b"[]", "has no format that evalkit knows"),
        (b"{", "has no format that evalkit knows"),
        (b'"' * 1001, "has no form"),
        (b"\xff\xfe", "is empty"),
    ],
)
def test_what_is_no_rating_file_is_said(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_ratings(path)


def test_what_can_not_be_opened_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_ratings(tmp_path / "nothing.csv")
    with pytest.raises(InputError, match="is a folder"):
        read_ratings(tmp_path)
    with pytest.raises(InputError, match="can't be read"):
        read_ratings(tmp_path / "a\x00b.csv")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="no regular file"):
        read_ratings(tmp_path / "pipe")


def test_a_hundred_thousand_rows_take_no_more_memory_than_a_thousand(tmp_path: Path) -> None:
    peaks = {}
    for rows in (1_000, 100_000):
        path = tmp_path / f"{rows}.csv"
        lines = (f"r{row % 40:02d},item{row // 4 % 100:03d},d{row % 4},{row % 5 + 1}\n" for row in range(rows))
        path.write_text(HEADER + "".join(lines))
        file = read_ratings(path)
        tracemalloc.start()
        total = sum(rating.value for rating in file)
        peaks[rows] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert total == 3.0 * rows  # 1 to 5 equally often
        assert file.fault_count == 0
    assert peaks[100_000] < peaks[1_000] + 500_000


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=300), head=st.sampled_from([b"", HEADER.encode(), b"\xff\xfe", b"\xef\xbb\xbf[", b"{"]))
def test_any_bytes_are_ratings_or_faults_or_an_input_error(tmp_path: Path, body: bytes, head: bytes) -> None:
    path = tmp_path / "any.csv"
    path.write_bytes(head + body)
    try:
        file = read_ratings(path)
    except InputError:
        return
    rows = [rating.row for rating in file]
    assert rows == sorted(rows)
    assert len(file.faults) == min(file.fault_count, 20)
