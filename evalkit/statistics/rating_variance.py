"""How ratings vary: between samples, raters, videos, raters' likings of teams, and for no reason that repeats.

The model of a rating is ``team + sample + rater + team:sample + team:rater + rest``; all but the teams' are random with
mean zero, and independent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evalkit.errors import InputError
from evalkit.statistics.arrays import Index, Vector

FEWEST = 60  # ratings that components are estimated from


@dataclass(frozen=True)
class Spread:
    """Standard deviations of the parts of a rating, in points of its scale.

    Args:
        rest: what does not repeat.
        video: of a team's videos around what team and sample explain.
        liking: of what one rater thinks of one team, around the rater's and the team's mean.
        rater: of raters' means.
        sample: of samples' means.
    """

    rest: float
    video: float
    liking: float
    rater: float
    sample: float


@dataclass(frozen=True)
class RatedCells:
    """Ratings as whole numbers from 0: (ratings,) each."""

    team: Index
    sample: Index
    rater: Index

    @property
    def teams(self) -> int:
        """How many teams there are."""
        return int(self.team.max()) + 1


def assumed_spread(width: float) -> Spread:
    """Return what is assumed without ratings, for a scale from its lowest to its highest number ``width`` apart.

    On a scale of 1 to 5: rest 0.7, videos 0.4, likings 0.2, raters 0.5, samples 0.3; together a deviation of about 1.
    """
    return Spread(rest=0.175 * width, video=0.1 * width, liking=0.05 * width, rater=0.125 * width, sample=0.075 * width)


def estimate_spread(cells: RatedCells, values: Vector) -> Spread:
    """Return the parts' deviations by MINQUE(0): quadratic forms of the residuals against their expectations.

    Unbiased for the variances, whatever is missing (Rao, Journal of Multivariate Analysis 1, 1971,
    https://doi.org/10.1016/0047-259X(71)90001-7); a variance below zero becomes zero.

    Args:
        cells: what was rated.
        values: (ratings,) the ratings.

    Raises:
        InputError: too few ratings, or the parts can't be told apart.
    """
    n = len(values)
    groups = [_codes(cells.team, cells.sample), _codes(cells.team, cells.rater), cells.rater, cells.sample]
    few = any(len(np.unique(group)) in {1, n} for group in (*groups, cells.team))
    if n < FEWEST or few:
        raise InputError(
            "The ratings don't say how much of their spread is the raters', the videos' and the samples'.",
            found=f"{n} ratings of {len(np.unique(cells.sample))} samples by {len(np.unique(cells.rater))} raters",
            expected=f"at least {FEWEST}, several of each rater, sample, video, and of each rater of one team",
        )
    fixed = _indicators(cells.team)
    random = [_indicators(np.unique(group, return_inverse=True)[1]) for group in groups]
    counts = fixed.sum(axis=0)
    y = values - fixed @ (fixed.T @ values / counts)
    # Z' M Z for every two parts, where M takes the teams' means away.
    through = [fixed.T @ z for z in random]
    inner = [
        [z.T @ w - a.T @ (b / counts[:, None]) for w, b in zip(random, through, strict=True)]
        for z, a in zip(random, through, strict=True)
    ]
    parts = len(random)
    system = np.zeros((parts + 1, parts + 1))
    for one in range(parts):
        for other in range(parts):
            system[one, other] = (inner[one][other] ** 2).sum()
        system[one, parts] = system[parts, one] = np.trace(inner[one][one])
    system[parts, parts] = n - fixed.shape[1]
    forms = np.array([*(((z.T @ y) ** 2).sum() for z in random), float(y @ y)])
    try:
        found = np.linalg.solve(system, forms)
    except np.linalg.LinAlgError:
        raise InputError("The parts of the ratings' spread can't be told apart.") from None
    video, liking, rater, sample, rest = np.sqrt(np.maximum(found, 0.0))
    return Spread(rest=float(rest), video=float(video), liking=float(liking), rater=float(rater), sample=float(sample))


def difference_variances(cells: RatedCells, spread: Spread) -> tuple[Vector, Vector]:
    """Return the variance of the difference of every two teams' mean ratings, of a design.

    Args:
        cells: who rates what.
        spread: of the ratings.

    Returns:
        (teams, teams) the part that more raters with such lists don't lessen, which is the videos', and the part that
        falls with their number.
    """
    teams = cells.teams
    counts = np.bincount(cells.team, minlength=teams).astype(float)
    of_sample = _shares(cells.team, cells.sample, counts)
    of_rater = _shares(cells.team, cells.rater, counts)
    videos, likings = (of_sample**2).sum(axis=1), (of_rater**2).sum(axis=1)
    stays = spread.video**2 * _sums(videos) + spread.sample**2 * _distances(of_sample)
    falls = spread.liking**2 * _sums(likings) + spread.rater**2 * _distances(of_rater)
    return stays, falls + spread.rest**2 * _sums(1 / counts)


def _codes(one: Index, other: Index) -> Index:
    return np.asarray(one * (int(other.max()) + 1) + other)


def _indicators(group: Index) -> Vector:
    made = np.zeros((len(group), int(group.max()) + 1))
    made[np.arange(len(group)), group] = 1
    return made


def _shares(team: Index, group: Index, counts: Vector) -> Vector:
    """Return which share of a team's ratings is of each member of the group (teams, members)."""
    table = np.zeros((len(counts), int(group.max()) + 1))
    np.add.at(table, (team, group), 1.0)
    return np.asarray(table / counts[:, None])


def _sums(values: Vector) -> Vector:
    return np.asarray(values[:, None] + values[None, :])


def _distances(rows: Vector) -> Vector:
    return np.asarray(((rows[:, None, :] - rows[None, :, :]) ** 2).sum(axis=2))
