"""A finished table: what is printed where, and why something is missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Mark = Literal["best", "second"]


@dataclass(frozen=True)
class TableCell:
    """One number, or a gap.

    Args:
        value: ``None`` for a gap.
        text: as printed, without its marks; empty for a gap.
        interval: low and high, and as printed.
        n: number of files or videos that it rests on; ``None`` for a plain number.
        mark: whether it is the best or the second.
        notes: numbers of its footnotes, from 1.
        source: where a plain number is from; ``None`` for one of a run.
        reason: why there is none.
    """

    value: float | None = None
    text: str = ""
    interval: tuple[float, float] | None = None
    interval_text: tuple[str, str] | None = None
    n: int | None = None
    mark: Mark | None = None
    notes: tuple[int, ...] = ()
    source: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class TableColumn:
    """A column as it is printed."""

    metric: str
    title: str
    dataset: str | None
    unit: str
    better: str | None


@dataclass(frozen=True)
class TableRow:
    """A row as it is printed; ``notes`` are the numbers of its own footnotes.

    ``pareto`` is whether it is in the Pareto set; ``None`` where none is marked, or a number of the row is missing.
    """

    name: str
    block: str | None
    cells: tuple[TableCell, ...]
    notes: tuple[int, ...] = ()
    pareto: bool | None = None


@dataclass(frozen=True)
class PaperTable:
    """A whole table. ``notes`` are its footnotes, the first is number 1; ``pareto`` the titles of Pareto columns."""

    title: str | None
    label: str | None
    header: str
    columns: tuple[TableColumn, ...]
    rows: tuple[TableRow, ...]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    pareto: tuple[str, ...] = ()
