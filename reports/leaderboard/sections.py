"""What the leaderboard says beyond its table: each team's section, groups, sensitivity, invalid entries, pictures."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from evalkit.board.model import Run, Snapshot
from evalkit.challenges.model import Challenge
from evalkit.leaderboard.model import Leaderboard, Sensitivity
from evalkit.leaderboard.table import NO_CELL, Cell, Column, Row
from evalkit.reports.leaderboard.plots import Bar, Box, Tick, make_boxes
from evalkit.reports.leaderboard.table_view import Board, better, column_title, team_order
from evalkit.reports.leaderboard.words import LEAST
from evalkit.reports.tables import extremes, findings_by_rule, natural_key, video_metrics
from evalkit.scoring.scorecard import Scorecard

RULES = 12  # rules and events listed for one run
TEAMS_LEFT_OUT = 10  # teams in the table of ranks without a column
STRIP_SAMPLES = 6
STRIP_TEAMS = 16


@dataclass(frozen=True)
class ScoreBreakdown:
    """How a score was computed.

    Args:
        lines: column, its cell, its weight in the score, points times weight.
        total: sum of the last.
        exact: whether the sum is the score.
        phase: which phase it is about; empty where there is one.
    """

    lines: tuple[tuple[Column, Cell, float, float], ...]
    total: float
    exact: bool
    phase: str = ""

    @property
    def by(self) -> dict[str, tuple[float, float, float]]:
        """Column id -> points, weight, contribution."""
        return {column.id: (cell.points or 0.0, weight, gain) for column, cell, weight, gain in self.lines}


@dataclass(frozen=True)
class TeamSection:
    """Everything about one team.

    Args:
        name, anchor: of the team.
        rows: its runs, the competing one first.
        made: how the competing run's score was computed.
        places: (place, probability) of the likely places, and what all others have together.
        rules: per run, its findings by rule: (run, (rule, severities, number, first message), rules left out).
        events: per run, events of its videos by kind.
        worst: column title, better side, and the worst samples with their values.
    """

    name: str
    anchor: str
    rows: tuple[Row, ...]
    made: ScoreBreakdown | None
    places: tuple[tuple[int, float], ...]
    other_places: float
    rules: tuple[tuple[str, list[tuple[str, list[tuple[str, int]], int, str]], int], ...]
    events: tuple[tuple[str, list[tuple[str, int]]], ...]
    worst: tuple[tuple[str, str | None, list[tuple[str, float]]], ...]


def team_sections(snapshot: Snapshot, leaderboard: Leaderboard, board: Board) -> list[TeamSection]:
    """Return a section per team, by rank."""
    runs: dict[str, list[Run]] = {}
    for run in snapshot.runs:
        runs.setdefault(run.team, []).append(run)
    rows: dict[str, list[Row]] = {}
    for row in leaderboard.rows:
        rows.setdefault(row.team, []).append(row)
    sections = []
    for team in team_order(board, list(board.anchors)):
        own = sorted(rows.get(team, []), key=lambda row: (not row.primary, natural_key(row.run)))
        first = own[0] if own and own[0].primary else None
        mine = sorted(runs.get(team, []), key=lambda run: (not run.primary, natural_key(run.name)))
        likely = [(at, share) for at, share in enumerate(first.probability if first else (), 1) if share >= LEAST]
        rest = 1.0 - math.fsum(share for _, share in likely) if likely else 0.0
        sections.append(
            TeamSection(
                team,
                board.anchors[team],
                tuple(own),
                score_made(leaderboard, first) if first and first.rank is not None else None,
                tuple(likely),
                rest if rest >= 0.0005 else 0.0,
                tuple(found for run in mine if (found := _findings(run))[1]),
                tuple((run.name, kinds) for run in mine if (kinds := _events(run.card))),
                tuple(_worst(mine[0].card, leaderboard.columns) if mine and mine[0].primary else ()),
            )
        )
    return sections


def score_made(leaderboard: Leaderboard, row: Row) -> ScoreBreakdown | None:
    """Return what each column gave to the score of ``row``; ``None`` when no column did."""
    phase = leaderboard.deciding_phase(row)
    score = row.shortlist_score if phase is not None and phase.name == "shortlist" else row.score
    if phase is None or score is None:
        return None
    weights = dict(zip((column.id for column in phase.plan.columns), map(float, phase.plan.weights), strict=True))
    lines = tuple(
        (column, cell, weights[column.id], weights[column.id] * cell.points)
        for column in leaderboard.columns
        if column.id in weights and (cell := row.cells.get(column.id, NO_CELL)).points is not None
    )
    if not lines:
        return None
    total = math.fsum(line[3] for line in lines)
    title = {"ranking": "", "shortlist": "objective phase", "final": "final phase"}[phase.name]
    return ScoreBreakdown(lines, total, math.isclose(total, score, rel_tol=1e-9, abs_tol=1e-9), title)


def _findings(run: Run) -> tuple[str, list[tuple[str, list[tuple[str, int]], int, str]], int]:
    rules = [
        (rule, sorted(severities.items()), len(entries), entries[0]["message"])
        for rule, severities, entries in findings_by_rule(run.card)
    ]
    return run.name, rules[:RULES], max(0, len(rules) - RULES)


def _events(card: Scorecard) -> list[tuple[str, int]]:
    kinds = Counter(event.kind for video in card.videos for event in video.events)
    return sorted(kinds.items(), key=lambda one: (-one[1], one[0]))[:RULES]


def _worst(card: Scorecard, columns: Sequence[Column]) -> list[tuple[str, str | None, list[tuple[str, float]]]]:
    asked = set(video_metrics(card))
    found = []
    for column in columns:
        if column.id in asked and column.higher_is_better is not None and column.kind == "metric":
            low = [(card.videos[at].sample, card.videos[at].values[column.id]) for at in extremes(card, column.id)[0]]
            known = [(sample, value) for sample, value in low if value is not None][:3]
            if known:
                found.append((column_title(column), better(column), known))
    return found


@dataclass(frozen=True)
class InvalidRun:
    """A run whose videos are not all valid: how many are invalid and missing, and the errors by rule."""

    team: str
    anchor: str
    run: str
    primary: bool
    samples: int
    invalid: int
    missing: int
    rules: list[tuple[str, list[dict[str, str]]]]


def invalid_runs(snapshot: Snapshot, board: Board) -> list[InvalidRun]:
    """Return the runs with errors or missing videos, by the table's order of teams."""
    place = {team: at for at, team in enumerate(team_order(board, list(board.anchors)))}
    found = []
    for run in snapshot.runs:
        verdicts = Counter(video.verdict for video in run.card.videos)
        errors = [
            (rule, [entry for entry in entries if entry["severity"] == "error"])
            for rule, severities, entries in findings_by_rule(run.card)
            if "error" in severities
        ]
        if errors or verdicts["error"] or verdicts["missing"]:
            anchor = board.anchors.get(run.team, "board")
            counts = (len(run.card.videos), verdicts["error"], verdicts["missing"])
            found.append(InvalidRun(run.team, anchor, run.name, run.primary, *counts, errors))
    return sorted(found, key=lambda one: (place.get(one.team, len(place)), natural_key(one.run)))


def thin_cells(challenge: Challenge, leaderboard: Leaderboard) -> list[tuple[Row, Column, Cell]]:
    """Return the values that rest on fewer samples than the challenge asks for."""
    return [
        (row, column, cell)
        for row in leaderboard.rows
        for column in leaderboard.columns
        if column.ranks
        and column.group != "subjective"
        and (cell := row.cells.get(column.id, NO_CELL)).coverage < challenge.coverage
        and cell.value is not None
    ]


def box_sections(leaderboard: Leaderboard, board: Board) -> list[tuple[Column, tuple[Tick, ...], tuple[Box, ...]]]:
    """Return per column the axis and a box per team, in the order of the table."""
    found = []
    for column in board.columns:
        given = {one.team: one for one in leaderboard.distributions if one.column == column.id}
        if any(one.values for one in given.values()):
            found.append((column, *make_boxes([given[team] for team in team_order(board, list(given))])))
    return found


def group_sections(leaderboard: Leaderboard, board: Board) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return per group of the test set its columns: values of the group, and a row per team."""
    found = []
    for group in dict.fromkeys(one.group for one in leaderboard.breakdowns):
        tables = []
        for column in board.columns:
            here = {one.team: one for one in leaderboard.breakdowns if (one.group, one.column) == (group, column.id)}
            values = sorted({value.value for one in here.values() for value in one.values}, key=natural_key)
            rows = []
            for team in team_order(board, list(here)):
                means = {value.value: (value.mean, value.n) for value in here[team].values}
                rows.append((team, [means.get(v, (None, 0)) for v in values], here[team].worst, here[team].gap))
            if rows:
                gaps = [(row[3], row[0], row[2]) for row in rows if row[3] is not None]
                widest = max(gaps, key=lambda gap: gap[0], default=None)
                tables.append({"column": column, "values": values, "rows": rows, "widest": widest})
        if tables:
            found.append((group, tables))
    return found


def weight_bars(sensitivity: Sensitivity) -> list[tuple[Any, Bar]]:
    """Return every weight interval with its place on an axis of its own, from 0 to twice the declared weight."""
    bars = []
    for one in sensitivity.intervals:
        top = 2 * one.weight or 1.0
        low, high = 100 * min(one.low / top, 1.0), 100.0 if one.high is None else 100 * min(one.high / top, 1.0)
        bars.append((one, Bar(round(low, 2), round(max(high - low, 0.6), 2), round(100 * one.weight / top, 2))))
    return bars


def leave_out_rows(
    sensitivity: Sensitivity, leaderboard: Leaderboard
) -> tuple[list[Row], list[tuple[Column, list[int | None]]]]:
    """Return the first teams, and per column that is left out their ranks then."""
    ranked = [row for row in leaderboard.rows if row.rank is not None][:TEAMS_LEFT_OUT]
    known = {column.id: column for column in leaderboard.columns}
    return ranked, [
        (known[name], [ranks.get(row.label) for row in ranked])
        for name, ranks in sensitivity.without.items()
        if name in known
    ]


def strip_samples(snapshot: Snapshot, board: Board) -> tuple[list[str], list[tuple[str, Run]]]:
    """Return the samples to show pictures of and the competing runs that have any, by rank, each with its label.

    Samples that most runs have pictures of come first.
    """
    shown = {(line.row.team, line.row.run): line.name for line in board.lines}
    competing = {shown.get((run.team, run.name), run.team): run for run in snapshot.runs if run.primary and run.strips}
    runs = [(label, competing[label]) for label in team_order(board, list(competing))][:STRIP_TEAMS]
    have = Counter(sample for _, run in runs for sample in run.strips)
    chosen = sorted(have, key=lambda sample: (-have[sample], natural_key(sample)))[:STRIP_SAMPLES]
    return sorted(chosen, key=natural_key), runs
