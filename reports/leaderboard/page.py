"""The leaderboard as one HTML file; see `evalkit.reports.page` for what holds of every page.

It is made from a snapshot of the board and its leaderboard alone. The first reader is a participant who lost by a
little: every number is shown with its uncertainty, every gap with its reason, every rule with who declared it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from evalkit.board.consequences import with_consequences
from evalkit.board.excluded_samples import without_excluded_samples
from evalkit.board.model import ORIGINS, Run, Snapshot
from evalkit.board.speeds import with_measured_speed
from evalkit.clock import ANYWHERE_ON_EARTH, exact_time
from evalkit.leaderboard.model import Leaderboard, Sensitivity
from evalkit.leaderboard.sensitivity import WeightInterval
from evalkit.leaderboard.table import NO_CELL, Cell, Column, Row
from evalkit.ratings import REASON_TITLES
from evalkit.reports import detector_plots
from evalkit.reports.audience import Audience, leaderboard_for
from evalkit.reports.blind import cannot_see, ignoring_own_audio
from evalkit.reports.fairness.section import attribute_sections
from evalkit.reports.filmstrips import Filmstrips, make_strips
from evalkit.reports.leaderboard.beside import Beside
from evalkit.reports.leaderboard.detectors import detector_curves_section
from evalkit.reports.leaderboard.people import people_section, reason_words
from evalkit.reports.leaderboard.plots import (
    BOX_WIDTH,
    LOOKS,
    Bar,
    Box,
    Tick,
    bar_on_axis,
    make_boxes,
    mark_path,
)
from evalkit.reports.leaderboard.ranked_table import (
    RankedTable,
    better,
    column_title,
    display_name,
    probability_tiles,
    tie_lines,
)
from evalkit.reports.leaderboard.rules import ESTIMATORS, OWN_DEFAULT, rule_rows, rules_in_words, weight_source
from evalkit.reports.leaderboard.speed import speed_section
from evalkit.reports.leaderboard.why import HEADS, neighbours, script_data
from evalkit.reports.leaderboard.words import (
    MIN_PROBABILITY,
    excluded_lines,
    included_line,
    probability_words,
    summary,
    uncertainty_words,
    unchecked_lines,
)
from evalkit.reports.page import listed, render_page
from evalkit.reports.tables import extremes, findings_by_rule, machine_of, video_metrics
from evalkit.scoring.scorecard import FeatureUse
from evalkit.speed.model import SOURCES, TIMED
from evalkit.text import natural_key

LOG_ENTRIES = 20
FINDINGS_PER_RULE = 10  # of one run
DUPLICATES = 20  # pairs of runs
CONSEQUENCES = 50  # findings
RULES_PER_RUN = 12  # rules, and kinds of events
WORST_SAMPLES = 3  # of a team, per column
TEAMS_WITHOUT_COLUMN = 10  # in the table of ranks without a column
STRIP_SAMPLES = 6
STRIP_RUNS = 16

Rule = tuple[str, Counter[str], list[dict[str, str]]]  # name, severities, findings


def render_leaderboard(
    snapshot: Snapshot, leaderboard: Leaderboard, audience: Audience = "public", beside: Beside | None = None
) -> str:
    """Return the page; the same snapshot and leaderboard give the same text.

    Args:
        snapshot: the board at one moment.
        leaderboard: what `evalkit.leaderboard.compute` made of it.
        audience: who may see it.
        beside: what lies beside the page: pages of teams, videos.
    """
    beside = beside or Beside()
    counted = without_excluded_samples(with_consequences(with_measured_speed(snapshot)))
    snapshot, leaderboard = leaderboard_for(audience, counted, leaderboard)
    table = RankedTable(snapshot, leaderboard)
    samples, strip_runs = choose_filmstrips(snapshot, leaderboard, table)
    players = _players(beside, snapshot, samples, strip_runs)
    people = people_section(leaderboard, table.columns, table.looks)
    drawn = [plot for _, plots in people.plots for plot, *_ in plots] if people is not None else []
    moment = snapshot.as_of or snapshot.at
    sensitivity = leaderboard.sensitivity
    why_pairs, why_more = neighbours(leaderboard)
    why_labels, why_data = script_data(leaderboard)
    return render_page(
        "leaderboard",
        parts=["leaderboard_why", "player"],
        beside=beside,
        with_media=any(players.values()),
        players=players,
        why_pairs=why_pairs,
        why_more=why_more,
        why_labels=why_labels,
        why_data=why_data,
        why_heads=HEADS,
        kind=snapshot.challenge.submission.kind,
        audience=audience,
        snapshot=snapshot,
        leaderboard=leaderboard,
        challenge=snapshot.challenge,
        ranked_table=table,
        known={column.id: column for column in leaderboard.columns},
        no_cell=NO_CELL,
        title_of=column_title,
        better_of=better,
        probability_tiles=probability_tiles,
        probability_words=probability_words,
        moment=(exact_time(moment), anywhere_on_earth(moment)),
        backbones=sorted({run.card.backbones for run in snapshot.runs}),
        summary=summary(snapshot, leaderboard),
        tie_lines=tie_lines(leaderboard),
        excluded_lines=excluded_lines(leaderboard),
        included_line=included_line(leaderboard),
        uncertainties=_uncertainties(leaderboard),
        teams=team_sections(snapshot, leaderboard, table),
        cannot_see=cannot_see,
        ignoring_own_audio=ignoring_own_audio(column.id for column in leaderboard.columns if column.kind == "metric"),
        legend=[(label, look, mark_path(look), table.teams.get(label, label)) for label, look in table.looks.items()],
        others=(LOOKS, mark_path(LOOKS)) if any(look == LOOKS for one in drawn for look, *_ in one.clouds) else None,
        people=people,
        detectors=detector_curves_section(leaderboard, table),
        plot_size=(detector_plots.WIDTH, detector_plots.HEIGHT, detector_plots.LEFT, detector_plots.BOTTOM),
        reason_words=reason_words,
        boxes=_boxes(leaderboard, table),
        box_width=BOX_WIDTH,
        breakdowns=_breakdowns(leaderboard, table),
        fairness_sections_of=[] if leaderboard.fairness is None else attribute_sections(leaderboard.fairness),
        weight_bars=[(one, _weight_bar(one)) for one in sensitivity.intervals] if sensitivity else [],
        wins=_wins(sensitivity, table) if sensitivity else [],
        without_column=ranks_without_column(sensitivity, leaderboard) if sensitivity else ([], []),
        samples=samples,
        strip_runs=strip_runs,
        filmstrips=_filmstrips(snapshot, samples, strip_runs),
        invalid_runs=_invalid_runs(snapshot, table),
        origins=ORIGINS,
        low_coverage=_low_coverage(snapshot, leaderboard),
        speed=speed_section(snapshot, leaderboard),
        speed_sources=SOURCES,
        speed_timed=TIMED,
        findings_per_rule=FINDINGS_PER_RULE,
        duplicates_shown=DUPLICATES,
        consequences_shown=CONSEQUENCES,
        unchecked_lines=unchecked_lines(leaderboard.unchecked),
        rules=rules_in_words(snapshot.challenge),
        rule_rows=rule_rows(snapshot.challenge),
        own_default=OWN_DEFAULT,
        weight_source=weight_source,
        reason_titles=REASON_TITLES,
        estimators=ESTIMATORS,
        strengths=sorted(leaderboard.strengths, key=lambda one: (one.dimension, -one.log_strength, one.team)),
        features=_features_used(snapshot),
        machines=[(run, machine_of(run.card)) for run in snapshot.runs],
        log=snapshot.log[: -LOG_ENTRIES - 1 : -1],
        log_entries=LOG_ENTRIES,
        rules_per_run=RULES_PER_RUN,
    )


def anywhere_on_earth(moment: datetime) -> str:
    """Return a moment as ``2026-03-05 23:59:59 AoE``; empty where the calendar has no such day."""
    try:
        return exact_time(moment, ANYWHERE_ON_EARTH)
    except OverflowError:
        return ""


def _uncertainties(leaderboard: Leaderboard) -> list[tuple[str, list[str]]]:
    """Return how the uncertainty of the order was found, per phase, the final one first."""
    titles = {"ranking": "", "shortlist": "Objective phase", "final": "Final phase"}
    found = [(titles[phase.name], uncertainty_words(phase)) for phase in reversed(leaderboard.phases)]
    return [(title, words) for title, words in found if words]


# --- a section per team -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ScoreBreakdown:
    """How a score was computed.

    Args:
        parts: column id -> points, weight in the score, points times weight.
        total: sum of the last.
        exact: whether the sum is the score.
        phase: which phase it is about; empty where there is one.
    """

    parts: dict[str, tuple[float, float, float]]
    total: float
    exact: bool
    phase: str = ""


@dataclass(frozen=True)
class TeamSection:
    """Everything about one team.

    Args:
        name: of the team.
        rows: its runs, the competing one first.
        score: how the competing run's score was computed.
        ranks: (rank, probability) of the likely ranks.
        other_ranks: probability of all others together.
        rules: per run with findings: (run, findings by rule).
        events: per run with events of its videos: (run, (kind, how many)).
        worst: column, and the worst samples with their values.
    """

    name: str
    rows: list[Row]
    score: ScoreBreakdown | None
    ranks: list[tuple[int, float]]
    other_ranks: float
    rules: list[tuple[str, list[Rule]]]
    events: list[tuple[str, list[tuple[str, int]]]]
    worst: list[tuple[Column, list[tuple[str, float | None]]]]


def team_sections(snapshot: Snapshot, leaderboard: Leaderboard, table: RankedTable) -> list[TeamSection]:
    """Return a section per team, by rank."""
    sections = []
    for team in table.sorted_names(table.anchors):
        rows = [row for row in leaderboard.rows if row.team == team]
        rows.sort(key=lambda row: (not row.primary, natural_key(row.run)))
        runs = [run for run in snapshot.runs if run.team == team]
        runs.sort(key=lambda run: (not run.primary, natural_key(run.name)))
        first = rows[0] if rows and rows[0].primary else None
        likely = [(at, p) for at, p in enumerate(first.probability if first else (), 1) if p >= MIN_PROBABILITY]
        rest = 1.0 - math.fsum(share for _, share in likely) if likely else 0.0
        sections.append(
            TeamSection(
                team,
                rows,
                explain_score(leaderboard, first) if first and first.rank is not None else None,
                likely,
                rest if rest >= 0.0005 else 0.0,
                [(run.name, rules) for run in runs if (rules := findings_by_rule(run.card))],
                [(run.name, kinds) for run in runs if (kinds := _events(run))],
                _worst_samples(runs[0], leaderboard.columns) if runs and runs[0].primary else [],
            )
        )
    return sections


def explain_score(leaderboard: Leaderboard, row: Row) -> ScoreBreakdown | None:
    """Return what each column contributed to the score of ``row``; ``None`` when no column did."""
    phase = leaderboard.deciding_phase(row)
    score = row.shortlist_score if phase is not None and phase.name == "shortlist" else row.score
    if phase is None or score is None:
        return None
    parts = {
        column.id: (points, float(weight), float(weight) * points)
        for column, weight in zip(phase.plan.columns, phase.plan.weights, strict=True)
        if (points := row.cells.get(column.id, NO_CELL).points) is not None
    }
    if not parts:
        return None
    total = math.fsum(gain for _, _, gain in parts.values())
    title = {"ranking": "", "shortlist": "objective phase", "final": "final phase"}[phase.name]
    return ScoreBreakdown(parts, total, math.isclose(total, score, rel_tol=1e-9, abs_tol=1e-9), title)


def _events(run: Run) -> list[tuple[str, int]]:
    kinds = Counter(event.kind for video in run.card.videos for event in video.events)
    return sorted(kinds.items(), key=lambda one: (-one[1], one[0]))[:RULES_PER_RUN]


def _worst_samples(run: Run, columns: Sequence[Column]) -> list[tuple[Column, list[tuple[str, float | None]]]]:
    per_video = set(video_metrics(run.card))
    found = []
    for column in columns:
        if column.id in per_video and column.higher_is_better is not None and column.kind == "metric":
            worst = [run.card.videos[at] for at in extremes(run.card, column.id)[0][:WORST_SAMPLES]]
            if worst:
                found.append((column, [(video.sample, video.values[column.id]) for video in worst]))
    return found


# --- evidence ---------------------------------------------------------------------------------------------------------


def _boxes(leaderboard: Leaderboard, table: RankedTable) -> list[tuple[Column, tuple[Tick, ...], tuple[Box, ...]]]:
    """Return per column the axis and a box per team, in the order of the table."""
    found = []
    for column in table.columns:
        given = {one.team: one for one in leaderboard.distributions if one.column == column.id}
        if any(one.values for one in given.values()):
            found.append((column, *make_boxes([given[team] for team in table.sorted_names(given)])))
    return found


def _breakdowns(leaderboard: Leaderboard, table: RankedTable) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return per group of the test set its columns: values of the group, and a row per team."""
    found = []
    for group in dict.fromkeys(one.group for one in leaderboard.breakdowns):
        tables = []
        for column in table.columns:
            here = {one.team: one for one in leaderboard.breakdowns if (one.group, one.column) == (group, column.id)}
            values = sorted({value.value for one in here.values() for value in one.values}, key=natural_key)
            rows = []
            for team in table.sorted_names(here):
                means = {value.value: (value.mean, value.n) for value in here[team].values}
                rows.append((team, [means.get(v, (None, 0)) for v in values], here[team].worst, here[team].gap))
            if rows:
                widest = max((row for row in rows if row[3] is not None), key=lambda row: row[3] or 0.0, default=None)
                tables.append({"column": column, "values": values, "rows": rows, "widest": widest})
        if tables:
            found.append((group, tables))
    return found


def _weight_bar(one: WeightInterval) -> Bar:
    """Return where a weight can move, on an axis from 0 to twice the declared weight."""
    top = 2 * one.weight or 1.0
    low, high = 100 * min(one.low / top, 1.0), 100.0 if one.high is None else 100 * min(one.high / top, 1.0)
    return bar_on_axis(low, max(high - low, 0.6), 100 * one.weight / top)


def _wins(sensitivity: Sensitivity, table: RankedTable) -> list[tuple[str, float]]:
    """Return the share of random weights that put each team first, for those that ever are, the largest first."""
    random = sensitivity.random
    wins = {team: float(share) for team, share in zip(random.teams, random.wins, strict=True) if share > 0}
    return sorted(((team, wins[team]) for team in table.sorted_names(wins)), key=lambda one: -one[1])


def ranks_without_column(
    sensitivity: Sensitivity, leaderboard: Leaderboard
) -> tuple[list[Row], list[tuple[Column, list[int | None]]]]:
    """Return the first teams, and per column their ranks when it does not count."""
    ranked = [row for row in leaderboard.rows if row.rank is not None][:TEAMS_WITHOUT_COLUMN]
    known = {column.id: column for column in leaderboard.columns}
    return ranked, [
        (known[name], [ranks.get(row.label) for row in ranked])
        for name, ranks in sensitivity.without.items()
        if name in known
    ]


def choose_filmstrips(
    snapshot: Snapshot, leaderboard: Leaderboard, table: RankedTable
) -> tuple[list[str], list[tuple[str, Run]]]:
    """Return the samples whose filmstrips are shown, and the competing runs that have any, by rank, with their labels.

    Samples that most runs have filmstrips of come first.
    """
    names = {row.key: display_name(row, leaderboard) for row in leaderboard.rows}
    competing = {names.get((run.team, run.name), run.team): run for run in snapshot.runs if run.primary and run.strips}
    runs = [(label, competing[label]) for label in table.sorted_names(competing)][:STRIP_RUNS]
    have = Counter(sample for _, run in runs for sample in run.strips)
    chosen = sorted(have, key=lambda sample: (-have[sample], natural_key(sample)))[:STRIP_SAMPLES]
    return sorted(chosen, key=natural_key), runs


def _filmstrips(snapshot: Snapshot, samples: Sequence[str], runs: Sequence[tuple[str, Run]]) -> Filmstrips:
    """Return a strip per key ``SAMPLE-ref`` or ``SAMPLE-RUN``, by their positions."""
    given: list[tuple[str, Sequence[bytes] | None]] = []
    for at, sample in enumerate(samples):
        given.append((f"{at}-ref", snapshot.reference.get(sample)))
        given += [(f"{at}-{number}", run.strips.get(sample)) for number, (_, run) in enumerate(runs)]
    return make_strips(given)


def _players(
    beside: Beside, snapshot: Snapshot, samples: Sequence[str], runs: Sequence[tuple[str, Run]]
) -> dict[str, str | None]:
    """Return the address of the video of each strip, by the same keys, where there is one beside the page."""
    competing = Counter(run.team for run in snapshot.runs if run.primary)
    return {
        f"{at}-{number}": beside.video(run, sample, several=competing[run.team] > 1)
        for at, sample in enumerate(samples)
        for number, (_, run) in enumerate(runs)
    }


def _invalid_runs(snapshot: Snapshot, table: RankedTable) -> list[tuple[Run, Counter[str], list[Rule]]]:
    """Return the runs with errors or missing videos, by the table's order: verdicts of its videos, errors by rule."""
    place = {team: at for at, team in enumerate(table.sorted_names(table.anchors))}
    found = []
    for run in snapshot.runs:
        verdicts = Counter(video.verdict for video in run.card.videos)
        errors = [
            (rule, severities, [finding for finding in findings if finding["severity"] == "error"])
            for rule, severities, findings in findings_by_rule(run.card)
            if "error" in severities
        ]
        if errors or verdicts["error"] or verdicts["missing"]:
            found.append((run, Counter[str](verdicts), errors))
    return sorted(found, key=lambda one: (place[one[0].team], natural_key(one[0].name)))


def _low_coverage(snapshot: Snapshot, leaderboard: Leaderboard) -> list[tuple[Row, Column, Cell]]:
    """Return the values that rest on fewer samples than the challenge asks for."""
    return [
        (row, column, cell)
        for row in leaderboard.rows
        for column in leaderboard.columns
        if column.ranks
        and column.group != "subjective"
        and column.min_samples is None
        and (cell := row.cells.get(column.id, NO_CELL)).coverage < snapshot.challenge.coverage
        and cell.value is not None
    ]


def _features_used(snapshot: Snapshot) -> list[tuple[str, FeatureUse]]:
    """Return every feature as the runs used it; where they differ, each way with the runs that used it so."""
    uses: dict[str, dict[str, tuple[FeatureUse, list[str]]]] = {}
    for run in snapshot.runs:
        for name, use in run.card.features.items():
            uses.setdefault(name, {}).setdefault(use.model_dump_json(), (use, []))[1].append(f"{run.team}/{run.name}")
    return [
        (name if len(ways) == 1 else f"{name} ({listed(runs, 3)})", use)
        for name, ways in sorted(uses.items())
        for use, runs in ways.values()
    ]
