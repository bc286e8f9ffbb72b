"""Rows and columns to rank, and what a ranking says of them."""

from __future__ import annotations

from dataclasses import replace

from evalkit.challenges.model import Challenge
from evalkit.leaderboard.columns import read_columns
from evalkit.leaderboard.ranking import Ranking
from evalkit.leaderboard.runs import Runs
from evalkit.leaderboard.table import Cell, Column, Row

UP = Column("up", True, range=(0.0, 1.0))
DOWN = Column("down", False, range=(0.0, 10.0))


def entry(team: str, run: str = "1", *, primary: bool = True, **values: float | None) -> Row:
    cells = {name: Cell(value) if value is not None else Cell(None, reason="no_face") for name, value in values.items()}
    return Row(team, run, cells, primary)


def ranks(ranking: Ranking) -> dict[str, int | None]:
    return {row.team: row.rank for row in ranking.rows}


def scores(ranking: Ranking) -> dict[str, float | None]:
    return {row.team: row.score for row in ranking.rows}


def weights(ranking: Ranking) -> dict[str, float]:
    plan = ranking.phases[-1].plan
    return dict(zip((column.id for column in plan.columns), map(float, plan.weights), strict=True))


def points(row: Row) -> dict[str, float]:
    return {name: cell.points for name, cell in row.cells.items() if cell.points is not None}


def columns_of(challenge: Challenge, higher_is_better: dict[str, bool | None] | None = None) -> tuple[Column, ...]:
    """Return all columns of a board without runs; ``higher_is_better`` is what scorecards would say."""
    known = higher_is_better or {}
    declared = {entry.id: entry.direction for entry in challenge.metrics}
    return tuple(
        replace(column, higher_is_better=known.get(column.id)) if declared.get(column.id, "") is None else column
        for column in read_columns(challenge, Runs(()))
    )


def why(ranking: Ranking, team: str) -> list[str]:
    return [reason.code for row in ranking.rows if row.team == team for reason in row.reasons]


THREE = [entry("a", up=0.8, down=4.0), entry("b", up=0.6, down=1.0), entry("c", up=0.7, down=6.0)]
