"""Qualtrics CSV: three header rows (field names, question texts, import ids), then a row per response.

The third row names the zone of the times, which is the account's; a mapping's ``zone`` goes before it. Old exports have
two header rows, some with the names in the second (``V8``, then ``EndDate``). Previews, tests, responses marked as spam
and unfinished ones are kept with that word as their status; ``ignore: [Finished]`` in a mapping takes unfinished ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import tzinfo
from itertools import chain
from pathlib import Path

from evalkit.jsonio import parse_json
from evalkit.ratings.cell_reader import ACCEPTED, Context, normalised
from evalkit.ratings.formats.base import HEAD_ROWS, FileHead, RatingFormat, look
from evalkit.ratings.formats.wide import wide_layout
from evalkit.ratings.layout import USUAL, Field, find_columns, ratings_of, settle_columns
from evalkit.ratings.model import Answer
from evalkit.ratings.table import TableRow, read_table
from evalkit.ratings.times import parse_zone

_USUAL: dict[Field, tuple[str, ...]] = {
    "rater": (
        *(*USUAL["rater"], "externalreference", "external_reference"),
        *("externaldatareference", "external_data_reference"),
    ),
    "at": ("enddate", "end_date", "recordeddate", "recorded_date"),
    "seconds": ("duration_in_seconds",),
    "status": ("status",),
}
# Exports of numbers instead of words: what each means.
_STATUS = {"0": "IP Address", "1": "Survey Preview", "2": "Survey Test", "4": "Imported", "8": "Spam", "16": "offline"}
_KEPT = frozenset({"offline", "offline response"})
_NOT_FINISHED = frozenset({"false", "0", "no", "falsch", "faux", "falso"})
_OLD_NAME = re.compile("V[0-9]+")
_DISPLAY_ORDER = re.compile(r".*_DO(?:_.*)?")


def _import_id(cell: str) -> dict[str, object]:
    try:
        content = parse_json(cell)
    except ValueError:
        return {}
    return content if isinstance(content, dict) and "ImportId" in content else {}


def detect(head: FileHead, context: Context) -> bool:
    """Whether the third row is the one with import ids, or the second names the platform's own columns."""
    return head.kind == "table" and (_has_imports(head) or _has_labels(head))


def _has_imports(head: FileHead) -> bool:
    return len(head.rows) == HEAD_ROWS and any(_import_id(cell) for cell in head.rows[2])


def _has_labels(head: FileHead) -> bool:
    """Whether the second row says ``StartDate`` and ``EndDate`` where answers would have times."""
    words = {normalised(cell).replace("_", "") for cell in head.rows[1]} if len(head.rows) > 1 else set()
    return {"startdate", "enddate"} <= words


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


def _plain(row: TableRow, status: str | None, finished: str | None) -> dict[str, str]:
    """Return a row's cells, with the status in plain words; it is ``unfinished`` where the platform says no other."""
    if status is None:
        return row.cells
    word = "" if status == finished else _STATUS.get(row.cells[status], row.cells[status])
    word = "" if word.casefold() in _KEPT | ACCEPTED else word
    if finished is not None and not word and row.cells[finished].casefold() in _NOT_FINISHED:
        word = "unfinished"
    return {**row.cells, status: word}


def read(path: Path, context: Context) -> Iterator[Answer]:
    """Yield the ratings of the file, response by response."""
    head_rows = HEAD_ROWS if _has_imports(look(path, context.form)) else HEAD_ROWS - 1
    headers, rows = read_table(path, context.faults, header_rows=head_rows, form=context.form)
    header, questions = headers[:2]
    imports = headers[2] if head_rows == HEAD_ROWS else ()
    names = ["" if _DISPLAY_ORDER.fullmatch(name) else name for name in header]  # the order in which items were shown
    named = _by_label(names, questions)
    found = find_columns(named, context.mapping, _USUAL)
    found = {field: named[name] for field, name in found.items()}
    found |= find_columns([name for name in names if name], context.mapping, _USUAL)
    layout = wide_layout(names, context, found, questions)
    settle_columns(context, header, layout, header_rows=head_rows)
    if context.zone is None:
        context.zone = _zone(header, imports, layout.columns.get("at"))
    finished = next((column for name, column in named.items() if normalised(name) == "finished"), None)
    if finished in context.mapping.ignore:
        finished = None
    context.unread = tuple(name for name in context.unread if name != finished)
    status = layout.columns.get("status", finished)
    if status is not None:
        layout = replace(layout, columns={**layout.columns, "status": status})
    return chain.from_iterable(ratings_of(context, layout, row.number, _plain(row, status, finished)) for row in rows)


def _by_label(names: Sequence[str], labels: Sequence[str]) -> dict[str, str]:
    """Return what each column is called -> its name in the first row; old exports have ``V8`` there."""
    called: dict[str, str] = {}
    for place, name in enumerate(names):
        label = labels[place] if _OLD_NAME.fullmatch(name) and place < len(labels) else ""
        if name:
            called.setdefault(label or name, name)
    return called


FORMAT = RatingFormat("qualtrics", detect, read, order=10)
