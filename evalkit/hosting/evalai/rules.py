"""What EvalAI asks of a challenge's configuration: its validation, its serializers, its workers."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

from evalkit.errors import InputError
from evalkit.hosting.bundle_files import NO_ZIP, Bundle, read_member

_PAGES = ("description", "evaluation_details", "terms_and_conditions", "submission_guidelines")
_SPLIT_KEYS = (
    "challenge_phase_id",
    "leaderboard_id",
    "dataset_split_id",
    "visibility",
    "leaderboard_decimal_precision",
    "is_leaderboard_order_descending",
)
_VISIBLE = {1, 2, 3}
_NAME, _TAGS = 100, 4
_SCRIPT_LIMIT = 64 << 20


def evalai_problems(bundle: Bundle, document: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Return what the platform refuses, and what an organizer should know."""
    problems = [
        *_top(bundle, document),
        *_dates("The challenge", document),
        *_leaderboards(document),
        *_phases(bundle, document),
        *_splits(document),
    ]
    notes = []
    if not document.get("remote_evaluation"):
        notes.append("EvalAI's own workers run Python 3.7 to 3.9: scoring needs a worker image with evalkit in it.")
    return problems, notes


def _top(bundle: Bundle, document: dict[str, Any]) -> Iterator[str]:
    title = document.get("title")
    if not isinstance(title, str) or not title or len(title) > _NAME:
        yield f"The title must be text of 1 to {_NAME} characters."
    for key in _PAGES:
        name = document.get(key)
        if not isinstance(name, str) or name not in bundle.names or not name.endswith(".html"):
            yield f"{key} must name an HTML file of the bundle, found {name!r}."
    image = document.get("image")
    if image is not None and (image not in bundle.names or not str(image).endswith((".jpg", ".jpeg", ".png"))):
        yield f"image must name a PNG or JPEG of the bundle, found {image!r}."
    script = document.get("evaluation_script")
    if not isinstance(script, str) or not script.endswith(".zip") or script not in bundle.names:
        yield f"evaluation_script must name a ZIP of the bundle, found {script!r}."
    else:
        yield from _script(bundle, script)
    tags = document.get("tags", [])
    if not isinstance(tags, list) or len(tags) > _TAGS:
        yield f"At most {_TAGS} tags are taken."


def _script(bundle: Bundle, name: str) -> Iterator[str]:
    """Look for what a worker imports: the ZIP is unpacked into a package of its own."""
    try:
        with zipfile.ZipFile(io.BytesIO(bundle.read(name, _SCRIPT_LIMIT))) as archive:
            if "__init__.py" not in archive.namelist():
                yield f"{name} has no __init__.py at its top, so the worker finds no evaluate()."
            elif b"evaluate" not in read_member(archive, "__init__.py", _SCRIPT_LIMIT):
                yield f"__init__.py of {name} does not name evaluate()."
    except NO_ZIP:
        yield f"{name} is no ZIP."
    except InputError as error:
        yield f"{name}: {error}"


def _dates(what: str, document: dict[str, Any]) -> Iterator[str]:
    start, end = _moment(document.get("start_date")), _moment(document.get("end_date"))
    if start is None or end is None:
        yield f"{what} needs a start_date and an end_date as 'YYYY-MM-DD HH:MM:SS' in UTC."
    elif start > end:
        yield f"{what} ends before it starts."


def _moment(value: object) -> datetime | None:
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    try:
        return datetime.fromisoformat(str(value)).replace(tzinfo=None)
    except ValueError:
        return None


def _listed(document: dict[str, Any], key: str) -> list[dict[str, Any]]:
    value = document.get(key)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _leaderboards(document: dict[str, Any]) -> Iterator[str]:
    boards = _listed(document, "leaderboard")
    if not boards:
        yield "There is no leaderboard."
    for board in boards:
        name = board.get("id")
        schema = board.get("schema")
        schema = schema if isinstance(schema, dict) else {}
        labels = schema.get("labels")
        if name is None or not isinstance(labels, list) or not labels:
            yield f"Leaderboard {name!r} needs an id and a schema with labels."
            continue
        if len(set(map(str, labels))) != len(labels):
            yield f"Leaderboard {name}: two columns have the same label."
        if schema.get("default_order_by") not in labels:
            yield f"Leaderboard {name}: default_order_by {schema.get('default_order_by')!r} is none of its labels."
        metadata = schema.get("metadata") or {}
        for label in metadata if isinstance(metadata, dict) else ():
            if label not in labels:
                yield f"Leaderboard {name}: metadata about {label!r}, which is none of its labels."
        yield from _order(document, board)


def _order(document: dict[str, Any], board: dict[str, Any]) -> Iterator[str]:
    """Compare the two places that say which values are better: the first wins where both do."""
    schema = board["schema"]
    label = schema.get("default_order_by")
    about = schema.get("metadata", {}).get(label, {}) if isinstance(schema.get("metadata"), dict) else {}
    if "sort_ascending" not in about:
        return
    for split in _listed(document, "challenge_phase_splits"):
        descending = split.get("is_leaderboard_order_descending")
        if split.get("leaderboard_id") == board.get("id") and descending is about["sort_ascending"]:
            yield (
                f"Leaderboard {board.get('id')}: sort_ascending of {label!r} and is_leaderboard_order_descending of a "
                "phase split contradict each other."
            )


def _phases(bundle: Bundle, document: dict[str, Any]) -> Iterator[str]:
    phases = _listed(document, "challenge_phases")
    if not phases:
        yield "There are no challenge_phases."
    seen: set[object] = set()
    for phase in phases:
        name = phase.get("name") or phase.get("id")
        if "id" not in phase or not phase.get("name") or len(str(phase.get("name"))) > _NAME:
            yield f"Phase {name!r} needs an id and a name of at most {_NAME} characters."
        codename = phase.get("codename")
        if not codename or codename in seen or len(str(codename)) > _NAME:
            yield f"Phase {name!r} needs a codename of its own, at most {_NAME} characters."
        seen.add(codename)
        yield from _dates(f"Phase {name!r}", phase)
        if not phase.get("description") or phase["description"] not in bundle.names:
            yield f"Phase {name!r}: description must name a file of the bundle, found {phase.get('description')!r}."
        annotations = phase.get("test_annotation_file")
        if annotations is not None and annotations not in bundle.names:
            yield f"Phase {name!r} names the annotations {annotations!r}, which are not there."
        if phase.get("is_submission_public") and phase.get("is_restricted_to_select_one_submission"):
            yield f"Phase {name!r}: is_submission_public and is_restricted_to_select_one_submission exclude each other."
        for key in ("max_submissions", "max_submissions_per_day", "max_submissions_per_month"):
            value = phase.get(key)
            if value is not None and (not isinstance(value, int) or value < 0):
                yield f"Phase {name!r}: {key} must be a whole number."


def _splits(document: dict[str, Any]) -> Iterator[str]:
    splits = _listed(document, "dataset_splits")
    if not splits:
        yield "There are no dataset_splits."
    codenames = [split.get("codename") for split in splits]
    if not all(codenames) or len(set(codenames)) != len(codenames) or not all(split.get("name") for split in splits):
        yield "Each dataset split needs a name, and a codename of its own."
    known = {
        "challenge_phase_id": {one.get("id") for one in _listed(document, "challenge_phases")},
        "leaderboard_id": {one.get("id") for one in _listed(document, "leaderboard")},
        "dataset_split_id": {one.get("id") for one in splits},
    }
    pairs = _listed(document, "challenge_phase_splits")
    if not pairs:
        yield "There are no challenge_phase_splits."
    seen: set[tuple[object, ...]] = set()
    for number, pair in enumerate(pairs, start=1):
        absent = [key for key in _SPLIT_KEYS if key not in pair]
        if absent:
            yield f"Phase split {number} lacks {', '.join(absent)}."
            continue
        for key, ids in known.items():
            if pair[key] not in ids:
                yield f"Phase split {number}: {key} {pair[key]!r} does not exist."
        triple = tuple(pair[key] for key in known)
        if triple in seen:
            yield f"Phase split {number} repeats phase, leaderboard and split of another one."
        seen.add(triple)
        if pair["visibility"] not in _VISIBLE:
            yield f"Phase split {number}: visibility must be 1 (hosts), 2 (hosts and the team) or 3 (everybody)."
