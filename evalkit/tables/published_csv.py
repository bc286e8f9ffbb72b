"""A published table as a CSV file, such as those of leaderboards: the numbers' columns, as they are printed."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from pydantic import ValidationError

from evalkit.errors import InputError
from evalkit.model_faults import first_fault
from evalkit.tables.published import MAX_ROWS, Better, PublishedColumn, PublishedRow, PublishedTable, number_in
from evalkit.text import escape_for_display
from evalkit.yamlio import read_text

_ARROWS: dict[str, Better] = {"↑": "higher", "↓": "lower"}
_LINK = "]("  # [name](address) of Markdown, in which leaderboards write their models
_NAME_LENGTH = 200


def table_of_csv(path: Path, name: str) -> PublishedTable:
    """Return the table of a CSV file: headers in the first line, names in the first column.

    Columns in which no cell is a number are left out, such as where a model is from.

    Raises:
        InputError: it can't be read, has rows of other lengths, or a cell that is no number among numbers.
    """
    lines = _lines(path)
    if len(lines) < 2 or len(lines[0][1]) < 2:
        raise InputError(f"{path} is no table.", expected="a line of headers, and a row with a name and numbers")
    heads, rows = [cell.strip() for cell in lines[0][1]], lines[1:]
    kept = [at for at in range(1, len(heads)) if _has_number(path, heads[at], [(line, row[at]) for line, row in rows])]
    if not kept:
        raise InputError(f"{path} has no column with numbers.", found=", ".join(heads)[:200])
    try:
        return PublishedTable(
            name=name,
            columns=tuple(_column(heads[at]) for at in kept),
            rows=tuple(
                PublishedRow(name=_model(row[0]), values=tuple(row[at].strip() or None for at in kept))
                for _, row in rows
            ),
        )
    except ValidationError as error:
        raise InputError(f"{path} is no table: {first_fault(PublishedTable, error)}") from None


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    """Return the lines that are not empty, with their numbers; the first has the headers."""
    text = read_text(path, kind=InputError, what="The table")
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    found: list[tuple[int, list[str]]] = []
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if found and len(cells) != len(found[0][1]):
                raise InputError(
                    f"{path}, line {reader.line_num}: a wrong number of cells.",
                    found=str(len(cells)),
                    expected=f"{len(found[0][1])}, as in the first line",
                )
            found.append((reader.line_num, cells))
            if len(found) > MAX_ROWS + 1:
                raise InputError(f"{path} has too many rows.", expected=f"at most {MAX_ROWS}")
    except csv.Error as error:
        raise InputError(f"{path} is no CSV.", found=str(error)) from None
    return found


def _has_number(path: Path, head: str, cells: list[tuple[int, str]]) -> bool:
    """Return whether the column has numbers.

    Raises:
        InputError: it has numbers and other text.
    """
    other: list[tuple[int, str]] = []
    numbers = 0
    for line, text in cells:
        try:
            numbers += number_in(text) is not None
        except ValueError:
            other.append((line, text))
    if numbers and other:
        line, text = other[0]
        raise InputError(
            f"{path}, line {line}: '{escape_for_display(text, 60)}' in the column '{escape_for_display(head, 60)}' is "
            "no number, and other cells of the column are.",
            fix="Write a gap as an empty cell; numbers have no separators between thousands.",
        )
    return numbers > 0


def _column(head: str) -> PublishedColumn:
    better = next((side for arrow, side in _ARROWS.items() if arrow in head), "neither")
    bare = head.replace("↑", "").replace("↓", "").strip()
    return PublishedColumn(name=bare[:_NAME_LENGTH], better=better)


def _model(cell: str) -> str:
    text = cell.strip()
    if text.startswith("[") and _LINK in text:
        text = text[1 : text.index(_LINK)]
    return text[:_NAME_LENGTH]
