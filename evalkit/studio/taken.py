"""What a running study keeps in memory of each answer: a row of numbers. Everything else is read from the journal."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import isnan

import numpy as np

from evalkit.statistics.arrays import Index, Vector
from evalkit.studio.given import Given
from evalkit.studio.journal import StoredAnswer


@dataclass(frozen=True)
class TakenRows:
    """All answers as they are now, in the order in which they came.

    Args:
        raters, items: names that the numbers stand for.
        rater, item: (n,) numbers.
        at: (n,) when it came, seconds since 1970.
        page_seconds: (n,) that the page measured.
        played: (n,) whether it has values: not, where a video could not be played.
    """

    raters: tuple[str, ...]
    items: tuple[str, ...]
    rater: Index
    item: Index
    at: Vector
    page_seconds: Vector
    played: Vector

    def of(self, rater: str) -> np.ndarray:
        """Return (n,) which answers are a rater's."""
        number = self.raters.index(rater) if rater in self.raters else -1
        found: np.ndarray = self.rater == number
        return found

    def per_item(self, *, played: bool = False) -> dict[str, int]:
        """Return item -> number of answers, of items that have some; with ``played`` only those with values."""
        chosen = self.item[self.played > 0] if played else self.item
        counts = np.bincount(chosen, minlength=len(self.items))
        return {self.items[at]: int(counts[at]) for at in np.flatnonzero(counts)}


class Taken:
    """The answers of a study, some 40 bytes each.

    Args:
        questions: ids of the plan's questions.
        items: ids of its items.
    """

    def __init__(self, questions: Iterable[str], items: Iterable[str]) -> None:
        self._questions = tuple(questions)
        self._items = {name: at for at, name in enumerate(items)}
        self._raters: dict[str, int] = {}
        self._rater, self._item = array("I"), array("I")
        self._at, self._page_seconds = array("d"), array("f")
        self._values = array("f")

    def __len__(self) -> int:
        return len(self._rater)

    def add(self, answer: StoredAnswer) -> None:
        """Add an answer to an item of the plan."""
        self._rater.append(self._raters.setdefault(answer.rater, len(self._raters)))
        self._item.append(self._items[answer.item])
        self._at.append(answer.at.timestamp())
        self._page_seconds.append(answer.page_seconds)
        self._values.extend(answer.values.get(name, np.nan) for name in self._questions)

    def remove(self, answer: StoredAnswer) -> None:
        """Remove an answer that was added not long ago."""
        place = self._raters[answer.rater], self._items[answer.item]
        at = next(at for at in reversed(range(len(self))) if (self._rater[at], self._item[at]) == place)
        for column in (self._rater, self._item, self._at, self._page_seconds):
            del column[at]
        width = len(self._questions)
        del self._values[at * width : (at + 1) * width]

    def given(self) -> Iterator[Given]:
        """Yield the answers as the choice of the next pair sees them."""
        raters, items, width = tuple(self._raters), tuple(self._items), len(self._questions)
        for at in range(len(self)):
            row = self._values[at * width : (at + 1) * width]
            values = {name: value for name, value in zip(self._questions, row, strict=True) if not isnan(value)}
            yield Given(raters[self._rater[at]], items[self._item[at]], values)

    def rows(self) -> TakenRows:
        """Return them as they are now."""
        values = np.array(self._values, dtype=np.float64).reshape(len(self), len(self._questions))
        return TakenRows(
            tuple(self._raters),
            tuple(self._items),
            np.array(self._rater, dtype=np.int64),
            np.array(self._item, dtype=np.int64),
            np.array(self._at, dtype=np.float64),
            np.array(self._page_seconds, dtype=np.float64),
            np.asarray(np.isfinite(values).any(axis=1), dtype=np.float64),
        )
