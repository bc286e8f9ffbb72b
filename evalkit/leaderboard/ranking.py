"""Rank the runs of a board by the challenge's rule, and give the reason for every run that is not ranked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from evalkit.challenges.model import Challenge
from evalkit.errors import ChallengeError, InputError, PluginError
from evalkit.leaderboard.model import PhaseName, RankingPhase
from evalkit.leaderboard.scoring_rules import (
    Method,
    ScoringPlan,
    effective_weights,
    places,
)
from evalkit.leaderboard.table import (
    NO_CELL,
    Cell,
    CodedReason,
    Column,
    Row,
    RunKey,
    odd_sizes,
    reject_duplicate_runs,
    uneven_counts,
    value_matrix,
)
from evalkit.metrics.base import NOT_APPLICABLE, is_not_applicable
from evalkit.scoring.plan import id_of_short_name
from evalkit.text import count, escape_for_display, told_apart

Rule = Literal["weighted-sum", "rank-sum", "mean-rank", "borda", "two-phase", "none"]


@dataclass(frozen=True)
class Ranking:
    """All runs, best first, the unranked last by name.

    Args:
        rule: the rule that was applied.
        rows: one per run.
        phases: the phases that made the order; empty when nothing could be ranked.
        refused: column id -> why it ranks nobody here.
        provisional: why the ranking is not final yet: a column, or the final phase, has no results.
        problem: why nobody could be ranked at all, as one sentence.
    """

    rule: Rule
    rows: tuple[Row, ...]
    phases: tuple[RankingPhase, ...] = ()
    refused: Mapping[str, CodedReason] = field(default_factory=dict)
    provisional: CodedReason | None = None
    problem: str | None = None

    @property
    def ranked(self) -> tuple[Row, ...]:
        """The rows with a rank, best first."""
        return tuple(row for row in self.rows if row.rank is not None)

    @property
    def lower_wins(self) -> bool:
        """Whether the lowest score is the best."""
        return bool(self.phases) and self.phases[-1].plan.lower_wins


def rank_board(challenge: Challenge, rows: Sequence[Row], columns: Sequence[Column]) -> Ranking:
    """Rank ``rows`` as `rank_challenge` does. Errors of the rule become the ranking's problem."""
    try:
        _check_rule(challenge, columns)
        return rank_challenge(challenge, rows, columns)
    except InputError as error:
        counting = [column for column in columns if column.counts]
        refused = [column.refused.sentence for column in counting if column.refused is not None]
        nothing = bool(refused) and len(refused) == len(counting)
        problem = " ".join(["Every number that would rank is refused:", *refused]) if nothing else str(error)
    why = (CodedReason("problem", problem),)
    unranked = tuple(sorted((replace(row, reasons=row.reasons or why) for row in rows), key=lambda row: row.key))
    return Ranking(challenge.ranking, unranked, problem=problem)


def rank_challenge(challenge: Challenge, rows: Sequence[Row], columns: Sequence[Column]) -> Ranking:
    """Rank ``rows`` as ``challenge`` declares it; see `rank_rows`.

    Args:
        challenge: rule, weights, tie breaks, coverage, primary runs.
        rows: all runs, competing or not.
        columns: all columns in the order of the challenge; those that are refused neither rank nor break ties.

    Raises:
        ChallengeError: when a column that ranks or breaks ties has no better side, or the rule can't be applied.
    """
    rules = challenge.ranking_rules
    refused = {column.id for column in columns if column.refused is not None}
    breaks = tuple(name for name in rules.tie_breaks if name not in refused)
    return rank_rows(
        rows,
        ranking_columns(columns, breaks),
        challenge.ranking,
        group_weights=None if rules.group_weights is None else dict(rules.group_weights.model_dump()),
        tie_breaks=breaks,
        shortlist=rules.shortlist,
        finalists=challenge.ratings.finalists,
        coverage=challenge.coverage,
        primary=challenge.submission.runs.primary,
    )


def ranking_columns(columns: Sequence[Column], tie_breaks: Sequence[str]) -> tuple[Column, ...]:
    """Return the columns that rank or break ties.

    Raises:
        ChallengeError: when one of them has no better side.
    """
    used = tuple(column for column in columns if (column.ranks and column.refused is None) or column.id in tie_breaks)
    for column in used:
        if column.higher_is_better is None:
            raise ChallengeError(
                f"The metric {column.id} can't rank: nothing says which side is better." + _about_short_name(column.id),
                fix=f"Write 'direction: higher' or 'direction: lower' beside {column.id} in the challenge.",
            )
    return used


def rank_rows(
    rows: Sequence[Row],
    columns: Sequence[Column],
    rule: Rule,
    *,
    group_weights: Mapping[str, float] | None = None,
    tie_breaks: Sequence[str] = (),
    shortlist: Method = "rank-sum",
    finalists: int | None = None,
    coverage: float = 1.0,
    primary: int = 1,
) -> Ranking:
    """Return the rows with their ranks, and the phases that made them.

    Only primary runs with a value in every column that counts, resting on enough samples, are ranked; ranks and
    Borda points are among those alone. A row that comes with a reason (a decision excludes it) takes no part. A run
    whose sets have another size than those of most is not ranked; without a majority the column ranks nobody, nor does
    one in which no competing run has a value; the others decide then, and the ranking says so. While a column that
    nobody has may still get values (ratings that are not in yet, say) the ranking is provisional.

    Two-phase: the objective and speed columns make a shortlist by the rule ``shortlist``; its first ``finalists`` (and
    every run that is equal to the last of them) are ordered by the subjective columns alone; the rest follow in the
    order of the shortlist. Without any results of the final phase the shortlist's order stands, marked provisional.

    Args:
        rows: all runs.
        columns: the columns that rank or break ties.
        rule: see `ScoringPlan`; ``none`` ranks nobody.
        group_weights: weight of each group as a whole, or ``None``.
        tie_breaks: column ids; the first that differs decides between equal scores, one that lacks a value among the
            equals is passed over.
        shortlist: rule of the objective phase of two-phase.
        finalists: size of the shortlist; ``None`` for everyone.
        coverage: share of samples that an objective value must rest on.
        primary: how many runs of a team compete.

    Raises:
        InputError: for a run that appears twice, or too many primary runs.
        ChallengeError: when the rule can't be applied to these columns.
    """
    kept = [row for row in rows if not row.reasons]
    out = [row for row in rows if row.reasons]
    reject_duplicate_runs(kept, primary)
    for name in tie_breaks:
        if name not in {column.id for column in columns}:
            raise ChallengeError(f"The tie break '{name}' is not a column of the ranking.")
    rules = _Rules(tuple(columns), group_weights, tuple(tie_breaks), coverage)
    if rule == "none":
        reason = CodedReason("no_ranking", "The challenge declares no ranking.")
        return Ranking(rule, _in_order([*out, *(replace(row, reasons=(reason,)) for row in kept)]))
    plans = _plans(rules, rule, shortlist)
    out += [replace(row, reasons=(_not_primary(row, rows),)) for row in kept if not row.primary]
    competing = [row for row in kept if row.primary]
    refused = {column.id: why for column in plans[0].columns if (why := _nobody_has(column, competing))}
    asked = [column for column in plans[0].columns if column.id not in refused]
    pending = _pending(refused, asked)
    complete: list[Row] = []
    for row in competing:
        gaps = rules.gaps(row, asked)
        out += [replace(row, reasons=gaps)] if gaps else []
        complete += [] if gaps else [row]
    odd = odd_sizes(rules.columns, complete)
    out += [replace(row, reasons=odd[row.key]) for row in complete if row.key in odd]
    complete = [row for row in complete if row.key not in odd]
    refused |= {column.id: why for column in asked if (why := uneven_counts(column, complete))}
    left = tuple(column for column in plans[0].columns if column.id not in refused)
    if not left:
        why = CodedReason("nothing_to_rank_by", "Every number that would rank is refused.")
        out += [replace(row, reasons=(*refused.values(), why)) for row in complete]
        problem = " ".join(("Every number that would rank is refused:", *(one.sentence for one in refused.values())))
        return Ranking(rule, _in_order(out), refused=refused, problem=problem)
    first = replace(plans[0], columns=left)
    placed = rules.order(complete, first)
    if len(plans) == 1:
        return Ranking(rule, _in_order([*placed, *out]), (_phase("ranking", first, placed),), refused, pending)
    listed, decided, waiting, provisional = _final_phase(rules, plans[1], placed, finalists)
    phases = (_phase("shortlist", first, listed), _phase("final", plans[1], decided))
    if provisional is not None:
        return Ranking(rule, _in_order([*listed, *out]), phases, refused, provisional)
    # Points of the final phase and sums of ranks are different quantities: the others keep their shortlist's score as
    # that.
    others = [replace(row, score=None) for row in listed if not row.finalist]
    return Ranking(rule, _in_order([*decided, *waiting, *others, *out]), phases, refused, pending)


def split_equals(
    challenge: Challenge, rows: Sequence[Row], columns: Sequence[Column], equal: Sequence[int]
) -> list[list[int]]:
    """Return the rows ``equal`` (indices), whose scores agree, as groups by the tie breaks, best first."""
    refused = {column.id for column in columns if column.refused is not None}
    breaks = tuple(name for name in challenge.ranking_rules.tie_breaks if name not in refused)
    rules = _Rules(ranking_columns(columns, breaks), None, breaks, challenge.coverage)
    return [group for group, _ in rules.split(rows, list(equal), breaks, None)]


@dataclass(frozen=True)
class _Rules:
    columns: tuple[Column, ...]
    group_weights: Mapping[str, float] | None
    tie_breaks: tuple[str, ...]
    coverage: float

    def counting(self, method: Method, *, subjective: bool | None = None) -> tuple[Column, ...]:
        """Return the columns that change a score, of both kinds or of one."""
        kind = [c for c in self.columns if c.counts and subjective in {None, c.group == "subjective"}]
        weights = effective_weights(method, kind, self.group_weights)
        return tuple(column for column, weight in zip(kind, weights, strict=True) if weight > 0)

    def gaps(self, row: Row, columns: Sequence[Column]) -> tuple[CodedReason, ...]:
        """Return why ``row`` can't be ranked by ``columns``."""
        found = []
        for column in columns:
            cell = row.cells.get(column.id, NO_CELL)
            if cell.value is None:
                found.append(CodedReason("unscored", f"{column.id} has no value: {cell.reason}."))
            elif row.label in column.not_comparable:
                sentence = f"{column.id} was measured by the team on other hardware, or otherwise, than most runs."
                found.append(CodedReason("hardware", sentence))
            elif column.min_samples is not None and self.rests_on_too_few(column, cell):
                needed = count(column.min_samples, "measured sample")
                found.append(CodedReason("coverage", f"{column.id} rests on {cell.n}; {needed} are needed."))
            elif self.rests_on_too_few(column, cell):
                share, needed = told_apart(100 * cell.coverage, 100 * self.coverage)
                sentence = f"{column.id} rests on {share} % of the samples, {needed} % are needed."
                found.append(CodedReason("coverage", sentence))
        return tuple(found)

    def rests_on_too_few(self, column: Column, cell: Cell) -> bool:
        """Whether an objective value rests on too few samples."""
        if column.min_samples is not None:
            return max(cell.n, 1) < column.min_samples  # a value rests on a sample at least
        return column.group != "subjective" and cell.coverage < self.coverage

    def order(self, rows: Sequence[Row], plan: ScoringPlan) -> list[Row]:
        """Return complete rows with rank, score and points by ``plan`` and the tie breaks, best first."""
        if not rows:
            return []
        values = value_matrix(rows, plan.columns)
        points, scores = plan.points(values), plan.scores(values)
        by_score = places(scores, lower_wins=plan.lower_wins)
        placed = []
        for place in np.unique(by_score):
            equal = [int(index) for index in np.flatnonzero(by_score == place)]
            rank = int(place)
            for together, breaker in self.split(rows, equal, self.tie_breaks, None):
                for index in together:
                    cells = dict(rows[index].cells)
                    for column, point in zip(plan.columns, points[index], strict=True):
                        cells[column.id] = replace(cells[column.id], points=float(point))
                    score = float(scores[index])
                    placed.append(replace(rows[index], cells=cells, rank=rank, score=score, tie_break=breaker))
                rank += len(together)
        return placed

    def split(
        self, rows: Sequence[Row], equal: list[int], breaks: Sequence[str], breaker: str | None
    ) -> list[tuple[list[int], str | None]]:
        """Return ``equal`` as groups, best first, each with the column that separated it."""
        if len(equal) == 1 or not breaks:
            return [(equal, breaker)]
        column = next(column for column in self.columns if column.id == breaks[0])
        cells = [rows[index].cells.get(column.id, NO_CELL) for index in equal]
        values = [cell.value for cell in cells if cell.value is not None and not self.rests_on_too_few(column, cell)]
        if len(values) < len(equal) or uneven_counts(column, [rows[index] for index in equal]):
            return self.split(rows, equal, breaks[1:], breaker)
        place = places(np.array(values), lower_wins=not column.higher_is_better)
        groups = []
        for step in np.unique(place):
            part = [equal[position] for position in np.flatnonzero(place == step)]
            groups += self.split(rows, part, breaks[1:], column.id if len(part) < len(equal) else breaker)
        return groups


def _plans(rules: _Rules, rule: Rule, shortlist: Method) -> tuple[ScoringPlan, ...]:
    if rule != "two-phase":
        method: Method = rule  # type: ignore[assignment]  # "none" has returned
        return (ScoringPlan(method, rules.counting(method), rules.group_weights),)
    human = rules.counting("mean-rank", subjective=True)
    if not human:
        raise ChallengeError(
            "A two-phase ranking needs human ratings for its second phase.",
            fix="Set 'ratings: {method: pairs}' in the challenge, or another ranking.",
        )
    # One column orders the finalists by its own values. Several opinion scores are weighed by their scales; strengths
    # of comparisons have no scale, so their ranks are averaged.
    ranges = [column.range for column in human]
    final = ScoringPlan("value" if len(ranges) == 1 else "mean-rank" if None in ranges else "weighted-sum", human)
    return ScoringPlan(shortlist, rules.counting(shortlist, subjective=False), rules.group_weights), final


def _final_phase(
    rules: _Rules, plan: ScoringPlan, placed: Sequence[Row], finalists: int | None
) -> tuple[list[Row], list[Row], list[Row], CodedReason | None]:
    """Return the shortlist, the finalists by ``plan``, finalists without results, and why there is no final phase."""
    listed = [
        replace(
            row,
            shortlist_rank=row.rank,
            shortlist_score=row.score,
            finalist=finalists is None or (row.rank or 0) <= finalists,
        )
        for row in placed
    ]
    gaps: dict[RunKey, tuple[CodedReason, ...]] = {
        row.key: rules.gaps(row, plan.columns) for row in listed if row.finalist
    }
    if all(gaps.values()):
        return listed, [], [], CodedReason("no_final_phase", "No finalist has results of the final phase yet.")
    decided = rules.order([row for row in listed if row.finalist and not gaps[row.key]], plan)
    waiting = [
        replace(row, rank=None, score=None, reasons=gaps[row.key]) for row in listed if row.finalist and gaps[row.key]
    ]
    return listed, decided, waiting, None


def _phase(name: PhaseName, plan: ScoringPlan, rows: Sequence[Row]) -> RankingPhase:
    order = sorted(rows, key=lambda row: (row.rank or 0, row.team, row.run))
    return RankingPhase(name, plan, tuple(row.label for row in order))


def _nobody_has(column: Column, rows: Sequence[Row]) -> CodedReason | None:
    """Return why ``column`` ranks nobody: no competing run has a value in it."""
    cells = [row.cells.get(column.id, NO_CELL) for row in rows]
    if not cells or any(cell.value is not None for cell in cells):
        return None
    if all(is_not_applicable(cell.reason) for cell in cells):
        return CodedReason(NOT_APPLICABLE, f"{column.id} is not applicable to any sample of the test set.")
    why = ", ".join(sorted({str(cell.reason) for cell in cells})[:4])
    sentence = f"No entry has a value in {column.id}: {why}."
    return CodedReason("nobody_scored", sentence + _about_short_name(column.id))


def _about_short_name(name: str) -> str:
    """Return a sentence with the id to write when ``name`` is a metric's short name, which no scorecard has."""
    with suppress(PluginError):  # what is installed can't be read
        meant = id_of_short_name(name)
        if meant is not None:
            return f" '{name}' is a short name: write '{meant}' in the challenge."
    return ""


def _pending(refused: Mapping[str, CodedReason], asked: Sequence[Column]) -> CodedReason | None:
    """Return why a ranking without the columns that nobody has is not final."""
    missing = [name for name, why in refused.items() if why.code != NOT_APPLICABLE]
    if not missing or not asked:
        return None
    return CodedReason(
        "columns_missing", f"No entry has a value yet in {', '.join(missing)}; the other columns decide."
    )


def _not_primary(row: Row, rows: Sequence[Row]) -> CodedReason:
    """Return why a run that is not primary is not ranked."""
    chosen = [other for other in rows if other.team == row.team and other.primary]
    competing = [other for other in chosen if not other.reasons]
    if not chosen:
        return CodedReason("no_primary", "The team has chosen no primary run.")
    names = ", ".join(escape_for_display(other.run) for other in competing or chosen)
    left_out = "" if competing else ", which is left out by a decision"
    return CodedReason("not_primary", f"Only primary runs compete; the team's is {names}{left_out}.")


def _in_order(rows: Sequence[Row]) -> tuple[Row, ...]:
    return tuple(sorted(rows, key=lambda row: (row.rank is None, row.rank or 0, row.team, row.run)))


def _check_rule(challenge: Challenge, columns: Sequence[Column]) -> None:
    """Raise for challenges whose rule would compute nonsense without an error."""
    names = [column.id for column in columns]
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
