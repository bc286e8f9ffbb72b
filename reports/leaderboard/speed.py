"""The section about speed: whose measurement each run's numbers are, on which hardware, and how they spread."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evalkit.board.model import RunSpeed, Snapshot
from evalkit.leaderboard.model import Leaderboard
from evalkit.leaderboard.table import Column
from evalkit.speed.model import FAMILY
from evalkit.text import natural_key

Spread = tuple[float, float, float, int]  # lower quartile, median, upper quartile, samples


@dataclass(frozen=True)
class SpeedRow:
    """A run's speed: where it is from, and the spread over its samples in each column, ``None`` without values."""

    team: str
    run: str
    speed: RunSpeed
    spreads: tuple[Spread | None, ...]


@dataclass(frozen=True)
class SpeedSection:
    """The columns of speed, and a row per run with a measurement."""

    columns: tuple[Column, ...]
    rows: tuple[SpeedRow, ...]


def speed_section(snapshot: Snapshot, leaderboard: Leaderboard) -> SpeedSection | None:
    """Return the section; ``None`` without a column or a measurement of speed."""
    columns = tuple(column for column in leaderboard.columns if column.id.startswith(FAMILY))
    rows = []
    for run in snapshot.runs:
        if run.speed is None:
            continue
        spreads = []
        for column in columns:
            found = [video.values.get(column.id) for video in run.card.videos]
            known = [value for value in found if value is not None]
            low, middle, high = map(float, np.percentile(known, [25, 50, 75])) if known else (0.0, 0.0, 0.0)
            spreads.append((low, middle, high, len(known)) if known else None)
        rows.append(SpeedRow(run.team, run.name, run.speed, tuple(spreads)))
    rows.sort(key=lambda row: (natural_key(row.team), natural_key(row.run)))
    return SpeedSection(columns, tuple(rows)) if columns and rows else None
