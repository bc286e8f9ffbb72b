"""Google Forms, as its CSV: ``Timestamp`` first, then a column per question; grids are ``item [dimension]``.

The first column's name is in the language of the form; one that is not known is taken for it when its cells are times
as the form writes them.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from evalkit.errors import InputError
from evalkit.ratings.cell_reader import Context, normalised
from evalkit.ratings.formats.base import FileHead, RatingFormat, look
from evalkit.ratings.formats.wide import value_cells, wide_layout
from evalkit.ratings.layout import STAMPS, Field, find_columns, ratings_of, settle_columns
from evalkit.ratings.mapping import RatingMapping
from evalkit.ratings.model import Answer
from evalkit.ratings.table import read_table
from evalkit.ratings.times import is_form_stamp

# Words that a question for the rater's code holds; e-mail addresses are not taken unless a mapping says so.
_ASKS_FOR_RATER = frozenset({"rater", "annotator", "participant", "prolific", "worker", "observer"})


def _columns(file: str, head: FileHead, mapping: RatingMapping) -> dict[Field, str]:
    """Return field -> column; a question that asks for the rater is known by its words, when there is only one."""
    names = [name for name in head.header if name]
    found = find_columns(names, mapping)
    if mapping.at is None and _begins_with_stamps(head, mapping):
        found["at"] = head.header[0]
    if "rater" not in found and mapping.rater is None and mapping.constants.rater is None:
        asking = [name for name in names if _ASKS_FOR_RATER & set(normalised(name).split("_"))]
        if len(asking) == 1:
            found["rater"] = asking[0]
        elif asking:
            raise InputError(
                f"{file}: more than one question asks for the rater.",
                found=", ".join(asking),
                fix="Say in a mapping which one counts ('rater: NAME').",
            )
    return found


def _begins_with_stamps(head: FileHead, mapping: RatingMapping) -> bool:
    """Whether the first column is the form's: by its name, or, where no column is known as the time, by its cells."""
    first = head.header[0] if head.header else ""
    if not first or first in mapping.ignore:
        return False
    if normalised(first) in STAMPS:
        return True
    cells = [row[0] for row in head.rows[1:] if row]
    return "at" not in find_columns(head.header, mapping) and bool(cells) and all(map(is_form_stamp, cells))


def detect(head: FileHead, context: Context) -> bool:
    """Whether the table begins with the column of times and has questions about items."""
    if head.kind != "table" or not _begins_with_stamps(head, context.mapping):
        return False
    return bool(value_cells(head.header, context, tuple(find_columns(head.header, context.mapping).values())))


def read(path: Path, context: Context) -> Iterator[Answer]:
    """Yield the ratings of the file, response by response."""
    (header,), rows = read_table(path, context.faults, form=context.form)
    layout = wide_layout(header, context, _columns(context.file, look(path, context.form), context.mapping))
    settle_columns(context, header, layout)
    return chain.from_iterable(ratings_of(context, layout, row.number, row.cells) for row in rows)


FORMAT = RatingFormat("forms", detect, read, order=60)
