"""Read a file of head-to-head comparisons: CSV with a row per comparison, or JSON Lines with an object for each.

The winner is ``left`` or ``right``, ``tie`` (``draw``, ``equal``), the name of one of the two teams, the points of the
left side (1, 0.5, 0), or its result (``win``, ``draw``, ``loss``). What could mean either side is a fault, not a guess.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

from evalkit.challenges.rating_rules import Dimension
from evalkit.errors import InputError
from evalkit.ratings.answer_file import AnswerFile
from evalkit.ratings.cell_reader import Context, Dimensions, normalised
from evalkit.ratings.formats.base import look
from evalkit.ratings.layout import (
    USUAL,
    Field,
    RecordLayout,
    find_columns,
    flat_records,
    need_columns,
    settle_columns,
    times_of,
)
from evalkit.ratings.mapping import PairMapping, load_pair_mapping
from evalkit.ratings.model import Answer
from evalkit.ratings.read_errors import MAX_FAULTS, shown
from evalkit.ratings.table import read_table

LEFT, TIE, RIGHT = 1.0, 0.5, 0.0

_FIELDS: tuple[Field, ...] = (
    *("rater", "sample", "left", "right", "winner", "dimension", "at", "started_at", "seconds", "status"),
)
_NEEDED: tuple[Field, ...] = ("rater", "sample", "left", "right", "winner")
_USUAL: dict[Field, tuple[str, ...]] = {
    **{field: words for field, words in USUAL.items() if field in _FIELDS},
    "sample": ("sample_id", "sample", "prompt_id", "item_id", "item"),
    "left": ("left", "left_team", "team_left", "team_a", "first"),
    "right": ("right", "right_team", "team_right", "team_b", "second"),
    "winner": ("winner", "outcome", "result", "preferred", "preference", "choice", "answer"),
}
_WORDS = {
    "left": LEFT,
    "right": RIGHT,
    "tie": TIE,
    "draw": TIE,
    "equal": TIE,
    "win": LEFT,
    "loss": RIGHT,
}
_NUMBER = re.compile(r"[0-9]*\.?[0-9]+\.?")
_READABLE = "left, right, tie, the name of one of the two teams, or the points of the left side: 1, 0.5 or 0"


def read_pairs(
    path: Path,
    mapping: PairMapping | Path | None = None,
    *,
    dimensions: Sequence[Dimension] = (),
    limit: int = MAX_FAULTS,
) -> AnswerFile:
    """Return the comparisons in ``path``, to be iterated over.

    Needed are columns for rater, sample, left, right and winner. Where there is no column for the dimension, or its
    cell is empty, the comparison names none.

    Args:
        path: CSV, JSON Lines, or a JSON array of objects.
        mapping: which column is what, or the YAML file that says so.
        dimensions: the challenge's; their ids and titles are recognised.
        limit: how many faults are kept; all are counted.

    Raises:
        InputError: when the file can't be read, or a column is missing.
    """
    mapped = load_pair_mapping(mapping) if isinstance(mapping, Path) else mapping or PairMapping()
    words = Dimensions(dimensions, mapped.dimensions)
    head = look(path, mapped.form)
    if head.kind == "table" and {"item", "value"} <= find_columns(head.header, mapped.of_cells()).keys():
        sides = {normalised(word) for word in (mapped.left, mapped.right) if word} or {"left", "right"}
        if not sides & {normalised(name) for name in head.header}:
            raise InputError(
                f"{path.name} holds ratings of single items, not comparisons of pairs.",
                found=f"the columns {', '.join(head.header)}",
                expected="columns for rater, sample, left, right and winner",
                fix="Import it as ratings (without --pairs).",
            )
    table = head.kind == "table"
    if table and without_teams(head.header):
        raise InputError(
            f"{path.name} is a studio's export without the teams' names.",
            found=f"the columns {', '.join(head.header)}",
            fix="Take it from the organizer's page while that shows the names, or put them in with 'evalkit studio "
            "returned'.",
        )
    return AnswerFile(
        path,
        "pairs" if table else "pairs-jsonl",
        partial(_read_table if table else _read_objects, mapped),
        table=table,
        mapping=mapped.of_cells(),
        dimensions=words,
        limit=limit,
    )


def without_teams(header: Collection[str]) -> bool:
    """Return whether a table is a studio's export of comparisons that names no team, only ids of videos."""
    return {"left_video", "right_video"} <= {normalised(name) for name in header}


def _read_table(mapping: PairMapping, path: Path, context: Context) -> Iterator[Answer]:
    (header,), rows = read_table(path, context.faults, what="The file of comparisons", form=context.form)
    columns = _columns(context.file, tuple(name for name in header if name), mapping)
    settle_columns(context, header, RecordLayout(columns, ()))
    found = (_comparison(context, mapping, columns, row.number, row.cells) for row in rows)
    return (comparison for comparison in found if comparison is not None)


def _read_objects(mapping: PairMapping, path: Path, context: Context) -> Iterator[Answer]:
    for row, columns, record in flat_records(path, context, lambda names: _columns(context.file, names, mapping)):
        comparison = _comparison(context, mapping, columns, row, record)
        if comparison is not None:
            yield comparison


def _columns(file: str, names: Collection[str], mapping: PairMapping) -> dict[Field, str]:
    """Return field -> column.

    Raises:
        InputError: when one that is needed is missing.
    """
    found = find_columns(names, mapping, _USUAL, _FIELDS)
    need_columns(file, names, mapping, found, _NEEDED, usual=_USUAL, fields=_FIELDS, what="comparison")
    return found


def _comparison(
    context: Context, mapping: PairMapping, columns: Mapping[Field, str], row: int, record: Mapping[str, Any]
) -> Answer | None:
    """Return the comparison in one record; ``None`` after a fault."""
    before = context.faults.count

    def named(field: Literal["sample", "left", "right"]) -> str | None:
        return context.name(row, columns[field], record.get(columns[field]), field)

    fixed = context.mapping.constants
    rater = fixed.rater
    if "rater" in columns:
        rater = context.name(row, columns["rater"], record.get(columns["rater"]), "rater")
    sample, left, right = named("sample"), named("left"), named("right")
    question: str | None = fixed.dimension or ""
    if "dimension" in columns and not context.is_missing(record.get(columns["dimension"])):
        question = context.name(row, columns["dimension"], record.get(columns["dimension"]), "dimension")
    at, seconds = times_of(context, columns, row, record)
    outcome = None
    if left is not None and right is not None and left.casefold() == right.casefold():
        context.faults.add(row, columns["right"], f"the team {shown(left)} is compared with itself.")
    elif left is not None and right is not None:
        outcome = _points(context, mapping, row, columns["winner"], record.get(columns["winner"]), teams=(left, right))
    if context.faults.count != before or rater is None or sample is None or question is None:
        return None
    if left is None or right is None or outcome is None:
        return None
    status = context.status(record.get(columns["status"])) if "status" in columns else ""
    dimension = context.dimensions.resolve(question) if question else ""
    return Answer(rater, sample, dimension, outcome, at, seconds, row, status, (left, right))


def _points(
    context: Context, mapping: PairMapping, row: int, column: str, cell: object, *, teams: tuple[str, str]
) -> float | None:
    """Return the points of the left of the two ``teams``, or ``None`` after a fault."""
    if context.is_missing(cell):
        context.faults.add(row, column, "the winner is missing. A tie is written 'tie'.")
        return None
    if isinstance(cell, bool) or not isinstance(cell, (str, int, float)):
        context.faults.add(row, column, f"the winner is neither text nor a number; expected {_READABLE}.")
        return None
    words = context.name(row, column, cell, "winner")
    if words is None:
        return None
    if words in mapping.values:
        return mapping.values[words]
    meant = _meanings(words, context.pointed(words), teams)
    if len(meant) == 1:
        return meant.pop()
    if meant:
        problem = (
            f"{shown(words)} can mean either side, because a team is called so. Write the points of the left side."
        )
    else:
        problem = f"{shown(words)} names no winner; expected {_READABLE}. Other labels go into the mapping's 'values'."
    context.faults.add(row, column, problem)
    return None


def _meanings(words: str, number: str, teams: tuple[str, str]) -> set[float]:
    """Return the points of the left side that ``words`` can mean: more than one when a team is called 'right'."""
    known = words.casefold()
    meant = {points for team, points in zip(teams, (LEFT, RIGHT), strict=True) if team.casefold() == known}
    if known in _WORDS:
        meant.add(_WORDS[known])
    if _NUMBER.fullmatch(number) and float(number) in {LEFT, TIE, RIGHT}:
        meant.add(float(number))
    return meant
