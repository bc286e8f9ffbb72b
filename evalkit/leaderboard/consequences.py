"""Which numbers of a leaderboard contain videos that count with the worst value, for findings about gaming."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from evalkit.board.consequences import board_consequences
from evalkit.board.model import Snapshot
from evalkit.leaderboard.runs import Runs
from evalkit.leaderboard.table import Row, RunKey


def with_worst_values(rows: Sequence[Row], snapshot: Snapshot, runs: Runs) -> tuple[Row, ...]:
    """Return the rows whose cells say how many of their videos count with the worst value.

    Args:
        rows: of the leaderboard.
        snapshot: the board as it was measured.
        runs: with the samples that count.
    """
    zeroed: dict[RunKey, set[str]] = defaultdict(set)
    refused: dict[RunKey, set[str]] = defaultdict(set)
    for run, one in board_consequences(snapshot):
        if not one.overruled and one.sample in runs.sample_index:
            (refused if one.effect == "refuse" else zeroed)[run.team, run.name].add(one.sample)
    if not zeroed:
        return tuple(rows)
    ranking = {entry.id for entry in snapshot.challenge.metrics if entry.rank and entry.group == "objective"}
    found = []
    for row in rows:
        number = len(zeroed[row.key] - refused[row.key])
        cells = {
            name: replace(cell, at_worst=number) if name in ranking and cell.value is not None else cell
            for name, cell in row.cells.items()
        }
        found.append(replace(row, cells=cells) if number else row)
    return tuple(found)
