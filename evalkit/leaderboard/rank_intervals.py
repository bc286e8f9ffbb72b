"""How certain a ranking is: rank intervals, the probability of every rank, and tie groups.

Which differences of two scores are significant is decided for all pairs at once. A difference is divided by its
standard error over paired draws, and compared with the largest such ratio among all pairs in the draws (step-down
maximum, Romano and Wolf 2005; Holm's correction for rules made of ranks): with probability ``confidence`` no pair is
called significant wrongly. The rank intervals follow from these decisions alone (Mogstad, Romano, Shaikh and Wilhelm
2024, "Inference for ranks"), so they hold for all teams together. Percentiles of the resampled ranks would not: close
to ties they miss the true rank too often.
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
class RankIntervals:
    """The uncertainty of a ranking.

    Args:
        teams: names, in the order of all arrays.
        order: (teams,) indices, best score first, equal ones in the order of ``teams``.
        low, high: (teams,) best and worst rank that the data allow, for all teams together.
        rank_probability: (teams, teams) share of the draws in which a team has rank 1, 2, ...; equal teams share ranks.
        above: (teams, teams) share of the draws in which the row is above the column, equals half; diagonal 0.5.
        better: (teams, teams) whether the row is significantly better than the column.
        groups: first and last position (from 1, in ``order``) of every longest run of teams without a significant
            difference, single teams included. They may overlap: of three, the middle one can be tied with both others,
            which differ.
        tiers: first and last position of each level: all its teams are significantly better than all below it.
        confidence: probability that no pair is called significant wrongly.
        draws: how many draws were used.
        lost: how many were left out.
        seed: of the draws.
        made: the draws themselves, with their values.
        held_fixed: columns that counted as certain, each with the reason.
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
    made: Draws
    held_fixed: Mapping[str, str] = field(default_factory=dict)


def rank_uncertainty(
    evidence: Evidence, plan: ScoringPlan, *, draws: int = BOOTSTRAP_DRAWS, seed: int = 0, confidence: float = 0.95
) -> RankIntervals:
    """Return how certain the ranking of ``evidence`` by ``plan`` is.

    A two-phase ranking has two: of its shortlist, and of its finalists with the plan ``value``.

    Args:
        evidence: the values, and the data behind them.
        plan: the rule, on the same columns.
        draws: number of resampled challenges; the error of a probability is about ``1 / sqrt(draws)``.
        seed: the same seed gives the same answer.
        confidence: of rank intervals and groups, above 0.5 and below 1.

    Raises:
        InputError: without teams, or as `draw_scores` does.
    """
    if not evidence.teams:
        raise InputError("Rank intervals need at least one team.")
    if not 0.5 < confidence < 1:
        raise InputError(
            "The confidence of rank intervals is out of range.", found=str(confidence), expected="between 0.5 and 1"
        )
    made = draw_scores(evidence, plan, draws=draws, seed=seed, keep_values=True)
    above = share_above(made)
    of_ranks = plan.method in {"rank-sum", "mean-rank", "borda"}
    key = made.point if made.lower_wins else -made.point
    if of_ranks:
        wide = [draw_scores(evidence, plan, draws=draws, seed=seed, spread=spread) for spread in (2.0, 4.0)]
        ratio = rank_test_statistic(key[None, :] - key[:, None], made.freedom, *wide)
    else:
        ratio = smooth_ratio(made, above)
    better = significant_pairs(ratio, made, confidence, of_ranks=of_ranks)
    order = np.argsort(key, kind="stable")
    significant = _monotone(better[np.ix_(order, order)])
    return RankIntervals(
        teams=evidence.teams,
        order=order,
        low=1 + better.sum(axis=0),
        high=len(evidence.teams) - better.sum(axis=1),
        rank_probability=rank_probability(made),
        above=above,
        better=better,
        groups=_runs(significant),
        tiers=_levels(significant),
        confidence=confidence,
        draws=len(made.scores),
        lost=made.lost,
        seed=seed,
        made=made,
        held_fixed=evidence.held_fixed,
    )


def rank_probability(draws: Draws) -> Floats:
    """Return the share of draws in which each team has each rank (teams, ranks); rows and columns add up to 1."""
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

    For scores that are smooth functions of the values. Where values are clipped to a range, the spread of the draws is
    too small; the ratio is therefore at most the normal quantile of the share of draws that agree, as long as some
    disagree.
    """
    sign = -1.0 if draws.lower_wins else 1.0
    gap = sign * (draws.point[:, None] - draws.point[None, :])
    error = np.sqrt(difference_variance(draws.scores) * (1.0 + 1.0 / draws.freedom))
    ratio = np.divide(gap, error, out=np.where(gap > 0, np.inf, 0.0), where=error > 0)
    agree = np.where(above < 1.0, norm.ppf(np.minimum(above, 1.0)), np.inf)
    return _where_better(np.minimum(ratio, agree), gap)


def rank_test_statistic(gap: Floats, freedom: Floats, twofold: Draws, fourfold: Draws) -> Floats:
    """Return the same as `smooth_ratio` for scores that are made of ranks.

    A rank is a step function, so that draws close to a tie don't show how far away the next step is. Larger deviations
    smooth the steps. With deviations doubled, twice the normal quantile of the share of draws that agree is exact for
    the ranks of one number, and too small for several. With deviations times four, four times the mean of the
    difference over its standard deviation is close to right for several. The larger of the two is used.

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


def significant_pairs(ratio: Floats, draws: Draws, confidence: float, *, of_ranks: bool) -> Booleans:
    """Return whether the row team is significantly better than the column team (teams, teams).

    Ratios are converted from Student's distribution, with the pair's degrees of freedom, to the normal one. Then, from
    the largest ratio down, each is compared with the largest that the remaining pairs would have by chance: from the
    draws, or for ranks, whose draws are too coarse, by Holm's correction (1979).

    Args:
        ratio: (teams, teams) from `smooth_ratio` or `rank_test_statistic`.
        draws: the draws themselves.
        confidence: probability that no pair is called significant wrongly.
        of_ranks: whether scores are made of ranks.
    """
    normal = np.asarray(norm.isf(student.sf(ratio, draws.freedom)))
    normal = np.where(ratio > 0, normal, 0.0)
    strength = np.maximum(normal, normal.T)
    upper = np.triu(np.ones(ratio.shape, dtype=bool), 1)
    error = np.sqrt(difference_variance(draws.scores))
    found = upper & np.isinf(strength)
    remaining = upper & ~found & (of_ranks | (error > 0))
    while remaining.any():
        if of_ranks:
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
    """Return the pairs of positions (best first) that are significant together with all pairs that enclose them."""
    upper = np.triu(better, 1)
    # [i, j] stays true when every [a, b] with a <= i and b >= j is true.
    down = np.logical_and.accumulate(np.where(np.tri(len(upper), k=0, dtype=bool), True, upper), axis=0)
    across = np.logical_and.accumulate(down[:, ::-1], axis=1)[:, ::-1]
    return np.triu(across, 1)


def _runs(significant: Booleans) -> tuple[tuple[int, int], ...]:
    """Return the longest runs of positions without a significant pair, single positions included."""
    runs: list[tuple[int, int]] = []
    for first in range(len(significant)):
        apart = np.flatnonzero(significant[first])
        last = int(apart[0]) if len(apart) else len(significant)
        if not runs or last > runs[-1][1]:
            runs.append((first + 1, last))
    return tuple(runs)


def _levels(significant: Booleans) -> tuple[tuple[int, int], ...]:
    """Return the levels: a cut lies between two positions where all above are significantly better than all below."""
    cuts = [position + 1 for position in range(len(significant) - 1) if significant[position, position + 1]]
    edges = [0, *cuts, len(significant)]
    return tuple((first + 1, last) for first, last in pairwise(edges) if last > first)
