"""By how much one value would have to change for a run to draw level with a rival, everything else as it is."""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from evalkit.leaderboard.scoring_rules import Floats, ScoringPlan
from evalkit.leaderboard.table import Column, Row, value_matrix

EQUAL = 1e-12  # differences of scores below this are rounding


@dataclass(frozen=True)
class TurningPoint:
    """One column of a run and its nearest rival with another score.

    Args:
        phase: name of the phase that orders both.
        run, rival: labels.
        behind: whether the run is behind the rival, so that the value has to get better; else it has to get worse.
        column: id.
        value: the run's.
        to: the value at which the scores are equal or have changed places; ``None`` where no value of this column alone
            can do it.
        beyond: whether the value has to go beyond ``to`` by any amount, as it does where ranks are counted.
    """

    phase: str
    run: str
    rival: str
    behind: bool
    column: str
    value: float
    to: float | None = None
    beyond: bool = False


def turning_points(phase: str, rows: Sequence[Row], plan: ScoringPlan) -> tuple[TurningPoint, ...]:
    """Return the turning points of every run and its nearest rivals on both sides.

    Args:
        phase: its name.
        rows: the runs that it ordered, best first, each with a value in every column of the plan.
        plan: its rule.
    """
    values = value_matrix(rows, plan.columns)
    scores = plan.scores(values) * (-1.0 if plan.lower_wins else 1.0)
    found = []
    for at, row in enumerate(rows):
        for rival in _rivals(scores, at):
            behind = bool(scores[rival] > scores[at])
            for index, column in enumerate(plan.columns):
                to, beyond = _turn(plan, values, (at, rival), index, behind=behind)
                value = float(values[at, index])
                found.append(TurningPoint(phase, row.label, rows[rival].label, behind, column.id, value, to, beyond))
    return tuple(found)


def _rivals(scores: Floats, at: int) -> Iterator[int]:
    """Yield the next run above with a better score, and the next one below with a worse."""
    above = [other for other in range(at) if scores[other] > scores[at] + EQUAL]
    below = [other for other in range(at + 1, len(scores)) if scores[other] < scores[at] - EQUAL]
    if above:
        yield above[-1]
    if below:
        yield below[0]


def _turn(
    plan: ScoringPlan, values: Floats, pair: tuple[int, int], index: int, *, behind: bool
) -> tuple[float | None, bool]:
    column = plan.columns[index]
    if plan.method == "weighted-sum":
        return _on_a_range(plan, values, pair, index), False
    if plan.method == "value":
        return float(values[pair[1], index]), False
    return _among_ranks(plan, values, pair, index, up=behind == bool(column.higher_is_better))


def _on_a_range(plan: ScoringPlan, values: Floats, pair: tuple[int, int], index: int) -> float | None:
    """Return where two weighted sums are equal: they are linear in the column's points."""
    at, rival = pair
    column: Column = plan.columns[index]
    points, weight = plan.points(values), float(plan.weights[index])
    low, high = column.range or (0.0, 1.0)
    if weight <= 0:
        return None
    wanted = float(points[at, index]) + float((points[rival] - points[at]) @ plan.weights) / weight
    if not -EQUAL <= wanted <= 1 + EQUAL:
        return None
    share = min(max(wanted, 0.0), 1.0)
    return low + (high - low) * (share if column.higher_is_better else 1.0 - share)


def _among_ranks(
    plan: ScoringPlan, values: Floats, pair: tuple[int, int], index: int, *, up: bool
) -> tuple[float | None, bool]:
    """Return the nearest value of another run that the run must reach, or pass, for the order of scores to turn."""
    at = pair[0]
    own = float(values[at, index])
    steps = sorted({float(v) for v in values[:, index] if (v > own if up else v < own)}, reverse=not up)
    after = [*steps[1:], steps[-1] + (1.0 if up else -1.0)] if steps else []
    side = np.sign(_lead(plan, values, pair))

    def turned(candidate: int) -> bool:
        """Whether the order has turned at a step (even numbers), or between it and the next one."""
        step, beyond = divmod(candidate, 2)
        moved = values.copy()
        moved[at, index] = (steps[step] + after[step]) / 2 if beyond else steps[step]
        lead = _lead(plan, moved, pair)
        return bool(abs(lead) <= EQUAL or np.sign(lead) != side)

    # The further a value goes, the better (or worse) for its run alone: the first candidate is found by halving.
    first = bisect.bisect_left(range(2 * len(steps)), 1, key=turned)
    return (steps[first // 2], first % 2 == 1) if first < 2 * len(steps) else (None, False)


def _lead(plan: ScoringPlan, values: Floats, pair: tuple[int, int]) -> float:
    scores = plan.scores(values)
    return float(scores[pair[0]] - scores[pair[1]])
