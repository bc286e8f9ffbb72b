"""MTurk batch results: ``Input.*`` says what was shown, ``Answer.*`` what was answered, a row per assignment.

Understood are answers by name (``Answer.lip_sync``), one column per radio button (``Answer.lip_sync.4`` = true, or
``Answer.lip_sync.Good`` where the mapping's ``values`` say what Good is), answers as JSON (``Answer.taskAnswers``), a
widget's word behind the name (``Answer.lip_sync.label``), and several items in one assignment:
``Answer.item2_lip_sync`` or ``Answer.lip_sync_2`` is about the item in ``Input.item2``. Where one column names the
item, other words beside a dimension (``Answer.lip_sync_comment``) make a column that is not read.
``WorkTimeInSeconds`` is the whole assignment's; its items share it equally.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

from evalkit.errors import InputError
from evalkit.jsonio import parse_json
from evalkit.ratings.cell_reader import Context, normalised
from evalkit.ratings.formats.base import FileHead, RatingFormat
from evalkit.ratings.jsonfile import KeyTwiceError, flatten
from evalkit.ratings.layout import (
    USUAL,
    Field,
    RecordLayout,
    ValueCell,
    find_columns,
    need_columns,
    note_record,
    ratings_of,
    reject_duplicate_columns,
    settle_columns,
    split_header,
)
from evalkit.ratings.model import Answer
from evalkit.ratings.table import TableRow, read_table
from evalkit.text import escape_for_display

_USUAL: dict[Field, tuple[str, ...]] = {
    "rater": ("workerid",),
    "item": tuple(f"input_{word}" for word in USUAL["item"]),
    "at": ("submittime",),
    "seconds": ("worktimeinseconds",),
    "status": ("assignmentstatus",),
}
_ANSWER, _INPUT, _JSON = "Answer.", "Input.", "Answer.taskAnswers"
_NEEDED = frozenset({"workerid", "assignmentstatus"})
# What the platform's form elements put behind the name of a question.
_WIDGETS = frozenset({"label", "rating", "slider", "value"})


def detect(head: FileHead, context: Context) -> bool:
    """Whether the table has the columns of a batch and at least one answer."""
    words = {normalised(name) for name in head.header}
    return head.kind == "table" and words >= _NEEDED and any(name.startswith(_ANSWER) for name in head.header)


def read(path: Path, context: Context) -> Iterator[Answer]:
    """Yield the ratings of the file, assignment by assignment."""
    (header,), rows = read_table(path, context.faults, form=context.form)
    names = tuple(name for name in header if name)
    found = find_columns(names, context.mapping, _USUAL)
    need_columns(context.file, names, context.mapping, found, ("rater",))

    @lru_cache(maxsize=64)
    def layout_for(answers: tuple[str, ...]) -> RecordLayout:
        return _layout(names, answers, found, context)

    plain = tuple(name for name in names if name.startswith(_ANSWER))
    if _JSON not in plain:
        questions = _questions(plain, context)
        settle_columns(context, header, layout_for(tuple(dict.fromkeys(questions[name] for name in plain))))
        context.unread = tuple(name for name in context.unread if questions.get(name, name) == name)
    return chain.from_iterable(_row(row, context, layout_for) for row in rows)


def _row(row: TableRow, context: Context, layout_for: Callable[[tuple[str, ...]], RecordLayout]) -> Iterator[Answer]:
    answers = _answers(row, context)
    if answers is None:
        return iter(())
    record = {**{name: cell for name, cell in row.cells.items() if not name.startswith(_ANSWER)}, **answers}
    try:
        layout = layout_for(tuple(answers))
    except InputError as error:
        note_record(context, row.number, error)
        return iter(())
    return ratings_of(context, layout, row.number, record)


def _answers(row: TableRow, context: Context) -> dict[str, Any] | None:
    """Return the answers of a row, radio buttons and JSON made plain; ``None`` after a fault."""
    cells: dict[str, Any] = {name: cell for name, cell in row.cells.items() if name.startswith(_ANSWER)}
    text = cells.pop(_JSON, "")
    if text:
        try:
            parts = parse_json(text)
            parts = parts if isinstance(parts, list) else [parts]
            told = flatten(*({_ANSWER + name: cell for name, cell in part.items()} for part in parts))
        except KeyTwiceError as error:
            context.faults.add(row.number, _JSON, str(error))
            return None
        except (ValueError, AttributeError):
            context.faults.add(row.number, _JSON, "the cell is not a JSON object.")
            return None
        if twice := next((name for name in told if cells.get(name)), None):
            what = f"'{escape_for_display(twice, limit=80)}' has a column of its own, too."
            context.faults.add(row.number, _JSON, what)
            return None
        cells.update(told)
    answers: dict[str, Any] = {}
    questions = _questions(tuple(cells), context)
    for name, cell in cells.items():
        question = questions[name]
        if question == name:
            answers[name] = cell
        elif not _is_pressed(cell):
            answers.setdefault(question, "")
        elif answers.get(question):
            context.faults.add(row.number, name, "two answers are chosen for one question.")
            return None
        else:
            answers[question] = name[len(question) + 1 :]
    return answers


def _questions(names: tuple[str, ...], context: Context) -> dict[str, str]:
    """Return the question of each name: ``Answer.lip_sync`` for ``Answer.lip_sync.4``, any other name as it is.

    A button is a number or a label of the mapping. Another word beside such a button is a button too, so that
    pressing it is a fault and not an answer lost.
    """
    labels = sorted(context.mapping.values, key=len, reverse=True)
    questions = {name: _without_button(name, labels) for name in names}
    worded = {questions[name] for name in names if questions[name] != name and not _last(name).isdecimal()}
    for name in names:
        question = name.rpartition(".")[0]
        if question in worded and questions[name] == name:
            questions[name] = question
    return questions


def _without_button(name: str, labels: list[str]) -> str:
    for label in labels:
        question = name.removesuffix(f".{label}")
        if label and question != name and question.startswith(_ANSWER):
            return question
    question = name.rpartition(".")[0]
    return question if _last(name).isdecimal() and question.startswith(_ANSWER) else name


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _is_pressed(cell: Any) -> bool:
    return cell is True or (isinstance(cell, str) and cell.casefold() in {"true", "on", "1"})


def _layout(
    names: tuple[str, ...], answers: tuple[str, ...], found: Mapping[Field, str], context: Context
) -> RecordLayout:
    cells = []
    item_told = "item" in found or context.mapping.constants.item is not None
    for name in answers:
        words = name.removeprefix(_ANSWER)
        if name in context.mapping.ignore or words in context.mapping.ignore:
            continue
        dimension = context.dimensions.find(words)
        split = split_header(words, context)
        if dimension is not None and context.mapping.pattern is None:
            cells.append(ValueCell(name, dimension=dimension))
        elif split is not None:
            shown_by = _input_column(split[0], names, found) if split[0] is not None else None
            if shown_by is not None:
                cells.append(ValueCell(name, dimension=split[1], item_column=shown_by))
            elif context.mapping.pattern is not None or not item_told:
                cells.append(ValueCell(name, item=split[0], dimension=split[1]))
            elif split[0] is not None and normalised(split[0]) in _WIDGETS:
                cells.append(ValueCell(name, dimension=split[1]))
        elif not len(context.dimensions) and context.mapping.pattern is None:
            cells.append(ValueCell(name, dimension=words))
    columns = {field: name for field, name in found.items() if field not in {"dimension", "value"}}
    if all(cell.item is not None or cell.item_column is not None for cell in cells):
        columns.pop("item", None)
    else:
        need_columns(context.file, names, context.mapping, found, ("item",))
    fixed = context.mapping.constants.dimension
    if not cells or (fixed is None and any(cell.dimension is None for cell in cells)):
        raise InputError(
            f"{context.file}: no answer's name says which dimension it is about.",
            found=", ".join(answers) or "no answers",
            fix="Name them in a mapping: 'dimensions: {Answer name: ID}', or 'pattern'.",
        )
    reject_duplicate_columns(context, cells)
    return RecordLayout(columns, tuple(cells), context.mapping.seconds_cover or "row")


def _input_column(part: str, names: tuple[str, ...], found: Mapping[Field, str]) -> str | None:
    """Return the ``Input`` column that ``item2``, or the bare number ``2``, stands for."""
    inputs = {normalised(name): name for name in names if name.startswith(_INPUT)}
    hit = inputs.get(normalised(_INPUT + part))
    if hit is not None or not part.isdecimal():
        return hit
    stems = [normalised(found["item"])] if "item" in found else []
    stems += list(_USUAL["item"])
    return next((inputs[word] for stem in stems for word in (stem + part, f"{stem}_{part}") if word in inputs), None)


FORMAT = RatingFormat("mturk", detect, read, order=20)
