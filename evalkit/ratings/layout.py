"""Which column of a record is what, and the ratings in a record: one engine under all formats.

A record is a row of a table or an object of a JSON file: column name -> cell.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TypeVar

from evalkit.errors import InputError, did_you_mean
from evalkit.ratings.cell_reader import Context, normalised
from evalkit.ratings.jsonfile import flatten, read_objects
from evalkit.ratings.mapping import CommonMapping, Constants
from evalkit.ratings.model import Answer
from evalkit.text import escape_for_display

Field = Literal[
    "rater",
    "item",
    "dimension",
    "value",
    "at",
    "started_at",
    "seconds",
    "status",
    "sample",
    "left",
    "right",
    "winner",
]
Layout = TypeVar("Layout")
FIELDS: tuple[Field, ...] = ("rater", "item", "dimension", "value", "at", "started_at", "seconds", "status")

# The usual names, normalised; the first that is there is taken.
USUAL: dict[Field, tuple[str, ...]] = {
    "rater": (
        *("rater_id", "rater", "your_rater_code", "rater_code", "your_rater_id", "worker_id", "workerid", "worker"),
        *("participant_id", "participant", "prolific_pid", "prolific_id", "subject_id", "subject", "observer"),
        *("annotator_id", "annotator", "user_id", "user"),
    ),
    "item": ("item_id", "item", "stimulus_id", "stimulus", "clip_id", "clip", "video_id", "video"),
    "dimension": ("dimension", "aspect", "question", "criterion"),
    "value": ("value", "score", "rating", "answer"),
    "at": (
        "submitted_at",
        "submit_time",
        "completed_at",
        "ended_at",
        "end_time",
        "at",
        "created_at",
        "timestamp",
        "time",
    ),
    "started_at": ("started_at", "start_time", "accepted_at"),
    "seconds": (
        "seconds",
        "seconds_spent",
        "duration_seconds",
        "duration_in_seconds",
        "work_time_in_seconds",
        "lead_time",
    ),
    "status": ("status", "assignment_status", "submission_status"),
}
_BRACKETS = re.compile(r"(?P<item>[^\[\]]*[^\[\]\s])\s*\[(?P<dimension>[^\[\]]+)\]")
_UNDERSCORES = re.compile(r"(?P<item>.*[^_])__(?P<dimension>[^_].*)")
MAX_HEADER = 1000  # characters of a header that a pattern looks at


@dataclass(frozen=True, slots=True)
class ValueCell:
    """A column that holds ratings.

    Args:
        column: its name.
        item: the item it is about; ``None`` when another column says.
        dimension: the same for the dimension.
        item_column: the column that names the item of this one, where a row holds several.
    """

    column: str
    item: str | None = None
    dimension: str | None = None
    item_column: str | None = None


@dataclass(frozen=True)
class RecordLayout:
    """Where each field of a rating is in a record.

    Args:
        columns: field -> column.
        cells: the columns with ratings.
        seconds_cover: whether the time spent is one item's or the whole row's.
    """

    columns: Mapping[Field, str]
    cells: tuple[ValueCell, ...]
    seconds_cover: Literal["item", "row"] = "item"


def find_columns(
    names: Collection[str],
    mapping: CommonMapping,
    usual: Mapping[Field, tuple[str, ...]] = USUAL,
    fields: Sequence[Field] = FIELDS,
) -> dict[Field, str]:
    """Return field -> column, as the mapping says, else by the usual names."""
    by_usual_name: dict[str, str] = {}
    for name in names:
        by_usual_name.setdefault(normalised(name), name)
    found: dict[Field, str] = {}
    for field in fields:
        told = getattr(mapping, field)
        if told is not None:
            column = told if told in names else by_usual_name.get(normalised(told))
            if column is not None:
                found[field] = column
        elif getattr(mapping.constants, field, None) is None:
            hit = next((by_usual_name[word] for word in usual.get(field, ()) if word in by_usual_name), None)
            if hit is not None and hit not in mapping.ignore:
                found[field] = hit
    return found


def need_columns(
    file: str,
    names: Collection[str],
    mapping: CommonMapping,
    found: Mapping[Field, str],
    needed: Iterable[Field],
    *,
    usual: Mapping[Field, tuple[str, ...]] = USUAL,
    fields: Sequence[Field] = FIELDS,
    what: str = "rating",
) -> None:
    """Raise when the mapping names a column that is not there, or a field that is needed has none.

    Raises:
        InputError: with the nearest column's name, or with what to write into a mapping.
    """
    listed = escape_for_display(", ".join(names), limit=300)
    for field in fields:
        told = getattr(mapping, field)
        if told is not None and field not in found:
            hint = did_you_mean(told, names)
            raise InputError(
                f"{file}: the mapping's column '{told}' for '{field}' is not there.{hint}",
                found=f"the columns {listed}",
                fix="Fix the mapping; names are compared without case.",
            )
    for field in needed:
        if field not in found and getattr(mapping.constants, field, None) is None:
            raise InputError(
                f"{file}: no column names the {field} of a {what}.",
                found=f"the columns {listed}",
                expected=f"a column such as '{usual[field][0]}'",
                fix=f"Say in a mapping which one it is ('{field}: NAME')"
                + (", or what it is everywhere ('constants')." if field in Constants.model_fields else "."),
            )


def settle_columns(context: Context, header: Sequence[str], layout: RecordLayout) -> None:
    """Record which columns of a table are not read, and raise when one that is read shares its name with another.

    Raises:
        InputError: with the places of the columns.
    """
    used = {*layout.columns.values(), *(cell.column for cell in layout.cells)}
    for name, times in Counter(header).items():
        if times > 1 and name in used:
            places = [str(place) for place, other in enumerate(header, start=1) if other == name]
            raise InputError(
                f"{context.file}: {times} columns are called '{escape_for_display(name, limit=80)}'.",
                found=f"columns {', '.join(places)}",
                fix="Give each a name of its own, or leave all but one out of the file.",
            )
    context.unread = tuple(name for name in header if name and name not in used)


def reject_duplicate_columns(context: Context, cells: Iterable[ValueCell]) -> None:
    """Raise when two columns are about the same item and dimension: which of their answers counts is not guessed.

    Raises:
        InputError: with the columns' names.
    """
    columns: dict[tuple[str | None, str | None, str | None], list[str]] = {}
    for cell in cells:
        columns.setdefault((cell.item, cell.item_column, cell.dimension), []).append(cell.column)
    for (item, _, dimension), names in columns.items():
        if len(names) > 1:
            about = [
                f"{what} '{word}'" for what, word in (("item", item), ("dimension", dimension)) if word is not None
            ]
            raise InputError(
                f"{context.file}: {len(names)} columns mean the same{', ' + ' and '.join(about) if about else ''}.",
                found=f"the columns {', '.join(names)}",
                expected="one column for each item and dimension",
                fix="Say with 'pattern' in a mapping what tells them apart, or name all but one in 'ignore'.",
            )


def note_record(context: Context, row: int, error: InputError) -> None:
    """Turn a record without a layout into a fault, for files whose records differ in their keys."""
    what = error.what.removeprefix(f"{escape_for_display(context.file)}: ")
    context.faults.add(row, None, f"{what} {error.fix}" if error.fix else what)


def flat_records(
    path: Path, context: Context, layout_of: Callable[[tuple[str, ...]], Layout]
) -> Iterator[tuple[int, Layout, dict[str, Any]]]:
    """Yield (row, layout, flat record) of every object of a JSON file; one without a layout is a fault."""
    cached = lru_cache(maxsize=64)(layout_of)
    for row, record in read_objects(path, context.faults):
        flat = flatten(record)
        try:
            layout = cached(tuple(flat))
        except InputError as error:
            note_record(context, row, error)
            continue
        yield row, layout, flat


def split_header(header: str, context: Context, *, guess: bool = True) -> tuple[str | None, str | None] | None:
    """Return (item, dimension) of a rating column's header, ``None`` for what it does not say, or ``None`` for another.

    The mapping's pattern decides alone when there is one. Otherwise the header ends or begins with a dimension that is
    known, or, with ``guess``, has the form ``item [dimension]`` or ``item__dimension``.
    """
    mapping = context.mapping
    if header in mapping.ignore or len(header) > MAX_HEADER:
        return None
    if mapping.pattern is not None:
        match = re.fullmatch(mapping.pattern, header)
        if not match:
            return None
        groups = match.groupdict()
        words = groups.get("dimension")
        return groups.get("item"), None if words is None else context.dimensions.resolve(words.strip())
    known = context.dimensions.split(header)
    if known is not None:
        return known
    match = (_BRACKETS.fullmatch(header) or _UNDERSCORES.fullmatch(header)) if guess else None
    return (match["item"].strip(), context.dimensions.resolve(match["dimension"].strip())) if match else None


def ratings_of(context: Context, layout: RecordLayout, row: int, record: Mapping[str, Any]) -> Iterator[Answer]:
    """Yield the ratings of one record; a fault in who, when or how long spoils all of them, one in a cell that one."""
    before = context.faults.count
    fixed, columns = context.mapping.constants, layout.columns

    def named(field: Literal["rater", "item", "dimension"]) -> str | None:
        constant: str | None = getattr(fixed, field)
        column = columns.get(field)
        return constant if column is None else context.name(row, column, record.get(column), field)

    rater, item, dimension = named("rater"), named("item"), named("dimension")
    at, seconds = times_of(context, columns, row, record)
    spoilt = context.faults.count != before
    single = len(layout.cells) == 1 and layout.cells[0].item is None and layout.cells[0].dimension is None
    answers: list[tuple[str, str, float]] = []
    for cell in layout.cells:
        content = record.get(cell.column)
        if context.is_missing(content):
            if single:
                context.faults.add(row, cell.column, "the rating is missing.")
            continue
        value = context.number(row, cell.column, content)
        about = cell.item or item
        if cell.item_column is not None:
            about = context.name(row, cell.item_column, record.get(cell.item_column), "item")
        question = cell.dimension or dimension
        if value is not None and about is not None and question is not None:
            answers.append((about, context.dimensions.resolve(question), value))
    if spoilt or rater is None:
        return
    if seconds is not None and layout.seconds_cover == "row" and answers:
        seconds /= len({about for about, _, _ in answers})
    status = context.status(record.get(columns["status"])) if "status" in columns else ""
    for about, question, value in answers:
        yield Answer(rater, about, question, value, at, seconds, row, status)


def times_of(
    context: Context, columns: Mapping[Field, str], row: int, record: Mapping[str, Any]
) -> tuple[datetime | None, float | None]:
    """Return when a record was submitted, and the seconds spent on it: as given, else since it was started."""
    at = started = seconds = None
    before = context.faults.count
    if "at" in columns:
        at = context.moment(row, columns["at"], record.get(columns["at"]))
    if "started_at" in columns:
        started = context.moment(row, columns["started_at"], record.get(columns["started_at"]))
    if "seconds" in columns:
        seconds = context.duration(row, columns["seconds"], record.get(columns["seconds"]))
    if seconds is None and at is not None and started is not None and context.faults.count == before:
        seconds = (at - started).total_seconds()
        if seconds < 0:
            context.faults.add(row, columns["at"], "the answer was submitted before it was started.")
    return at, seconds
