"""Three teams, two metrics, one question to four raters: every number of the board by hand.

The challenge weighs the objective group 3 and the subjective one 1; inside the objective group psnr weighs 1, lpips 3.
So of the final score psnr is 1/4 * 3/4 = 3/16, lpips 3/4 * 3/4 = 9/16, and sync 1/4.

    team    psnr s1 s2  mean  points      lpips s1 s2  mean  points   sync s1 (r1..r4)  s2 (r1..r4)  MOS    points
    alpha       30  34   32   12/20 = .6      .2   .4   .3    .7      4 5 4 3 = 4       3 4 4 3 = 3.5  3.75  2.75/4
    beta        26  30   28    8/20 = .4      .1   .3   .2    .8      3 4 3 2 = 3       4 4 5 3 = 4    3.5   2.5/4
    gamma       24  24   24    4/20 = .2      .5   .7   .6    .4      2 2 1 1 = 1.5     2 3 2 1 = 2    1.75  0.75/4

    alpha   3/16 * .6 + 9/16 * .7 + 1/4 * .6875 = .1125 + .39375 + .171875 = .678125   second
    beta    3/16 * .4 + 9/16 * .8 + 1/4 * .625  = .075  + .45    + .15625  = .68125    first
    gamma   3/16 * .2 + 9/16 * .4 + 1/4 * .1875 = .0375 + .225   + .046875 = .309375   third
"""

from __future__ import annotations

from fractions import Fraction

import pytest
from builders.boards import make_snapshot

from evalkit.board.model import Snapshot
from evalkit.leaderboard.compute import compute_leaderboard
from evalkit.leaderboard.model import Leaderboard

CHALLENGE = """
schema: 1
id: hand
title: By hand
metrics:
  - {id: psnr, weight: 1, range: [20, 40], direction: higher}
  - {id: lpips, weight: 3, range: [0, 1], direction: lower}
ranking: weighted-sum
ranking_rules: {group_weights: {objective: 3, subjective: 1}}
ratings: {method: mos, dimensions: [{id: sync, title: Lip sync, scale: [1, 5]}]}
"""
TEAMS = ("alpha", "beta", "gamma")
VALUES = {
    "alpha": {"psnr": ["30", "34"], "lpips": ["0.2", "0.4"]},
    "beta": {"psnr": ["26", "30"], "lpips": ["0.1", "0.3"]},
    "gamma": {"psnr": ["24", "24"], "lpips": ["0.5", "0.7"]},
}
RATINGS = {
    "alpha": {"s1": [4, 5, 4, 3], "s2": [3, 4, 4, 3]},
    "beta": {"s1": [3, 4, 3, 2], "s2": [4, 4, 5, 3]},
    "gamma": {"s1": [2, 2, 1, 1], "s2": [2, 3, 2, 1]},
}
SHARES = {"psnr": Fraction(3, 16), "lpips": Fraction(9, 16), "sync": Fraction(1, 4)}


def board() -> Snapshot:
    return make_snapshot(
        CHALLENGE,
        {
            team: {name: [float(one) for one in ones] for name, ones in values.items()}
            for team, values in VALUES.items()
        },
        better={"lpips": False},
        ratings=[
            (f"r{at}", team, sample, "sync", score)
            for team, samples in RATINGS.items()
            for sample, scores in samples.items()
            for at, score in enumerate(scores, start=1)
        ],
    )


@pytest.fixture(scope="module")
def leaderboard() -> Leaderboard:
    return compute_leaderboard(board())


def mean(numbers: list[Fraction]) -> Fraction:
    return sum(numbers, Fraction(0)) / len(numbers)


def value(team: str, column: str) -> Fraction:
    if column == "sync":
        return mean([mean([Fraction(score) for score in scores]) for scores in RATINGS[team].values()])
    return mean([Fraction(one) for one in VALUES[team][column]])


def points(team: str, column: str) -> Fraction:
    found = value(team, column)
    return {"psnr": (found - 20) / 20, "lpips": 1 - found, "sync": (found - 1) / 4}[column]


def score(team: str) -> Fraction:
    return sum((SHARES[column] * points(team, column) for column in SHARES), Fraction(0))


def test_the_fractions_are_those_of_the_head_of_this_file() -> None:
    assert [value(team, "sync") for team in TEAMS] == [Fraction("3.75"), Fraction("3.5"), Fraction("1.75")]
    assert [score(team) for team in TEAMS] == [Fraction("0.678125"), Fraction("0.68125"), Fraction("0.309375")]


def test_columns_and_shares(leaderboard: Leaderboard) -> None:
    assert [(column.id, column.group, column.kind) for column in leaderboard.columns] == [
        ("psnr", "objective", "metric"),
        ("lpips", "objective", "metric"),
        ("sync", "subjective", "dimension"),
    ]
    assert [column.share for column in leaderboard.columns] == pytest.approx(
        [float(share) for share in SHARES.values()]
    )
    assert [column.weight for column in leaderboard.columns] == [1, 3, 1]
    assert [column.range for column in leaderboard.columns] == [(20, 40), (0, 1), (1, 5)]
    assert [column.higher_is_better for column in leaderboard.columns] == [True, False, True]
    assert all(column.ranks and column.refused is None for column in leaderboard.columns)


def test_every_cell(leaderboard: Leaderboard) -> None:
    for row in leaderboard.rows:
        for column, cell in row.cells.items():
            assert cell.value is not None
            assert cell.value == pytest.approx(float(value(row.team, column)), abs=1e-12)
            assert cell.points == pytest.approx(float(points(row.team, column)), abs=1e-12)
            assert cell.n == (8 if column == "sync" else 2)
            assert cell.coverage == 1
            assert cell.reason is None
            if column == "sync" or row.team != "gamma":
                assert cell.ci is not None
                assert cell.ci[0] <= cell.value <= cell.ci[1]
    best = {(row.team, column) for row in leaderboard.rows for column, cell in row.cells.items() if cell.best}
    assert best == {("alpha", "psnr"), ("beta", "lpips"), ("alpha", "sync")}


def test_scores_and_ranks(leaderboard: Leaderboard) -> None:
    assert [(row.team, row.rank) for row in leaderboard.rows] == [("beta", 1), ("alpha", 2), ("gamma", 3)]
    assert [row.score for row in leaderboard.rows] == pytest.approx(
        [float(score(row.team)) for row in leaderboard.rows]
    )
    assert not leaderboard.lower_wins
    assert leaderboard.problem is None
    assert all(row.reasons == () and row.primary and row.finalist is None for row in leaderboard.rows)


def test_the_first_two_are_tied(leaderboard: Leaderboard) -> None:
    """They are 1/320 apart on two videos and four raters."""
    assert leaderboard.uncertainty is not None
    assert ("beta", "alpha") in [group[:2] for group in leaderboard.uncertainty.groups]
    assert leaderboard.uncertainty.held_fixed == {}
    assert (leaderboard.uncertainty.draws + leaderboard.uncertainty.lost, leaderboard.uncertainty.seed) == (2000, 0)
    for row in leaderboard.rows:
        assert row.interval is not None
        assert row.rank is not None
        assert row.interval[0] <= row.rank <= row.interval[1]
        assert sum(row.probability) == pytest.approx(1)
    assert leaderboard.rows[0].interval[1] >= 2  # type: ignore[index]


def test_how_far_each_weight_can_move(leaderboard: Leaderboard) -> None:
    """Beta stays before alpha, and alpha before gamma, which no weight changes: alpha is better in everything.

    Points of beta less alpha: psnr -1/5, lpips 1/10, sync -1/16. With the weight w of a column, g of a group:

        psnr        3 (-w/5 + 3/10) / (w + 3) - 1/16 >= 0   <=>  w <= (9/10 - 3/16) / (3/5 + 1/16) = 57/53
        lpips       3 (-1/5 + w/10) / (1 + w) - 1/16 >= 0   <=>  w >= (3/5 + 1/16) / (3/10 - 1/16) = 53/19
        sync        alone in its group: its weight changes nothing
        objective   g (1/4 * -1/5 + 3/4 * 1/10) - 1/16 >= 0 <=>  g >= 1/16 / (1/40) = 5/2
        subjective  3/40 - g/16 >= 0                        <=>  g <= 6/5
    """
    assert leaderboard.sensitivity is not None
    shown = {one.name: one for one in leaderboard.sensitivity.intervals}
    assert list(shown) == ["psnr", "lpips", "sync", "objective", "subjective"]
    swap = ("beta", "alpha")
    expected = {
        "psnr": (1, 0, Fraction(57, 53), None, swap),
        "lpips": (3, Fraction(53, 19), None, swap, None),
        "sync": (1, 0, None, None, None),
        "objective": (3, Fraction(5, 2), None, swap, None),
        "subjective": (1, 0, Fraction(6, 5), None, swap),
    }
    for name, (weight, low, high, below, above) in expected.items():
        found = shown[name]
        assert found.weight == weight
        assert found.low == pytest.approx(float(low))
        assert found.high == (None if high is None else pytest.approx(float(high)))
        assert (found.below, found.above) == (below, above)


def test_other_weights(leaderboard: Leaderboard) -> None:
    """Without psnr .75 lpips + .25 sync: beta .75625, alpha .696875; without lpips alpha .621875, beta .45625;

    without sync .25 psnr + .75 lpips: beta .7, alpha .675.
    """
    assert leaderboard.sensitivity is not None
    assert leaderboard.sensitivity.without == {
        "psnr": {"beta": 1, "alpha": 2, "gamma": 3},
        "lpips": {"beta": 2, "alpha": 1, "gamma": 3},
        "sync": {"beta": 1, "alpha": 2, "gamma": 3},
    }
    random = leaderboard.sensitivity.random
    assert random.teams == ("beta", "alpha", "gamma")
    assert random.wins.sum() == pytest.approx(1)
    assert random.wins[2] == 0


def test_people(leaderboard: Leaderboard) -> None:
    people = leaderboard.ratings
    assert people is not None
    assert (people.total, people.counted, people.items, dict(people.reasons)) == (24, 24, 6, {})
    assert [(one.rater, one.ratings, one.counted) for one in people.raters] == [(f"r{n}", 6, 6) for n in range(1, 5)]
    assert people.estimator == "mos.plain"
    assert people.notes == ()


def test_metrics_against_people(leaderboard: Leaderboard) -> None:
    """Six points each; sync of alpha s1 4, s2 3.5, beta 3, 4, gamma 1.5, 2.

    psnr 30 34 26 30 24 24 has ranks 4.5 6 3 4.5 1.5 1.5, sync has 5.5 4 3 5.5 1 2. Sums of squared deviations 16.5 and
    17, of products 1 * 2 + 2.5 * .5 + .5 * .5 + 1 * 2 + 2 * 2.5 + 2 * 1.5 = 13.5.
    """
    found = {one.metric: one for one in leaderboard.points}
    assert [(one.metric, one.dimension) for one in leaderboard.points] == [("psnr", "sync"), ("lpips", "sync")]
    psnr = found["psnr"]
    assert list(zip(psnr.teams, psnr.samples, psnr.x, psnr.y, strict=True)) == [
        ("alpha", "s1", 30, 4),
        ("alpha", "s2", 34, 3.5),
        ("beta", "s1", 26, 3),
        ("beta", "s2", 30, 4),
        ("gamma", "s1", 24, 1.5),
        ("gamma", "s2", 24, 2),
    ]
    assert psnr.agreement.srcc.value == pytest.approx(13.5 / (16.5 * 17) ** 0.5)
    assert (psnr.agreement.n, psnr.agreement.clusters) == (6, 2)
    # Turned so that 1 is agreement, although a low lpips is good.
    assert found["lpips"].agreement.srcc.value is not None
    assert found["lpips"].agreement.srcc.value > 0.5


def test_distributions(leaderboard: Leaderboard) -> None:
    shown = {(one.team, one.column): one.values for one in leaderboard.distributions}
    assert shown["alpha", "lpips"] == (0.2, 0.4)
    assert shown["beta", "sync"] == (3, 4)
    assert len(shown) == 9
    assert leaderboard.breakdowns == ()
