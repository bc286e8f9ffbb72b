"""Read CSV files and Excel workbooks from outside, row by row, in memory that does not grow with the file.

Comma, semicolon or tab, as the first line that is not blank says, by itself or as a spreadsheet's ``sep=;``; UTF-8 or
UTF-16, with or without a byte order mark, or the encoding that a mapping names. A row that can't be read is a fault
with its number, and reading goes on with the next. An apostrophe before what a spreadsheet would take for a formula is
no part of a cell's text (`evalkit.text.name_cell`).
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from evalkit.errors import InputError
from evalkit.ratings.read_errors import Faults
from evalkit.ratings.workbook import is_workbook, sheet_rows
from evalkit.text import name_in_cell

MAX_ROW = 4 * 1024 * 1024  # characters; 4,000 columns with long names are a tenth of it
MAX_COLUMNS = 20_000
MAX_UNREADABLE = 1_000  # rows; a file with more is not a table, and reading ends there
_CHUNK = 64 * 1024
_DELIMITERS = ",;\t"
_SEP_LINE = re.compile(r'"?sep=([,;\t])"?[\r\n]*', re.IGNORECASE)
_BOM = "\ufeff"
_OTHER_ENCODINGS = {  # what Excel writes as plain CSV on Windows; only named in a message, never assumed
    "gbk": "GBK (Chinese)",
    "shift_jis": "Shift JIS (Japanese)",
    "cp949": "CP949 (Korean)",
    "big5": "Big5 (Chinese, Taiwan)",
    "cp1252": "Windows-1252 (Western Europe)",
}
# What spreadsheets write under these names: more characters than the standards of the names have.
_WIDER = {"gb2312": "gb18030", "gbk": "gb18030", "shift_jis": "cp932", "euc_kr": "cp949", "big5": "cp950"}
_NO_FILE = frozenset({"idna", "punycode", "unicode-escape", "raw-unicode-escape", "utf-7", "undefined", "mbcs", "oem"})


@dataclass(frozen=True)
class FileForm:
    """How a file is written, where a mapping says so.

    Args:
        encoding: a name that `text_encoding` knows; ``None`` for UTF-8, or UTF-16 with a byte order mark.
        sheet: the sheet of a workbook; ``None`` for the first that is visible and not blank.
    """

    encoding: str | None = None
    sheet: str | None = None


PLAIN = FileForm()


def text_encoding(name: str) -> str:
    """Return the encoding of files that ``name`` means, as Python calls it.

    Raises:
        ValueError: when it means none.
    """
    try:
        known = codecs.lookup(name)
        "a,b".encode(known.name)  # refuses what turns no text into bytes
    except (LookupError, ValueError):  # NUL in the name, too
        known = None
    if known is None or known.name.replace("_", "-") in _NO_FILE:
        raise ValueError(
            "no known encoding; write utf-8, gbk, big5, shift_jis, cp949, cp1252 or another of Python's names"
        )
    return _WIDER.get(known.name, known.name)


@dataclass(frozen=True)
class TableRow:
    """One row of a table.

    Args:
        number: 1 is the file's first row.
        cells: column name -> text, stripped. Columns without a name are left out.
    """

    number: int
    cells: dict[str, str]


class _TooLong(Exception):  # noqa: N818 - control flow inside this module
    """A row has more characters than `MAX_ROW`."""


class _Lines:
    """The lines of a stream; a row that grows beyond `MAX_ROW` raises, and the next call goes on after the line."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.count = 0
        self.taken = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._stream.readline(MAX_ROW + 1)
        if not line:
            raise StopIteration
        self.count += 1
        self.taken += len(line)
        if self.taken > MAX_ROW:
            while line and line[-1] not in "\r\n":
                line = self._stream.readline(_CHUNK)
            raise _TooLong
        return line


def open_text(path: Path, what: str = "The rating file", form: FileForm = PLAIN) -> TextIO:
    """Open ``path`` as text in its own encoding, or the one that ``form`` names; bytes that are no text become U+FFFD.

    Raises:
        InputError: when the file is missing, a folder, or can't be read.
    """
    try:
        if path.exists() and not path.is_dir() and not path.is_file():
            raise InputError(f"{what} {path} is no regular file.", expected="a file on a disk")
        with path.open("rb") as stream:
            start = stream.read(4)
        wide = start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        encoding = "utf-16" if wide else "utf-8-sig"  # a byte order mark says more than any name
        if form.encoding is not None and not wide and not start.startswith(codecs.BOM_UTF8):
            encoding = text_encoding(form.encoding)
        return path.open("r", encoding=encoding, errors="replace", newline="")
    except FileNotFoundError:
        raise InputError(f"{what} {path} does not exist.", fix="Check the path.") from None
    except IsADirectoryError:
        raise InputError(f"{what} {path} is a folder.", expected="a file") from None
    except OSError as error:
        raise InputError(f"{what} {path} can't be read.", found=str(error.strerror or error)) from None
    except ValueError as error:  # NUL in the path
        raise InputError(f"{what} {path} can't be read.", found=str(error)) from None


def require_text(path: Path, header: Iterable[str], what: str = "The rating file", form: FileForm = PLAIN) -> None:
    """Refuse a table whose header is not text in its encoding: its names would be stored as signs nobody can read.

    Raises:
        InputError: naming the encodings in which the file's beginning could be read.
    """
    if not any("\ufffd" in name for name in header) or is_workbook(path):
        return
    with path.open("rb") as stream:
        start = stream.read(_CHUNK)
    start = start[: start.rfind(b"\n") + 1] or start  # no half character at the end
    fits = [codec for codec in _OTHER_ENCODINGS if _decodes(start, text_encoding(codec))]
    titles = " or ".join(_OTHER_ENCODINGS[codec] for codec in fits)
    raise InputError(
        f"{what} {path} is not encoded in {form.encoding or 'UTF-8'}: its column names can't be read.",
        found=f"bytes that could be {titles}" if fits else "bytes of an unknown encoding",
        expected="UTF-8, UTF-16 with a byte order mark, or the encoding that a mapping names",
        fix="Save it in the spreadsheet as 'CSV UTF-8', or say in a mapping how it is written, such as "
        f"'encoding: {fits[0] if fits else 'gbk'}'.",
    )


def _decodes(content: bytes, codec: str) -> bool:
    try:
        content.decode(codec)
    except UnicodeDecodeError:
        return False
    return True


def delimiter_of(path: Path, what: str = "The rating file", form: FileForm = PLAIN) -> str:
    """Return the delimiter of a CSV file; of a workbook, whose numbers are numbers, the comma.

    Raises:
        InputError: when the file can't be read.
    """
    with open_text(path, what, form) as stream:
        return "," if is_workbook(path) else _delimiter(stream)[0]


def _delimiter(stream: TextIO) -> tuple[str, bool]:
    """Return the delimiter, and whether the first line that is not blank is there only to name it."""
    line = stream.readline(MAX_ROW + 1)
    while line and not line.strip().strip(_BOM):
        line = stream.readline(MAX_ROW + 1)
    stated = _SEP_LINE.fullmatch(line.lstrip(_BOM))
    return (stated[1], True) if stated else (max(_DELIMITERS, key=_outside_quotes(line).count), False)


def raw_rows(
    path: Path, faults: Faults, what: str = "The rating file", form: FileForm = PLAIN
) -> Iterator[tuple[int, list[str]]]:
    """Yield (row number, cells) of every row that is not blank; cells are stripped and free of byte order marks."""
    with open_text(path, what, form) as stream:
        if is_workbook(path):
            yield from sheet_rows(path, form.sheet)
            return
        delimiter, stated = _delimiter(stream)
        stream.seek(0)
        lines = _Lines(stream)
        reader = csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=True)
        number = unreadable = 0
        while unreadable < MAX_UNREADABLE:
            lines.taken, before = 0, lines.count
            try:
                cells = next(reader)
            except StopIteration:
                return
            except (csv.Error, _TooLong) as error:
                swallowed = max(1, lines.count - before)
                faults.add(number + 1, None, _unreadable(error, swallowed))
                number += swallowed
                unreadable += 1
                continue
            number += 1
            stripped = [cell.strip().lstrip(_BOM).strip() for cell in cells]
            if stated and any(stripped):
                stated = False  # it only names the delimiter; it counts as a row, as in a spreadsheet
            elif any(stripped):
                yield number, stripped
        raise InputError(
            f"{what} {path} is not a table: {unreadable} rows up to row {number} can't be read.",
            found=faults.kept[-1].message if faults.kept else None,
            fix="Export it again as CSV.",
        )


def read_table(
    path: Path, faults: Faults, *, header_rows: int = 1, what: str = "The rating file", form: FileForm = PLAIN
) -> tuple[list[tuple[str, ...]], Iterator[TableRow]]:
    """Return the header rows of a CSV file, and its other rows as they are asked for.

    A row that repeats the header (two exports put together) is skipped. One with too few or too many cells is a fault.

    Raises:
        InputError: when the file can't be read, is empty, or its first row can't be a header.
    """
    rows = raw_rows(path, faults, what, form)
    headers: list[tuple[str, ...]] = []
    for _, cells in rows:
        headers.append(tuple(cells))
        if len(headers) == header_rows:
            break
    if len(headers) < header_rows:
        if faults.count:
            raise faults.error()
        raise InputError(
            f"{what} {path} is empty." if not headers else f"{path} ends in its header.",
            expected=f"{header_rows} row{'s' * (header_rows > 1)} with the columns' names, then the ratings",
        )
    names = headers[0]
    require_text(path, names, what, form)
    if len(names) > MAX_COLUMNS:
        raise InputError(
            f"{what} {path} has too many columns.",
            found=f"{len(names)} columns",
            expected=f"at most {MAX_COLUMNS}",
        )
    return headers, _records(rows, headers, faults)


def _records(
    rows: Iterator[tuple[int, list[str]]], headers: list[tuple[str, ...]], faults: Faults
) -> Iterator[TableRow]:
    names, repeated = headers[0], [list(header) for header in headers]
    width = len(names)
    for number, cells in rows:
        if cells in repeated:
            continue
        if len(cells) < width or any(cells[width:]):
            faults.add(number, None, f"the row has {len(cells)} cells, the header {width}. Look for a stray delimiter.")
            continue
        yield TableRow(number, {name: name_in_cell(cell) for name, cell in zip(names, cells, strict=False) if name})


def _outside_quotes(line: str) -> str:
    return "".join(line.split('"')[::2])


def _unreadable(error: Exception, lines: int) -> str:
    cause = f"it is longer than {MAX_ROW} characters" if isinstance(error, _TooLong) else str(error)
    more = f", and {lines - 1} lines with it" if lines > 1 else ""
    return f"the row can't be read{more}: {cause}. Look for a quote that is opened and never closed."
