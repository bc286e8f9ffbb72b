"""Answers as columns of numbers, for what looks at all of a board: some 40 bytes each."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from evalkit.rating_report.tables import shown_name
from evalkit.ratings.model import AnswerKind, AnswerVerdict, ReasonCode
from evalkit.statistics.arrays import Index
from evalkit.statistics.opinion_table import OpinionTable, opinion_table

_NO_ANSWER: frozenset[ReasonCode] = frozenset({"repeated", "duplicate"})
_NO_SCORE: frozenset[ReasonCode] = _NO_ANSWER | {"off-scale", "unknown-dimension", "rejected"}
_EXCLUDED: frozenset[ReasonCode] = frozenset({"excluded"})
_TIMED, _SCORED, _VALID, _COUNTED = 1, 2, 4, 8
_Name = TypeVar("_Name", str, tuple[str, ...])
_Number = TypeVar("_Number", np.int64, np.float64, np.uint8)
Mask = NDArray[np.bool_]


class AnswerColumns:
    """The answers of one kind among verdicts, in their order.

    Attributes:
        raters, dimensions: names, sorted.
        items: what was shown: the anonymous item, or the sample, the left and the right side.
        rater, item, dimension: (n,) numbers that stand for them.
        value: (n,) the score, or the points of the left side.
        seconds: (n,) the time spent; NaN where it is unknown.
        timed: (n,) whether the time says something of the rater.
        scored: (n,) whether the score does.
        valid: (n,) whether the challenge's rules let it count, whatever decisions say.
        counted: (n,) whether it counts.
    """

    def __init__(self, verdicts: Iterable[AnswerVerdict], kind: AnswerKind) -> None:
        raters, items, dimensions = _Names[str](), _Names[tuple[str, ...]](), _Names[str]()
        value, seconds, flags = array("d"), array("d"), array("B")
        for verdict in verdicts:
            answer = verdict.answer
            if answer.kind != kind:
                continue
            raters.add(answer.rater)
            items.add((answer.item, *answer.teams))
            dimensions.add(answer.dimension)
            value.append(answer.value)
            seconds.append(np.nan if answer.seconds is None else answer.seconds)
            flags.append(_flags(verdict))
        self.raters, self.rater = raters.sorted()
        self.items, self.item = items.sorted()
        self.dimensions, self.dimension = dimensions.sorted()
        self._place = {name: at for at, name in enumerate(self.items)}
        self.value, self.seconds = _column(value, np.float64), _column(seconds, np.float64)
        held = _column(flags, np.uint8)
        self.timed, self.scored, self.valid, self.counted = (
            (held & bit) > 0 for bit in (_TIMED, _SCORED, _VALID, _COUNTED)
        )

    def of(self, dimension: str) -> Mask:
        """Return (n,) which answers are of a dimension."""
        if dimension not in self.dimensions:
            return np.zeros(len(self.value), dtype=bool)
        found: Mask = self.dimension == self.dimensions.index(dimension)
        return found

    def shown(self, item: tuple[str, ...]) -> Mask:
        """Return (n,) which answers are to what was shown."""
        number = self._place.get(item, -1)
        found: Mask = self.item == number
        return found

    def firsts(self, chosen: Mask) -> Index:
        """Return the numbers of the chosen answers, of a rater's several to one item only the first; ascending."""
        rows = np.flatnonzero(chosen)
        _, first = np.unique(self.rater[rows] * len(self.items) + self.item[rows], return_index=True)
        found: Index = rows[np.sort(first)]
        return found

    def first_of_each(self, chosen: Mask) -> Index:
        """Return the number of each rater's first answer among the chosen ones; ascending."""
        rows = np.flatnonzero(chosen)
        found: Index = rows[np.sort(np.unique(self.rater[rows], return_index=True)[1])]
        return found

    def table(self, chosen: Mask) -> OpinionTable:
        """Return the table of the chosen answers by what was shown, of a rater's several to one the first."""
        rows = self.firsts(chosen)
        there, item = np.unique(self.item[rows], return_inverse=True)
        return opinion_table(
            self.rater[rows],
            item,
            self.value[rows],
            raters=len(self.raters),
            items=len(there),
            rater_names=self.raters,
            item_names=tuple(shown_name(*self.items[at]) for at in there),
        )


class _Names(Generic[_Name]):
    """A column of names, as numbers in the order in which the names come."""

    def __init__(self) -> None:
        self._number: dict[_Name, int] = {}
        self._column = array("q")

    def add(self, name: _Name) -> None:
        self._column.append(self._number.setdefault(name, len(self._number)))

    def sorted(self) -> tuple[tuple[_Name, ...], Index]:
        """Return the names, sorted, and the column by their places there."""
        names = tuple(sorted(self._number))
        place = np.zeros(len(names), dtype=np.int64)
        for at, name in enumerate(names):
            place[self._number[name]] = at
        return names, place[_column(self._column, np.int64)]


def _flags(verdict: AnswerVerdict) -> int:
    codes = set(verdict.codes)
    return (
        _TIMED * codes.isdisjoint(_NO_ANSWER)
        | _SCORED * codes.isdisjoint(_NO_SCORE)
        | _VALID * (codes <= _EXCLUDED)
        | _COUNTED * (not codes)
    )


def _column(values: Sequence[float], kind: type[_Number]) -> NDArray[_Number]:
    return np.array(values, dtype=kind)
