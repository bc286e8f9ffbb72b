"""JSON Lines, or an array of objects: the fields of long CSV as keys; keys of nested objects are joined with dots."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from evalkit.ratings.cell_reader import Context
from evalkit.ratings.formats.base import FileHead, RatingFormat
from evalkit.ratings.formats.long import has_items, record_layout
from evalkit.ratings.jsonfile import flat_keys
from evalkit.ratings.layout import flat_records, note_unread_time, ratings_of
from evalkit.ratings.model import Answer


def detect(head: FileHead, context: Context) -> bool:
    """Whether the file holds objects with a rater, an item and ratings."""
    return head.kind != "table" and head.record is not None and has_items(flat_keys(head.record), context)


def read(path: Path, context: Context) -> Iterator[Answer]:
    """Yield the ratings of the file, object by object; a rating's row is its line, or its place in the array."""
    for row, layout, record in flat_records(path, context, lambda names: record_layout(names, context)):
        if "at" not in layout.columns:
            note_unread_time(context, layout, row, record)
        yield from ratings_of(context, layout, row, record)


FORMAT = RatingFormat("jsonl", detect, read, order=40, json=True)
