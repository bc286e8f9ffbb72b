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
from evalkit.ratings.jsonfile import KeyTwiceError, flatten, read_objects
from evalkit.ratings.mapping import CommonMapping, Constants
from evalkit.ratings.model import Answer
from evalkit.ratings.times import looks_like_moment
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

# What form services call the column of times, in their users' languages: first those of Google Forms.
STAMPS = tuple(
    map(
        normalised,
        (
            *(
                "Timestamp",
                "타임스탬프",
                "タイムスタンプ",
                "时间戳记",
                "时间戳",
                "時間戳記",
                "Horodateur",
                "Horodatage",
            ),
            *("Zeitstempel", "Marca temporal", "Marca de tiempo", "Marca de temps", "Carimbo de data/hora"),
            *("Informazioni cronologiche", "Tijdstempel", "Отметка времени", "Позначка часу", "Sygnatura czasowa"),
            *("Zaman damgas\u0131", "Časové razítko", "Časová pečiatka", "Tidsstempel", "Tidstämpel", "Tidsmerke"),
            *("Aikaleima", "Időbélyeg", "Χρονική σήμανση", "Χρονική σφραγίδα", "Marcaj de timp", "Marcaj temporal"),
            *("Dấu thời gian", "ประทับเวลา", "Stempel waktu", "Cap waktu", "Cap masa", "חותמת זמן", "طابع زمني"),
            *("Vremenska oznaka", "Клеймо за време", "Laiko žymė", "Časovni žig", "Ajatempel", "Laika zīmogs"),
            *(
                "Completion time",
                "完成时间",
                "完成時間",
                "完了時刻",
                "완료 시간",
                "Fertigstellungszeit",
                "Heure de fin",
            ),
            *("Hora de finalización", "Hora de conclusão", "Ora di completamento", "提交时间", "提交時間", "제출 시간"),
        ),
    )
)

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
        *STAMPS,
        "time",
    ),
    "started_at": (
        *("started_at", "start_time", "accepted_at"),
        *(
            normalised(word)
            for word in ("开始时间", "開始時間", "開始時刻", "시작 시간", "Startzeit", "Heure de début")
        ),
        *(normalised(word) for word in ("Hora de inicio", "Hora de início", "Ora di inizio")),
    ),
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
        named = getattr(mapping, field)
        if named is not None:
            column = named if named in names else by_usual_name.get(normalised(named))
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
        named = getattr(mapping, field)
        if named is not None and field not in found:
            hint = did_you_mean(named, names)
            raise InputError(
                f"{file}: the mapping's column '{named}' for '{field}' is not there.{hint}",
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


def settle_columns(context: Context, header: Sequence[str], layout: RecordLayout, *, header_rows: int = 1) -> None:
    """Record which columns of a table are not read, and raise when one that is read shares its name with another.

    Args:
        context: of the table.
        header: the columns' names.
        layout: what is read.
        header_rows: how many rows stand before the answers.

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
    context.timed, context.header_rows = "at" in layout.columns, header_rows


def require_known_times(context: Context, rows: Iterable[Mapping[str, object]]) -> None:
    """Raise when answers would be read without their times though a column that is not read seems to hold them.

    Args:
        context: of the file, after its layout is settled.
        rows: some of the file's rows.

    Raises:
        InputError: naming the columns, and what to write into a mapping.
    """
    if context.timed or not context.unread:
        return
    sampled = list(rows)
    holding = []
    for name in context.unread:
        cells = [cell for row in sampled if not context.is_missing(cell := row.get(name))]
        timely = bool(cells) and all(isinstance(cell, str) and looks_like_moment(cell) for cell in cells)
        if timely and name not in context.mapping.ignore:
            holding.append(name)
    if holding:
        listed = " and ".join(f"'{escape_for_display(name, limit=80)}'" for name in holding)
        raise InputError(
            f"{context.file}: the answers would lose their times. No column is known as the time they were handed in, "
            f"and {listed} seem{'s' * (len(holding) == 1)} to hold times.",
            expected=f"a column such as '{USUAL['at'][0]}'",
            fix=f"Say in a mapping which one it is ('at: {escape_for_display(holding[0], limit=80)}'), or name it in "
            "'ignore' if it is none.",
        )


def note_unread_time(context: Context, layout: RecordLayout, row: int, record: Mapping[str, Any]) -> None:
    """Add a fault when a JSON object without a known time has a key that is not read and seems to hold one."""
    used = {*layout.columns.values(), *(cell.column for cell in layout.cells), *context.mapping.ignore}
    for name, cell in record.items():
        if name not in used and isinstance(cell, str) and looks_like_moment(cell):
            what = "the answer would lose its time: no key is known as the time it was handed in, and this seems it."
            context.faults.add(row, name, f"{what} Name it in a mapping ('at'), or in 'ignore' if it is none.")
            return


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
    for row, record in read_objects(path, context.faults, context.form):
        try:
            flat = flatten(record)
        except KeyTwiceError as error:
            context.faults.add(row, None, str(error))
            continue
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
