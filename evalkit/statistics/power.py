"""How many ratings or comparisons it takes to tell two teams apart (docs/definitions/ratings-statistics.md#power)."""

from __future__ import annotations

import math

import numpy as np
from scipy import special, stats

from evalkit.errors import UsageError
from evalkit.statistics.rating_variance import RatedCells, Spread, difference_variances

ALPHA = 0.05
POWER = 0.8
MOST_RATERS = 1_000_000


def pair_level(teams: int, alpha: float = ALPHA) -> float:
    """Return the level of one test of two teams: the first step of Holm's correction for all pairs (Holm, 1979).

    The later steps are wider, so the power that this level gives holds whatever the other pairs are like.
    """
    if teams < 2:
        raise UsageError("Two teams are compared.", found=str(teams))
    return alpha / (teams * (teams - 1) / 2)


def detectable_difference(cells: RatedCells, spread: Spread, *, alpha: float = ALPHA, power: float = POWER) -> float:
    """Return how far apart two teams must be for a design to tell them apart, the two that it compares worst.

    Args:
        cells: the design.
        spread: of the ratings.
        alpha: of all pairs together.
        power: probability of finding a difference of that size.
    """
    raters = len(np.unique(cells.rater))
    stays, falls = _worst(cells, spread)
    return _factor(raters, cells.teams, alpha, power) * math.sqrt(stays + falls)


def raters_needed(
    cells: RatedCells, spread: Spread, difference: float, *, alpha: float = ALPHA, power: float = POWER
) -> int | None:
    """Return how many raters with such lists tell any two teams apart that differ by ``difference``.

    ``None`` where no number does, because the samples are too few: the teams' videos themselves vary too much.
    """
    if not difference > 0:
        raise UsageError("Teams that don't differ can't be told apart.", found=f"{difference:g}")
    raters = len(np.unique(cells.rater))
    stays, falls = _worst(cells, spread)

    def enough(number: int) -> bool:
        variance = stays + falls * raters / number
        return _factor(number, cells.teams, alpha, power) * math.sqrt(variance) <= difference

    if not enough(MOST_RATERS):
        return None
    low, high = 1, MOST_RATERS  # the first is never enough: a single rater leaves no degree of freedom
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def comparisons_needed(share: float, teams: int, *, alpha: float = ALPHA, power: float = POWER) -> int:
    """Return how many comparisons of every two teams tell two of them apart.

    Args:
        share: of points that the better of the two gets against the other, above 0.5; all other teams are between them.
        teams: how many.
        alpha: of all pairs together.
        power: probability of finding the difference.
    """
    if not 0.5 < share < 1:
        raise UsageError("The better team gets more than half of the points.", found=f"{share:g}", expected="0.5 to 1")
    gap = math.log(share / (1 - share))
    unit = _gap_variance(gap, teams)
    factor = float(stats.norm.ppf(1 - pair_level(teams, alpha) / 2) + stats.norm.ppf(power))
    return math.ceil(unit * (factor / gap) ** 2)


def detectable_share(comparisons: float, teams: int, *, alpha: float = ALPHA, power: float = POWER) -> float | None:
    """Return the share of points by which two teams must differ, given how often every two of them are compared.

    ``None`` where not even a team that wins nearly always is told apart.
    """
    factor = float(stats.norm.ppf(1 - pair_level(teams, alpha) / 2) + stats.norm.ppf(power))

    def enough(gap: float) -> bool:
        return factor * math.sqrt(_gap_variance(gap, teams) / comparisons) <= gap

    # The better one team is, the less its comparisons tell, so what is enough ends again: the first gap is looked for.
    gaps = np.geomspace(0.001, 6.0, 200)
    first = next((at for at, gap in enumerate(gaps) if enough(float(gap))), None)
    if first is None:
        return None
    low, high = float(gaps[max(0, first - 1)]), float(gaps[first])
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return float(special.expit(high))


def _gap_variance(gap: float, teams: int) -> float:
    """Return the variance of two teams' gap in the Bradley-Terry model, times the comparisons of every pair."""
    theta = np.zeros(teams)
    theta[:2] = gap / 2, -gap / 2
    chance = special.expit(theta[:, None] - theta[None, :])
    off = chance * (1 - chance)
    np.fill_diagonal(off, 0.0)
    inverse = np.linalg.pinv(np.diag(off.sum(axis=1)) - off)
    return float(inverse[0, 0] + inverse[1, 1] - 2 * inverse[0, 1])


def _worst(cells: RatedCells, spread: Spread) -> tuple[float, float]:
    stays, falls = difference_variances(cells, spread)
    pairs = np.triu_indices(cells.teams, 1)
    at = int(np.argmax((stays + falls)[pairs]))
    return float(stays[pairs][at]), float(falls[pairs][at])


def _factor(raters: int, teams: int, alpha: float, power: float) -> float:
    """Return by how many standard errors two teams must differ."""
    if raters < 2:
        return math.inf
    freedom = raters - 1
    return float(stats.t.ppf(1 - pair_level(teams, alpha) / 2, freedom) + stats.t.ppf(power, freedom))
