"""Long CSV: a row per answer (rater, item, dimension, value), or per item with a column for each dimension."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import chain
from pathlib import Path

from evalkit.ratings.cell_reader import Context
from evalkit.ratings.formats.base import FileHead, RatingFormat
from evalkit.ratings.layout import RecordLayout, ValueCell, find_columns, need_columns, ratings_of, settle_columns
from evalkit.ratings.model import Answer
from evalkit.ratings.table import read_table


def record_layout(names: Collection[str], context: Context) -> RecordLayout:
    """Return the layout of records with one item each.

    Raises:
        InputError: when a field that is needed has no column.
    """
    mapping = context.mapping
    found = find_columns(names, mapping)
    by_value = "value" in found and ("dimension" in found or mapping.constants.dimension is not None)
    by_column = () if by_value else _dimension_columns(names, context, set(found.values()))
    if by_column:
        need_columns(context.file, names, mapping, found, ("rater", "item"))
        columns = {field: name for field, name in found.items() if field not in {"dimension", "value"}}
        return RecordLayout(columns, by_column, mapping.seconds_cover or "item")
    need_columns(context.file, names, mapping, found, ("rater", "item", "dimension", "value"))
    return RecordLayout(found, (ValueCell(found["value"]),), mapping.seconds_cover or "item")


def _dimension_columns(names: Collection[str], context: Context, taken: Collection[str]) -> tuple[ValueCell, ...]:
    cells = []
    for name in names:
        dimension = context.dimensions.find(name)
        if dimension is not None and name not in taken and name not in context.mapping.ignore:
            cells.append(ValueCell(name, dimension=dimension))
    return tuple(cells)


def has_items(names: Collection[str], context: Context) -> bool:
    """Whether records with these names hold one item each, with its rater and its ratings."""
    mapping = context.mapping
    found = find_columns(names, mapping)
    there = {"rater", "item"} <= found.keys() | {
        field for field in ("rater", "item") if getattr(mapping.constants, field) is not None
    }
    return there and ("value" in found or bool(_dimension_columns(names, context, set(found.values()))))


def detect(head: FileHead, context: Context) -> bool:
    """Whether the table has a row per answer or per item."""
    return head.kind == "table" and has_items(head.header, context)


def read(path: Path, context: Context) -> Iterator[Answer]:
    """Yield the ratings of the file, row by row."""
    (header,), rows = read_table(path, context.faults, form=context.form)
    layout = record_layout(tuple(name for name in header if name), context)
    settle_columns(context, header, layout)
    return chain.from_iterable(ratings_of(context, layout, row.number, row.cells) for row in rows)


FORMAT = RatingFormat("long", detect, read, order=50)
