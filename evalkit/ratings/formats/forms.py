"""Google Forms, as its CSV: ``Timestamp`` first, then a column per question; grids are ``item [dimension]``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from evalkit.errors import InputError
from evalkit.ratings.cell_reader import Context, normalised
from evalkit.ratings.formats.base import FileHead, RatingFormat
from evalkit.ratings.formats.wide import value_cells, wide_layout
from evalkit.ratings.layout import Field, find_columns, ratings_of, settle_columns
from evalkit.ratings.mapping import RatingMapping
from evalkit.ratings.model import Answer
from evalkit.ratings.table import read_table

# Words that a question for the rater's code holds; e-mail addresses are not taken unless a mapping says so.
_ASKS_FOR_RATER = frozenset({"rater", "annotator", "participant", "prolific", "worker", "observer"})


def _columns(file: str, header: Sequence[str], mapping: RatingMapping) -> dict[Field, str]:
    """Return field -> column; a question that asks for the rater is known by its words, when there is only one."""
    names = [name for name in header if name]
    found = find_columns(names, mapping)
    if mapping.at is None and names and normalised(names[0]) == "timestamp":
        found["at"] = names[0]
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


def detect(head: FileHead, context: Context) -> bool:
    """Whether the table begins with ``Timestamp`` and has questions about items."""
    if head.kind != "table" or normalised(head.header[0] if head.header else "") != "timestamp":
        return False
    return bool(value_cells(head.header, context, tuple(find_columns(head.header, context.mapping).values())))


def read(path: Path, context: Context) -> Iterator[Answer]:
    """Yield the ratings of the file, response by response."""
    (header,), rows = read_table(path, context.faults)
    layout = wide_layout(header, context, _columns(context.file, header, context.mapping))
    settle_columns(context, header, layout)
    return chain.from_iterable(ratings_of(context, layout, row.number, row.cells) for row in rows)


FORMAT = RatingFormat("forms", detect, read, order=60)
