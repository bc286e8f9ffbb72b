"""The ranked table as the template draws it: columns by group, and a line per run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from evalkit.board.model import Snapshot
from evalkit.leaderboard.model import Leaderboard
from evalkit.leaderboard.table import NO_CELL, Cell, Column, Row
from evalkit.reports.leaderboard.plots import LOOKS, Bar, Tile, heat_tiles, place_brackets, rank_bar
from evalkit.reports.leaderboard.words import chances, listed, named
from evalkit.reports.tables import BETTER

GROUPS = (
    ("objective", "Objective", "measured on the videos"),
    ("subjective", "People", "rated by people"),
    ("speed", "Speed", "time that it takes"),
    ("diagnostic", "Diagnostic", "describe, never rank"),
)
RANKED, UNRANKED, OTHER = 0, 1, 2  # parts of the table, from the top


@dataclass(frozen=True)
class Line:
    """One row of the table.

    Args:
        row: what is known.
        name: what a table or picture without a place for the run calls it.
        anchor: id of the team's section.
        part: `RANKED`, `UNRANKED` or `OTHER` (a run that doesn't compete).
        brackets: a mark per column of brackets.
        tied: the teams that are statistically tied with it, in words.
        bar: the rank interval on the axis of all ranks.
        tiles: probability of every place.
        chances: the same in words.
        likeliest: the likeliest place and its probability.
        cells: a cell per column.
    """

    row: Row
    name: str
    anchor: str
    part: int
    brackets: tuple[str, ...]
    tied: str
    bar: Bar | None
    tiles: tuple[Tile, ...]
    chances: str
    likeliest: tuple[int, float] | None
    cells: tuple[tuple[Column, Cell], ...]


@dataclass(frozen=True)
class Board:
    """The whole table.

    Args:
        groups: (id, title, words, columns, share of the score) of each group that has columns.
        lines: all rows, those of the ranked teams first.
        bracket_columns: brackets beside each other.
        hidden_groups: tie groups that are not drawn.
        ranked: how many are ranked.
        last: the last place of any rank or interval: more than are ranked while a finalist waits for results.
        looks: label -> colour and shape; labels beyond the first few share one.
        anchors: team -> id of its section.
        teams: label -> team.
        two_phase: whether there are finalists.
    """

    groups: tuple[tuple[str, str, str, tuple[Column, ...], float], ...]
    lines: tuple[Line, ...]
    bracket_columns: int
    hidden_groups: int
    ranked: int
    looks: Mapping[str, int] = field(default_factory=dict)
    anchors: Mapping[str, str] = field(default_factory=dict)
    two_phase: bool = False
    teams: Mapping[str, str] = field(default_factory=dict)
    last: int = 0

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns in the order in which they stand."""
        return tuple(column for *_, columns, _ in self.groups for column in columns)

    def part(self, which: int) -> list[Line]:
        """Return the lines of one part."""
        return [line for line in self.lines if line.part == which]


def make_board(snapshot: Snapshot, leaderboard: Leaderboard) -> Board:
    """Return the table."""
    groups = tuple(
        (name, title, words, members, sum(column.share for column in members))
        for name, title, words in GROUPS
        if (members := tuple(column for column in leaderboard.columns if column.group == name))
    )
    names = [team.name for team in snapshot.teams]
    names += sorted({row.team for row in leaderboard.rows} - set(names))
    anchors = {name: f"team-{at}" for at, name in enumerate(names)}
    order = [row.label for row in leaderboard.rows if row.rank is not None]
    marks, bracket_columns, hidden = place_brackets([group.labels for group in leaderboard.tie_groups], order)
    ends = [max(row.rank, *(row.interval or (0,))) for row in leaderboard.rows if row.rank is not None]
    last = max([len(order), *ends])
    columns = [column for *_, members, _ in groups for column in members]
    lines = []
    for row in leaderboard.rows:
        ranked = row.rank is not None
        lines.append(
            Line(
                row,
                named(row, leaderboard),
                anchors[row.team],
                RANKED if ranked else UNRANKED if row.primary else OTHER,
                marks[row.label] if ranked else ("",) * bracket_columns,
                listed(leaderboard.tied_with(row.label)) if ranked else "",
                rank_bar(row.interval, row.rank, last) if row.interval and row.rank is not None else None,
                heat_tiles(row.probability),
                chances(row),
                _likeliest(row),
                tuple((column, row.cells.get(column.id, NO_CELL)) for column in columns),
            )
        )
    lines.sort(key=lambda line: line.part)
    there = {row.team for row in leaderboard.rows}
    shown = list(
        dict.fromkeys([*order, *(line.name for line in lines), *(name for name in names if name not in there)])
    )
    return Board(
        groups,
        tuple(lines),
        bracket_columns,
        hidden,
        len(order),
        {label: at for at, label in enumerate(shown[:LOOKS])},
        anchors,
        any(row.finalist is not None for row in leaderboard.rows),
        {row.label: row.team for row in leaderboard.rows},
        last,
    )


def _likeliest(row: Row) -> tuple[int, float] | None:
    if not row.probability:
        return None
    share, place = max((share, -place) for place, share in enumerate(row.probability, start=1))
    return -place, share


def better(column: Column) -> str | None:
    """Return ``higher``, ``lower``, or ``None`` for a diagnostic."""
    return BETTER[column.higher_is_better]


def column_title(column: Column) -> str:
    """Return what the organizers call a column, else its title."""
    return column.published_as or column.title or column.id


def team_order(board: Board, teams: Sequence[str]) -> list[str]:
    """Return ``teams``, names or labels, as the table has them: by rank, then as they come."""
    lines = list(reversed(list(enumerate(board.lines))))
    # No label is another team's name.
    place = {line.row.label: at for at, line in lines} | {line.row.team: at for at, line in lines}
    return sorted(teams, key=lambda team: (place.get(team, len(lines)), team))
