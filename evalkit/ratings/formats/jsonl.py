"""JSON Lines, or an array of objects: the fields of long CSV as keys; keys of nested objects are joined with dots."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from evalkit.errors import InputError
from evalkit.ratings.cell_reader import Context
from evalkit.ratings.formats.base import FileHead, RatingFormat
from evalkit.ratings.formats.long import has_items, record_layout
from evalkit.ratings.jsonfile import flatten, read_objects
from evalkit.ratings.layout import RecordLayout, note_record, ratings_of
from evalkit.ratings.model import Rating


def detect(head: FileHead, context: Context) -> bool:
    """Whether the file holds objects with a rater, an item and ratings."""
    return head.kind != "table" and head.record is not None and has_items(tuple(flatten(head.record)), context)


def read(path: Path, context: Context) -> Iterator[Rating]:
    """Yield the ratings of the file, object by object; a rating's row is its line, or its place in the array."""

    @lru_cache(maxsize=64)
    def layout_for(names: tuple[str, ...]) -> RecordLayout:
        return record_layout(names, context)

    for row, record in read_objects(path, context.faults):
        flat = flatten(record)
        try:
            layout = layout_for(tuple(flat))
        except InputError as error:
            note_record(context, row, error)
            continue
        yield from ratings_of(context, layout, row, flat)


FORMAT = RatingFormat("jsonl", detect, read, order=40, json=True)
