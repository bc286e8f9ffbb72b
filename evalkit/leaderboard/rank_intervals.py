"""How certain a ranking is: rank intervals, the probability of every rank, and groups whose order data can't tell.

Which of two teams is better is decided for all pairs at once. The difference of two scores is divided by its standard
error over paired draws, and compared with the largest such ratio among all pairs in the draws (step-down maximum,
Romano and Wolf 2005; Holm's correction for rules made of ranks): with probability ``confidence`` not one pair is told
apart wrongly. From these decisions alone follow the rank intervals (Mogstad, Romano, Shaikh and Wilhelm 2024,
"Inference for ranks"), which therefore hold for all teams together. Percentiles of the resampled ranks would not:
close to ties they miss the true rank too often.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata
from scipy.stats import t as student

from evalkit.errors import InputError
from evalkit.leaderboard.bootstrap import Draws, Evidence, Integers, difference_variance, draw_scores
from evalkit.leaderboard.scoring_rules import Floats, ScoringPlan
from evalkit.statistics import BOOTSTRAP_DRAWS

BLOCK = 2_000_000
Booleans = NDArray[np.bool_]


@dataclass(frozen=True)
class Uncertainty:
    """What the data say about the order of the teams.

    Args:
        teams: names, in the order of all arrays.
        order: (teams,) indices, best score first, equals as they come.
        low, high: (teams,) best and worst rank that the data allow, for all teams together.
        rank_probability: (teams, teams) share of the draws in which a team took place 1, 2, ...; equals share theirs.
        above: (teams, teams) share of the draws in which the row is above the column, equals half; diagonal 0.5.
        better: (teams, teams) whether the row is surely better than the column.
        groups: first and last position (from 1, in ``order``) of every longest run of teams whose order the data
            can't tell. They may overlap: the middle one of three can be like both others, which differ.
        tiers: positions that part the ranking into levels: every team of a level is surely better than all below.
        confidence: probability that no pair is told apart wrongly.
        draws: how many draws were used.
        lost: how many were left out.
        seed: of the draws.
        fixed: columns that counted as certain, each with the reason.
    """

    teams: tuple[str, ...]
    order: Integers
    low: Integers
    high: Integers
    rank_probability: Floats
    above: Floats
    better: Booleans
    groups: tuple[tuple[int, int], ...]
    tiers: tuple[tuple[int, int], ...]
    confidence: float
    draws: int
    lost: int
    seed: int
    fixed: Mapping[str, str] = field(default_factory=dict)

    @property
    def held_fixed(self) -> tuple[str, ...]:
        """The columns that counted as certain."""
        return tuple(self.fixed)


def rank_uncertainty(
    evidence: Evidence, plan: ScoringPlan, *, draws: int = BOOTSTRAP_DRAWS, seed: int = 0, confidence: float = 0.95
) -> Uncertainty:
    """Return how certain the ranking of ``evidence`` by ``plan`` is.

    A two-phase ranking has two: of its shortlist, and of its finalists with the plan ``value``.

    Args:
        evidence: values and what they rest on.
        plan: the rule, on the same columns.
        draws: number of resampled challenges; probabilities are known to about ``1 / sqrt(draws)``.
        seed: the same seed gives the same answer.
        confidence: of rank intervals and groups, above 0.5 and below 1.

    Raises:
        InputError: without teams, or as `draw_scores` does.
    """
    if not evidence.teams:
        raise InputError("There is no team to be uncertain about.")
    if not 0.5 < confidence < 1:
        raise InputError("The confidence is no confidence.", found=str(confidence), expected="between 0.5 and 1")
    made = draw_scores(evidence, plan, draws=draws, seed=seed)
    above = share_above(made)
    stepped = plan.method in {"rank-sum", "mean-rank", "borda"}
    key = made.point if made.lower_wins else -made.point
    if stepped:
        wide = [draw_scores(evidence, plan, draws=draws, seed=seed, spread=spread) for spread in (2.0, 4.0)]
        ratio = rank_test_statistic(key[None, :] - key[:, None], made.freedom, *wide)
    else:
        ratio = smooth_ratio(made, above)
    better = significant_pairs(ratio, made, confidence, stepped=stepped)
    order = np.argsort(key, kind="stable")
    told = _monotone(better[np.ix_(order, order)])
    return Uncertainty(
        teams=evidence.teams,
        order=order,
        low=1 + better.sum(axis=0),
        high=len(evidence.teams) - better.sum(axis=1),
        rank_probability=rank_probability(made),
        above=above,
        better=better,
        groups=_runs(told),
        tiers=_levels(told),
        confidence=confidence,
        draws=len(made.scores),
        lost=made.lost,
        seed=seed,
        fixed=evidence.fixed,
    )


def rank_probability(draws: Draws) -> Floats:
    """Return the share of draws in which each team took each place (teams, places); rows and columns add up to 1."""
    keys = draws.scores if draws.lower_wins else -draws.scores
    first = np.asarray(rankdata(keys, method="min", axis=1), dtype=np.int64) - 1
    last = np.asarray(rankdata(keys, method="max", axis=1), dtype=np.int64)
    count, teams = draws.scores.shape
    share = 1.0 / (last - first)
    steps = np.zeros((teams, teams + 1))
    row = np.broadcast_to(np.arange(teams), (count, teams))
    np.add.at(steps, (row, first), share)
    np.add.at(steps, (row, last), -share)
    probability: Floats = np.clip(np.cumsum(steps, axis=1)[:, :teams] / count, 0.0, 1.0)
    return probability


def share_above(draws: Draws) -> Floats:
    """Return the share of draws in which the row team is above the column team, equals half (teams, teams)."""
    scores = -draws.scores if draws.lower_wins else draws.scores
    out = np.empty((scores.shape[1], scores.shape[1]))
    for team in range(scores.shape[1]):
        gap = scores[:, team : team + 1] - scores
        out[team] = ((gap > 0).sum(axis=0) + 0.5 * (gap == 0).sum(axis=0)) / len(scores)
    return out


def smooth_ratio(draws: Draws, above: Floats) -> Floats:
    """Return by how many standard errors the row is better than the column (teams, teams), 0 where it is not.

    For scores that move evenly with the values. Cut-offs at the ends of a range make steps, close to which the spread
    is too small; the ratio is therefore never more than the normal quantile of the share of draws that agree, as long
    as some disagree.
    """
    sign = -1.0 if draws.lower_wins else 1.0
    gap = sign * (draws.point[:, None] - draws.point[None, :])
    error = np.sqrt(difference_variance(draws.scores) * (1.0 + 1.0 / draws.freedom))
    ratio = np.divide(gap, error, out=np.where(gap > 0, np.inf, 0.0), where=error > 0)
    agree = np.where(above < 1.0, norm.ppf(np.minimum(above, 1.0)), np.inf)
    return _where_better(np.minimum(ratio, agree), gap)


def rank_test_statistic(gap: Floats, freedom: Floats, twofold: Draws, fourfold: Draws) -> Floats:
    """Return the same for scores that are made of ranks.

    A rank is a step function: close to a tie the draws say little about how far away the step is. With deviations
    enlarged the steps are smooth. Twofold, the normal quantile of the share of draws that agree, times two, is exact
    for the ranks of one number, and too small for several. Fourfold, mean over spread of the difference, times four,
    is close to right for several. The larger of the two counts.

    Args:
        gap: (teams, teams) how much better the row's score is.
        freedom: (teams, teams) degrees of freedom of the differences.
        twofold, fourfold: draws with ``spread`` 2 and 4.
    """
    agree = share_above(twofold)
    by_share = twofold.spread * np.where(agree < 1.0, norm.ppf(np.minimum(agree, 1.0)), np.inf)
    sign = -1.0 if fourfold.lower_wins else 1.0
    middle = sign * fourfold.scores.mean(axis=0)
    mean = middle[:, None] - middle[None, :]
    spread = np.sqrt(difference_variance(fourfold.scores))
    by_spread = np.divide(mean, spread, out=np.where(mean > 0, np.inf, 0.0), where=spread > 0) * fourfold.spread
    return _where_better(np.maximum(by_share, by_spread) / np.sqrt(1.0 + 1.0 / freedom), gap)


def significant_pairs(ratio: Floats, draws: Draws, confidence: float, *, stepped: bool) -> Booleans:
    """Return whether the row team is surely better than the column team (teams, teams).

    Ratios are turned from Student's to the normal distribution by the pair's degrees of freedom. Then the pairs are
    gone through from the largest ratio down, each time against the largest that the remaining ones would show by
    chance: from the draws, or for ranks, whose draws are too coarse, by Holm's correction (1979).

    Args:
        ratio: (teams, teams) from `smooth_ratio` or `rank_test_statistic`.
        draws: the draws themselves.
        confidence: probability that no pair is told apart wrongly.
        stepped: whether scores are made of ranks.
    """
    normal = np.asarray(norm.isf(student.sf(ratio, draws.freedom)))
    normal = np.where(ratio > 0, normal, 0.0)
    strength = np.maximum(normal, normal.T)
    upper = np.triu(np.ones(ratio.shape, dtype=bool), 1)
    error = np.sqrt(difference_variance(draws.scores))
    found = upper & np.isinf(strength)
    remaining = upper & ~found & (stepped | (error > 0))
    while remaining.any():
        if stepped:
            limit = float(norm.isf((1.0 - confidence) / 2.0 / remaining.sum()))
        else:
            limit = _largest_quantile(draws.scores, error, remaining, confidence)
        new = remaining & (strength > limit)
        if not new.any():
            break
        found |= new
        remaining &= ~new
    better: Booleans = (found | found.T) & (ratio > 0)
    return better


def _where_better(ratio: Floats, gap: Floats) -> Floats:
    return np.asarray(np.where(gap > 0, np.maximum(ratio, 0.0), 0.0), dtype=np.float64)


def _largest_quantile(scores: Floats, error: Floats, pairs: Booleans, confidence: float) -> float:
    """Return the quantile over draws of the largest standardised difference among ``pairs``."""
    left, right = np.nonzero(pairs)
    centred = scores - scores.mean(axis=0)
    scale = error[left, right]
    largest = np.empty(len(scores))
    block = max(1, BLOCK // len(left))
    for start in range(0, len(scores), block):
        part = centred[start : start + block]
        largest[start : start + block] = (np.abs(part[:, left] - part[:, right]) / scale).max(axis=1)
    alone = float(norm.isf((1.0 - confidence) / 2.0))  # what holds for a single pair
    return max(alone, float(np.quantile(largest, confidence, method="higher")))


def _monotone(better: Booleans) -> Booleans:
    """Return which positions are told apart such that all wider pairs are too (positions, best first)."""
    upper = np.triu(better, 1)
    # [i, j] stays when every [a, b] with a <= i and b >= j stands.
    down = np.logical_and.accumulate(np.where(np.tri(len(upper), k=0, dtype=bool), True, upper), axis=0)
    across = np.logical_and.accumulate(down[:, ::-1], axis=1)[:, ::-1]
    return np.triu(across, 1)


def _runs(told: Booleans) -> tuple[tuple[int, int], ...]:
    """Return the longest runs of positions without a pair that is told apart, single ones included."""
    runs: list[tuple[int, int]] = []
    for first in range(len(told)):
        apart = np.flatnonzero(told[first])
        last = int(apart[0]) if len(apart) else len(told)
        if not runs or last > runs[-1][1]:
            runs.append((first + 1, last))
    return tuple(runs)


def _levels(told: Booleans) -> tuple[tuple[int, int], ...]:
    """Return the levels: cut between two positions when all above are surely better than all below."""
    cuts = [position + 1 for position in range(len(told) - 1) if told[position, position + 1]]
    edges = [0, *cuts, len(told)]
    return tuple((first + 1, last) for first, last in pairwise(edges) if last > first)
