"""Read a rating file of any known format: recognized, named, or described by a mapping."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evalkit.challenges.rating_rules import Dimension
from evalkit.errors import InputError, UsageError, did_you_mean
from evalkit.ratings.answer_file import AnswerFile
from evalkit.ratings.cell_reader import Context, Dimensions, normalised
from evalkit.ratings.format_registry import PROLIFIC, format_names, rating_formats
from evalkit.ratings.formats.base import FileHead, RatingFormat, look
from evalkit.ratings.formats.prolific import is_export
from evalkit.ratings.layout import find_columns, need_columns
from evalkit.ratings.mapping import RatingMapping, load_mapping
from evalkit.ratings.pair_reader import without_teams
from evalkit.ratings.read_errors import MAX_FAULTS
from evalkit.text import escape_for_display


def read_ratings(
    path: Path,
    format: str = "auto",
    mapping: RatingMapping | Path | None = None,
    *,
    dimensions: Sequence[Dimension] = (),
    participants: Path | None = None,
    limit: int = MAX_FAULTS,
) -> AnswerFile:
    """Return the ratings in ``path``, to be iterated over.

    Args:
        path: CSV, an Excel workbook (.xlsx), JSON Lines or JSON.
        format: its format; ``auto`` recognizes it, unless the mapping names it.
        mapping: which column is what, or the YAML file that says so.
        dimensions: the challenge's; their ids and titles are recognized.
        participants: Prolific's export, to be joined by participant id.
        limit: how many faults are kept; all are counted.

    Raises:
        UsageError: for an unknown format, or participants that are missing or out of place.
        InputError: when the file can't be read, its format is not recognized, or a column is missing.
    """
    if format != "auto" and format not in format_names():
        raise UsageError(
            f"There is no rating format '{format}'.{did_you_mean(format, format_names())}",
            expected=f"auto, {', '.join(format_names())}",
        )
    mapped = load_mapping(mapping) if isinstance(mapping, Path) else mapping or RatingMapping()
    name = mapped.format or "auto" if format == "auto" else format
    if name == PROLIFIC and participants is None:
        raise UsageError(
            "The format 'prolific' joins two files, and there is only one.",
            expected="the ratings, and Prolific's export of the participants",
            fix="Give the export as the participants' file.",
        )
    words = Dimensions(dimensions, mapped.dimensions)
    head = look(path, mapped.form)
    if name in {"auto", PROLIFIC}:
        reader = _recognize(path, head, Context(path.name, mapped, words))
    else:
        reader = rating_formats()[name]
        _same_kind(path, head, reader)
    name = reader.name if participants is None else PROLIFIC
    return AnswerFile(
        path,
        name,
        reader.read,
        table=not reader.json,
        mapping=mapped,
        dimensions=words,
        participants=participants,
        limit=limit,
    )


def _recognize(path: Path, head: FileHead, context: Context) -> RatingFormat:
    fits: RatingFormat | None = next(
        (known for known in rating_formats().values() if known.detect(head, context)), None
    )
    if fits is not None:
        return fits
    if head.header:
        need_columns(context.file, head.header, context.mapping, find_columns(head.header, context.mapping), ())
    shown = escape_for_display(", ".join(head.header or tuple(head.record or ())), limit=300)
    words = {normalised(name) for name in head.header}
    if {"left", "right"} <= words or without_teams(head.header):
        what, fix = "holds comparisons of pairs, not ratings of single items.", "Import it as pairs (--pairs)."
    elif is_export(head):
        what, fix = "is Prolific's export and holds no ratings.", "Give it as the participants' file of the ratings."
    else:
        what = "has no format that evalkit knows."
        fix = "Name the format with --format, or describe the columns in a mapping."
    raise InputError(
        f"{path.name} {what}",
        found=f"the columns {shown}" if shown else "nothing that can be read",
        expected="columns for rater, item, dimension and value, or a column per item",
        fix=fix,
    )


def _same_kind(path: Path, head: FileHead, reader: RatingFormat) -> None:
    """Raise when a table is to be read as JSON or the reverse."""
    if reader.json == (head.kind == "table"):
        raise InputError(
            f"{path.name} can't be read as '{reader.name}'.",
            found="a table" if head.kind == "table" else "JSON",
            expected="JSON" if reader.json else "a table",
            fix="Leave the format to 'auto', or choose another.",
        )
