"""Label Studio's JSON: an array of tasks, each with its data and its annotations.

Read are ratings, numbers and single choices. The item is ``data.item`` (or another usual name), the rater is
``completed_by``, the time is ``updated_at``: since then the answer is what it is. ``lead_time`` is the time spent on
the task. Cancelled annotations are kept with that status. Of an annotation that is in the file more than once, the
state that was updated last counts. Files are not compared with each other: an answer that was changed after its export
is a second answer in the next one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any

from evalkit.errors import InputError
from evalkit.ratings.cell_reader import MAX_TIME, Context
from evalkit.ratings.formats.base import FileHead, RatingFormat
from evalkit.ratings.jsonfile import KeyTwiceError, flatten, read_objects
from evalkit.ratings.layout import (
    USUAL,
    Field,
    RecordLayout,
    ValueCell,
    find_columns,
    need_columns,
    note_record,
    ratings_of,
)
from evalkit.ratings.model import Answer
from evalkit.ratings.read_errors import Faults
from evalkit.ratings.times import parse_moment

_USUAL: dict[Field, tuple[str, ...]] = {
    "rater": ("completed_by", "completed_by_id"),
    "item": tuple(f"data_{word}" for word in USUAL["item"]),
    "at": ("updated_at", "created_at"),
    "seconds": ("lead_time",),
    "status": ("status",),
}
_ANSWER = "answer."
_KINDS = ("rating", "number", "choices")


def detect(head: FileHead, context: Context) -> bool:
    """Whether the array's first object is a task with annotations."""
    return head.kind == "array" and isinstance((head.record or {}).get("annotations"), list)


def read(path: Path, context: Context) -> Iterator[Answer]:
    """Yield the ratings of the file, task by task; a rating's row is the task's place in the array."""
    outdated = _outdated(path, context)
    for row, task in read_objects(path, context.faults, context.form):
        annotations = task.get("annotations")
        if not isinstance(annotations, list):
            context.faults.add(row, "annotations", "the task has no list of annotations.")
            continue
        for place, annotation in enumerate(annotations):
            if (row, place) in outdated:
                continue
            if not isinstance(annotation, dict):
                context.faults.add(row, "annotations", "an annotation is not a JSON object.")
                continue
            try:
                record = _record(task, annotation, row, context)
            except KeyTwiceError as error:
                context.faults.add(row, "annotations", str(error))
                continue
            try:
                layout = _layout(record, context)
            except InputError as error:
                note_record(context, row, error)
                continue
            yield from ratings_of(context, layout, row, record)


def _outdated(path: Path, context: Context) -> set[tuple[int, int]]:
    """Return the places (task, annotation in it) of annotations that the file also holds in a later state."""
    newest: dict[bytes, tuple[datetime, tuple[int, int]]] = {}
    outdated = set()
    for row, task in read_objects(
        path, Faults(path.name), context.form
    ):  # faults are recorded when the answers are read
        annotations = task.get("annotations")
        for place, annotation in enumerate(annotations if isinstance(annotations, list) else ()):
            key = _identity(task, annotation) if isinstance(annotation, dict) else None
            if key is None:
                continue
            found = (_updated(annotation), (row, place))
            if key in newest:
                older, found = sorted((newest[key], found))
                outdated.add(older[1])
            newest[key] = found
    return outdated


def _identity(task: Mapping[str, Any], annotation: Mapping[str, Any]) -> bytes | None:
    """Return what an annotation is known by; its id alone is another one's in files from two places."""
    if annotation.get("id") is None:
        return None
    who = annotation.get("completed_by")
    who = who.get("id", who) if isinstance(who, dict) else who
    try:
        text = json.dumps([annotation["id"], who, task.get("id"), task.get("data")], sort_keys=True)
    except (ValueError, RecursionError):
        return None
    return blake2b(text.encode(), digest_size=16).digest()


def _updated(annotation: Mapping[str, Any]) -> datetime:
    """Return when an annotation was updated; long ago, where that can't be read."""
    text = annotation.get("updated_at")
    try:
        return parse_moment(text if isinstance(text, str) and len(text) <= MAX_TIME else "")
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)


def _record(task: Mapping[str, Any], annotation: Mapping[str, Any], row: int, context: Context) -> dict[str, Any]:
    """Return one annotation as a flat record: the task's data, who and when, and its answers.

    Raises:
        KeyTwiceError: when two of these have one name.
    """
    data = task.get("data")
    about = {name: value for name, value in annotation.items() if name not in {"result", "prediction"}}
    record = flatten({"data": data} if isinstance(data, dict) else {}, about)
    record["status"] = "cancelled" if annotation.get("was_cancelled") is True else ""
    results = annotation.get("result")
    if not isinstance(results, list):
        context.faults.add(row, "result", "the annotation has no list of results.")
        return record
    for result in results:
        question: Any = result if isinstance(result, dict) else {}
        name, value = question.get("from_name"), question.get("value")
        if not isinstance(name, str) or not isinstance(value, dict):
            continue
        kind = next((kind for kind in _KINDS if kind in value), None)
        wanted = not len(context.dimensions) or context.dimensions.find(name) is not None
        if kind is not None and wanted and name not in context.mapping.ignore:
            if _ANSWER + name in record:
                context.faults.add(row, name, "the annotation answers this question twice, so neither answer is taken.")
                record[_ANSWER + name] = None
            else:
                record[_ANSWER + name] = _single(value[kind])
    return record


def _single(value: Any) -> Any:
    """Return the only element of a list of one; anything else as it is."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _layout(record: Mapping[str, Any], context: Context) -> RecordLayout:
    mapping = context.mapping
    names = tuple(record)
    found = find_columns(names, mapping, _USUAL)
    need_columns(context.file, names, mapping, found, ("rater", "item"))
    cells = [
        ValueCell(name, dimension=context.dimensions.resolve(name.removeprefix(_ANSWER)))
        for name in names
        if name.startswith(_ANSWER)
    ]
    columns = {field: name for field, name in found.items() if field not in {"dimension", "value"}}
    return RecordLayout(columns, tuple(cells), mapping.seconds_cover or "item")


FORMAT = RatingFormat("label-studio", detect, read, order=30, json=True)
