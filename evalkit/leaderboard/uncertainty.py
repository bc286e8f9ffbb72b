"""How certain the order is: evidence for exactly the ranked runs and the columns that count, and what it says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from evalkit.errors import InputError
from evalkit.leaderboard.answers import ratings_of
from evalkit.leaderboard.bootstrap import Evidence, Ratings
from evalkit.leaderboard.entries import Table
from evalkit.leaderboard.model import CellInfo, Certainty
from evalkit.leaderboard.rank_intervals import rank_uncertainty
from evalkit.leaderboard.runs import RunKey
from evalkit.leaderboard.scoring_rules import Floats, Plan
from evalkit.text import escape_for_display

NORMAL = 1.959964  # half widths of a 95 % interval per standard error
FEW = {
    "one video": "Taken as certain: a team has one video in it, which can't show how far the value moves.",
    "one rater": "Taken as certain: a team has one rater in it, who can't show how far the value moves.",
}


@dataclass(frozen=True)
class Options:
    """How uncertainty is computed; as for `evalkit.leaderboard.rank_intervals.rank_uncertainty`."""

    draws: int = 2000
    seed: int = 0
    confidence: float = 0.95


@dataclass(frozen=True)
class RankCertainty:
    """The certainty of an order, and per run its interval of ranks and the probability of each.

    Args:
        certainty: ``None`` with a reason in ``why_not``.
        why_not: one sentence.
        intervals: run -> best and worst rank.
        probability: run -> probability of place 1, 2, ...
        notes: column id -> what was assumed about it.
    """

    certainty: Certainty | None = None
    why_not: str | None = None
    intervals: Mapping[RunKey, tuple[int, int]] = field(default_factory=dict)
    probability: Mapping[RunKey, tuple[float, ...]] = field(default_factory=dict)
    notes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def rank_certainty(
    keys: Sequence[RunKey], plan: Plan, table: Table, options: Options, *, scope: Literal["all", "finalists"] = "all"
) -> RankCertainty:
    """Return how certain the order of ``keys`` under ``plan`` is.

    Args:
        keys: the ranked runs, best first.
        plan: the rule.
        table: the values and what people said.
        options: of the bootstrap.
        scope: what the order is of.
    """
    if not keys:
        return RankCertainty(why_not="Nobody is ranked.")
    try:
        evidence, notes = evidence_of(keys, plan, table)
        if len(evidence.fixed) == len(plan.columns):
            return RankCertainty(why_not="Nothing says how far any deciding value moves.", notes=notes)
        found = rank_uncertainty(evidence, plan, draws=options.draws, seed=options.seed, confidence=options.confidence)
    except InputError as error:
        return RankCertainty(why_not=str(error))
    named = [found.teams[at] for at in found.order]
    certainty = Certainty(
        confidence=found.confidence,
        draws=found.draws,
        lost=found.lost,
        seed=found.seed,
        groups=tuple(tuple(named[first - 1 : last]) for first, last in found.groups if last > first),
        tiers=tuple(tuple(named[first - 1 : last]) for first, last in found.tiers),
        held_fixed=found.held_fixed,
        why_fixed=dict(found.fixed),
        scope=scope,
    )
    return RankCertainty(
        certainty,
        None,
        {key: (int(found.low[at]), int(found.high[at])) for at, key in enumerate(keys)},
        {key: tuple(float(share) for share in found.rank_probability[at]) for at, key in enumerate(keys)},
        notes,
    )


def evidence_of(keys: Sequence[RunKey], plan: Plan, table: Table) -> tuple[Evidence, dict[str, tuple[str, ...]]]:
    """Return what the values rest on, and per column what had to be assumed.

    A number that is the mean over its videos in every run brings its videos, aligned by sample; any other its standard
    error, from half of its 95 % interval. A run without an interval counts as uncertain as the most uncertain of the
    others; a column in which no run has one is held fixed, as is one in which a run has one video or one rater.
    """
    field = table.field
    rows = [field.position[key] for key in keys]
    videos: dict[str, Floats] = {}
    errors: dict[str, Floats] = {}
    notes: dict[str, tuple[str, ...]] = {}
    for column in plan.columns:
        if column.id in table.people:
            continue
        if field.is_mean(column.id, rows):
            videos[column.id] = field.per_video(column.id)[rows]
            continue
        error = np.array([_standard_error(table.cells[key][column.id]) for key in keys])
        known = np.isfinite(error)
        if known.any():
            errors[column.id] = np.where(known, error, error[known].max())
        if known.any() and not known.all():
            names = ", ".join(escape_for_display(field.entrants[row].label) for row in np.array(rows)[~known])
            notes[column.id] = (f"Without an interval, taken as uncertain as the most uncertain other: {names}.",)
    videos, ratings = _answered(videos, ratings_of(plan.columns, table.people, rows), len(field.samples))
    evidence = Evidence(tuple(table.labels(keys)), plan.columns, table.values(keys, plan), videos, ratings, errors)
    for name, why in evidence.fixed.items():
        if why in FEW:
            notes[name] = (*notes.get(name, ()), FEW[why])
    return evidence, notes


def _answered(
    videos: Mapping[str, Floats], ratings: Ratings | None, samples: int
) -> tuple[dict[str, Floats], Ratings | None]:
    """Return the same over the samples that have any value or rating: the others would seem to be drawn from too."""
    used = np.zeros(samples, dtype=bool)
    for array in videos.values():
        used |= np.isfinite(array).any(axis=0)
    if ratings is not None:
        used[ratings.video] = True
    number = np.cumsum(used) - 1
    kept = {name: array[:, used] for name, array in videos.items()}
    return kept, None if ratings is None else replace(ratings, video=number[ratings.video])


def _standard_error(cell: CellInfo) -> float:
    return float("nan") if cell.ci is None else abs(cell.ci[1] - cell.ci[0]) / 2 / NORMAL
