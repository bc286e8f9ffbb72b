"""What a change of a board's decisions does to its ranking: every number, coverage and rank before and after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evalkit.board.model import Snapshot
from evalkit.leaderboard.compute import RankedBoard, rank_snapshot
from evalkit.leaderboard.table import NO_CELL, Cell, Row, RunKey
from evalkit.statistics.bootstrap import FEWEST_DRAWS


@dataclass(frozen=True)
class ChangedNumber:
    """One number of one run in a column that ranks.

    Args:
        id, title: of the column.
        before, after: the cells.
        still_included: excluded samples that the number includes now.
    """

    id: str
    title: str
    before: Cell
    after: Cell
    still_included: tuple[str, ...] = ()


@dataclass(frozen=True)
class ChangedRun:
    """One run that competes before or after.

    Args:
        before, after: its rows; ``None`` where the run is not on the board.
        numbers: those that rank.
    """

    team: str
    run: str
    before: Row | None
    after: Row | None
    numbers: tuple[ChangedNumber, ...]


@dataclass(frozen=True)
class BoardChange:
    """What changed from one state of a board to another.

    Args:
        samples: how many samples count, before and after.
        ratings, comparisons: how many answers count, before and after.
        runs: in the order of the ranking after.
        problem: why nobody can be ranked, before and after.
    """

    samples: tuple[int, int]
    ratings: tuple[int, int]
    comparisons: tuple[int, int]
    runs: tuple[ChangedRun, ...]
    problem: tuple[str | None, str | None]


def compare_boards(before: Snapshot, after: Snapshot) -> BoardChange:
    """Return what changed from ``before`` to ``after``, two states of one board with the same rules."""
    states = tuple(rank_snapshot(one, draws=FEWEST_DRAWS) for one in (before, after))
    rows: list[Mapping[RunKey, Row]] = [{row.key: row for row in state.ranking.rows} for state in states]
    competing = [{one.key for one in state.runs.competing} for state in states]
    order = dict.fromkeys([*rows[1], *rows[0]])
    runs = [
        _run(key, rows[0].get(key), rows[1].get(key), states[1]) for key in order if key in competing[0] | competing[1]
    ]
    first, last = states
    return BoardChange(
        samples=(len(first.runs.samples), len(last.runs.samples)),
        ratings=(len(first.filtered.counted("rating")), len(last.filtered.counted("rating"))),
        comparisons=(len(first.filtered.counted("comparison")), len(last.filtered.counted("comparison"))),
        runs=tuple(runs),
        problem=(first.ranking.problem, last.ranking.problem),
    )


def _run(key: RunKey, before: Row | None, after: Row | None, state: RankedBoard) -> ChangedRun:
    cells = [row.cells if row is not None else {} for row in (before, after)]
    numbers = [
        ChangedNumber(
            column.id,
            column.published_as or column.title or column.id,
            cells[0].get(column.id, NO_CELL),
            cells[1].get(column.id, NO_CELL),
            column.includes_excluded,
        )
        for column in state.shown
        if column.ranks
    ]
    return ChangedRun(*key, before, after, tuple(numbers))
