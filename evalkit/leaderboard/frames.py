"""A leaderboard as tables of pandas: missing values are NaN, their reasons are columns."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from evalkit.errors import UsageError
from evalkit.leaderboard.table import NO_CELL, Cell, Column, Row

if TYPE_CHECKING:
    import pandas as pd

Form = Literal["wide", "long"]
OF_RUN = ("rank", "rank_low", "rank_high", "team", "run", "primary", "score", "tied_with", "reasons")
LONG = (
    "rank", "team", "run", "column", "value", "low", "high", "n", "coverage", "reason", "higher_is_better", "unit",
    "ranks",
)  # fmt: skip


def leaderboard_frame(
    columns: Sequence[Column], rows: Sequence[Row], tied_with: Callable[[str], list[str]], form: Form
) -> pd.DataFrame:
    """Return what `evalkit.leaderboard.model.Leaderboard.to_pandas` promises."""
    import pandas as pd

    if form == "long":
        found = [_long_row(row, column) for row in rows for column in columns]
        return pd.DataFrame(found, columns=LONG).astype({"rank": "float64"})
    if form != "wide":
        raise UsageError("There is no such form of a table.", found=repr(form), expected="wide or long")
    names = [*OF_RUN, *(name for column in columns for name in _names(column))]
    frame = pd.DataFrame([_wide_row(row, columns, tied_with) for row in rows], columns=names)
    return frame.astype(dict.fromkeys(("rank", "rank_low", "rank_high", "score"), "float64"))


def _names(column: Column) -> tuple[str, str, str, str]:
    name = f"value.{column.id}" if column.id in OF_RUN else column.id  # a dimension of ratings may have any id
    return name, f"{name}.low", f"{name}.high", f"reason.{column.id}"


def _wide_row(row: Row, columns: Sequence[Column], tied_with: Callable[[str], list[str]]) -> dict[str, Any]:
    low, high = row.interval or (None, None)
    ties = ", ".join(tied_with(row.label))
    why = "; ".join(one.sentence for one in row.reasons) or None
    own = (row.rank, low, high, row.team, row.run, row.primary, row.score, ties, why)
    found: dict[str, Any] = dict(zip(OF_RUN, own, strict=True))
    for column in columns:
        cell = row.cells.get(column.id, NO_CELL)
        found |= zip(_names(column), (*_numbers(cell), cell.reason), strict=True)
    return found


def _long_row(row: Row, column: Column) -> dict[str, Any]:
    cell = row.cells.get(column.id, NO_CELL)
    about = (cell.n, cell.coverage, cell.reason, column.higher_is_better, column.unit, column.counts)
    return dict(zip(LONG, (row.rank, row.team, row.run, column.id, *_numbers(cell), *about), strict=True))


def _numbers(cell: Cell) -> tuple[float, float, float]:
    """Return value, low and high end; NaN for what there isn't."""
    low, high = cell.ci or (math.nan, math.nan)
    return (math.nan if cell.value is None else cell.value), low, high
