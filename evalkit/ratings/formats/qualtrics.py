"""Qualtrics CSV: three header rows (field names, question texts, import ids), then a row per response.

The third row names the zone of the times, which is the account's; a mapping's ``zone`` goes before it. Previews, tests
and responses marked as spam are kept with that word as their status.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from datetime import tzinfo
from itertools import chain
from pathlib import Path

from evalkit.ratings.cell_reader import Context
from evalkit.ratings.formats.base import HEAD_ROWS, FileHead, RatingFormat
from evalkit.ratings.formats.wide import wide_layout
from evalkit.ratings.layout import USUAL, Field, find_columns, ratings_of, settle_columns
from evalkit.ratings.model import Answer
from evalkit.ratings.table import TableRow, read_table
from evalkit.ratings.times import parse_zone

_USUAL: dict[Field, tuple[str, ...]] = {
    "rater": (*USUAL["rater"], "externalreference", "external_reference"),
    "at": ("enddate", "end_date", "recordeddate", "recorded_date"),
    "seconds": ("duration_in_seconds",),
    "status": ("status",),
}
# Exports of numbers instead of words: what each means.
_STATUS = {"0": "IP Address", "1": "Survey Preview", "2": "Survey Test", "4": "Imported", "8": "Spam", "16": "offline"}
_KEPT = frozenset({"offline", "offline response"})
_DISPLAY_ORDER = re.compile(r".*_DO(?:_.*)?")


def _import_id(cell: str) -> dict[str, object]:
    try:
        content = json.loads(cell)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) and "ImportId" in content else {}


def detect(head: FileHead, context: Context) -> bool:
    """Whether the third row is the one with import ids."""
    return head.kind == "table" and len(head.rows) == HEAD_ROWS and any(_import_id(cell) for cell in head.rows[2])


def _zone(names: Sequence[str], imports: Sequence[str], column: str | None) -> tzinfo | None:
    """Return the zone that the third row names for the column of times."""
    for name, cell in zip(names, imports, strict=False):
        zone = _import_id(cell).get("timeZone") if name == column else None
        if isinstance(zone, str):
            try:
                return parse_zone(zone)
            except ValueError:
                return None
    return None


def _plain(row: TableRow, status: str | None) -> dict[str, str]:
    if status is None:
        return row.cells
    word = _STATUS.get(row.cells[status], row.cells[status])
    return {**row.cells, status: "" if word.casefold() in _KEPT else word}


def read(path: Path, context: Context) -> Iterator[Answer]:
    """Yield the ratings of the file, response by response."""
    (header, questions, imports), rows = read_table(path, context.faults, header_rows=HEAD_ROWS, form=context.form)
    names = ["" if _DISPLAY_ORDER.fullmatch(name) else name for name in header]  # the order in which items were shown
    found = find_columns([name for name in names if name], context.mapping, _USUAL)
    layout = wide_layout(names, context, found, questions)
    settle_columns(context, header, layout, header_rows=HEAD_ROWS)
    if context.zone is None:
        context.zone = _zone(header, imports, layout.columns.get("at"))
    status = layout.columns.get("status")
    return chain.from_iterable(ratings_of(context, layout, row.number, _plain(row, status)) for row in rows)


FORMAT = RatingFormat("qualtrics", detect, read, order=10)
