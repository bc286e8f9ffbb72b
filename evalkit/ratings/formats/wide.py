"""Wide CSV: a row per rater, a column per item or per item and dimension."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from evalkit.errors import InputError
from evalkit.ratings.cell_reader import Context
from evalkit.ratings.formats.base import FileHead, RatingFormat
from evalkit.ratings.layout import (
    Field,
    RecordLayout,
    ValueCell,
    find_columns,
    need_columns,
    ratings_of,
    reject_duplicate_columns,
    settle_columns,
    split_header,
)
from evalkit.ratings.model import Answer
from evalkit.ratings.table import read_table


def value_cells(
    names: Sequence[str], context: Context, taken: Sequence[str], questions: Sequence[str] = ()
) -> tuple[ValueCell, ...]:
    """Return the rating columns among ``names``: those whose header says which item and dimension.

    Args:
        names: the columns.
        context: mapping and dimensions.
        taken: columns that hold something else.
        questions: question texts of the columns, in the same order; used where the name says nothing.
    """
    cells = []
    for place, name in enumerate(names):
        if not name or name in taken or name in context.mapping.ignore:
            continue
        split = split_header(name, context)
        if split is None and place < len(questions):
            split = split_header(questions[place], context)
        if split is not None:
            cells.append(ValueCell(name, item=split[0], dimension=split[1]))
    fixed = context.mapping.constants.dimension
    if not cells and fixed is not None and context.mapping.pattern is None:
        rest = [name for name in names if name and name not in taken and name not in context.mapping.ignore]
        cells = [ValueCell(name, item=name, dimension=context.dimensions.resolve(fixed)) for name in rest]
    return tuple(cells)


def wide_layout(
    names: Sequence[str], context: Context, found: dict[Field, str], questions: Sequence[str] = ()
) -> RecordLayout:
    """Return the layout of a table whose headers say which item and dimension a column is about.

    Raises:
        InputError: when no column does, one says only half of it and nothing says the rest, or two say the same.
    """
    mapping = context.mapping
    mapped: set[Field] = {field for field in ("item", "dimension") if getattr(mapping, field) is not None}
    columns: dict[Field, str] = {
        field: name for field, name in found.items() if field in mapped or field not in {"item", "dimension", "value"}
    }
    need_columns(context.file, [name for name in names if name], mapping, found, ("rater",))
    cells = value_cells(names, context, tuple(columns.values()), questions)
    halves: tuple[Field, ...] = ("item", "dimension")
    for half in halves:
        there = half in columns or getattr(mapping.constants, half) is not None
        if not cells or (not there and any(getattr(cell, half) is None for cell in cells)):
            raise InputError(
                f"{context.file}: no column's header says which item and which dimension it is about.",
                found=f"the columns {', '.join(names)}",
                expected="headers such as 'item001 [Lip synchronization]'",
                fix="Describe them in a mapping: 'pattern' with the groups item and dimension, or "
                "'constants: {dimension: ID}' where every column is an item.",
            )
    reject_duplicate_columns(context, cells)
    return RecordLayout(columns, cells, mapping.seconds_cover or "row")


def detect(head: FileHead, context: Context) -> bool:
    """Whether the table has a rater and columns whose headers name items."""
    if head.kind != "table":
        return False
    found = find_columns(head.header, context.mapping)
    rater = "rater" in found or context.mapping.constants.rater is not None
    return rater and bool(value_cells(head.header, context, tuple(found.values())))


def read(path: Path, context: Context) -> Iterator[Answer]:
    """Yield the ratings of the file, row by row."""
    (header,), rows = read_table(path, context.faults, form=context.form)
    layout = wide_layout(header, context, find_columns([name for name in header if name], context.mapping))
    settle_columns(context, header, layout)
    return chain.from_iterable(ratings_of(context, layout, row.number, row.cells) for row in rows)


FORMAT = RatingFormat("wide", detect, read, order=70)
