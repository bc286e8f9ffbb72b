"""The ranked table as the template draws it, and how its tie groups are shown: as lines of text and as brackets."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from evalkit.board.model import Snapshot
from evalkit.leaderboard.model import Leaderboard
from evalkit.leaderboard.table import Column, Row
from evalkit.reports.leaderboard.plots import LOOKS, Bar, bar_on_axis
from evalkit.reports.tables import BETTER

COLUMN_GROUPS = (
    ("objective", "Objective", "measured on the files"),
    ("subjective", "Human ratings", "given by raters"),
    ("speed", "Speed", "of generation"),
    ("diagnostic", "Diagnostic", "describe, never rank"),
)
RANKED, UNRANKED, OTHER = 0, 1, 2  # parts of the table, from the top; other runs don't compete
BRACKETS = 4  # beside each other
ARROWS = {"higher": "\u2191", "lower": "\u2193", None: ""}
TILES = 40  # of a strip of rank probabilities
SHADES = 5


class RankedTable:
    """What the rows and columns of the ranked table share.

    Attributes:
        column_groups: (id, title, words, columns, share of the score) of each group that has columns.
        columns: all of them, in order.
        rows: all runs: the ranked, those without a rank, those that don't compete.
        ranked: how many are ranked.
        last: the last rank of any run or interval: more than are ranked while a finalist waits for results.
        brackets: label of a ranked run -> a mark per column of brackets.
        bracket_columns: brackets beside each other.
        undrawn_ties: tie groups without a bracket.
        looks: label -> colour and shape; labels beyond the first few share one.
        anchors: team -> id of its section.
        teams: label -> team.
        two_phase: whether there are finalists.
    """

    def __init__(self, snapshot: Snapshot, leaderboard: Leaderboard) -> None:
        self.column_groups = [
            (name, title, words, members, sum(column.share for column in members))
            for name, title, words in COLUMN_GROUPS
            if (members := [column for column in leaderboard.columns if column.group == name])
        ]
        self.columns = [column for *_, members, _ in self.column_groups for column in members]
        self.rows = sorted(leaderboard.rows, key=self.part)
        order = [row.label for row in leaderboard.rows if row.rank is not None]
        self.ranked = len(order)
        ends = [max(row.rank, *(row.interval or (0,))) for row in leaderboard.rows if row.rank is not None]
        self.last = max([len(order), *ends])
        ties = [group.labels for group in leaderboard.tie_groups]
        self.brackets, self.bracket_columns, self.undrawn_ties = place_brackets(ties, order)
        self.teams = {row.label: row.team for row in leaderboard.rows}
        teams = [team.name for team in snapshot.teams]
        teams += sorted(set(self.teams.values()) - set(teams))
        self.anchors = {team: f"team-{at}" for at, team in enumerate(teams)}
        without_run = [team for team in teams if team not in self.teams.values()]
        labels = dict.fromkeys([*order, *(display_name(row, leaderboard) for row in self.rows), *without_run])
        self.looks = {label: at for at, label in enumerate(list(labels)[:LOOKS])}
        self.two_phase = any(row.finalist is not None for row in leaderboard.rows)

    @staticmethod
    def part(row: Row) -> int:
        """Return in which part of the table ``row`` is: `RANKED`, `UNRANKED` or `OTHER`."""
        return RANKED if row.rank is not None else UNRANKED if row.primary else OTHER

    def interval_bar(self, row: Row) -> Bar | None:
        """Return the rank interval and the rank on an axis on which every rank has an equal part."""
        if row.interval is None or row.rank is None:
            return None
        step = 100 / max(self.last, 1)
        low, high = row.interval
        return bar_on_axis((low - 1) * step, (high - low + 1) * step, (row.rank - 0.5) * step)

    def sorted_names(self, names: Iterable[str]) -> list[str]:
        """Return ``names`` of teams or labels as the table has them: by rank, then by name."""
        place: dict[str, int] = {}
        for at, row in enumerate(self.rows):
            place.setdefault(row.team, at)
        place |= {row.label: at for at, row in enumerate(self.rows) if row.label not in place}
        return sorted(names, key=lambda name: (place.get(name, len(self.rows)), name))


def tie_lines(leaderboard: Leaderboard) -> list[str]:
    """Return a line of text per tie group: the labels, and the phase where there are two."""
    phases = {"ranking": "", "shortlist": " in the objective phase", "final": " in the final phase"}
    return [f"Statistically tied{phases[group.phase]}: {', '.join(group.labels)}." for group in leaderboard.tie_groups]


def place_brackets(
    groups: Sequence[Sequence[str]], order: Sequence[str]
) -> tuple[dict[str, tuple[str, ...]], int, int]:
    """Return the brackets that join teams: team -> a mark per column of brackets, how many columns, groups left out.

    A mark is ``top``, ``mid``, ``end`` or an empty text. Groups that overlap are in different columns.

    Args:
        groups: teams that are neighbours in ``order``.
        order: the ranked teams, best first.
    """
    place = {team: at for at, team in enumerate(order)}
    found = [[place[team] for team in group if team in place] for group in groups]
    spans = sorted((min(places), max(places)) for places in found if len(places) > 1)
    ends: list[int] = []  # of each column
    placed: list[tuple[int, int, int]] = []
    for first, last in spans:
        free = next((column for column, end in enumerate(ends) if end < first), len(ends))
        if free == len(ends):
            ends.append(last)
        ends[free] = last
        placed.append((free, first, last))
    columns = min(len(ends), BRACKETS)
    marks = {team: [""] * columns for team in order}
    for column, first, last in placed:
        for step in range(first, last + 1) if column < columns else ():
            marks[order[step]][column] = "top" if step == first else "end" if step == last else "mid"
    left_out = sum(column >= columns for column, _, _ in placed)
    return {team: tuple(texts) for team, texts in marks.items()}, columns, left_out


def probability_tiles(probability: Sequence[float]) -> list[tuple[float, float, int]]:
    """Return a strip of the probabilities of rank 1, 2, ...: x and width on an axis to 100, and a shade to `SHADES`.

    Ranks share a tile where they are many.
    """
    count = len(probability)
    per_tile = max(1, math.ceil(count / TILES))
    tiles = []
    for start in range(0, count, per_tile):
        share = math.fsum(probability[start : start + per_tile])
        if share >= 0.005:
            shade = min(SHADES, 1 + int(share * SHADES))
            end = min(start + per_tile, count)
            tiles.append((round(100 * start / count, 2), round(100 * (end - start) / count, 2), shade))
    return tiles


def display_name(row: Row, leaderboard: Leaderboard) -> str:
    """Return what a table without a column of runs calls ``row``: the label if its team has several primary ones."""
    several = sum(other.team == row.team and other.primary for other in leaderboard.rows) > 1
    return row.label if row.primary and several else row.team


def better(column: Column) -> str | None:
    """Return ``higher``, ``lower``, or ``None`` for a diagnostic."""
    return BETTER[column.higher_is_better]


def column_title(column: Column) -> str:
    """Return what the organizers call a column, else its title."""
    return column.published_as or column.title or column.id
