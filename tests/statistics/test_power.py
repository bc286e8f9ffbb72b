"""Power of designs, held against arithmetic by hand and against simulated studies that are tested as a reader would."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from evalkit.errors import InputError, UsageError
from evalkit.statistics.power import (
    comparisons_needed,
    detectable_difference,
    detectable_share,
    pair_level,
    raters_needed,
)
from evalkit.statistics.rating_variance import (
    RatedCells,
    Spread,
    assumed_spread,
    difference_variances,
    estimate_spread,
)

SPREAD = Spread(rest=0.7, video=0.4, liking=0.2, rater=0.5, sample=0.3)


def crossed(teams: int, samples: int, raters: int) -> RatedCells:
    every = np.array(list(itertools.product(range(teams), range(samples), range(raters))))
    return RatedCells(every[:, 0], every[:, 1], every[:, 2])


def scattered(rng: np.random.Generator, teams: int, samples: int, raters: int, items: int) -> RatedCells:
    """Return an uneven design: each rater rates ``items`` videos drawn at random."""
    rows = []
    for rater in range(raters):
        for cell in rng.choice(teams * samples, items, replace=False):
            rows.append((cell // samples, cell % samples, rater))
    found = np.array(rows)
    return RatedCells(found[:, 0], found[:, 1], found[:, 2])


def draw(cells: RatedCells, spread: Spread, means: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return ratings by the model."""
    teams, samples, raters = (int(one.max()) + 1 for one in (cells.team, cells.sample, cells.rater))
    parts = (
        means[cells.team],
        rng.normal(0, spread.sample, samples)[cells.sample],
        rng.normal(0, spread.rater, raters)[cells.rater],
        rng.normal(0, spread.video, (teams, samples))[cells.team, cells.sample],
        rng.normal(0, spread.liking, (teams, raters))[cells.team, cells.rater],
        rng.normal(0, spread.rest, len(cells.team)),
    )
    return np.sum(parts, axis=0)


def test_the_variance_of_a_crossed_design_by_hand() -> None:
    stays, falls = difference_variances(crossed(3, 10, 20), SPREAD)
    assert stays[0, 1] == pytest.approx(2 * 0.16 / 10)
    assert falls[0, 1] == pytest.approx(2 * (0.04 / 20 + 0.49 / 200))


def test_two_raters_of_one_team_each_by_hand() -> None:
    """Rater 0 rates team 0 twice, rater 1 team 1 once, of one sample: the raters' means don't cancel."""
    cells = RatedCells(np.array([0, 0, 1]), np.array([0, 0, 0]), np.array([0, 0, 1]))
    stays, falls = difference_variances(cells, SPREAD)
    assert stays[0, 1] == pytest.approx(2 * 0.16)
    assert falls[0, 1] == pytest.approx(2 * 0.04 + 2 * 0.25 + 0.49 * (1 / 2 + 1))


def test_the_variance_of_an_uneven_design_is_that_of_simulated_ratings() -> None:
    rng = np.random.default_rng(5)
    cells = scattered(rng, 4, 8, 12, 9)
    stays, falls = difference_variances(cells, SPREAD)
    counts = np.bincount(cells.team)
    found = []
    for _ in range(3000):
        values = draw(cells, SPREAD, np.zeros(4), rng)
        means = np.bincount(cells.team, values) / counts
        found.append(means[0] - means[2])
    assert np.var(found) == pytest.approx((stays + falls)[0, 2], rel=0.09)


def holm(p: np.ndarray) -> list[bool]:
    order = np.argsort(p)
    found = [False] * len(p)
    for step, at in enumerate(order):
        if p[at] > 0.05 / (len(p) - step):
            break
        found[at] = True
    return found


@pytest.mark.parametrize(("teams", "low", "high"), [(2, 0.75, 0.85), (4, 0.77, 0.9)])
def test_the_raters_that_it_takes_find_the_difference_in_four_of_five_studies(
    teams: int, low: float, high: float
) -> None:
    """Videos are the same in every study here: paired t tests over raters, with Holm's correction for all pairs."""
    spread = Spread(rest=0.7, video=0.0, liking=0.2, rater=0.5, sample=0.3)
    difference = 0.4
    needed = raters_needed(crossed(teams, 5, 10), spread, difference)
    assert needed is not None
    cells = crossed(teams, 5, needed)
    assert detectable_difference(cells, spread) <= difference
    assert detectable_difference(crossed(teams, 5, needed - 1), spread) > difference
    means = np.zeros(teams)
    means[:2] = difference / 2, -difference / 2
    rng = np.random.default_rng(teams)
    firsts, seconds = np.triu_indices(teams, 1)
    found = []
    for _ in range(600):
        table = draw(cells, spread, means, rng).reshape(teams, 5, needed).mean(axis=1)
        found.append(holm(stats.ttest_rel(table[firsts], table[seconds], axis=1).pvalue)[0])
    assert low < np.mean(found) < high, np.mean(found)


def test_few_samples_can_not_be_made_up_for_by_raters() -> None:
    assert raters_needed(crossed(3, 2, 5), SPREAD, 0.5) is None
    assert raters_needed(crossed(3, 60, 5), SPREAD, 0.5) is not None


def test_more_teams_and_smaller_differences_take_more() -> None:
    needed = [raters_needed(crossed(teams, 40, 5), SPREAD, d) for teams, d in ((2, 0.6), (6, 0.6), (6, 0.4))]
    assert needed == sorted(needed, key=lambda one: one or 0) and len(set(needed)) == 3


def test_the_level_of_one_pair_is_holms_first() -> None:
    assert pair_level(2) == 0.05
    assert pair_level(8) == pytest.approx(0.05 / 28)
    with pytest.raises(UsageError):
        pair_level(1)


def test_comparisons_of_two_teams_by_hand() -> None:
    """(1.96 + 0.84)^2 / (p (1 - p) gap^2), with p = 0.7 and gap = log(7 / 3)."""
    gap = math.log(7 / 3)
    assert comparisons_needed(0.7, 2) == math.ceil((1.959964 + 0.841621) ** 2 / (0.21 * gap**2))


def test_comparisons_find_the_difference_in_four_of_five_studies() -> None:
    """Round robins of four teams: strengths by Bradley-Terry, a z test of the pair at Holm's first level."""
    from evalkit.statistics.bradley_terry import bradley_terry

    share, teams = 0.7, 4
    n = comparisons_needed(share, teams)
    theta = np.array([0.5, -0.5, 0, 0]) * math.log(share / (1 - share))
    chance = 1 / (1 + np.exp(-(theta[:, None] - theta[None, :])))
    rng = np.random.default_rng(1)
    limit = stats.norm.ppf(1 - pair_level(teams) / 2)
    found = []
    for _ in range(400):
        upper = np.triu(rng.binomial(n, chance), 1)
        fit = bradley_terry(upper + np.tril(n - upper.T, -1))
        variance = fit.covariance[0, 0] + fit.covariance[1, 1] - 2 * fit.covariance[0, 1]
        found.append((fit.theta[0] - fit.theta[1]) / math.sqrt(variance) > limit)
    assert 0.74 < np.mean(found) < 0.87, np.mean(found)


def test_what_is_detectable_is_what_is_needed() -> None:
    n = comparisons_needed(0.65, 6)
    at, before = detectable_share(n, 6), detectable_share(n - 1, 6)
    assert at is not None and before is not None and at <= 0.65 < before
    assert detectable_share(1, 6) is None


@pytest.mark.parametrize("share", [0.5, 0.3, 1.0, float("nan")])
def test_no_difference_is_no_question(share: float) -> None:
    with pytest.raises(UsageError):
        comparisons_needed(share, 3)
    with pytest.raises(UsageError):
        raters_needed(crossed(2, 3, 3), SPREAD, share - share)


def test_planted_spreads_are_found() -> None:
    rng = np.random.default_rng(0)
    planted = Spread(rest=0.6, video=0.5, liking=0.3, rater=0.7, sample=0.4)
    found = []
    for _ in range(8):
        cells = scattered(rng, 6, 15, 25, 30)
        found.append(estimate_spread(cells, draw(cells, planted, np.arange(6.0), rng)))
    for name in ("rest", "video", "liking", "rater", "sample"):
        mean = math.sqrt(np.mean([getattr(one, name) ** 2 for one in found]))
        assert mean == pytest.approx(getattr(planted, name), rel=0.2), name


def test_nothing_planted_is_nothing_found() -> None:
    rng = np.random.default_rng(3)
    cells = scattered(rng, 5, 20, 30, 40)
    found = estimate_spread(cells, draw(cells, Spread(0.5, 0, 0, 0, 0), np.zeros(5), rng))
    assert found.rest == pytest.approx(0.5, rel=0.05)
    assert max(found.video, found.liking, found.rater, found.sample) < 0.12


def test_too_few_ratings_say_nothing() -> None:
    with pytest.raises(InputError, match="at least 60"):
        estimate_spread(crossed(2, 3, 3), np.zeros(18))
    with pytest.raises(InputError, match="several of each"):
        estimate_spread(crossed(3, 30, 1), np.zeros(90))


def test_what_is_assumed_is_about_a_point_of_five() -> None:
    spread = assumed_spread(4)
    assert spread == Spread(rest=0.7, video=0.4, liking=0.2, rater=0.5, sample=0.3)
    total = sum(getattr(spread, name) ** 2 for name in ("rest", "video", "liking", "rater", "sample"))
    assert math.sqrt(total) == pytest.approx(1.0, abs=0.02)
