"""`OpinionTable`, the input of all estimators: rater, item and score, one row per rating."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from evalkit.errors import InputError, UsageError
from evalkit.statistics.arrays import Index, Vector
from evalkit.text import escape_for_display

SHOWN_NAMES = 8
NAME_LENGTH = 80


@dataclass(frozen=True, eq=False)
class OpinionTable:
    """Ratings of one dimension in long form; a pair of rater and item that has no row is missing.

    The rows are sorted by item and rater, so that no result depends on the order of the input. Build one with
    `opinion_table`.

    Attributes:
        rater: (n,) who rated, from 0.
        item: (n,) what was rated, from 0.
        value: (n,) the score, finite.
        raters: how many raters there are, those without a rating included.
        items: how many items there are, those without a rating included.
        rater_names: one per rater, or empty.
        item_names: one per item, or empty.
    """

    rater: Index
    item: Index
    value: Vector
    raters: int
    items: int
    rater_names: tuple[str, ...] = ()
    item_names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.value)

    def name_rater(self, rater: int) -> str:
        """Return the rater's name, safe to show; ``rater 3`` where none was given."""
        return show_name(self.rater_names, rater, "rater")

    def name_item(self, item: int) -> str:
        """Return the item's name, safe to show; ``item 3`` where none was given."""
        return show_name(self.item_names, item, "item")

    def per_item(self, numbers: Vector | None = None) -> Vector:
        """Return (items,) the sum of ``numbers`` (n,) over each item's rows, or how many rows it has."""
        return np.bincount(self.item, weights=numbers, minlength=self.items).astype(np.float64)

    def per_rater(self, numbers: Vector | None = None) -> Vector:
        """Return (raters,) the sum of ``numbers`` (n,) over each rater's rows, or how many rows they have."""
        return np.bincount(self.rater, weights=numbers, minlength=self.raters).astype(np.float64)

    def with_values(self, value: Vector) -> OpinionTable:
        """Return the same table with other scores (n,)."""
        return OpinionTable(self.rater, self.item, value, self.raters, self.items, self.rater_names, self.item_names)

    def keep(self, rows: NDArray[np.bool_]) -> OpinionTable:
        """Return the table with the rows that ``rows`` (n,) marks; raters and items keep their numbers."""
        return OpinionTable(
            self.rater[rows],
            self.item[rows],
            self.value[rows],
            self.raters,
            self.items,
            self.rater_names,
            self.item_names,
        )

    def without(self, raters: Sequence[int]) -> OpinionTable:
        """Return the table without the rows of ``raters``, who keep their numbers and names."""
        return self.keep(~np.isin(self.rater, np.asarray(raters, dtype=np.int64)))

    def matrix(self) -> Vector:
        """Return (items, raters) of scores, NaN where there is none; for small tables."""
        full = np.full((self.items, self.raters), np.nan)
        full[self.item, self.rater] = self.value
        return full


def opinion_table(
    rater: ArrayLike,
    item: ArrayLike,
    value: ArrayLike,
    *,
    raters: int | None = None,
    items: int | None = None,
    rater_names: Sequence[str] = (),
    item_names: Sequence[str] = (),
) -> OpinionTable:
    """Return the table of ratings.

    Args:
        rater: (n,) whole numbers from 0.
        item: (n,) whole numbers from 0.
        value: (n,) scores; NaN is missing.
        raters: how many; by default as many as there are names, or one more than the largest number.
        items: the same for items.
        rater_names: one per rater, for messages.
        item_names: one per item.

    Raises:
        UsageError: when the arrays don't fit each other, or a number is out of range.
        InputError: when a score is infinite, or one rater has two scores for one item.
    """
    who, what = _index(rater, "rater"), _index(item, "item")
    score = np.asarray(value, dtype=np.float64)
    if not (who.shape == what.shape == score.shape):
        raise UsageError(
            "The columns of a table of ratings differ in length.",
            found=f"{who.shape}, {what.shape} and {score.shape}",
            expected="one rater, one item and one value per rating",
        )
    n_raters = _count(who, raters, rater_names, "rater")
    n_items = _count(what, items, item_names, "item")
    present = ~np.isnan(score)
    who, what, score = who[present], what[present], score[present]
    order = np.lexsort((who, what))
    table = OpinionTable(
        who[order], what[order], score[order], n_raters, n_items, tuple(rater_names), tuple(item_names)
    )
    _check_rows(table)
    return table


def from_matrix(scores: ArrayLike, rater_names: Sequence[str] = ()) -> OpinionTable:
    """Return the table of ``scores`` (items, raters), where NaN is missing."""
    full = np.asarray(scores, dtype=np.float64)
    if full.ndim != 2:
        raise UsageError("A matrix of ratings must have two axes.", found=str(full.shape), expected="(items, raters)")
    what, who = np.indices(full.shape)
    return opinion_table(
        who.ravel(),
        what.ravel(),
        full.ravel(),
        raters=full.shape[1],
        items=full.shape[0],
        rater_names=rater_names,
    )


def check_level(level: float) -> None:
    """Raise UsageError unless ``level`` lies between 0 and 1."""
    if not 0 < level < 1:
        raise UsageError("A confidence level must be between 0 and 1.", found=str(level), expected="such as 0.95")


def require_connected(table: OpinionTable, purpose: str) -> None:
    """Raise unless all raters are linked by common items, directly or through other raters.

    The biases of two such groups can't be compared: any shift between them fits equally well.

    Raises:
        InputError: when the table is empty, or its parts share no item; it names a few raters of each part.
    """
    if not len(table):
        raise InputError("There are no ratings.", expected=f"ratings, for {purpose}")
    nodes = table.raters + table.items
    ones = np.ones(len(table))
    graph = sparse.coo_array((ones, (table.rater, table.raters + table.item)), shape=(nodes, nodes))
    _, part = sparse.csgraph.connected_components(graph, directed=False)
    active = np.unique(table.rater)
    parts = np.unique(part[active])
    if len(parts) > 1:
        groups = [
            listed([table.name_rater(int(rater)) for rater in active[part[active] == number]]) for number in parts
        ]
        raise InputError(
            f"The ratings form {len(parts)} parts without a common item, so {purpose} can't compare their raters.",
            found="; ".join(f"{{{group}}}" for group in groups[:SHOWN_NAMES]),
            expected="raters who are linked by common items",
            fix="Analyse each part alone, or use the plain mean opinion score.",
        )


def show_name(names: Sequence[str], number: int, what: str) -> str:
    """Return the name with that number, safe to show, or ``rater 3`` where there are no names."""
    return escape_for_display(names[number], NAME_LENGTH) if names else f"{what} {number}"


def listed(names: Sequence[str]) -> str:
    """Return names with commas, the first few of many."""
    rest = len(names) - SHOWN_NAMES
    return ", ".join(names[:SHOWN_NAMES]) + (f" and {rest} more" if rest > 0 else "")


def _index(numbers: ArrayLike, what: str) -> Index:
    found = np.asarray(numbers)
    if found.ndim != 1 or (found.size and not np.issubdtype(found.dtype, np.integer)):
        raise UsageError(
            f"The {what}s of a table of ratings must be a one-dimensional array of whole numbers.",
            found=f"{found.dtype} {found.shape}",
            expected="an index from 0 per rating",
        )
    return found.astype(np.int64)


def _count(index: Index, count: int | None, names: Sequence[str], what: str) -> int:
    least = int(index.max(initial=-1)) + 1
    total = count if count is not None else len(names) or least
    if (names and len(names) != total) or least > total or index.min(initial=0) < 0:
        raise UsageError(
            f"The {what}s of the ratings don't match their number.",
            found=f"numbers {index.min(initial=0)} to {least - 1}, {total} {what}s, {len(names)} names",
            expected=f"numbers from 0 to {total - 1}, and a name for each or none",
        )
    return total


def _check_rows(table: OpinionTable) -> None:
    infinite = np.flatnonzero(np.isinf(table.value))
    if infinite.size:
        row = infinite[0]
        raise InputError(
            f"The score of {table.name_rater(table.rater[row])} for {table.name_item(table.item[row])} is infinite.",
            expected="a finite number, or a missing one",
        )
    twice = np.flatnonzero((np.diff(table.item) == 0) & (np.diff(table.rater) == 0))
    if twice.size:
        row = twice[0]
        raise InputError(
            f"{table.name_rater(table.rater[row])} has two scores for {table.name_item(table.item[row])}.",
            found=f"{len(twice)} repeated ratings",
            expected="one score per rater and item",
            fix="Choose which one counts before.",
        )
