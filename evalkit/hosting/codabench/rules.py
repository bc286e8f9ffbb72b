"""What Codabench asks of a bundle: its unpacker of version 2, its serializers and its database."""

from __future__ import annotations

import io
import uuid
import zipfile
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

from evalkit.hosting.bundle_files import NO_ZIP, Bundle

DEFAULT_QUEUE_SECONDS = 600
RULES = {"Add", "Add_And_Delete", "Add_And_Delete_Multiple", "Force_Last", "Force_Latest_Multiple", "Force_Best"}
_LENGTHS = {"title": 256, "docker_image": 128, "reward": 256, "contact_email": 256}
_IMAGES = {".png", ".jpg", ".jpeg", ".gif"}
_PROGRAM_LIMIT = 64 << 20


def codabench_problems(bundle: Bundle, document: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Return what the platform refuses, and what an organizer should know."""
    problems = [
        *_top(bundle, document),
        *_pages(bundle, document),
        *_tasks(bundle, document),
        *_phases(document),
        *_leaderboards(document),
    ]
    return problems, list(_notes(document))


def _top(bundle: Bundle, document: dict[str, Any]) -> Iterator[str]:
    if str(document.get("version", "1")) != "2":
        yield f"version is {document.get('version', '1')!r}; this form of competition.yaml has version 2."
    for key, most in _LENGTHS.items():
        value = document.get(key)
        if value is not None and (not isinstance(value, str) or len(value) > most):
            yield f"{key} must be text of at most {most} characters."
    if not document.get("title"):
        yield "There is no title."
    image = document.get("image")
    if not bundle.has(image):
        yield f"There is no image {image!r}."
    elif not any(str(image).lower().endswith(suffix) for suffix in _IMAGES):
        yield f"The image {image!r} is no PNG, JPEG or GIF."
    yield from _text_file(bundle, "terms", document.get("terms"))


def _pages(bundle: Bundle, document: dict[str, Any]) -> Iterator[str]:
    pages = document.get("pages")
    if not isinstance(pages, list) or not pages:
        yield "There are no pages."
        return
    for page in pages:
        if not isinstance(page, dict) or not page.get("title"):
            yield "A page has no title."
            continue
        yield from _text_file(bundle, f"The page {page['title']!r}", page.get("file"))


def _text_file(bundle: Bundle, what: str, name: object) -> Iterator[str]:
    if not isinstance(name, str) or name not in bundle.names:
        yield f"{what} names the file {name!r}, which is not there."
        return
    try:
        empty = not bundle.read(name).decode("utf-8")
    except UnicodeDecodeError:
        yield f"{what}: {name} is not UTF-8 text."
        return
    if empty:
        yield f"{what}: {name} is empty."


def _tasks(bundle: Bundle, document: dict[str, Any]) -> Iterator[str]:
    tasks = document.get("tasks")
    if not isinstance(tasks, list) or not tasks:
        yield "There are no tasks."
        return
    seen: set[object] = set()
    for task in tasks:
        index = task.get("index") if isinstance(task, dict) else None
        if not isinstance(index, int) or index in seen:
            yield f"A task has the index {index!r}; each needs a number of its own."
            continue
        seen.add(index)
        if "key" in task:
            continue
        if not task.get("name"):
            yield f"Task {index} has no name."
        if "scoring_program" not in task:
            yield f"Task {index} has no scoring program."
        for kind in ("scoring_program", "reference_data", "input_data", "ingestion_program"):
            if kind in task and not bundle.has(task[kind]) and not _is_key(task[kind]):
                yield f"Task {index}: {kind} names {task[kind]!r}, which is neither a file nor the key of a data set."
        if bundle.has(task.get("scoring_program")):
            yield from _program(bundle, str(task["scoring_program"]))


def _program(bundle: Bundle, name: str) -> Iterator[str]:
    """Look for the command that the platform runs; without one it runs nothing, and says nothing."""
    if name not in bundle.names:
        names = {one.removeprefix(name.rstrip("/") + "/") for one in bundle.names if one.startswith(name.rstrip("/"))}
    else:
        try:
            with zipfile.ZipFile(io.BytesIO(bundle.read(name, _PROGRAM_LIMIT))) as archive:
                names = set(archive.namelist())
        except NO_ZIP:
            yield f"{name} is no ZIP."
            return
    if not names & {"metadata.yaml", "metadata"}:
        yield f"{name} has no metadata.yaml at its top, so the platform runs nothing."


def _is_key(value: object) -> bool:
    try:
        uuid.UUID(str(value))
    except ValueError:
        return False
    return True


def _phases(document: dict[str, Any]) -> Iterator[str]:
    phases, tasks = document.get("phases"), document.get("tasks")
    if not isinstance(phases, list) or not phases or not all(isinstance(one, dict) for one in phases):
        yield "There are no phases."
        return
    known = {task.get("index") for task in tasks if isinstance(task, dict)} if isinstance(tasks, list) else set()
    ordered = sorted(phases, key=lambda one: one["index"] if isinstance(one.get("index"), int) else 0)
    before: tuple[str, datetime | None] | None = None
    for at, phase in enumerate(ordered):
        name = str(phase.get("name") or at)
        if not phase.get("name") or len(name) > 256:
            yield f"Phase {name} needs a name of at most 256 characters."
        if not phase.get("tasks") or not set(phase["tasks"]) <= known:
            yield f"Phase {name} names the tasks {phase.get('tasks')!r}; known: {sorted(map(str, known))}."
        if at == 0 and phase.get("auto_migrate_to_this_phase"):
            yield f"Phase {name} is the first, so nothing can be migrated to it."
        start, end = _time(phase.get("start")), _time(phase.get("end"))
        for key, moment in (("start", start), ("end", end)):
            if isinstance(moment, str):
                yield f"Phase {name}: {key} {moment}"
        if start is None:
            yield f"Phase {name} has no start."
        if isinstance(start, datetime) and isinstance(end, datetime) and end <= start:
            yield f"Phase {name} ends before it starts."
        if before is not None and (before[1] is None or (isinstance(start, datetime) and start <= before[1])):
            yield f"Phase {name} must start after phase {before[0]} has ended."
        before = (name, end if isinstance(end, datetime) else None)


def _time(value: object) -> datetime | str | None:
    """Return the moment; words when the platform would read something else than what is written."""
    if value is None or not value:
        return None
    if isinstance(value, datetime):
        return "is a YAML timestamp, whose time of day the platform drops: put it in quotes."
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return f"can't be read: {value!r}."
    if moment.tzinfo is not None and moment.utcoffset():
        return "has a zone, which the platform replaces by UTC without converting."
    return moment.replace(tzinfo=None)


def _leaderboards(document: dict[str, Any]) -> Iterator[str]:
    boards = document.get("leaderboards")
    if not isinstance(boards, list) or not boards or not isinstance(boards[0], dict):
        yield "There are no leaderboards."
        return
    board = boards[0]
    if not board.get("title") or len(str(board["title"])) > 64:
        yield "The leaderboard needs a title of at most 64 characters."
    if not board.get("key") or len(str(board["key"])) > 36:
        yield "The leaderboard needs a key of at most 36 characters."
    if board.get("submission_rule", "Add") not in RULES:
        yield f"submission_rule is {board.get('submission_rule')!r}; known: {', '.join(sorted(RULES))}."
    columns = board.get("columns")
    if not isinstance(columns, list) or not columns:
        yield "The leaderboard has no columns."
        return
    for column in columns:
        yield from _column(column)
    for key in ("key", "index"):
        values = [column.get(key) for column in columns if isinstance(column, dict)]
        if len(set(map(str, values))) != len(values):
            yield f"Two columns have the same {key}."
    primary = board.get("primary_index", 0)
    if primary not in [column.get("index") for column in columns if isinstance(column, dict)]:
        yield f"No column has the index {primary}, by which the platform orders first."


def _column(column: object) -> Iterator[str]:
    if not isinstance(column, dict):
        yield "A column is no list of keys."
        return
    name = column.get("key") or column.get("title")
    for key in ("title", "key"):
        if not column.get(key) or len(str(column[key])) > 36:
            yield f"Column {name!r} needs a {key} of at most 36 characters."
    if not isinstance(column.get("index"), int) or column["index"] < 0:
        yield f"Column {name!r} needs an index."
    if column.get("sorting", "desc") not in {"asc", "desc"}:
        yield f"Column {name!r} has the sorting {column.get('sorting')!r}; known: asc, desc."
    if not isinstance(column.get("precision", 2), int):
        yield f"Column {name!r}: the precision must be a whole number."
    if ("computation" in column) != bool(column.get("computation_indexes")):
        yield f"Column {name!r}: a computation needs computation_indexes, and they a computation."


def _notes(document: dict[str, Any]) -> Iterator[str]:
    image = str(document.get("docker_image", ""))
    if image.startswith("localhost/") or not image:
        yield f"The image {image or '(none)'} can't be pulled by the platform: push one and name it in docker_image."
    limits = [one.get("execution_time_limit") for one in document.get("phases") or [] if isinstance(one, dict)]
    if not document.get("queue") and any(isinstance(one, int) and one > DEFAULT_QUEUE_SECONDS for one in limits):
        yield (
            f"Without a queue of your own the platform ends a submission after {DEFAULT_QUEUE_SECONDS} s, whatever "
            "execution_time_limit says."
        )
    for task in document.get("tasks") or []:
        if isinstance(task, dict) and "key" not in task and "reference_data" not in task:
            yield f"Task {task.get('index')} has no reference_data: scoring needs the test set."
