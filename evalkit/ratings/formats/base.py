"""What a rating format is, and the head of a file, by which a format recognizes its files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from evalkit.errors import InputError
from evalkit.ratings.cell_reader import Context
from evalkit.ratings.jsonfile import first_sign, read_objects
from evalkit.ratings.model import Answer
from evalkit.ratings.read_errors import Faults
from evalkit.ratings.table import PLAIN, FileForm, raw_rows, require_text

HEAD_ROWS = 3
_OLD_WORKBOOK = b"\xd0\xcf\x11\xe0"


@dataclass(frozen=True)
class FileHead:
    """The beginning of a file.

    Args:
        kind: a table (CSV), a JSON array, or JSON Lines.
        rows: a table's first three rows that are not blank.
        record: the first object of a JSON file; ``None`` for a table, or when there is none.
    """

    kind: Literal["table", "array", "lines"]
    rows: tuple[tuple[str, ...], ...] = ()
    record: dict[str, Any] | None = None

    @property
    def header(self) -> tuple[str, ...]:
        """A table's first row; empty for JSON."""
        return self.rows[0] if self.rows else ()


@dataclass(frozen=True)
class RatingFormat:
    """A format of rating files.

    Args:
        name: its name on the command line and in mappings.
        detect: whether a file with this head has the format.
        read: looks at the file's header (and raises when it lacks a column), then yields the ratings.
        order: the lowest is tried first; a format whose `detect` looks for more specific signs has a lower one.
        json: whether its files are JSON; otherwise they are tables.
    """

    name: str
    detect: Callable[[FileHead, Context], bool]
    read: Callable[[Path, Context], Iterator[Answer]]
    order: int = 25
    json: bool = False


def look(path: Path, form: FileForm = PLAIN) -> FileHead:
    """Return the head of ``path``, which is written as ``form`` says.

    Raises:
        InputError: when it can't be read.
    """
    sign = first_sign(path, form)  # refuses folders and pipes; opening a pipe would wait for ever
    _refuse_old_workbook(path)
    ignored = Faults(path.name)  # reported when the whole file is read
    if sign in {"[", "{"}:
        objects = read_objects(path, ignored, form)
        return FileHead("array" if sign == "[" else "lines", record=next((record for _, record in objects), None))
    rows = []
    for _, cells in raw_rows(path, ignored, form=form):
        rows.append(tuple(cells))
        if len(rows) == HEAD_ROWS:
            break
    if not rows and not ignored.count:
        raise InputError(
            f"The rating file {path} is empty.", expected="a row with the columns' names, then the ratings"
        )
    require_text(path, rows[0] if rows else (), form=form)
    return FileHead("table", rows=tuple(rows))


def _refuse_old_workbook(path: Path) -> None:
    """Raise for a workbook in Excel's old form, in which it also wraps those with a password."""
    with path.open("rb") as stream:
        start = stream.read(len(_OLD_WORKBOOK))
    if start == _OLD_WORKBOOK:
        raise InputError(
            f"The rating file {path} is an old Excel workbook (.xls), or one with a password; neither is read.",
            expected="an Excel workbook (.xlsx), CSV, JSON or JSON Lines",
            fix="Open it in the spreadsheet and save the sheet as 'CSV UTF-8', or as .xlsx without a password.",
        )
