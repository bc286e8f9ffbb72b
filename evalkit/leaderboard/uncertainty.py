"""The uncertainty of a phase: the evidence of the ranked runs in the columns that count, and its rank intervals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from evalkit.errors import InputError
from evalkit.leaderboard.answers import RatedColumn, ratings_of
from evalkit.leaderboard.bootstrap import Evidence, Ratings
from evalkit.leaderboard.contrasts import Contrast, contrasts
from evalkit.leaderboard.model import RankingPhase, RankUncertainty
from evalkit.leaderboard.rank_intervals import rank_uncertainty
from evalkit.leaderboard.runs import Runs
from evalkit.leaderboard.scoring_rules import Floats, ScoringPlan
from evalkit.leaderboard.table import Cell, Row, RunKey, value_matrix
from evalkit.text import escape_for_display

NORMAL = 1.959964  # half widths of a 95 % interval per standard error
FEW = {
    "one video": "Taken as certain: a team has one video in it, which can't show how far the value varies.",
    "one rater": "Taken as certain: a team has one rater in it, who can't show how far the value varies.",
}


@dataclass(frozen=True)
class PhaseUncertainty:
    """The uncertainty of one phase, and per run its rank interval and the probability of each rank.

    Args:
        uncertainty: ``None`` with a reason in ``why_not``.
        why_not: one sentence.
        intervals: run -> best and worst rank.
        probability: run -> probability of rank 1, 2, ...
        notes: column id -> what was assumed about it.
        contrasts: pairs of runs, column by column.
    """

    uncertainty: RankUncertainty | None = None
    why_not: str | None = None
    intervals: Mapping[RunKey, tuple[int, int]] = field(default_factory=dict)
    probability: Mapping[RunKey, tuple[float, ...]] = field(default_factory=dict)
    notes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    contrasts: tuple[Contrast, ...] = ()


def phase_uncertainty(
    phase: RankingPhase,
    rows: Sequence[Row],
    runs: Runs,
    rated: Mapping[str, RatedColumn],
    *,
    draws: int,
    seed: int,
    confidence: float,
    wanted: Iterable[tuple[str, str]] = (),
) -> PhaseUncertainty:
    """Return how certain the order of a phase is.

    Args:
        phase: its name and rule.
        rows: the runs that it ordered, best first.
        runs: all runs of the board.
        rated: column id -> the answers of raters.
        draws, seed, confidence: as for `evalkit.leaderboard.rank_intervals.rank_uncertainty`.
        wanted: pairs of labels to compare, beside those that always are.
    """
    if not rows:
        return PhaseUncertainty(why_not="Nobody is ranked.")
    plan, place = phase.plan, {row.label: at for at, row in enumerate(rows)}
    pairs = [(place[a], place[b]) for a, b in wanted if a != b and a in place and b in place]
    bare = contrasts(phase.name, rows, plan, wanted=pairs)
    try:
        evidence, notes = collect_evidence(rows, plan, runs, rated)
        if len(evidence.held_fixed) == len(plan.columns):
            why = "No column that ranks shows how far its values vary."
            return PhaseUncertainty(why_not=why, notes=notes, contrasts=bare)
        found = rank_uncertainty(evidence, plan, draws=draws, seed=seed, confidence=confidence)
    except InputError as error:
        return PhaseUncertainty(why_not=str(error), contrasts=bare)
    named = [found.teams[at] for at in found.order]
    uncertainty = RankUncertainty(
        confidence=found.confidence,
        draws=found.draws,
        lost=found.lost,
        seed=found.seed,
        groups=tuple(tuple(named[first - 1 : last]) for first, last in found.groups if last > first),
        tiers=tuple(tuple(named[first - 1 : last]) for first, last in found.tiers),
        held_fixed=found.held_fixed,
    )
    return PhaseUncertainty(
        uncertainty,
        None,
        {row.key: (int(found.low[at]), int(found.high[at])) for at, row in enumerate(rows)},
        {row.key: tuple(float(share) for share in found.rank_probability[at]) for at, row in enumerate(rows)},
        notes,
        contrasts(phase.name, rows, plan, evidence=evidence, found=found, wanted=pairs),
    )


def collect_evidence(
    rows: Sequence[Row], plan: ScoringPlan, runs: Runs, rated: Mapping[str, RatedColumn]
) -> tuple[Evidence, dict[str, tuple[str, ...]]]:
    """Return the evidence behind the values, and per column what had to be assumed.

    A number that is the mean over its videos in every run is resampled by its videos, aligned by sample; any other by
    its standard error, from half of its 95 % interval. A run without an interval counts as uncertain as the most
    uncertain of the others; a column in which no run has one is held fixed, as is one in which a run has one video or
    one rater.
    """
    positions = [runs.position[row.key] for row in rows]
    by_group = {column.id for column in plan.columns if column.by_group}  # no means over all videos or raters
    rated = {name: column for name, column in rated.items() if name not in by_group}
    videos: dict[str, Floats] = {}
    errors: dict[str, Floats] = {}
    notes: dict[str, tuple[str, ...]] = {}
    for column in plan.columns:
        if column.id in rated:
            continue
        if not column.by_group and runs.is_mean(column.id, positions):
            videos[column.id] = runs.per_video(column.id)[positions]
            continue
        error = np.array([_standard_error(row.cells[column.id]) for row in rows])
        known = np.isfinite(error)
        if known.any():
            errors[column.id] = np.where(known, error, error[known].max())
        if known.any() and not known.all():
            names = ", ".join(escape_for_display(row.label) for row, has in zip(rows, known, strict=True) if not has)
            notes[column.id] = (f"Without an interval, taken as uncertain as the most uncertain other: {names}.",)
    videos, ratings = _with_answers(videos, ratings_of(plan.columns, rated, positions), len(runs.samples))
    labels = tuple(row.label for row in rows)
    evidence = Evidence(labels, plan.columns, value_matrix(rows, plan.columns), videos, ratings, errors)
    for name, why in evidence.held_fixed.items():
        if why in FEW:
            notes[name] = (*notes.get(name, ()), FEW[why])
    return evidence, notes


def _with_answers(
    videos: Mapping[str, Floats], ratings: Ratings | None, samples: int
) -> tuple[dict[str, Floats], Ratings | None]:
    """Return the same for the samples that have a value or rating: the bootstrap would draw the others too."""
    used = np.zeros(samples, dtype=bool)
    for array in videos.values():
        used |= np.isfinite(array).any(axis=0)
    if ratings is not None:
        used[ratings.video] = True
    number = np.cumsum(used) - 1
    kept = {name: array[:, used] for name, array in videos.items()}
    return kept, None if ratings is None else replace(ratings, video=number[ratings.video])


def _standard_error(cell: Cell) -> float:
    return float("nan") if cell.ci is None else abs(cell.ci[1] - cell.ci[0]) / 2 / NORMAL
