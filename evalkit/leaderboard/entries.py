"""Cells of the leaderboard, the entries that a ranking is made of, and the ranking itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from evalkit.challenges.model import Challenge
from evalkit.errors import ChallengeError, InputError
from evalkit.leaderboard.answers import People, PeopleColumn
from evalkit.leaderboard.columns import Columns
from evalkit.leaderboard.model import CellInfo
from evalkit.leaderboard.ranking import Placing, Ranking, rank_challenge
from evalkit.leaderboard.runs import Entrant, RunKey, Runs
from evalkit.leaderboard.scoring_rules import Floats, Plan, effective_weights, final_method, group_weights_of
from evalkit.leaderboard.table import Cell, Column, Entry, Reason, columns_of
from evalkit.scoring.scorecard import MetricScore

SIZES = ("n", "n_reference")  # of the sets that a distance of distributions compares


@dataclass(frozen=True, eq=False)
class Table:
    """Everything that has a value.

    Args:
        field: the runs.
        cells: run -> column id -> value, for every run and column.
        people: column id -> what people said, for the columns that they make.
    """

    field: Runs
    cells: Mapping[RunKey, Mapping[str, CellInfo]]
    people: Mapping[str, PeopleColumn]

    def values(self, keys: Sequence[RunKey], plan: Plan) -> Floats:
        """Return the values (runs, columns of ``plan``) of runs that have them all."""
        rows = [[self.cells[key][column.id].value for column in plan.columns] for key in keys]
        return np.array(rows, dtype=np.float64).reshape(len(keys), len(plan.columns))

    def labels(self, keys: Sequence[RunKey]) -> list[str]:
        """Return what uncertainty calls the runs."""
        return [self.field.entrants[self.field.position[key]].label for key in keys]


def make_table(field: Runs, columns: Columns, people: People) -> Table:
    """Return the cells of all runs."""
    by_id = people.by_id
    return Table(field, {one.key: cells_of(one, columns, by_id) for one in field.entrants}, by_id)


def metric_cell(score: MetricScore | None) -> CellInfo:
    """Return what the page shows of a run's number; a metric that the scorecard does not hold is a gap."""
    if score is None:
        return CellInfo(None, reason="not_scored", coverage=0.0)
    if score.value is None:
        return CellInfo(None, reason=score.reason, n=score.n, coverage=score.coverage)
    return CellInfo(score.value, ci=score.ci95, n=score.n, coverage=score.coverage)


def sizes_of(score: MetricScore | None) -> dict[str, float]:
    """Return the sizes that must be equal for two numbers to be compared: of set metrics, how many vectors a side."""
    if score is None or SIZES[1] not in score.details:
        return {}
    return {name: float(score.details[name]) for name in SIZES if name in score.details}


def cells_of(one: Entrant, columns: Columns, people: Mapping[str, PeopleColumn]) -> dict[str, CellInfo]:
    """Return column id -> cell of a run, for every column."""
    cells = {}
    for info in columns.infos:
        if info.kind == "metric":
            cells[info.id] = metric_cell(one.score(info.id))
        elif info.id in people:
            cells[info.id] = people[info.id].cells[one.key]
        else:
            cells[info.id] = CellInfo(None, reason="no_results", coverage=0.0)
    return cells


def entry_of(one: Entrant, cells: Mapping[str, CellInfo]) -> Entry:
    """Return a run as the ranking sees it."""
    return Entry(
        one.run.team,
        {
            name: Cell(
                cell.value, cell.reason, cell.coverage, sizes_of(one.score(name)) if cell.value is not None else {}
            )
            for name, cell in cells.items()
        },
        one.run.name,
        one.run.primary,
    )


@dataclass(frozen=True, eq=False)
class Ranked:
    """What the challenge's rule makes of the runs.

    Args:
        placings: run -> what became of it; every run has one.
        order: the runs, best first, the unranked last by name.
        ranking: ``None`` where the rule could not be applied.
        problem: why not, or why nobody could be ranked, as one sentence.
        plans: the rule's phases on the columns that were not refused; empty without a ranking.
        points: run -> column -> what entered the score, before weights.
    """

    placings: Mapping[RunKey, Placing]
    order: tuple[RunKey, ...]
    ranking: Ranking | None = None
    problem: str | None = None
    plans: tuple[Plan, ...] = ()
    points: Mapping[RunKey, Mapping[str, float]] = field(default_factory=dict)

    @property
    def ranked(self) -> tuple[Placing, ...]:
        """The placings with a rank, best first."""
        return self.ranking.ranked if self.ranking is not None else ()


def rank_runs(columns: Columns, table: Table) -> Ranked:
    """Rank the runs of a board. Who is left out by a decision is shown with it, and is not in anybody's way.

    Errors of the rule become the problem: there is always something to show.
    """
    field = table.field
    kept = [one for one in field.entrants if one.decision is None]
    entries = [entry_of(one, table.cells[one.key]) for one in kept]
    challenge = columns.challenge
    try:
        _refuse_impossible(challenge, columns)
        ranking = rank_challenge(challenge, entries, columns.directions)
        plans = plans_of(challenge, columns_of(challenge, columns.directions), ranking)
    except InputError as error:
        return _nobody(field, str(error))
    placings = {(placing.team, placing.run): placing for placing in ranking.placings}
    placings |= {one.key: Placing(*one.key, reasons=one.why_excluded) for one in field.entrants if one.decision}
    for one in kept:
        if not one.run.primary and not any(other.decision is None for other in field.primary_of.get(one.run.team, ())):
            placings[one.key] = _without_primary(one, field)
    first = [(placing.team, placing.run) for placing in ranking.ranked]
    order = (*first, *sorted(key for key, placing in placings.items() if placing.rank is None))
    problem = _refused_all(ranking, plans)
    return Ranked(placings, order, ranking, problem, plans, _points(plans, ranking, table))


def plans_of(challenge: Challenge, columns: Sequence[Column], ranking: Ranking) -> tuple[Plan, ...]:
    """Return the phases of a ranking as plans, on the columns that were not refused; empty when there are none.

    The first is the rule of a ranking in one phase or the shortlist of one in two; the second orders the finalists.
    """
    rules = challenge.ranking_rules
    groups = group_weights_of(rules.group_weights)
    if challenge.ranking == "none":
        return ()
    counting = [column for column in columns if column.counts]
    if challenge.ranking != "two-phase":
        method = challenge.ranking
        kept = _weighty(effective_weights(method, counting, groups), counting, ranking)
        return (Plan(method, kept, groups),) if kept else ()
    human = [column for column in counting if column.group == "subjective"]
    machine = [column for column in counting if column.group != "subjective"]
    first = _weighty(effective_weights(rules.shortlist, machine, groups), machine, ranking)
    if not first:
        return ()
    final = final_method([column.range for column in human])
    return Plan(rules.shortlist, first, groups), Plan(final, tuple(human))


def _weighty(weights: Floats, columns: Sequence[Column], ranking: Ranking) -> tuple[Column, ...]:
    pairs = zip(columns, weights, strict=True)
    return tuple(column for column, weight in pairs if weight > 0 and column.id not in ranking.refused)


def _points(plans: Sequence[Plan], ranking: Ranking, table: Table) -> dict[RunKey, dict[str, float]]:
    """Return run -> column -> points, of both phases: the ranking keeps a finalist's last ones only."""
    out = {(placing.team, placing.run): dict(placing.points) for placing in ranking.placings}
    if len(plans) > 1:
        keys = [(placing.team, placing.run) for placing in ranking.placings if placing.shortlist_rank is not None]
        points = plans[0].points(table.values(keys, plans[0]))
        for key, row in zip(keys, points, strict=True):
            shown = zip((column.id for column in plans[0].columns), map(float, row), strict=True)
            out[key] = {**dict(shown), **out[key]}
    return out


def _refuse_impossible(challenge: Challenge, columns: Columns) -> None:
    """Raise for challenges whose rule would compute nonsense without noticing."""
    names = [info.id for info in columns.infos]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ChallengeError(f"Two columns of the challenge are called '{twice[0]}'.", fix="Rename the dimension.")
    rules = challenge.ratings
    scored = [dimension for dimension in rules.dimensions if dimension.weight > 0]
    by_scale = challenge.ranking == "weighted-sum" or (challenge.ranking == "two-phase" and len(scored) > 1)
    if rules.method == "mos" and rules.estimator == "mos.zscore" and scored and by_scale:
        raise ChallengeError(
            "A weighted sum can't be made of standardised opinion scores: they are not on the scale of the ratings.",
            found="estimator: mos.zscore",
            fix="Choose another estimator, or rank by rank-sum, mean-rank or borda.",
        )


def _refused_all(ranking: Ranking, plans: Sequence[Plan]) -> str | None:
    if plans or not ranking.refused:
        return None
    return "Every number that would rank is refused: " + " ".join(why.sentence for why in ranking.refused.values())


def _nobody(field: Runs, problem: str) -> Ranked:
    why = (Reason("problem", problem),)
    placings = {one.key: Placing(*one.key, reasons=one.why_excluded or why) for one in field.entrants}
    return Ranked(placings, tuple(sorted(placings)), problem=problem)


def _without_primary(one: Entrant, field: Runs) -> Placing:
    chosen = field.primary_of.get(one.run.team, ())
    if not chosen:
        return Placing(*one.key, reasons=(Reason("no_primary", "The team has chosen no primary run."),))
    names = ", ".join(other.run.name for other in chosen)
    sentence = f"Only primary runs compete; the team's is {names}, which is left out by a decision."
    return Placing(*one.key, reasons=(Reason("not_primary", sentence),))
