"""How the podium depends on the weights: exact intervals for one weight at a time, and random weights for all at once.

Every rule but two-phase is a sum of points times weights, so whether a team stays above another is a linear inequality
in any one weight, also when groups share out their weight (after multiplying by the group's sum). It is solved exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import InputError
from evalkit.leaderboard.scoring_rules import Floats, ScoringPlan, places

EQUAL = 1e-12  # differences of scores below this are rounding
BLOCK = 2_000_000
Split = Callable[[Sequence[int]], Sequence[Sequence[int]]]


@dataclass(frozen=True)
class WeightInterval:
    """How far one weight can move while the podium keeps its order, all other weights as declared.

    Args:
        name: column id, or the name of a group.
        weight: the declared weight.
        low, high: the interval that contains it, both ends included (at an end two teams are equal); ``high`` is
            ``None`` where no weight is too large.
        below, above: the two teams that change places when the weight goes below ``low`` or above ``high``.
    """

    name: str
    weight: float
    low: float
    high: float | None
    below: tuple[str, str] | None
    above: tuple[str, str] | None


@dataclass(frozen=True)
class RandomWeights:
    """The ranking under random weights.

    Args:
        teams: names.
        wins: (teams,) share of draws of weights that put the team first; equal teams share a draw.
        podium: share of draws with the same teams in the same order on the podium.
        draws, seed: number of draws, and seed of the generator.
    """

    teams: tuple[str, ...]
    wins: Floats
    podium: float
    draws: int
    seed: int


def weight_intervals(
    teams: Sequence[str], values: NDArray[Any], plan: ScoringPlan, order: Sequence[int], *, podium: int = 3
) -> tuple[WeightInterval, ...]:
    """Return for every column, then for every group that has a weight, the interval that keeps the podium.

    Args:
        teams: names.
        values: (teams, columns) as ranked.
        plan: the rule and its weights.
        order: indices of the teams, best first, ties broken: a tie that was broken stays while the scores are equal.
        podium: how many first places are meant; all others must stay behind them.

    Raises:
        InputError: when ``order`` does not name every team once, or contradicts the scores.
    """
    gains = _gains(teams, values, plan, order)
    pairs = [(ahead, ahead + 1) for ahead in range(min(podium, len(teams)) - 1)]
    pairs += [(podium - 1, behind) for behind in range(podium, len(teams))]
    named = [teams[index] for index in order]
    gap = np.array([gains[ahead] - gains[behind] for ahead, behind in pairs]).reshape(-1, len(plan.columns))
    if (gap @ plan.weights < -EQUAL * max(1.0, float(np.abs(gap).max(initial=0.0)))).any():
        raise InputError("The order contradicts the scores.", fix="Pass the order of the ranking.")
    lines = [(column.id, column.weight, *_column_line(plan, index, gap)) for index, column in enumerate(plan.columns)]
    if plan.group_weights is not None:
        for group in dict.fromkeys(column.group for column in plan.columns):
            weight = float(plan.group_weights.get(group, 0.0))
            lines.append((group, weight, *_group_line(plan, group, gap)))
    neighbours = [(named[ahead], named[behind]) for ahead, behind in pairs]
    return tuple(_interval(name, weight, fixed, slope, neighbours) for name, weight, fixed, slope in lines)


def random_weights(
    teams: Sequence[str],
    values: NDArray[Any],
    plan: ScoringPlan,
    order: Sequence[int],
    *,
    draws: int = 10_000,
    seed: int = 0,
    podium: int = 3,
) -> RandomWeights:
    """Return who wins under random weights, uniform among all that add up to 1 (Dirichlet, all parameters 1).

    With group weights, the weights of the groups are drawn so, and within each group those of its columns.

    Args:
        teams, values, plan, order, podium: as in `weight_intervals`.
        draws: how many weights, at least 1.
        seed: the same seed gives the same answer.
    """
    if draws < 1:
        raise InputError("The sensitivity to weights needs at least one draw.", found=str(draws))
    gains = _gains(teams, values, plan, order)
    random = np.random.default_rng(seed)
    weights = _random_columns(random, plan, draws)
    wins, same = np.zeros(len(teams)), 0.0
    block = max(1, BLOCK // max(1, len(teams)))
    front = min(podium, len(teams))
    for start in range(0, draws, block):
        scores = np.round(weights[start : start + block] @ gains.T, 12)
        first = scores == scores.max(axis=1, keepdims=True)
        wins[np.asarray(order)] += (first / first.sum(axis=1, keepdims=True)).sum(axis=0)
        steady = np.ones(len(scores), dtype=bool)
        for ahead in range(front):
            rest = scores[:, ahead + 1 :]
            steady &= (scores[:, ahead : ahead + 1] >= rest).all(axis=1)
        same += steady.sum()
    return RandomWeights(tuple(teams), wins / draws, float(same / draws), draws, seed)


def leave_one_out(
    teams: Sequence[str], values: NDArray[Any], plan: ScoringPlan, split: Split | None = None
) -> Mapping[str, Mapping[str, int]]:
    """Return the ranks without each column in turn: column id -> team -> rank; a single column is not left out.

    Args:
        teams, values, plan: as in `weight_intervals`.
        split: the rule's tie breaks: indices of teams with equal scores -> the same as groups, best first. A column
            that is left out of the score still breaks ties, as one of weight 0 does.
    """
    out: dict[str, dict[str, int]] = {}
    values = np.asarray(values, dtype=np.float64)
    for index, column in enumerate(plan.columns):
        kept = [position for position in range(len(plan.columns)) if position != index]
        weight = sum(float(plan.weights[position]) for position in kept)
        if not kept or weight <= 0:
            continue
        rest = replace(plan, columns=tuple(plan.columns[position] for position in kept))
        ranks = places(rest.scores(values[:, kept]), lower_wins=rest.lower_wins)
        ranks = ranks if split is None else _split_ranks(ranks, split)
        out[column.id] = dict(zip(teams, (int(rank) for rank in ranks), strict=True))
    return out


def _split_ranks(ranks: NDArray[np.int64], split: Split) -> NDArray[np.int64]:
    """Return the ranks after ties are broken."""
    out = ranks.copy()
    for rank in np.unique(ranks):
        place = int(rank)
        for group in split([int(index) for index in np.flatnonzero(ranks == rank)]):
            out[list(group)] = place
            place += len(group)
    return out


def _gains(teams: Sequence[str], values: NDArray[Any], plan: ScoringPlan, order: Sequence[int]) -> Floats:
    """Return points in ``order`` (teams, columns), higher being better."""
    values = np.asarray(values, dtype=np.float64)
    if values.shape != (len(teams), len(plan.columns)) or not np.isfinite(values).all():
        raise InputError("Sensitivity needs a finite value per team and column.", found=str(values.shape))
    if sorted(order) != list(range(len(teams))):
        raise InputError("The order must name every team once.", found=str(list(order)))
    return plan.points(values)[list(order)] * (-1.0 if plan.lower_wins else 1.0)


def _column_line(plan: ScoringPlan, index: int, gap: Floats) -> tuple[Floats, Floats]:
    """Return (fixed, slope) per pair, so that ``fixed + slope * weight`` has the sign of the difference."""
    raw = np.array([column.weight for column in plan.columns])
    if plan.group_weights is None:
        rest = raw.copy()
        rest[index] = 0.0
        return gap @ rest, gap[:, index]
    group = plan.columns[index].group
    own = np.array([column.group == group for column in plan.columns])
    share = plan.group_weights.get(group, 0.0)
    others = gap @ np.where(own, 0.0, _shared(plan))
    rest = np.where(own, raw, 0.0)
    rest[index] = 0.0
    return others * rest.sum() + share * (gap @ rest), others + share * gap[:, index]


def _group_line(plan: ScoringPlan, group: str, gap: Floats) -> tuple[Floats, Floats]:
    own = np.array([column.group == group for column in plan.columns])
    raw = np.array([column.weight for column in plan.columns])
    inside = np.where(own, raw, 0.0) / raw[own].sum()
    return gap @ np.where(own, 0.0, _shared(plan)), gap @ inside


def _shared(plan: ScoringPlan) -> Floats:
    """Return the columns' weights after the groups' are shared out, not divided by their sum."""
    out = np.array([column.weight for column in plan.columns], dtype=np.float64)
    for group in {column.group for column in plan.columns}:
        own = np.array([column.group == group for column in plan.columns])
        out[own] *= (plan.group_weights or {}).get(group, 0.0) / out[own].sum()
    return out


def _interval(
    name: str, weight: float, fixed: Floats, slope: Floats, teams: Sequence[tuple[str, str]]
) -> WeightInterval:
    """Return where ``fixed + slope * w >= 0`` holds for every pair, for ``w`` from 0 up."""
    low, high = 0.0, np.inf
    below: tuple[str, str] | None = None
    above: tuple[str, str] | None = None
    for pair, start, steep in zip(teams, fixed, slope, strict=True):
        if abs(steep) <= EQUAL:
            continue
        edge = -float(start) / float(steep)
        size = EQUAL * max(1.0, weight)
        if abs(edge) <= size:  # where weights cancel each other out, but for rounding
            edge = 0.0
        if abs(edge - weight) <= size:
            edge = weight
        if steep > 0 and edge > low:
            low, below = edge, pair
        elif steep < 0 and edge < high:
            high, above = edge, pair
    return WeightInterval(name, weight, low, None if np.isinf(high) else high, below, above)


def _random_columns(random: np.random.Generator, plan: ScoringPlan, draws: int) -> Floats:
    """Return weights per column (draws, columns)."""
    count = len(plan.columns)
    if plan.group_weights is None:
        return random.dirichlet(np.ones(count), size=draws)
    groups = list(dict.fromkeys(column.group for column in plan.columns))
    shares = random.dirichlet(np.ones(len(groups)), size=draws)
    out = np.zeros((draws, count))
    for position, group in enumerate(groups):
        own = [index for index, column in enumerate(plan.columns) if column.group == group]
        out[:, own] = shares[:, position : position + 1] * random.dirichlet(np.ones(len(own)), size=draws)
    return out
