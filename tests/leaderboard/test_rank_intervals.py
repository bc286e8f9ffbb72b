"""Rank intervals and tie groups: hand examples, an exhaustive search, and simulated challenges with known truth."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import norm, rankdata

from evalkit.errors import InputError
from evalkit.leaderboard import rank_intervals
from evalkit.leaderboard.bootstrap import Draws, Evidence, Ratings
from evalkit.leaderboard.rank_intervals import rank_probability, rank_uncertainty, share_above
from evalkit.leaderboard.scoring_rules import ScoringPlan
from evalkit.leaderboard.table import Column

WIDE = (-50.0, 50.0)


def columns(count: int) -> tuple[Column, ...]:
    return tuple(Column(f"m{i}", True, range=WIDE) for i in range(count))


def from_videos(arrays: np.ndarray) -> Evidence:
    """Evidence of arrays (metrics, teams, videos)."""
    kept = columns(len(arrays))
    videos = {column.id: array for column, array in zip(kept, arrays, strict=True)}
    return Evidence(tuple(f"t{i}" for i in range(arrays.shape[1])), kept, arrays.mean(axis=2).T, videos)


def draws_of(scores: list[list[float]], *, lower_wins: bool = False) -> Draws:
    array = np.array(scores, dtype=float)
    teams = array.shape[1]
    return Draws(array, array.mean(axis=0), lower_wins, np.full((teams, teams), np.inf))


def test_probabilities_by_hand():
    """Four draws of three teams: (3 2 1), (2 3 1), (2 2 1), (1 1 1).

    Team 0 is first, second, equal first (half each), equal of three (a third each).
    """
    made = draws_of([[3, 2, 1], [2, 3, 1], [2, 2, 1], [1, 1, 1]])
    half, third = 1 / 2, 1 / 3
    assert rank_probability(made)[0] == pytest.approx([(1 + half + third) / 4, (1 + half + third) / 4, third / 4])
    assert rank_probability(made)[2] == pytest.approx([third / 4, third / 4, (3 + third) / 4])
    assert rank_probability(made).sum(axis=0) == pytest.approx([1, 1, 1])
    assert share_above(made).tolist() == [[0.5, 0.5, 0.875], [0.5, 0.5, 0.875], [0.125, 0.125, 0.5]]
    turned = draws_of([[-x for x in row] for row in made.scores.tolist()], lower_wins=True)
    assert np.array_equal(rank_probability(turned), rank_probability(made))
    assert np.array_equal(share_above(turned), share_above(made))


def test_probability_of_a_swap_is_the_normal_one():
    """A difference of one standard error is overturned in Phi(-1) of the draws."""
    random = np.random.default_rng(0)
    array = random.normal(size=(1, 2, 500))
    array -= array.mean(axis=2, keepdims=True)
    gap = (array[0, 0] - array[0, 1]).std() / np.sqrt(500)
    array[0, 0] += gap
    made = rank_uncertainty(from_videos(array), ScoringPlan("weighted-sum", columns(1)), draws=5000)
    assert made.above[0, 1] == pytest.approx(norm.cdf(1), abs=0.02)
    assert made.rank_probability[0] == pytest.approx([norm.cdf(1), norm.cdf(-1)], abs=0.02)
    assert (made.low.tolist(), made.high.tolist()) == ([1, 1], [2, 2])
    assert made.groups == ((1, 2),)


def groups_by_search(better: np.ndarray) -> list[tuple[int, int]]:
    """All longest runs without a pair that is significant together with every wider pair."""
    count = len(better)
    wide = {
        (i, j): all(better[a, b] for a in range(i + 1) for b in range(j, count))
        for i, j in itertools.combinations(range(count), 2)
    }
    runs = [
        (i, j)
        for i in range(count)
        for j in range(i, count)
        if not any(wide[pair] for pair in itertools.combinations(range(i, j + 1), 2))
    ]
    return [(i + 1, j + 1) for i, j in runs if not any((a <= i and j < b) or (a < i and j <= b) for a, b in runs)]


def test_groups_and_tiers_against_a_search():
    random = np.random.default_rng(5)
    seen = set()
    for _ in range(400):
        count = int(random.integers(1, 7))
        better = np.triu(random.random((count, count)) < random.choice([0.3, 0.7, 0.95]), 1)
        told = rank_intervals._monotone(better)
        groups = rank_intervals._runs(told)
        assert list(groups) == groups_by_search(better)
        for i, j in itertools.combinations(range(count), 2):
            shared = any(first <= i + 1 and j + 1 <= last for first, last in groups)
            assert shared or better[i, j], "only a significant pair may be split"
        tiers = rank_intervals._levels(told)
        assert [p for first, last in tiers for p in range(first, last + 1)] == list(range(1, count + 1))
        for above, below in itertools.pairwise(tiers):
            assert better[: above[1], below[0] - 1 :].all()
        seen.add((len(groups), len(tiers)))
    assert len(seen) >= 10


def test_the_middle_one_of_three_can_be_like_both():
    """Means 1, 0, -1 with a standard error of 0.55 for a difference: neighbours are 1.8 apart, the ends 3.6."""
    random = np.random.default_rng(2)
    array = random.normal(size=(1, 3, 300))
    array -= array.mean(axis=2, keepdims=True)
    array /= np.sqrt((array**2).mean(axis=2, keepdims=True))
    array *= 0.55 * np.sqrt(300 / 2)
    array += np.array([1.0, 0.0, -1.0])[None, :, None]
    made = rank_uncertainty(from_videos(array), ScoringPlan("weighted-sum", columns(1)))
    assert made.groups == ((1, 2), (2, 3))
    assert made.tiers == ((1, 3),)
    assert (made.low.tolist(), made.high.tolist()) == ([1, 1, 2], [2, 3, 3])


def test_a_noisy_team_below_holds_a_group_together():
    """b is surely worse than a, the erratic c is like both: were a and b in two groups, a and c would be split."""
    random = np.random.default_rng(3)
    calm, wild = random.normal(size=100), random.normal(scale=30, size=100)
    array = np.stack([calm + 1, calm + 0.5 + 0.01 * wild, wild - wild.mean()])[None]
    made = rank_uncertainty(from_videos(array), ScoringPlan("weighted-sum", columns(1)))
    assert made.better.tolist() == [[False, True, False], [False, False, False], [False, False, False]]
    assert made.groups == ((1, 3),)
    assert (made.low.tolist(), made.high.tolist()) == ([1, 2, 1], [2, 3, 3])


@pytest.mark.parametrize("rule", ["weighted-sum", "rank-sum", "mean-rank", "borda"])
def test_clear_differences_are_significant(rule):
    """Intervals must not be right by being wide: six teams, ten standard errors apart."""
    random = np.random.default_rng(7)
    array = random.normal(size=(2, 6, 100)) + 10 * np.sqrt(2 / 100) * np.array([3, 5, 1, 0, 4, 2])[None, :, None]
    made = rank_uncertainty(from_videos(array), ScoringPlan(rule, columns(2)), draws=400)
    assert made.order.tolist() == [1, 4, 0, 5, 2, 3]
    assert made.low.tolist() == made.high.tolist() == [3, 1, 5, 6, 2, 4]
    assert made.groups == made.tiers == tuple((i, i) for i in range(1, 7))
    assert made.rank_probability[1, 0] == 1


@pytest.mark.parametrize(("gap", "told"), [(1.6, False), (2.3, True)])
@pytest.mark.parametrize("rule", ["weighted-sum", "rank-sum"])
def test_ranks_of_one_number_are_as_certain_as_the_number(rule, gap, told):
    """Two teams, so many standard errors apart: the limit is 1.96 whether values or their ranks are compared."""
    array = np.random.default_rng(9).normal(size=(1, 2, 400))
    array -= array.mean(axis=2, keepdims=True)
    array[0, 0] += gap * (array[0, 0] - array[0, 1]).std() / np.sqrt(400)
    made = rank_uncertainty(from_videos(array), ScoringPlan(rule, columns(1)), draws=4000)
    assert made.better[0, 1] == told


def test_forty_teams_are_not_all_alike():
    """With 780 pairs the limit is about four standard errors; teams twenty places apart differ by any rule."""
    random = np.random.default_rng(8)
    array = random.normal(size=(2, 40, 100)) + 0.4 * np.arange(40)[None, ::-1, None]
    for rule in ("weighted-sum", "rank-sum"):
        made = rank_uncertainty(from_videos(array), ScoringPlan(rule, columns(2)), draws=300)
        assert made.better[0, 20]
        assert (made.high - made.low).max() < 20
        assert len(made.groups) > 5


def test_lower_scores_win_where_the_rule_says_so():
    array = np.array([1.0, 3.0, 2.0])[None, :, None] + np.random.default_rng(0).normal(size=(1, 3, 50)) * 0.01
    made = rank_uncertainty(from_videos(array), ScoringPlan("mean-rank", columns(1)), draws=200)
    assert made.order.tolist() == [1, 2, 0]
    assert made.low.tolist() == made.high.tolist() == [3, 1, 2]
    down = Column("m0", False)
    evidence = Evidence(("a", "b", "c"), (down,), array.mean(axis=2).T, {"m0": array[0]})
    turned = rank_uncertainty(evidence, ScoringPlan("value", (down,)), draws=200)
    assert turned.low.tolist() == turned.high.tolist() == [1, 3, 2]


def test_few_raters_make_a_ranking_uncertain_that_many_would_not():
    """Three people prefer a by 0.2, 1.0 and 1.8 points: 2.2 standard errors, of Student's with two degrees of freedom.

    Sixty people of the same three opinions leave no doubt.
    """
    taste = np.array([[0.1, 0.5, 0.9], [-0.1, -0.5, -0.9]])
    found = []
    for copies in (1, 20):
        team, video, rater = (part.ravel() for part in np.indices((2, 30, 3 * copies)))
        value = 3 + taste[team, rater % 3]
        ratings = Ratings(team, video, rater, np.zeros(len(team), dtype=int), value)
        column = Column("people", True, "subjective", range=(1, 5))
        evidence = Evidence(("a", "b"), (column,), np.array([[3.5], [2.5]]), ratings=ratings)
        found.append(rank_uncertainty(evidence, ScoringPlan("weighted-sum", (column,)), draws=400).better[0, 1])
    assert found == [False, True]


def test_equal_teams_stay_together_and_one_team_is_certain():
    array = np.ones((1, 3, 20))
    made = rank_uncertainty(from_videos(array), ScoringPlan("weighted-sum", columns(1)), draws=100)
    assert made.groups == made.tiers == ((1, 3),)
    assert made.rank_probability == pytest.approx(np.full((3, 3), 1 / 3))
    alone = rank_uncertainty(from_videos(array[:, :1]), ScoringPlan("rank-sum", columns(1)), draws=100)
    assert (alone.low.tolist(), alone.high.tolist(), alone.groups) == ([1], [1], ((1, 1),))


def test_what_has_no_evidence_counts_as_certain_and_is_named():
    evidence = Evidence(("a", "b"), columns(1), np.array([[1.0], [1.1]]))
    made = rank_uncertainty(evidence, ScoringPlan("weighted-sum", columns(1)), draws=100)
    assert made.better.tolist() == [[False, False], [True, False]]
    assert tuple(made.held_fixed) == ("m0",)


def test_a_seed_decides_and_bad_requests_are_refused():
    evidence = from_videos(np.random.default_rng(1).normal(size=(2, 5, 30)))
    plan = ScoringPlan("rank-sum", columns(2))
    one, two = (rank_uncertainty(evidence, plan, draws=300, seed=5) for _ in range(2))
    assert np.array_equal(one.rank_probability, two.rank_probability)
    assert np.array_equal(one.better, two.better)
    other = rank_uncertainty(evidence, plan, draws=300, seed=6)
    assert not np.array_equal(one.rank_probability, other.rank_probability)
    assert other.rank_probability == pytest.approx(one.rank_probability, abs=0.15)
    for confidence in (0.5, 1.0):
        with pytest.raises(InputError, match="confidence"):
            rank_uncertainty(evidence, plan, confidence=confidence)
    with pytest.raises(InputError, match="at least one team"):
        rank_uncertainty(Evidence((), columns(1), np.zeros((0, 1))), ScoringPlan("value", columns(1)))


# ---- simulated challenges --------------------------------------------------------------------------------------------

CHALLENGES = 500


def simulated(random: np.random.Generator, truth: np.ndarray, videos: int, raters: int) -> Evidence:
    """A metric and a dimension of people; videos differ in difficulty, raters in bias, taste and carelessness."""
    teams = len(truth)
    hard = random.normal(size=videos)
    metric = truth[:, None] + hard + random.normal(size=(teams, videos))
    team, video, rater = (part.ravel() for part in np.indices((teams, videos, raters)))
    value = (
        (truth[:, None] + random.normal(scale=0.3, size=(teams, raters)))[team, rater]
        + hard[video]
        + random.normal(size=raters)[rater]
        + (random.uniform(0.3, 1.5, raters)[rater] * random.normal(size=len(team)))
    )
    kept = (Column("metric", True, range=WIDE), Column("people", True, "subjective", range=WIDE))
    people = value.reshape(teams, videos, raters).mean(axis=(1, 2))
    ratings = Ratings(team, video, rater, np.ones(len(team), dtype=int), value)
    return Evidence(
        tuple(map(str, range(teams))), kept, np.column_stack([metric.mean(axis=1), people]), {"metric": metric}, ratings
    )


def test_rank_intervals_hold_the_true_ranks():
    """In at least 93 % of 500 challenges, for all teams of a challenge at once."""
    random = np.random.default_rng(20)
    held, width = 0, 0.0
    for seed in range(CHALLENGES):
        truth = random.normal(scale=0.4, size=5)
        evidence = simulated(random, truth, videos=25, raters=8)
        made = rank_uncertainty(evidence, ScoringPlan("weighted-sum", evidence.columns), draws=120, seed=seed)
        true = rankdata(-truth)
        held += bool(((made.low <= true) & (true <= made.high)).all())
        width += float((made.high - made.low + 1).mean()) / CHALLENGES
    assert held >= 0.93 * CHALLENGES
    assert width < 3.5, "five places would always hold the true rank"


@pytest.mark.parametrize(("rule", "metrics", "teams"), [("weighted-sum", 2, 6), ("rank-sum", 1, 4), ("borda", 3, 6)])
def test_tie_groups_do_not_split_equals(rule, metrics, teams):
    """Teams of one distribution are split in at most 7 % of 500 challenges, whichever two of them."""
    random = np.random.default_rng(21)
    plan, split = ScoringPlan(rule, columns(metrics)), 0
    for seed in range(CHALLENGES):
        array = random.normal(size=(metrics, 1, 40)) + random.normal(size=(metrics, teams, 40))
        made = rank_uncertainty(from_videos(array), plan, draws=160, seed=seed)
        split += made.groups != ((1, teams),)
    assert split <= 0.07 * CHALLENGES


def test_tie_groups_of_people_do_not_split_equals_among_better_and_worse():
    """Two equal teams in the middle, rated by eight people, one better and one worse team around them."""
    random = np.random.default_rng(22)
    split = parted = 0
    for seed in range(CHALLENGES):
        evidence = simulated(random, np.array([1.5, 0.0, 0.0, -1.5]), videos=25, raters=8)
        made = rank_uncertainty(evidence, ScoringPlan("weighted-sum", evidence.columns), draws=120, seed=seed)
        where = [int(np.flatnonzero(made.order == team)[0]) + 1 for team in range(4)]
        together = [first <= min(where[1:3]) and max(where[1:3]) <= last for first, last in made.groups]
        split += not any(together)
        parted += bool(made.better[0, 1] and made.better[2, 3])
    assert split <= 0.07 * CHALLENGES
    assert parted >= 0.8 * CHALLENGES, "what differs clearly must be significant"
