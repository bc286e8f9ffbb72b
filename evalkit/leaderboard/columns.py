"""The columns of a leaderboard, as the challenge and the scorecards declare them, and the cell of every run in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from evalkit.board.scorecard_check import SIZES
from evalkit.challenges.model import Challenge, MetricEntry
from evalkit.challenges.speed_rules import SpeedRules
from evalkit.errors import PluginError
from evalkit.leaderboard.answers import RatedColumn
from evalkit.leaderboard.ranking import Ranking
from evalkit.leaderboard.runs import Entrant, Runs
from evalkit.leaderboard.table import NO_CELL, PAIRS, Cell, CodedReason, Column, Row, RunKey
from evalkit.metrics.base import MetricRecord, metric_registry
from evalkit.scoring.scorecard import MetricScore
from evalkit.speed.model import FAMILY, TIMED, Timed, same_hardware
from evalkit.text import escape_for_display

GROUPS = ("objective", "subjective", "speed", "diagnostic")
_OF_SECONDS = {"speed.fps", "speed.rtf"}  # what depends on how much the seconds include
_SHOWN_MACHINES = 4


def read_columns(challenge: Challenge, runs: Runs) -> tuple[Column, ...]:
    """Return the columns of ``challenge`` in its order: metrics, then dimensions or the share of points.

    A metric whose scorecards of competing runs disagree about what it means (protocol, unit, better side) is refused:
    it ranks nobody and breaks no ties. So is one of speed that was measured on different hardware, or with and without
    loading and encoding.
    """
    return (*(_metric(entry, runs, challenge.speed) for entry in challenge.metrics), *_rated(challenge))


def shown_order(columns: Sequence[Column]) -> tuple[Column, ...]:
    """Return the columns as a table shows them: by group, those that rank first."""
    order = {group: at for at, group in enumerate(GROUPS)}
    return tuple(sorted(columns, key=lambda column: (order[column.group], not column.ranks)))


def ranked_columns(
    columns: Sequence[Column], ranking: Ranking, *, units: Mapping[str, str], notes: Mapping[str, Sequence[str]]
) -> tuple[Column, ...]:
    """Return the columns with their shares of the score, what the ranking refused, and more ``units`` and ``notes``.

    In a two-phase ranking a share is that of the phase which the column belongs to; a note says which.
    """
    shares: dict[str, float] = {}
    phases: dict[str, tuple[str, ...]] = {}
    for phase in ranking.phases:
        total = float(phase.plan.weights.sum())
        for column, weight in zip(phase.plan.columns, phase.plan.weights, strict=True):
            shares[column.id] = float(weight) / total
            if phase.name != "ranking":
                phases[column.id] = ("Makes the shortlist." if phase.name == "shortlist" else "Orders the finalists.",)
    return tuple(
        replace(
            column,
            share=shares.get(column.id, 0.0),
            refused=column.refused or ranking.refused.get(column.id),
            unit=units.get(column.id, column.unit),
            notes=(*column.notes, *phases.get(column.id, ()), *notes.get(column.id, ())),
        )
        for column in columns
    )


def _metric(entry: MetricEntry, runs: Runs, speed: SpeedRules) -> Column:
    everyone = [(one, score) for one in runs.entrants if (score := one.score(entry.id)) is not None]
    scored = [(one, score) for one, score in everyone if score.value is not None]
    competing = [(one, score) for one, score in scored if one.competes]
    record = _record(entry.id)
    # What a scorecard declares of a number that it does not have is never checked.
    first = next((score for _, score in [*competing, *scored, *(everyone if record is None else [])]), None)
    ranks = entry.rank and entry.group != "diagnostic"
    why = _disagreement(entry.id, competing)
    refused = CodedReason("protocol", why) if why is not None and ranks else None
    known = first.higher_is_better if first else record.higher_is_better if record else None
    up = known if entry.direction is None else entry.direction == "higher"
    notes = [why] if why is not None and not ranks else []
    of_speed = entry.id.startswith(FAMILY)
    odd = _other_hardware(entry.id, competing, speed) if of_speed else ()
    alike = [(one, score) for one, score in competing if one.label not in odd]
    if why is None and of_speed and (incomparable := _incomparable(entry.id, alike, speed)) is not None:
        refused = incomparable if ranks else None
        notes += [] if ranks else [incomparable.sentence]
    if first is not None and first.aggregate == "median":
        beside = "" if of_speed else "; beside it the share of videos at the mode"
        notes.append(f"A run's number is the median over its videos{beside}.")
    if known is not None and up is not known:
        meant = "higher" if known else "lower"
        notes.append(f"In the challenge {entry.direction} values are better, in the metric's definition {meant} ones.")
    if why is None and (other := _disagreement(entry.id, scored)) is not None:
        notes.append(f"Not among the runs that compete: {other}")
    return Column(
        id=entry.id,
        title=(record.title if record else first.title if first else "") or entry.id,
        published_as=entry.published_as,
        kind="metric",
        group=entry.group,
        higher_is_better=up,
        unit=first.unit if first else record.unit if record else "",
        weight=entry.weight if ranks else 0.0,
        ranks=ranks,
        refused=refused,
        range=entry.range,
        protocol=None if why else first.protocol if first else record.protocol if record else None,
        aggregate=first.aggregate if first else record.aggregate if record else "mean",
        notes=tuple(notes),
        min_samples=speed.min_samples if of_speed else None,
        not_comparable=odd,
    )


def _other_hardware(
    metric: str, competing: Sequence[tuple[Entrant, MetricScore]], rules: SpeedRules
) -> tuple[str, ...]:
    """Return the labels of runs whose own report can't be compared with what the organizer measured, or with most runs.

    So what a team writes about its hardware costs that team alone. Runs that the organizer measured are never among
    them: where these differ, the column ranks nobody.
    """
    kinds: dict[tuple[str, str], list[Entrant]] = {}
    measured = set()
    for one, _ in competing:
        held = one.run.speed
        words = same_hardware(held.hardware if held is not None else "") or f"unknown {one.label}"
        timed = held.timed if held is not None and metric in _OF_SECONDS else "call"
        kind = ("" if rules.across_hardware else words, timed)
        kinds.setdefault(kind, []).append(one)
        if held is not None and held.source != "reported":
            measured.add(kind)
    if len(measured) > 1:
        return ()
    common = next(iter(measured), None) or max(kinds, key=lambda kind: len(kinds[kind]), default=None)
    if common is None or (not measured and 2 * len(kinds[common]) <= len(competing)):
        return ()
    return tuple(one.label for kind, runs in kinds.items() if kind != common for one in runs)


def _incomparable(
    metric: str, competing: Sequence[tuple[Entrant, MetricScore]], rules: SpeedRules
) -> CodedReason | None:
    """Return why values of speed can't be compared: other machines, or seconds that include something else."""
    if len(competing) < 2:
        return None
    machines: dict[str, str] = {}
    timed: dict[Timed, str] = {}
    for one, _ in competing:
        held = one.run.speed
        words = held.hardware if held is not None else ""
        # Nobody knows whether two machines that nothing names are the same one.
        key = same_hardware(words) or f"unknown {one.label}"
        machines.setdefault(key, f"{words or 'unnamed hardware'} ({one.label})")
        timed.setdefault(held.timed if held is not None else "call", one.label)
    if len(machines) > 1 and not rules.across_hardware:
        shown = "; ".join(list(machines.values())[:_SHOWN_MACHINES])
        return CodedReason(
            "hardware",
            f"{metric} was measured on different hardware, so it ranks nobody: {shown}. Measure all runs on one "
            "machine, or let the challenge say 'speed.across_hardware: true'.",
        )
    if len(timed) > 1 and metric in _OF_SECONDS:
        shown = "; ".join(f"{TIMED[kind]} ({label})" for kind, label in timed.items())
        return CodedReason("timed", f"{metric} includes different things, so it ranks nobody: {shown}.")
    return None


def _rated(challenge: Challenge) -> list[Column]:
    """Return the columns that raters make. A dimension's range is its scale.

    Dimensions that are compared in pairs have no range, as strengths are unbounded; a share of points is from 0 to 1.
    """
    rules = challenge.ratings
    if rules.method == "none":
        return []
    pairs = rules.method == "pairs"
    if pairs and not rules.dimensions:
        return [Column(PAIRS, True, "subjective", 1.0, (0.0, 1.0), title="Share of points", kind="pairs")]
    return [
        Column(
            id=dimension.id,
            higher_is_better=True,
            group="subjective",
            weight=dimension.weight,
            range=None if pairs else (float(dimension.scale[0]), float(dimension.scale[1])),
            title=dimension.title,
            kind="dimension",
        )
        for dimension in rules.dimensions
    ]


def _disagreement(metric: str, scored: Sequence[tuple[Entrant, MetricScore]]) -> str | None:
    """Return how the scorecards disagree about what ``metric`` means, as a sentence."""
    kinds: dict[tuple[object, ...], str] = {}
    for one, score in scored:
        meaning = f"protocol {score.protocol}"
        meaning += {True: ", higher is better", False: ", lower is better", None: ", no better side"}[
            score.higher_is_better
        ]
        meaning += f", {escape_for_display(score.unit, limit=40)}" if score.unit else ""
        meaning += f", {score.aggregate} over videos" if score.aggregate == "median" else ""
        kind = (score.protocol, score.unit, score.higher_is_better, score.aggregate)
        kinds.setdefault(kind, f"{meaning} ({one.label})")
    if len(kinds) < 2:
        return None
    return f"{metric} has different meanings in the scorecards: {', '.join(kinds.values())}. Score all runs again."


def _record(metric: str) -> MetricRecord | None:
    """Return the installed metric's record: all that is known about a number that nobody has yet."""
    try:
        found = metric_registry().get(metric)
    except PluginError:
        return None
    return found.record if found is not None else None


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
            origin=one.run.origin,
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
        cell, speed = _metric_cell(one.score(column.id)), one.run.speed
        if cell.value is None or speed is None or not column.id.startswith(FAMILY):
            return cell
        # A median of seconds has no commonest value.
        return replace(cell, source=speed.source, hardware=speed.hardware, mode=None, share_at_mode=None)
    return rated[column.id].cells[one.key] if column.id in rated else replace(NO_CELL, reason="no_results")


def _metric_cell(score: MetricScore | None) -> Cell:
    """Return the cell of a run's number; a metric that the scorecard does not hold is a gap."""
    if score is None:
        return NO_CELL
    if score.value is None:
        return Cell(None, reason=score.reason, n=score.n, coverage=score.coverage)
    # Only set metrics say how many vectors each side has; `evalkit.board.scorecard_check` holds others to that.
    sizes = {name: float(score.details[name]) for name in SIZES if name in score.details}
    return Cell(
        score.value,
        ci=score.ci95,
        n=score.n,
        coverage=score.coverage,
        set_sizes=sizes if SIZES[1] in score.details else {},
        mode=score.details.get("mode") if score.aggregate == "median" else None,
        share_at_mode=score.details.get("share_at_mode") if score.aggregate == "median" else None,
    )
