"""Rating files that are Excel workbooks: read as their CSV export, or refused with what to do."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from datetime import UTC, datetime, timedelta

import pytest
from openpyxl import Workbook

from evalkit.errors import InputError
from evalkit.ratings import RatingMapping, read_key, read_ratings

HEADER = ["rater", "item", "dimension", "value", "submitted_at", "seconds"]
WHEN = datetime(2026, 3, 2, 15, 4, 5)
BERLIN = RatingMapping(zone="Europe/Berlin")


def book(path, *sheets, hidden=()):
    made = Workbook()
    made.remove(made.active)
    for place, rows in enumerate(sheets):
        sheet = made.create_sheet(f"Sheet{place + 1}")
        sheet.sheet_state = "hidden" if place in hidden else "visible"
        for row in rows:
            sheet.append(row)
    made.save(path)
    return path


def changed(path, name, change):
    """Rewrite one part of the workbook."""
    with zipfile.ZipFile(path) as archive:
        parts = {part: archive.read(part) for part in archive.namelist()}
    parts[name] = change(parts[name])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for part, content in parts.items():
            archive.writestr(part, content)
    return path


SHEET = "xl/worksheets/sheet1.xml"


def test_numbers_dates_and_texts(tmp_path):
    rows = [
        HEADER,
        ["r1", "i1", "a", 4, WHEN, 12.5],
        [" r2 ", "i1", "a", 4.5, WHEN, timedelta(seconds=9)],
        [],
        [1, 2, "a", 3],
    ]
    file = read_ratings(book(tmp_path / "r.xlsx", rows), mapping=BERLIN)
    found = [(answer.rater, answer.item, answer.value, answer.at, answer.seconds, answer.row) for answer in file]
    assert file.fault_sentences == []
    at = datetime(2026, 3, 2, 14, 4, 5, tzinfo=UTC)
    assert found == [("r1", "i1", 4, at, 12.5, 2), ("r2", "i1", 4.5, at, 9, 3), ("1", "2", 3, None, None, 5)]
    assert file.notes == ["1 of the answers in r.xlsx have no time."]


def test_a_date_without_a_zone_or_a_time_of_day_is_a_fault(tmp_path):
    path = book(tmp_path / "r.xlsx", [HEADER, ["r1", "i1", "a", 4, WHEN, 1]])
    file = read_ratings(path)
    assert list(file) == []
    assert "name the 'zone' in the mapping" in file.fault_sentences[0]
    path = book(tmp_path / "d.xlsx", [HEADER, ["r1", "i1", "a", 4, WHEN.date(), 1]])
    file = read_ratings(path, mapping=BERLIN)
    assert list(file) == []
    assert "names a day and no time of day" in file.fault_sentences[0]


def test_zeros_that_the_sheet_shows_are_kept(tmp_path):
    made = Workbook()
    made.active.append(HEADER)
    made.active.append([7, 1, "a", 4])
    made.active["B2"].number_format = "000"
    made.save(tmp_path / "r.xlsx")
    assert [(one.rater, one.item) for one in read_ratings(tmp_path / "r.xlsx")] == [("7", "001")]


def test_a_form_as_a_workbook(tmp_path):
    rows = [["타임스탬프", "Rater code", "item001 [a]", "item002 [a]"], [WHEN, "r1", 4, 5], [WHEN, "r2", 3, None]]
    file = read_ratings(book(tmp_path / "form.xlsx", rows), mapping=RatingMapping(zone="Asia/Seoul"))
    assert file.format == "forms"
    assert [(one.rater, one.item, one.value) for one in file] == [
        ("r1", "item001", 4),
        ("r1", "item002", 5),
        ("r2", "item001", 3),
    ]
    assert {one.at for one in file} == {datetime(2026, 3, 2, 6, 4, 5, tzinfo=UTC)}


def test_several_sheets(tmp_path):
    first, second = [HEADER, ["r1", "i1", "a", 4]], [HEADER, ["r2", "i1", "a", 3]]
    path = book(tmp_path / "r.xlsx", first, [], first, second, hidden=[0])
    file = read_ratings(path)
    assert [one.rater for one in file] == ["r1"]
    assert file.notes[0] == "Read is the sheet 'Sheet3' of r.xlsx, not 'Sheet4' (say which with 'sheet' in a mapping)."
    assert [one.rater for one in read_ratings(path, mapping=RatingMapping(sheet="Sheet4"))] == ["r2"]
    with pytest.raises(InputError, match=r"has no sheet 'Shet4'\. Did you mean 'Sheet4'"):
        read_ratings(path, mapping=RatingMapping(sheet="Shet4"))
    with pytest.raises(InputError, match="no sheet of the workbook holds anything"):
        read_ratings(book(tmp_path / "e.xlsx", [], []))


def test_the_last_result_of_a_formula(tmp_path):
    path = book(tmp_path / "r.xlsx", [HEADER, ["r1", "i1", "a", "=2+2"]])
    with pytest.raises(InputError, match="formulas that were never calculated"):
        read_ratings(path)
    changed(path, SHEET, lambda xml: xml.replace(b"<v />", b"<v>4</v>").replace(b"<v></v>", b"<v>4</v>"))
    assert [one.value for one in read_ratings(path)] == [4]
    # An empty text is a result.
    path = book(tmp_path / "t.xlsx", [[*HEADER, "note"], ["r1", "i1", "a", 4, None, None, '=""']])
    changed(path, SHEET, lambda xml: xml.replace(b'<c r="G2">', b'<c r="G2" t="str">'))
    assert [one.value for one in read_ratings(path)] == [4]


def test_errors_of_cells_are_faults(tmp_path):
    file = read_ratings(book(tmp_path / "r.xlsx", [HEADER, ["r1", "i1", "a", "#N/A"], ["r2", "i1", "a", 2]]))
    assert [one.rater for one in file] == ["r2"]
    assert "row 2, column 'value': '#N/A' is not a number" in file.fault_sentences[0]


def test_a_key(tmp_path):
    key = read_key(book(tmp_path / "key.xlsx", [["item_id", "team", "sample_id"], ["i1", "A", "p1"]]))
    assert key.get("i1").team == "A"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda xml: xml.replace(b"<worksheet", b'<!DOCTYPE x [<!ENTITY a "b">]><worksheet', 1), "declares types"),
        (lambda xml: xml.replace(b"?>", b"?>").decode().encode("utf-16"), "not written in UTF-8"),
        (lambda xml: xml.replace(b'<row r="2"', b'<row r="99999999999"'), "has row 99999999999 behind row 1"),
        (lambda xml: xml.replace(b'<row r="2"', b'<row r="1"'), "has row 1 behind row 1"),
        (lambda xml: xml[: len(xml) // 2], "ParseError"),
        (lambda xml: xml.replace(b"</row>", b"<c/>" * 2_000_000 + b"</row>", 1), "a row of more than"),
        (lambda xml: xml.replace(b"</sheetData>", b" " * 300_000_000 + b"</sheetData>"), "bytes unpacked; at most"),
    ],
    ids=["entities", "utf-16", "far row", "row twice", "cut", "long row", "bomb"],
)
def test_hostile_sheets(tmp_path, change, words):
    path = changed(book(tmp_path / "r.xlsx", [HEADER, ["r1", "i1", "a", 4]]), SHEET, change)
    tracemalloc.start()
    with pytest.raises(InputError, match="can't be read as an Excel workbook") as caught:
        list(read_ratings(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert words in caught.value.found
    assert "CSV UTF-8" in caught.value.fix
    assert peak < 64 * 1024 * 1024


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["content.xml", "mimetype"], r"OpenDocument workbook \(\.ods\)"),
        (["xl/workbook.bin"], r"binary Excel workbook \(\.xlsb\)"),
        (["p001.mp4"], "a ZIP archive and no Excel workbook"),
    ],
)
def test_other_archives(tmp_path, names, words):
    with zipfile.ZipFile(tmp_path / "r.xlsx", "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    with pytest.raises(InputError, match=words):
        read_ratings(tmp_path / "r.xlsx")


@pytest.mark.parametrize("cut", [8, 100, 1000, -100, -10])
def test_cut_archives(tmp_path, cut):
    stream = io.BytesIO()
    book(stream, [HEADER, ["r1", "i1", "a", 4]])
    (tmp_path / "r.xlsx").write_bytes(stream.getvalue()[:cut])
    with pytest.raises(InputError, match="can't be read as an Excel workbook"):
        read_ratings(tmp_path / "r.xlsx")
