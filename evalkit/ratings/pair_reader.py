"""Read a file of head-to-head comparisons: CSV with a row per comparison, or JSON Lines with an object for each.

The winner is ``left`` or ``right``, ``tie`` (``draw``, ``equal``), the name of one of the two teams, the points of the
left side (1, 0.5, 0), or its result (``win``, ``draw``, ``loss``). What could mean either side is a fault, not a guess.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Literal

from evalkit.challenges.rating_rules import Dimension
from evalkit.errors import InputError
from evalkit.ratings.cell_reader import Context, Dimensions, normalised
from evalkit.ratings.formats.base import FileHead, look
from evalkit.ratings.jsonfile import flatten, read_objects
from evalkit.ratings.layout import (
    USUAL,
    Field,
    RecordLayout,
    find_columns,
    need_columns,
    note_record,
    settle_columns,
    times_of,
)
from evalkit.ratings.mapping import PairMapping, load_pair_mapping
from evalkit.ratings.pairs import Comparison
from evalkit.ratings.read_errors import MAX_FAULTS, Faults, FileWithFaults, shown
from evalkit.ratings.table import delimiter_of, read_table

PairForm = Literal["pairs", "pairs-jsonl"]
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


class PairFile(FileWithFaults):
    """The comparisons in a file, read while they are asked for: ``for comparison in file``.

    What is at fault in the file is complete once all comparisons were asked for. Asking again reads the file again.

    Args:
        path: the file.
        head: its beginning.
        mapping: which column is what.
        dimensions: what the file's words for the questions mean.
        limit: how many faults are kept.
    """

    def __init__(self, path: Path, head: FileHead, *, mapping: PairMapping, dimensions: Dimensions, limit: int) -> None:
        self.path = path
        self.format: PairForm = "pairs" if head.kind == "table" else "pairs-jsonl"
        self.mapping = mapping
        self._dimensions = dimensions
        self._limit = limit
        self._delimiter = delimiter_of(path) if head.kind == "table" else None
        self._context = self._new_context()
        self._read()  # a column that is missing is said before the first comparison

    def __iter__(self) -> Iterator[Comparison]:
        self._context = self._new_context()
        return self._read()

    @property
    def _faults(self) -> tuple[Faults, ...]:
        return (self._context.faults,)

    @property
    def unread_columns(self) -> tuple[str, ...]:
        """Columns of a table that were taken for nothing: a comment, or a misspelt name."""
        return self._context.unread

    def _new_context(self) -> Context:
        name = self.path.name
        faults = Faults(name, self._limit)
        zone = self.mapping.tzinfo
        return Context(name, self.mapping.of_cells(), self._dimensions, faults, zone, delimiter=self._delimiter)

    def _read(self) -> Iterator[Comparison]:
        context = self._context
        read = partial(_comparison, context, _Winners(self.mapping.values))
        if self.format == "pairs-jsonl":
            return _objects(self.path, context, self.mapping, read)
        (header,), rows = read_table(self.path, context.faults, what="The file of comparisons")
        columns = _columns(context.file, tuple(name for name in header if name), self.mapping)
        settle_columns(context, header, RecordLayout(columns, ()))
        found = (read(columns, row.number, row.cells) for row in rows)
        return (comparison for comparison in found if comparison is not None)


def read_pairs(
    path: Path,
    mapping: PairMapping | Path | None = None,
    *,
    dimensions: Sequence[Dimension] = (),
    limit: int = MAX_FAULTS,
) -> PairFile:
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
    head = look(path)
    if head.kind == "table" and {"item", "value"} <= find_columns(head.header, mapped.of_cells()).keys():
        sides = {normalised(word) for word in (mapped.left, mapped.right) if word} or {"left", "right"}
        if not sides & {normalised(name) for name in head.header}:
            raise InputError(
                f"{path.name} holds ratings of single items, not comparisons of pairs.",
                found=f"the columns {', '.join(head.header)}",
                expected="columns for rater, sample, left, right and winner",
                fix="Import it as ratings.",
            )
    return PairFile(path, head, mapping=mapped, dimensions=words, limit=limit)


def _columns(file: str, names: Collection[str], mapping: PairMapping) -> dict[Field, str]:
    """Return field -> column.

    Raises:
        InputError: when one that is needed is missing.
    """
    found = find_columns(names, mapping, _USUAL, _FIELDS)
    need_columns(file, names, mapping, found, _NEEDED, usual=_USUAL, fields=_FIELDS, what="comparison")
    return found


def _objects(
    path: Path,
    context: Context,
    mapping: PairMapping,
    read: Callable[[Mapping[Field, str], int, Mapping[str, Any]], Comparison | None],
) -> Iterator[Comparison]:
    @lru_cache(maxsize=64)
    def columns_for(names: tuple[str, ...]) -> dict[Field, str]:
        return _columns(context.file, names, mapping)

    for number, record in read_objects(path, context.faults):
        flat = flatten(record)
        try:
            columns = columns_for(tuple(flat))
        except InputError as error:
            note_record(context, number, error)
            continue
        comparison = read(columns, number, flat)
        if comparison is not None:
            yield comparison


def _comparison(
    context: Context, winners: _Winners, columns: Mapping[Field, str], row: int, record: Mapping[str, Any]
) -> Comparison | None:
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
        outcome = winners.read(context, row, columns["winner"], record.get(columns["winner"]), (left, right))
    if context.faults.count != before or rater is None or sample is None or question is None:
        return None
    if left is None or right is None or outcome is None:
        return None
    status = context.status(record.get(columns["status"])) if "status" in columns else ""
    dimension = context.dimensions.resolve(question) if question else ""
    return Comparison(rater, sample, left, right, outcome, dimension, at, seconds, row, status)


class _Winners:
    """What a cell says about who won.

    Args:
        labels: word in the file -> points of the left side, from a mapping; they go before everything else.
    """

    def __init__(self, labels: Mapping[str, float]) -> None:
        self._labels = labels

    def read(self, context: Context, row: int, column: str, cell: object, teams: tuple[str, str]) -> float | None:
        """Return the points of the left of the two ``teams``, or ``None`` after a fault."""
        if context.is_missing(cell):
            context.faults.add(row, column, "the winner is missing. A draw is written 'tie'.")
            return None
        if isinstance(cell, bool) or not isinstance(cell, (str, int, float)):
            context.faults.add(row, column, f"the winner is no text and no number; expected {_READABLE}.")
            return None
        words = context.name(row, column, cell, "winner")
        if words is None:
            return None
        if words in self._labels:
            return self._labels[words]
        meant = self._meanings(words, context.pointed(words), teams)
        if len(meant) == 1:
            return meant.pop()
        if meant:
            told = (
                f"{shown(words)} can mean either side, because a team is called so. Write the points of the left side."
            )
        else:
            told = f"{shown(words)} names no winner; expected {_READABLE}. Other labels go into the mapping's 'values'."
        context.faults.add(row, column, told)
        return None

    @staticmethod
    def _meanings(words: str, number: str, teams: tuple[str, str]) -> set[float]:
        """Return the points of the left side that ``words`` can mean: more than one when a team is called 'right'."""
        known = words.casefold()
        meant = {points for team, points in zip(teams, (LEFT, RIGHT), strict=True) if team.casefold() == known}
        if known in _WORDS:
            meant.add(_WORDS[known])
        if _NUMBER.fullmatch(number) and float(number) in {LEFT, TIE, RIGHT}:
            meant.add(float(number))
        return meant
