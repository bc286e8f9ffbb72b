"""Why one run is above another: their difference in every column that counts, over the draws behind the rank intervals.

Nothing is drawn again: the values, scores and decisions are those of `evalkit.leaderboard.rank_intervals`, so that a
share of draws here and a rank interval or tie group there can't disagree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from evalkit.leaderboard.bootstrap import Evidence
from evalkit.leaderboard.rank_intervals import RankIntervals
from evalkit.leaderboard.scoring_rules import Floats, ScoringPlan
from evalkit.leaderboard.table import Row, value_matrix
from evalkit.statistics.bootstrap import percentile_interval

ALL_PAIRS = 40  # runs from the top that are compared with each other; every run is compared with its neighbours
Ends = tuple[float, float]


@dataclass(frozen=True)
class ColumnContrast:
    """One column of two runs.

    Args:
        column: its id.
        first, second: the values.
        difference: first minus second, in the column's unit.
        ci: 95 % interval of the difference over the draws; ``None`` where the column counts as certain.
        ahead: share of the draws in which the first is better, equals half, 0..1; ``None`` without draws.
        gain: what the column adds to the lead of the first, in the unit of the score; negative where it helps the
            second. The gains add up to the lead.
        certain: why the column counts as certain (``one video``, ``one rater``, ``no interval``); ``None`` where not.
    """

    column: str
    first: float
    second: float
    difference: float
    ci: Ends | None = None
    ahead: float | None = None
    gain: float = 0.0
    certain: str | None = None


@dataclass(frozen=True)
class Contrast:
    """Two ranked runs of one phase, the better one first.

    Args:
        phase: name of the phase.
        first, second: labels of the runs.
        lead: by how much the score of the first is better, at least 0; 0 where a tie break decided.
        ci: 95 % interval of the lead over the draws.
        ahead: share of the draws in which the first has the better score, equals half; ``None`` without draws.
        significant: whether the ranking separates the two: the decision that rank intervals are made of.
        columns: in the order of the rule.
        draws: behind ``ci`` and ``ahead`` of the score; 0 without any.
        column_draws: behind those of the columns: the same ones, unless there are too many to keep all their values.
    """

    phase: str
    first: str
    second: str
    lead: float
    ci: Ends | None
    ahead: float | None
    significant: bool | None
    columns: tuple[ColumnContrast, ...]
    draws: int = 0
    column_draws: int = 0


def chosen_pairs(count: int, wanted: Iterable[tuple[int, int]] = ()) -> list[tuple[int, int]]:
    """Return which of ``count`` runs, best first, are compared: all of the first ones, neighbours, and those wanted."""
    top = min(count, ALL_PAIRS)
    pairs = {(first, second) for first in range(top) for second in range(first + 1, top)}
    pairs |= {(first, first + 1) for first in range(count - 1)}
    return sorted(pairs | {(min(pair), max(pair)) for pair in wanted})


def contrasts(
    phase: str,
    rows: Sequence[Row],
    plan: ScoringPlan,
    *,
    evidence: Evidence | None = None,
    found: RankIntervals | None = None,
    wanted: Iterable[tuple[int, int]] = (),
) -> tuple[Contrast, ...]:
    """Return the pairs of a phase.

    Args:
        phase: its name.
        rows: the runs that it ordered, best first.
        plan: its rule.
        evidence, found: what its rank intervals were made of, and these; ``None`` where there are none.
        wanted: more pairs of positions.
    """
    values = value_matrix(rows, plan.columns)
    sign = -1.0 if plan.lower_wins else 1.0
    points = sign * plan.points(values) * plan.weights
    scores = sign * plan.scores(values)
    certain = evidence.held_fixed if evidence is not None else {}
    made = []
    for first, second in chosen_pairs(len(rows), wanted):
        lead = float(scores[first] - scores[second])
        made_of = (values[[first, second]], points[first] - points[second])
        drawn = None if found is None else found.made.values[:, first] - found.made.values[:, second]
        columns = _columns(plan, *made_of, drawn, certain)
        labels = (rows[first].label, rows[second].label)
        if found is None:
            made.append(Contrast(phase, *labels, lead, None, None, None, columns))
            continue
        leads = sign * (found.made.scores[:, first] - found.made.scores[:, second])
        made.append(
            Contrast(
                phase,
                *labels,
                lead,
                percentile_interval(leads),
                float(found.above[first, second]),
                bool(found.better[first, second]),
                columns,
                found.draws,
                len(found.made.values),
            )
        )
    return tuple(made)


def _columns(
    plan: ScoringPlan, values: Floats, gains: Floats, drawn: Floats | None, certain: Mapping[str, str]
) -> tuple[ColumnContrast, ...]:
    """Return the columns of a pair.

    Args:
        plan: the rule.
        values: (2, columns) of both runs.
        gains: (columns,) what each adds to the lead of the first.
        drawn: (draws, columns) differences of resampled values; ``None`` without draws.
        certain: column id -> why it counts as certain.
    """
    out = []
    for at, column in enumerate(plan.columns):
        x, y = map(float, values[:, at])
        ci, ahead = None, None
        if drawn is not None and column.id not in certain:
            gap = drawn[:, at]
            ci, ahead = percentile_interval(gap), _share_ahead(gap if column.higher_is_better else -gap)
        out.append(ColumnContrast(column.id, x, y, x - y, ci, ahead, float(gains[at]), certain.get(column.id)))
    return tuple(out)


def _share_ahead(gap: Floats) -> float | None:
    if not len(gap):
        return None
    return float(((gap > 0).sum() + 0.5 * (gap == 0).sum()) / len(gap))
