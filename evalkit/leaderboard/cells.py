"""The rows of a leaderboard before they are ranked: a cell per run and column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from evalkit.leaderboard.answers import RatedColumn
from evalkit.leaderboard.runs import Entrant, Runs
from evalkit.leaderboard.table import NO_CELL, Cell, Column, Row, RunKey
from evalkit.scoring.scorecard import MetricScore

SIZES = ("n", "n_reference")  # of the sets that a distance of distributions compares


def make_rows(runs: Runs, columns: Sequence[Column], rated: Mapping[str, RatedColumn]) -> list[Row]:
    """Return a row per run; one that a decision excludes has its reason already.

    Args:
        runs: the runs.
        columns: in the order of the cells.
        rated: column id -> the values that raters gave.
    """
    return [
        Row(
            one.run.team,
            one.run.name,
            {column.id: _cell(one, column, rated) for column in columns},
            one.run.primary,
            reasons=one.why_excluded,
            label=one.label,
        )
        for one in runs.entrants
    ]


def best_cells(rows: Sequence[Row], columns: Sequence[Column]) -> set[tuple[RunKey, str]]:
    """Return who holds the best value of each column among ``rows``; equals share it, a refused column has none."""
    found: set[tuple[RunKey, str]] = set()
    for column in columns:
        values = {row.key: value for row in rows if (value := row.cells[column.id].value) is not None}
        if not values or column.higher_is_better is None or column.refused is not None:
            continue
        top = max(values.values()) if column.higher_is_better else min(values.values())
        found |= {(key, column.id) for key, value in values.items() if value == top}
    return found


def _cell(one: Entrant, column: Column, rated: Mapping[str, RatedColumn]) -> Cell:
    if column.kind == "metric":
        return _metric_cell(one.score(column.id))
    return rated[column.id].cells[one.key] if column.id in rated else replace(NO_CELL, reason="no_results")


def _metric_cell(score: MetricScore | None) -> Cell:
    """Return the cell of a run's number; a metric that the scorecard does not hold is a gap."""
    if score is None:
        return NO_CELL
    if score.value is None:
        return Cell(None, reason=score.reason, n=score.n, coverage=score.coverage)
    # Only set metrics say how many vectors each side has.
    sizes = {name: float(score.details[name]) for name in SIZES if name in score.details}
    return Cell(
        score.value,
        ci=score.ci95,
        n=score.n,
        coverage=score.coverage,
        set_sizes=sizes if SIZES[1] in score.details else {},
    )
