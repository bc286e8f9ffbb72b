"""Rank entries by a challenge's rule, and say of everyone who is not ranked why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from evalkit.challenges.model import Challenge
from evalkit.errors import ChallengeError
from evalkit.leaderboard.scoring_rules import (
    Floats,
    Method,
    Plan,
    effective_weights,
    final_method,
    group_weights_of,
    places,
)
from evalkit.leaderboard.table import Cell, Column, Entry, Reason, columns_of, reject_duplicate_runs, uneven_counts
from evalkit.text import escape_for_display

Rule = Literal["weighted-sum", "rank-sum", "mean-rank", "borda", "two-phase", "none"]
MISSING = Cell(None, "not_scored")


@dataclass(frozen=True)
class Placing:
    """What became of one entry.

    Args:
        team, run: whose.
        rank: place, 1 is best; equals share the better one. ``None`` when not ranked.
        score: in the unit of the rule (see `Plan`); once there is a final phase, that of finalists alone.
        points: column id -> what entered the score, before weights.
        reasons: why it is not ranked; empty when it is.
        tie_break: the column that told it from an entry with the same score.
        finalist: whether it was in the final phase; ``None`` when there is none.
        shortlist_rank: place after the objective phase of a two-phase ranking.
        shortlist_score: score of the objective phase.
    """

    team: str
    run: str
    rank: int | None = None
    score: float | None = None
    points: Mapping[str, float] = field(default_factory=dict)
    reasons: tuple[Reason, ...] = ()
    tie_break: str | None = None
    finalist: bool | None = None
    shortlist_rank: int | None = None
    shortlist_score: float | None = None


@dataclass(frozen=True)
class Ranking:
    """Everyone who took part, best first, the unranked last by name.

    Args:
        rule: the rule that was applied.
        placings: one per entry.
        refused: column id -> why it ranks nobody here.
        weights: column id -> its weight in the score, group weights included.
        lower_wins: whether the lowest score is the best.
        provisional: why the ranking is not final yet: a column, or the final phase, has no results.
    """

    rule: Rule
    placings: tuple[Placing, ...]
    refused: Mapping[str, Reason] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)
    lower_wins: bool = False
    provisional: Reason | None = None

    @property
    def ranked(self) -> tuple[Placing, ...]:
        """The placings with a rank, best first."""
        return tuple(placing for placing in self.placings if placing.rank is not None)


def rank_challenge(
    challenge: Challenge, entries: Sequence[Entry], higher_is_better: Mapping[str, bool | None] | None = None
) -> Ranking:
    """Rank ``entries`` as ``challenge`` declares it; `rank_entries` says what that means.

    Args:
        challenge: rule, weights, ranges, tie breaks, coverage, primary runs.
        entries: all runs, competing or not.
        higher_is_better: better side of the metrics whose direction the challenge leaves open.
    """
    rules = challenge.ranking_rules
    return rank_entries(
        entries,
        columns_of(challenge, higher_is_better),
        challenge.ranking,
        group_weights=group_weights_of(rules.group_weights),
        tie_breaks=rules.tie_breaks,
        shortlist=rules.shortlist,
        finalists=challenge.ratings.finalists,
        coverage=challenge.coverage,
        primary=challenge.submission.runs.primary,
    )


def rank_entries(
    entries: Sequence[Entry],
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
    """Return who is where and why.

    Only primary runs with a value in every column that counts, resting on enough samples, are ranked; ranks and
    Borda points are among those alone. A column whose values rest on sets of unequal size ranks nobody, nor does one
    in which no competing entry has a value; the others decide then, and the ranking says so. While a column that
    nobody has may still get values, ratings that are not in yet, say, the ranking is provisional.

    Two-phase: the objective and speed columns make a shortlist by the rule ``shortlist``; its first ``finalists`` (and
    whoever is equal to the last of them) are ordered by the subjective columns alone; the rest follow in the order of
    the shortlist. Without any results of the final phase the shortlist's order stands, marked provisional.

    Args:
        entries: all runs.
        columns: what is known about them.
        rule: see `Plan`; ``none`` ranks nobody.
        group_weights: weight of each group as a whole, or ``None``.
        tie_breaks: column ids; the first that differs decides between equal scores, one that lacks a value among the
            equals is passed over.
        shortlist: rule of the objective phase of two-phase.
        finalists: size of the shortlist; ``None`` for everyone.
        coverage: share of samples that an objective value must rest on.
        primary: how many runs of a team compete.

    Raises:
        InputError: for a run that stands twice, or too many primary runs.
        ChallengeError: when the rule can't be applied to these columns.
    """
    reject_duplicate_runs(entries, primary)
    for name in tie_breaks:
        if name not in {column.id for column in columns}:
            raise ChallengeError(f"The tie break '{name}' is no column of the ranking.")
    table = _Table(tuple(columns), group_weights, tuple(tie_breaks), coverage)
    if rule == "none":
        reason = Reason("no_ranking", "The challenge declares no ranking.")
        return Ranking(rule, _in_order([_unranked(entry, (reason,)) for entry in entries]))
    phases = _phases(table, rule, shortlist)
    out = [_unranked(entry, (_other_run(entry, entries),)) for entry in entries if not entry.primary]
    competing = [entry for entry in entries if entry.primary]
    refused = {c.id: why for c in phases[0].columns if (why := _nobody_has(c, competing))}
    asked = [column for column in phases[0].columns if column.id not in refused]
    pending = _pending(refused, asked)
    complete: list[Entry] = []
    for entry in competing:
        gaps = table.gaps(entry, asked)
        out += [_unranked(entry, gaps)] if gaps else []
        complete += [] if gaps else [entry]
    refused |= {c.id: why for c in asked if (why := uneven_counts(c, complete))}
    first = _without(phases[0], refused)
    if first is None:
        why = Reason("nothing_to_rank_by", "Every number that would rank is refused.")
        out += [_unranked(entry, (*refused.values(), why)) for entry in complete]
        return Ranking(rule, _in_order(out), refused)
    placed = table.order(complete, first)
    weights = dict(zip((c.id for c in first.columns), map(float, first.weights), strict=True))
    if len(phases) == 1:
        return Ranking(rule, _in_order([*placed, *out]), refused, weights, first.lower_wins, pending)
    final = phases[1]
    decided, provisional = _final_phase(table, final, complete, placed, finalists)
    weights = dict(zip((c.id for c in final.columns), map(float, final.weights), strict=True))
    return Ranking(rule, _in_order([*decided, *out]), refused, weights, final.lower_wins, provisional or pending)


def split_equals(
    challenge: Challenge,
    entries: Sequence[Entry],
    equal: Sequence[int],
    higher_is_better: Mapping[str, bool | None] | None = None,
) -> list[list[int]]:
    """Return the entries ``equal`` (indices), whose scores agree, as groups by its tie breaks, best first."""
    breaks = challenge.ranking_rules.tie_breaks
    table = _Table(columns_of(challenge, higher_is_better), None, tuple(breaks), challenge.coverage)
    return [group for group, _ in table.split(entries, list(equal), breaks, None)]


@dataclass(frozen=True)
class _Table:
    columns: tuple[Column, ...]
    group_weights: Mapping[str, float] | None
    tie_breaks: tuple[str, ...]
    coverage: float

    def counting(self, method: Method, *, subjective: bool | None = None) -> tuple[Column, ...]:
        """Return the columns that move a score, of both kinds or of one."""
        kind = [c for c in self.columns if c.counts and subjective in {None, c.group == "subjective"}]
        weights = effective_weights(method, kind, self.group_weights)
        return tuple(column for column, weight in zip(kind, weights, strict=True) if weight > 0)

    def gaps(self, entry: Entry, columns: Sequence[Column]) -> tuple[Reason, ...]:
        """Return why ``entry`` can't be ranked by ``columns``."""
        found = []
        for column in columns:
            cell = entry.cells.get(column.id, MISSING)
            if cell.value is None:
                found.append(Reason("unscored", f"{column.id} has no value: {cell.reason}."))
            elif self.thin(column, cell):
                share, needed = 100 * cell.coverage, 100 * self.coverage
                sentence = f"{column.id} rests on {share:.6g} % of the samples, {needed:.6g} % are needed."
                found.append(Reason("coverage", sentence))
        return tuple(found)

    def thin(self, column: Column, cell: Cell) -> bool:
        """Whether an objective value rests on too few samples."""
        return column.group != "subjective" and cell.coverage < self.coverage

    def order(self, entries: Sequence[Entry], plan: Plan) -> list[Placing]:
        """Return the placings of complete entries by ``plan`` and the tie breaks."""
        if not entries:
            return []
        values = np.array([[_value(entry, column) for column in plan.columns] for entry in entries])
        points, scores = plan.points(values), plan.scores(values)
        by_score = places(scores, lower_wins=plan.lower_wins)
        placed = []
        for place in np.unique(by_score):
            equal = [int(index) for index in np.flatnonzero(by_score == place)]
            rank = int(place)
            for together, breaker in self.split(entries, equal, self.tie_breaks, None):
                placed += [
                    replace(
                        _placing(entries[index], plan, points[index], float(scores[index]), rank), tie_break=breaker
                    )
                    for index in together
                ]
                rank += len(together)
        return placed

    def split(
        self, entries: Sequence[Entry], equal: list[int], breaks: Sequence[str], breaker: str | None
    ) -> list[tuple[list[int], str | None]]:
        """Return ``equal`` as groups, best first, each with the column that set it apart."""
        if len(equal) == 1 or not breaks:
            return [(equal, breaker)]
        column = next(column for column in self.columns if column.id == breaks[0])
        cells = [entries[index].cells.get(column.id, MISSING) for index in equal]
        values = [cell.value for cell in cells if cell.value is not None and not self.thin(column, cell)]
        if len(values) < len(equal) or uneven_counts(column, [entries[index] for index in equal]):
            return self.split(entries, equal, breaks[1:], breaker)
        place = places(np.array(values), lower_wins=not column.higher_is_better)
        groups = []
        for step in np.unique(place):
            part = [equal[position] for position in np.flatnonzero(place == step)]
            told = column.id if len(part) < len(equal) else breaker
            groups += self.split(entries, part, breaks[1:], told)
        return groups


def _phases(table: _Table, rule: Rule, shortlist: Method) -> tuple[Plan, ...]:
    if rule != "two-phase":
        method: Method = rule  # type: ignore[assignment]  # "none" has returned
        return (Plan(method, table.counting(method), table.group_weights),)
    human = table.counting("mean-rank", subjective=True)
    if not human:
        raise ChallengeError(
            "A two-phase ranking needs people's judgement for its second phase.",
            fix="Set 'ratings: {method: pairs}' in the challenge, or another ranking.",
        )
    final = Plan(final_method([column.range for column in human]), human)
    return Plan(shortlist, table.counting(shortlist, subjective=False), table.group_weights), final


def _final_phase(
    table: _Table, plan: Plan, entries: Sequence[Entry], placed: Sequence[Placing], finalists: int | None
) -> tuple[list[Placing], Reason | None]:
    """Return the placings after the second phase, from those of the first."""
    by_run = {(entry.team, entry.run): entry for entry in entries}
    first = [
        replace(
            placing,
            shortlist_rank=placing.rank,
            shortlist_score=placing.score,
            finalist=finalists is None or (placing.rank or 0) <= finalists,
        )
        for placing in placed
    ]
    chosen = {(placing.team, placing.run): placing for placing in first if placing.finalist}
    gaps = {run: table.gaps(by_run[run], plan.columns) for run in chosen}
    if all(gaps.values()):
        return first, Reason("no_final_phase", "No finalist has results of the final phase yet.")
    judged = [by_run[run] for run in chosen if not gaps[run]]
    decided = [
        replace(
            chosen[placing.team, placing.run],
            rank=placing.rank,
            score=placing.score,
            points=placing.points,
            tie_break=placing.tie_break,
        )
        for placing in table.order(judged, plan)
    ]
    waiting = [replace(chosen[run], rank=None, score=None, reasons=why) for run, why in gaps.items() if why]
    # Points of the final phase and sums of ranks are no one quantity: the others keep their shortlist's score as that.
    others = [replace(placing, score=None) for placing in first if not placing.finalist]
    return [*decided, *waiting, *others], None


def _without(plan: Plan, refused: Mapping[str, Reason]) -> Plan | None:
    kept = tuple(column for column in plan.columns if column.id not in refused)
    return replace(plan, columns=kept) if kept else None


def _nobody_has(column: Column, entries: Sequence[Entry]) -> Reason | None:
    """Return why ``column`` ranks nobody: no competing entry has a value in it."""
    cells = [entry.cells.get(column.id, MISSING) for entry in entries]
    if not cells or any(cell.value is not None for cell in cells):
        return None
    why = ", ".join(sorted({str(cell.reason) for cell in cells})[:4])
    return Reason("nobody_scored", f"No entry has a value in {column.id}: {why}.")


def _pending(refused: Mapping[str, Reason], asked: Sequence[Column]) -> Reason | None:
    """Return why a ranking without the columns that nobody has is not final."""
    if not refused or not asked:
        return None
    return Reason("columns_missing", f"No entry has a value yet in {', '.join(refused)}; the other columns decide.")


def _value(entry: Entry, column: Column) -> float:
    value = entry.cells[column.id].value
    assert value is not None  # noqa: S101  # gaps() has seen to it
    return value


def _placing(entry: Entry, plan: Plan, points: Floats, score: float, rank: int) -> Placing:
    shown = dict(zip((column.id for column in plan.columns), map(float, points), strict=True))
    return Placing(entry.team, entry.run, rank, score, shown)


def _unranked(entry: Entry, reasons: tuple[Reason, ...]) -> Placing:
    return Placing(entry.team, entry.run, reasons=reasons)


def _other_run(entry: Entry, entries: Sequence[Entry]) -> Reason:
    chosen = [other.run for other in entries if other.team == entry.team and other.primary]
    if not chosen:
        return Reason("no_primary", "The team has chosen no primary run.")
    return Reason(
        "not_primary", f"Only primary runs compete; the team's is {', '.join(map(escape_for_display, chosen))}."
    )


def _in_order(placings: Sequence[Placing]) -> tuple[Placing, ...]:
    def key(placing: Placing) -> tuple[bool, int, str, str]:
        return placing.rank is None, placing.rank or 0, placing.team, placing.run

    return tuple(sorted(placings, key=key))
