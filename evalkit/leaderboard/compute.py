"""From a board to its leaderboard, as one pure function: the same snapshot gives the same leaderboard, bit by bit.

Columns -> ranking -> rank intervals -> one `Leaderboard` value that every output prints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from evalkit.board.consequences import board_consequences, with_consequences
from evalkit.board.excluded_samples import numbers_with_excluded, without_excluded_samples
from evalkit.board.filtering import FilteredAnswers, filter_answers
from evalkit.board.model import Decision, Snapshot
from evalkit.board.speeds import with_measured_speed
from evalkit.challenges.model import Challenge
from evalkit.errors import InputError
from evalkit.groups.influence import few_groups, with_moves
from evalkit.groups.inputs import Entry
from evalkit.groups.model import FairnessReport, FairnessRules
from evalkit.groups.names import in_order
from evalkit.leaderboard.agreement import metric_points, overall_points, team_points
from evalkit.leaderboard.answers import RatedColumns
from evalkit.leaderboard.columns import best_cells, make_rows, ranked_columns, read_columns, shown_order
from evalkit.leaderboard.consequences import with_worst_values
from evalkit.leaderboard.duplicates import duplicate_videos
from evalkit.leaderboard.fairness_report import fairness_of_runs
from evalkit.leaderboard.group_rules import columns_by_group, rows_by_group
from evalkit.leaderboard.groups import board_groups
from evalkit.leaderboard.model import (
    ExcludedSample,
    FindingEffect,
    Leaderboard,
    RankingPhase,
    Sensitivity,
    UncheckedRun,
    find_tie_groups,
)
from evalkit.leaderboard.per_sample import breakdowns, detector_curves, distributions, sample_values
from evalkit.leaderboard.ranking import Ranking, rank_board, split_equals
from evalkit.leaderboard.rated_columns import ratings_info, read_rated_columns
from evalkit.leaderboard.runs import Runs, read_runs
from evalkit.leaderboard.sensitivity import leave_one_out, random_weights, weight_intervals
from evalkit.leaderboard.table import Column, Row, value_matrix
from evalkit.leaderboard.turning_points import turning_points
from evalkit.leaderboard.uncertainty import PhaseUncertainty, phase_uncertainty
from evalkit.scoring.consequences import unchecked
from evalkit.statistics import BOOTSTRAP_DRAWS
from evalkit.statistics.bootstrap import FEWEST_DRAWS


def compute_leaderboard(
    snapshot: Snapshot,
    *,
    draws: int = BOOTSTRAP_DRAWS,
    seed: int = 0,
    confidence: float = 0.95,
    podium: int = 3,
    compared: Sequence[tuple[str, str]] = (),
) -> Leaderboard:
    """Return the leaderboard of ``snapshot``.

    Runs that can't be ranked are shown with the reason. Where the challenge's rule can't be applied, the leaderboard
    says so as its ``problem`` and ranks nobody; the values are shown anyway.

    A two-phase challenge that is decided in pairs is ranked twice: without ratings to find the finalists, then by the
    comparisons between these.

    Args:
        snapshot: the board.
        draws: bootstrap draws behind the rank intervals and the confidence intervals of the columns, at least 100.
        seed: of the bootstrap and of random weights.
        confidence: probability that no two teams are separated wrongly, between 0.5 and 1.
        podium: how many first places the sensitivity to the weights is about.
        compared: labels of runs whose contrast is asked for. Those of neighbours, and of the first
            `evalkit.leaderboard.contrasts.ALL_PAIRS` runs with each other, are always there.
    """
    challenge = snapshot.challenge
    state = rank_snapshot(snapshot, draws=draws, seed=seed)
    runs, columns, shown, rated, ranking = state.runs, state.columns, state.shown, state.rated, state.ranking
    by_label = {row.label: row for row in ranking.rows}
    found: dict[str, PhaseUncertainty] = {}
    for phase in ranking.phases:
        ordered = [by_label[label] for label in phase.order]
        found[phase.name] = phase_uncertainty(
            phase, ordered, runs, rated.by_id, draws=draws, seed=seed, confidence=confidence, wanted=compared
        )
    phases = tuple(_with_uncertainty(phase, found[phase.name], ranking) for phase in ranking.phases)

    notes = {name: sentences for one in found.values() for name, sentences in one.notes.items()}
    units = {column.id: column.unit for column in rated.columns if column.unit}
    shown = ranked_columns(shown, ranking, units=units, notes=notes)
    rows = with_worst_values(_finished_rows(ranking, found, shown), snapshot, runs)
    # What a finding leads to is a rule of the challenge. How metrics agree with people, how values spread and how
    # groups differ is about what was measured.
    measured = state.measured
    values = sample_values(shown, measured, rated.by_id)
    measured_rows = rows if measured is runs else make_rows(measured, shown, rated.by_id)
    return Leaderboard(
        rule=challenge.ranking,
        lower_wins=ranking.lower_wins,
        columns=shown,
        rows=rows,
        phases=phases,
        tie_groups=find_tie_groups(phases, rows),
        provisional=ranking.provisional,
        problem=ranking.problem,
        sensitivity=_sensitivity(challenge, ranking, columns, seed=seed, podium=podium),
        ratings=ratings_info(snapshot, state.filtered, rated),
        points=metric_points(shown, measured, values, seed=seed),
        overall_points=overall_points(shown, measured, values, seed=seed),
        team_points=team_points(shown, measured, measured_rows, seed=seed),
        distributions=distributions(shown, measured, values),
        breakdowns=breakdowns(shown, measured, values),
        fairness=board_fairness(snapshot, state),
        strengths=rated.strengths,
        curves=detector_curves(runs),
        turning_points=tuple(
            one
            for phase in ranking.phases
            for one in turning_points(phase.name, [by_label[label] for label in phase.order], phase.plan)
        ),
        contrasts=tuple(one for phase in ranking.phases for one in found[phase.name].contrasts),
        duplicates=duplicate_videos(snapshot),
        excluded_samples=tuple(
            ExcludedSample(sample, one.reason, one.number) for sample, one in snapshot.excluded("sample").items()
        ),
        consequences=tuple(
            FindingEffect(run.team, run.name, one.sample, one.rule, one.effect, one.found, one.overruled)
            for run, one in board_consequences(snapshot)
        ),
        unchecked=tuple(
            UncheckedRun(run.team, run.name, one.videos, one.rules)
            for run in snapshot.runs
            if (one := unchecked(run.card, snapshot.challenge)) is not None
        ),
    )


def board_fairness(
    snapshot: Snapshot, state: RankedBoard, rules: FairnessRules | None = None, truth: Entry | None = None
) -> FairnessReport | None:
    """Return the report on the groups of the runs that compete, with how much of the ranking each group decides.

    Args:
        snapshot: the board.
        state: its ranking.
        rules: how groups are compared.
        truth: the real videos.

    Returns:
        ``None`` where no sample has groups, or nobody competes.
    """
    report = fairness_of_runs(state.columns, state.measured, state.rated, rules, truth)
    if report is None or len(state.ranking.ranked) < 2:
        return report
    people, order = board_groups(state.runs).people, _order(state)
    found = []
    for attribute, labels in few_groups(people):

        def without(
            group: str, attribute: str = attribute, labels: Mapping[str, str] = labels
        ) -> tuple[str, ...] | None:
            left_out = [sample for sample, value in labels.items() if value == group]
            rest = _without(_not_counting(snapshot, attribute, group), left_out)
            after = _order(rank_snapshot(rest, draws=FEWEST_DRAWS, intervals=False))
            return after or None

        names = in_order(labels.values())
        found.append(with_moves((attribute, "ranking"), order, names, without))
    return replace(report, influence=(*found, *report.influence))


def _order(state: RankedBoard) -> tuple[str, ...]:
    return tuple(row.label for row in state.ranking.ranked)


def _not_counting(snapshot: Snapshot, attribute: str, group: str) -> Snapshot:
    """Return the board under a rule for groups that doesn't name the group, if it does and two others are left."""
    rules = snapshot.challenge.fairness
    kept = tuple(name for name in rules.groups or () if name != group)
    if rules.attribute != attribute or len(kept) < 2:
        return snapshot
    changed = rules.model_copy(update={"groups": kept})
    return replace(snapshot, challenge=snapshot.challenge.model_copy(update={"fairness": changed}))


def _without(snapshot: Snapshot, samples: Sequence[str]) -> Snapshot:
    """Return the board as if the organizers had excluded the samples."""
    made = [
        Decision(-at, "sample", sample, "group", "left out to see what it decides", "evalkit", snapshot.at)
        for at, sample in enumerate(samples, start=1)
    ]
    return replace(snapshot, decisions=(*snapshot.decisions, *made))


@dataclass(frozen=True)
class RankedBoard:
    """The ranking of a board with what it was made from, without its uncertainty.

    Args:
        runs: without the excluded samples, as findings about gaming let them count.
        measured: the same runs with what was measured, whatever follows from findings.
        columns: in the challenge's order.
        shown: the same in the order in which they are shown.
        filtered: which answers count.
        rated: the columns that raters' answers make.
        ranking: of the runs.
    """

    runs: Runs
    measured: Runs
    columns: tuple[Column, ...]
    shown: tuple[Column, ...]
    filtered: FilteredAnswers
    rated: RatedColumns
    ranking: Ranking


def rank_snapshot(snapshot: Snapshot, *, draws: int, seed: int = 0, intervals: bool = True) -> RankedBoard:
    """Return the ranking of ``snapshot``.

    Args:
        snapshot: the board.
        draws: behind the intervals of rated values, and of those that rank by groups.
        seed: of these.
        intervals: whether numbers that are computed again without excluded samples get their intervals; no order
            depends on them.
    """
    challenge = snapshot.challenge
    as_measured = with_measured_speed(snapshot)
    snapshot = with_consequences(as_measured)
    runs = read_runs(without_excluded_samples(snapshot, intervals=intervals))
    same = snapshot is as_measured
    measured = runs if same else read_runs(without_excluded_samples(as_measured, intervals=False))
    kept = numbers_with_excluded(snapshot)
    columns = tuple(replace(one, includes_excluded=kept.get(one.id, ())) for one in read_columns(challenge, runs))
    columns = columns_by_group(challenge.fairness, columns, runs)
    shown = shown_order(columns)
    filtered = filter_answers(snapshot)

    finalists = None
    if challenge.ranking == "two-phase" and challenge.ratings.method == "pairs":
        rows = make_rows(runs, shown, {})
        rows = rows_by_group(challenge.fairness, rows, runs, RatedColumns(), shown, draws=draws, seed=seed)
        shortlist = rank_board(challenge, rows, columns)
        if shortlist.problem is None or shortlist.refused:
            finalists = frozenset(row.key for row in shortlist.rows if row.finalist)
    rated = read_rated_columns(snapshot, runs, filtered, finalists, draws=draws, seed=seed)
    rows = make_rows(runs, shown, rated.by_id)
    rows = rows_by_group(challenge.fairness, rows, runs, rated, shown, draws=draws, seed=seed)
    ranking = rank_board(challenge, rows, columns)
    return RankedBoard(runs, measured, columns, shown, filtered, rated, ranking)


def _with_uncertainty(phase: RankingPhase, found: PhaseUncertainty, ranking: Ranking) -> RankingPhase:
    why = found.why_not
    if phase.name == "final" and not phase.order and ranking.provisional is not None:
        why = ranking.provisional.sentence
    return replace(phase, uncertainty=found.uncertainty, no_uncertainty=why)


def _finished_rows(
    ranking: Ranking, uncertainties: Mapping[str, PhaseUncertainty], columns: Sequence[Column]
) -> tuple[Row, ...]:
    """Return the rows with their rank intervals, and the best cells marked."""
    best = best_cells(ranking.ranked, columns)
    # A finalist without results yet has no rank, and those behind the finalists keep theirs.
    last = max([len(ranking.ranked), *(row.rank for row in ranking.ranked if row.rank is not None)])
    # The shortlist's intervals say nothing about an order that the final phase has made.
    final = ranking.phases[1].order if len(ranking.phases) > 1 else ()
    rows = []
    for row in ranking.rows:
        cells = {name: replace(cell, best=(row.key, name) in best) for name, cell in row.cells.items()}
        if row.rank is None:
            rows.append(replace(row, cells=cells))
            continue
        found = uncertainties[ranking.phases[1 if row.finalist and final else 0].name]
        probability = found.probability.get(row.key, ())
        # The final phase's probabilities end with the last finalist, who can't have a later rank.
        padding = [0.0] * (last - len(probability)) if probability else []
        interval = found.intervals.get(row.key)
        rows.append(replace(row, cells=cells, interval=interval, probability=(*probability, *padding)))
    return tuple(rows)


def _sensitivity(
    challenge: Challenge, ranking: Ranking, columns: Sequence[Column], *, seed: int, podium: int
) -> Sensitivity | None:
    """Return the effect of other weights; ``None`` for fewer than two teams, or one column.

    In a two-phase ranking it is about the finalists, where several dimensions decide among them.
    """
    if not ranking.phases or (len(ranking.phases) > 1 and not ranking.phases[1].order):
        return None
    plan = ranking.phases[-1].plan
    rows = [row for row in ranking.ranked if len(ranking.phases) == 1 or row.finalist]
    if len(rows) < 2 or len(plan.columns) < 2:
        return None
    teams, values, order = [row.label for row in rows], value_matrix(rows, plan.columns), range(len(rows))
    try:
        intervals = weight_intervals(teams, values, plan, order, podium=podium)
        random = random_weights(teams, values, plan, order, seed=seed, podium=podium)
    except InputError:  # scores differ by rounding alone, so the order follows from no weights
        return None

    def split(equal: Sequence[int]) -> list[list[int]]:
        return split_equals(challenge, rows, columns, equal)

    return Sensitivity(podium, intervals, random, leave_one_out(teams, values, plan, split))
