"""Read the sheet of an Excel workbook (.xlsx) as a table of text, row by row, in bounded memory.

Read are the values that the spreadsheet kept: of a formula its last result, of a date the day and time without a zone,
of a number what a CSV export would say. A workbook whose formulas were never calculated is refused, because their
results are not in it.
"""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.errors import InputError, did_you_mean
from evalkit.text import escape_for_display

if TYPE_CHECKING:
    from openpyxl import Workbook
    from openpyxl.worksheet._read_only import ReadOnlyWorksheet

SIGN = b"PK\x03\x04"
MAX_SHEET = 256 * 1024 * 1024  # bytes of one sheet's XML; 100,000 ratings with times are a tenth of it
MAX_PART = 32 * 1024 * 1024  # bytes of any other part, such as the texts of all cells
MAX_PARTS = 2_000
MAX_ROW = 4 * 1024 * 1024  # bytes of one row's XML
MAX_ROWS = 1_048_576
_CHUNK = 1024 * 1024
_TAIL = 64 * 1024  # of a chunk, looked at again with the next one
_ROW = re.compile(rb"<(?:\w+:)?row\b([^<>]*)>")
_ROW_NUMBER = re.compile(rb"""\br\s*=\s*["']([0-9]{1,20})["']""")
# A cell with a formula and without its result; an empty result is one of text (t="str").
_UNCALCULATED = re.compile(
    rb"<(?:\w+:)?c\b(?![^<>]*\bt=[\"']str)[^<>]*>\s*<(?:\w+:)?f\b(?:[^<>]*/>|[^<>]*>[^<>]*</(?:\w+:)?f>)\s*+"
    rb"(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v>\s*</(?:\w+:)?v>)?\s*+</(?:\w+:)?c>"
)
_ZEROS = re.compile("0{2,20}")
_SAVE = "Open it in the spreadsheet and save it again, or save the sheet as 'CSV UTF-8'."


def is_workbook(path: Path) -> bool:
    """Whether the file begins as an Excel workbook, or as any other ZIP archive."""
    with path.open("rb") as stream:
        return stream.read(len(SIGN)) == SIGN


def sheet_rows(path: Path, sheet: str | None = None) -> Iterator[tuple[int, list[str]]]:
    """Yield (row number, cells) of every row of a sheet that is not blank; all have at least the first one's length.

    Args:
        path: the workbook.
        sheet: the sheet's name; ``None`` for the first that is visible and not blank.

    Raises:
        InputError: when it can't be read, is larger than it should be, or has no such sheet.
    """
    width = 0
    with path.open("rb") as stream:
        book = _open(path, stream)
        try:
            for number, cells in _rows(path, _chosen(path, book, sheet)[0]):
                width = width or len(cells)
                yield number, cells + [""] * (width - len(cells))
        finally:
            book.close()


def other_sheets(path: Path, sheet: str | None = None) -> tuple[str, list[str]]:
    """Return the name of the sheet that `sheet_rows` reads, and those of the others that are not blank."""
    with path.open("rb") as stream:
        book = _open(path, stream)
        try:
            chosen, others = _chosen(path, book, sheet)
            return str(chosen.title), [str(other.title) for other in others if _has_data(path, other)]
        finally:
            book.close()


def _broken(path: Path, error: BaseException | str) -> InputError:
    found = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
    return InputError(
        f"The file {path} can't be read as an Excel workbook.",
        found=escape_for_display(found, limit=200),
        expected="a workbook (.xlsx), CSV, JSON or JSON Lines",
        fix=_SAVE,
    )


def _open(path: Path, stream: Any) -> Workbook:
    about = path.stat()
    _check(path, about.st_mtime_ns, about.st_size)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of styles and extensions that are not read
            from openpyxl import load_workbook

            return load_workbook(stream, read_only=True, data_only=True, keep_links=False)
    except Exception as error:  # noqa: BLE001 - the package raises whatever a part's content leads to
        raise _broken(path, error) from None


def _chosen(path: Path, book: Workbook, sheet: str | None) -> tuple[ReadOnlyWorksheet, list[ReadOnlyWorksheet]]:
    """Return the sheet to read, and the other visible ones."""
    sheets: list[Any] = list(book.worksheets)
    if sheet is not None:
        chosen = next((one for one in sheets if one.title == sheet), None)
        names = [str(one.title) for one in sheets]
        if chosen is None:
            hint = did_you_mean(sheet, names)
            raise InputError(
                f"The workbook {path} has no sheet '{escape_for_display(sheet, limit=80)}'.{hint}",
                found=f"the sheets {escape_for_display(', '.join(names), limit=300)}",
                fix="Fix 'sheet' in the mapping.",
            )
    else:
        visible = [one for one in sheets if getattr(one, "sheet_state", "visible") == "visible"]
        chosen = next((one for one in (*visible, *sheets) if _has_data(path, one)), None)
        if chosen is None:
            raise InputError(
                f"The file {path} is empty: no sheet of the workbook holds anything.",
                expected="a row with the columns' names, then the ratings",
            )
    others = [one for one in sheets if one is not chosen and getattr(one, "sheet_state", "visible") == "visible"]
    return chosen, others


def _has_data(path: Path, sheet: ReadOnlyWorksheet) -> bool:
    return next(_rows(path, sheet), None) is not None


def _rows(path: Path, sheet: ReadOnlyWorksheet) -> Iterator[tuple[int, list[str]]]:
    sheet.reset_dimensions()  # what the file says of its size may be wrong
    rows = iter(sheet.rows)
    number = 0
    while True:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of dates that are none: their cells say #VALUE!
                row = next(rows, None)
                cells = None if row is None else [_text(cell) for cell in row]
        except Exception as error:  # noqa: BLE001 - the package raises whatever a part's content leads to
            raise _broken(path, error) from None
        if cells is None:
            return
        number += 1
        if number > MAX_ROWS:
            raise _broken(path, f"more than {MAX_ROWS} rows")
        while cells and not cells[-1]:
            cells.pop()
        if cells:
            yield number, cells


def _text(cell: Any) -> str:
    """Return a cell as text, as a CSV export would."""
    value = cell.value
    if value is None or isinstance(value, bool):
        return "" if value is None else str(value).upper()
    if isinstance(value, (int, float)):
        return _number(value, str(cell.number_format or ""))
    if isinstance(value, datetime):
        day_only = value.time() == time() and "h" not in str(cell.number_format or "").lower()
        return value.date().isoformat() if day_only else value.isoformat(sep=" ")
    if isinstance(value, timedelta):
        return _number(value.total_seconds(), "")
    text = value.isoformat() if isinstance(value, (date, time)) else str(value)
    return text.strip().lstrip("\ufeff").strip()


def _number(value: float, number_format: str) -> str:
    whole = isinstance(value, int) or (value.is_integer() and abs(value) < 1e15)
    text = str(int(value)) if whole else repr(value)
    return text.zfill(len(number_format)) if whole and value >= 0 and _ZEROS.fullmatch(number_format) else text


@lru_cache(maxsize=64)
def _check(path: Path, _changed: int, _size: int) -> None:
    """Refuse an archive that is no workbook, is far too large when unpacked, or lacks its formulas' results.

    Raises:
        InputError: with what is wrong.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _check_sizes(path, archive.infolist())
            for part in archive.infolist():
                if part.filename.endswith((".xml", ".rels")):
                    _scan(path, archive, part)
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001 - broken archives raise many types
        raise _broken(path, error) from None


def _check_sizes(path: Path, parts: list[zipfile.ZipInfo]) -> None:
    names = {part.filename for part in parts}
    if "xl/workbook.xml" not in names:
        raise _another_kind(path, names)
    if len(parts) > MAX_PARTS:
        raise _broken(path, f"{len(parts)} parts; at most {MAX_PARTS} are read")
    for part in parts:
        sheet = part.filename.startswith("xl/worksheets/") and part.filename.endswith(".xml")
        limit = MAX_SHEET if sheet else MAX_PART
        if part.file_size > limit:
            name = escape_for_display(part.filename, limit=80)
            raise _broken(path, f"{name} has {part.file_size} bytes unpacked; at most {limit} are read")


def _another_kind(path: Path, names: set[str]) -> InputError:
    kind = "a ZIP archive and no Excel workbook"
    if "xl/workbook.bin" in names:
        kind = "a binary Excel workbook (.xlsb)"
    elif "content.xml" in names:
        kind = "an OpenDocument workbook (.ods)"
    return InputError(
        f"The file {path} is {kind}, which is not read.",
        expected="an Excel workbook (.xlsx), CSV, JSON or JSON Lines",
        fix="Open it in the spreadsheet and save the sheet as 'CSV UTF-8', or as .xlsx.",
    )


def _scan(path: Path, archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> None:
    """Look at a part as bytes before it is parsed: declarations of types, rows' lengths and order, formulas."""
    sheet = part.filename.startswith("xl/worksheets/")
    name = escape_for_display(part.filename, limit=80)
    behind, last_row, row_number = 0, 0, 0  # bytes before the tail; where the last row began; its number
    with archive.open(part) as stream:
        tail = b""
        while chunk := stream.read(_CHUNK):
            text = tail + chunk
            if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
                raise _broken(path, f"{name} declares types of its own")
            if b"\0" in text:
                raise _broken(path, f"{name} is not written in UTF-8")
            if sheet:
                for match in _ROW.finditer(text):
                    if match.end() <= len(tail):
                        continue  # seen with the chunk before
                    last_row = behind + match.start()
                    stated = _ROW_NUMBER.search(match[1])
                    before, row_number = row_number, int(stated[1]) if stated else row_number + 1
                    if not before < row_number <= MAX_ROWS:
                        raise _broken(path, f"{name} has row {row_number} behind row {before}")
                if _UNCALCULATED.search(text):
                    raise InputError(
                        f"The workbook {path} holds formulas that were never calculated.",
                        found=f"a formula without its result in {name}",
                        expected="the results, which a spreadsheet stores when it saves the file",
                        fix=_SAVE,
                    )
                if behind + len(text) - last_row > MAX_ROW + _CHUNK:
                    raise _broken(path, f"{name} has a row of more than {MAX_ROW} bytes")
            tail = text[-_TAIL:]
            behind += len(text) - len(tail)
