"""Resampling against a loop that does it one rating at a time, and against what statistics says it must give."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from evalkit.errors import InputError
from evalkit.leaderboard.bootstrap import (
    Evidence,
    Ratings,
    comparisons_as_ratings,
    difference_variance,
    draw_scores,
)
from evalkit.leaderboard.scoring_rules import ScoringPlan
from evalkit.leaderboard.table import Column
from evalkit.statistics import bootstrap as engine
from evalkit.statistics.pair_points import pair_points, win_matrix

WIDE = (-1000.0, 1000.0)
METRIC = Column("metric", True, range=WIDE)
PEOPLE = Column("people", True, "subjective", range=WIDE)
SET = Column("set", False, range=WIDE)


def long_table(random: np.random.Generator, teams: int, videos: int, raters: int, column: int, share=0.7) -> Ratings:
    there = random.random((teams, videos, raters)) < share
    there[:, 0, :] = True
    team, video, rater = np.nonzero(there)
    return Ratings(team, video, rater, np.full(len(team), column), random.integers(1, 6, len(team)).astype(float))


def plain_mean(ratings: Ratings, team: int) -> float:
    """Mean over items of the mean over raters, written out."""
    own = ratings.team == team
    return float(np.mean([ratings.value[own & (ratings.video == v)].mean() for v in np.unique(ratings.video[own])]))


def by_loop(evidence: Evidence, seen: np.ndarray, heard: np.ndarray) -> np.ndarray:
    """Values of one resampled challenge by repeating every video and every rating as often as it was drawn."""
    out = np.array(evidence.values)
    for name, array in evidence.videos.items():
        position = [c.id for c in evidence.columns].index(name)
        for team, row in enumerate(array):
            drawn = [x for x, times in zip(row, seen, strict=True) for _ in range(int(times)) if np.isfinite(x)]
            out[team, position] += np.mean(drawn) - np.nanmean(row)
    ratings = evidence.ratings
    if ratings is None:
        return out
    for column in np.unique(ratings.column):
        for team in range(len(evidence.teams)):
            means = []
            for video in range(len(seen)):
                rows = (ratings.team == team) & (ratings.video == video) & (ratings.column == column)
                pool = [
                    x
                    for x, r in zip(ratings.value[rows], ratings.rater[rows], strict=True)
                    for _ in range(int(heard[r]))
                ]
                means += [np.mean(pool)] * int(seen[video]) if pool else []
            out[team, column] += np.mean(means) - plain_mean(ratings, team)
    return out


def evidence_of_both(seed: int = 0) -> Evidence:
    random = np.random.default_rng(seed)
    array = random.normal(size=(3, 7))
    array[1, [2, 5]] = np.nan
    ratings = long_table(random, 3, 7, 5, column=1)
    means = [[np.nanmean(array[team]), plain_mean(ratings, team)] for team in range(3)]
    return Evidence(("a", "b", "c"), (METRIC, PEOPLE), np.array(means), {"metric": array}, ratings)


def test_every_draw_against_a_loop():
    evidence = evidence_of_both()
    plan = ScoringPlan("weighted-sum", evidence.columns)
    made = draw_scores(evidence, plan, draws=100, seed=4)
    videos, raters, _ = (np.random.default_rng(s) for s in np.random.SeedSequence(4).spawn(3))
    seen = videos.multinomial(7, np.full(7, 1 / 7), size=100)
    heard = raters.multinomial(5, np.full(5, 1 / 5), size=100)
    wanted = [plan.scores(by_loop(evidence, s, h)) for s, h in zip(seen, heard, strict=True)]
    assert made.lost == 0
    assert np.allclose(made.scores, wanted, rtol=0, atol=1e-11)
    assert np.allclose(made.point, plan.scores(evidence.values), rtol=0, atol=1e-12)


def test_draws_spread_around_the_values_that_were_ranked():
    """Another estimator's values move the draws, not their spread."""
    evidence = evidence_of_both()
    plan = ScoringPlan("weighted-sum", evidence.columns)
    moved = Evidence(
        evidence.teams, evidence.columns, evidence.values + [[200.0, 0.0]] * 3, evidence.videos, evidence.ratings
    )
    one, other = draw_scores(evidence, plan, draws=150), draw_scores(moved, plan, draws=150)
    assert np.allclose(other.scores - one.scores, 200 / 2000 / 2, rtol=0, atol=1e-11)


@pytest.mark.parametrize("block", [1, 35, 10_000])
def test_blocks_do_not_matter(monkeypatch, block):
    evidence = evidence_of_both()
    evidence = Evidence(
        evidence.teams,
        (*evidence.columns, SET),
        np.column_stack([evidence.values, [5.0, 6.0, 7.0]]),
        evidence.videos,
        evidence.ratings,
        {"set": np.array([0.5, 0.5, 1.0])},
    )
    plan = ScoringPlan("weighted-sum", evidence.columns)
    whole = draw_scores(evidence, plan, draws=120, seed=2)
    monkeypatch.setattr(engine, "BLOCK", block)
    parts = draw_scores(evidence, plan, draws=120, seed=2)
    assert np.allclose(whole.scores, parts.scores, rtol=0, atol=1e-11)
    assert np.allclose(whole.freedom, parts.freedom, rtol=1e-6)
    assert not np.allclose(whole.scores, draw_scores(evidence, plan, draws=120, seed=3).scores)


def test_the_spread_is_the_standard_error_and_differences_are_paired():
    """Two teams share a strong effect of the video: each is uncertain, their difference is not."""
    random = np.random.default_rng(1)
    effect = random.normal(scale=10, size=400)
    array = effect + random.normal(size=(2, 400))
    evidence = Evidence(("a", "b"), (METRIC,), array.mean(axis=1, keepdims=True), {"metric": array})
    made = draw_scores(evidence, ScoringPlan("weighted-sum", (METRIC,)), draws=3000)
    scale = WIDE[1] - WIDE[0]
    alone = array.std(axis=1) / 20
    assert np.allclose(made.scores.std(axis=0) * scale, alone, rtol=0.05)
    paired = (array[0] - array[1]).std() / 20
    assert np.sqrt(difference_variance(made.scores)[0, 1]) * scale == pytest.approx(paired, rel=0.05)
    assert paired < 0.2 * alone.min()
    assert made.freedom[0, 1] == 399


def test_raters_share_their_draw_too():
    """Raters who are generous to everyone make scores uncertain, not the order."""
    random = np.random.default_rng(1)
    bias = random.normal(scale=2, size=9)
    team, video, rater = (part.ravel() for part in np.indices((2, 40, 9)))
    value = 3 + 0.5 * (team == 0) + bias[rater] + random.normal(scale=0.1, size=len(team))
    ratings = Ratings(team, video, rater, np.zeros(len(team), dtype=int), value)
    values = np.array([[plain_mean(ratings, 0)], [plain_mean(ratings, 1)]])
    made = draw_scores(Evidence(("a", "b"), (PEOPLE,), values, ratings=ratings), ScoringPlan("weighted-sum", (PEOPLE,)))
    assert np.allclose(made.scores.std(axis=0) * 2000, bias.std() / 3, rtol=0.1)
    assert np.sqrt(difference_variance(made.scores)[0, 1]) * 2000 < 0.03


def test_degrees_of_freedom_follow_what_is_uncertain():
    """Where four raters disagree about the teams, a hundred videos don't help; where they agree, videos decide."""
    random = np.random.default_rng(3)
    team, video, rater = (part.ravel() for part in np.indices((2, 100, 4)))
    taste = random.normal(scale=2, size=(2, 4))[team, rater]
    quality = random.normal(scale=2, size=(2, 100))[team, video]
    noise = random.normal(scale=0.01, size=len(team))
    plan = ScoringPlan("weighted-sum", (PEOPLE,))
    found = []
    for effect in (taste, quality):
        ratings = Ratings(team, video, rater, np.zeros(len(team), dtype=int), 3 + effect + noise)
        values = np.array([[plain_mean(ratings, t)] for t in (0, 1)])
        evidence = Evidence(("a", "b"), (PEOPLE,), values, ratings=ratings)
        found.append(draw_scores(evidence, plan, draws=400).freedom[0, 1])
    assert found[0] == pytest.approx(3, abs=0.2)
    assert found[1] == pytest.approx(99, abs=3)


def test_errors_of_distances_are_drawn():
    evidence = Evidence(("a", "b"), (SET,), np.array([[10.0], [20.0]]), errors={"set": np.array([3.0, 0.0])})
    made = draw_scores(evidence, ScoringPlan("value", (SET,)), draws=4000)
    assert made.lower_wins
    assert made.scores[:, 0].std() == pytest.approx(3, rel=0.05)
    assert (made.scores[:, 1] == 20).all()
    assert np.isinf(made.freedom).all()


def test_comparisons_give_shares_of_points():
    random = np.random.default_rng(0)
    first, second = (part.ravel() for part in np.array([(0, 1), (0, 2), (1, 2)] * 50).T)
    video, outcome = np.repeat(np.arange(50), 3), random.choice([0.0, 0.5, 1.0], 150)
    ratings = comparisons_as_ratings(first, second, outcome, video=video, rater=video % 7, column=0)
    share = pair_points(win_matrix(first, second, outcome, 3)).share
    assert [plain_mean(ratings, team) for team in range(3)] == pytest.approx(list(share))
    column = Column("pairs", True, "subjective")
    made = draw_scores(
        Evidence(tuple("abc"), (column,), share[:, None], ratings=ratings), ScoringPlan("value", (column,))
    )
    assert np.allclose(made.scores.sum(axis=1), 1.5, rtol=0, atol=0.05), "points are shared out whatever is drawn"
    assert np.allclose(made.scores.mean(axis=0), share, rtol=0, atol=0.01)


def test_draws_that_lose_a_team_are_left_out_and_counted():
    """Team b was rated by two of four raters: (2/4)^4 = 1/16 of the draws lose it."""
    team, rater = np.array([0, 0, 0, 0, 1, 1] * 2), np.array([0, 1, 2, 3, 0, 1] * 2)
    ratings = Ratings(team, np.repeat([0, 1], 6), rater, np.zeros(12, dtype=int), np.array([3.0, 4, 5, 4, 2, 2] * 2))
    evidence = Evidence(("a", "b"), (PEOPLE,), np.array([[4.0], [2.0]]), ratings=ratings)
    made = draw_scores(evidence, ScoringPlan("value", (PEOPLE,)), draws=3000)
    assert made.lost / 3000 == pytest.approx(1 / 16, abs=0.02)
    assert len(made.scores) == 3000 - made.lost
    assert np.isfinite(made.scores).all()


def test_too_few_raters_are_an_error():
    team, video, rater = (part.ravel() for part in np.indices((8, 2, 2)))
    rater = rater + 2 * team  # every team has two raters of its own: most draws lose one
    ratings = Ratings(team, video, rater, 0 * team, team.astype(float))
    evidence = Evidence(tuple("abcdefgh"), (PEOPLE,), np.arange(8.0)[:, None], ratings=ratings)
    with pytest.raises(InputError, match="leave a team without ratings"):
        draw_scores(evidence, ScoringPlan("value", (PEOPLE,)))


@pytest.mark.parametrize(("videos", "raters", "why"), [(1, 5, "one video"), (5, 1, "one rater"), (2, 2, None)])
def test_one_video_or_one_rater_shows_nothing(videos, raters, why):
    """A draw from one unit is always that one: it would seem that the value can't move at all."""
    team, video, rater = (part.ravel() for part in np.indices((2, videos, raters)))
    ratings = Ratings(team, video, rater, np.ones(len(team), dtype=int), np.sin(np.arange(len(team))))
    values = np.column_stack([[1.0, 2.0], [plain_mean(ratings, 0), plain_mean(ratings, 1)]])
    array = np.array([[0.0, 1.0, 2.0], [1.0, 2.0, 3.5]])
    evidence = Evidence(("a", "b"), (METRIC, PEOPLE), values, {"metric": np.pad(array, ((0, 0), (0, 4)))}, ratings)
    assert evidence.held_fixed == ({"people": why} if why else {})
    made = draw_scores(evidence, ScoringPlan("weighted-sum", (METRIC, PEOPLE)), draws=100)
    assert np.isfinite(made.freedom).all()
    alone = Evidence(("a", "b"), (METRIC, PEOPLE), values, {"metric": np.pad(array, ((0, 0), (0, 4)))})
    same = draw_scores(alone, ScoringPlan("weighted-sum", (METRIC, PEOPLE)), draws=100)
    assert np.array_equal(made.scores, same.scores) == (why is not None)


def test_a_team_with_one_scored_video_fixes_the_column():
    array = np.array([[0.0, 1.0, 2.0], [1.0, np.nan, np.nan]])
    evidence = Evidence(("a", "b"), (METRIC,), np.ones((2, 1)), {"metric": array})
    assert evidence.held_fixed == {"metric": "one video"}
    assert tuple(evidence.held_fixed) == ("metric",)


def test_what_has_no_evidence_is_named():
    evidence = evidence_of_both()
    more = Evidence(evidence.teams, (*evidence.columns, SET), np.ones((3, 3)), evidence.videos, evidence.ratings)
    assert tuple(more.held_fixed) == ("set",)
    assert (more.video_count, more.rater_count) == (7, 5)


def test_memory_does_not_grow_with_draws():
    """40 teams x 1000 videos, rated by 5 of 50 people each; only the scores themselves may grow."""
    random = np.random.default_rng(0)
    team, video, turn = (part.ravel() for part in np.indices((40, 1000, 5)))
    rater = (7 * video + 13 * turn) % 50
    ratings = Ratings(team, video, rater, np.ones(len(team), dtype=int), random.integers(1, 6, len(team)).astype(float))
    array = random.normal(size=(40, 1000))
    evidence = Evidence(tuple(map(str, range(40))), (METRIC, PEOPLE), np.zeros((40, 2)), {"metric": array}, ratings)
    plan = ScoringPlan("weighted-sum", evidence.columns)
    peaks = []
    for draws in (100, 300):
        tracemalloc.start()
        made = draw_scores(evidence, plan, draws=draws)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert made.scores.shape == (draws, 40)
    assert peaks[1] - peaks[0] < 4_000_000
    assert peaks[1] < 200_000_000


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"values": np.zeros((2, 1))}, "value per team and column"),
        ({"values": np.array([[np.nan], [1.0]])}, "value per team and column"),
        ({"videos": {"other": np.zeros((2, 3))}}, "must be known, and appear once"),
        ({"errors": {"metric": np.zeros(2)}}, "must be known, and appear once"),
        ({"videos": {"metric": np.zeros((3, 3))}}, "teams, videos"),
        ({"videos": {"metric": np.array([[np.inf], [0.0]])}}, "finite or missing"),
        ({"videos": {"metric": np.array([[np.nan], [0.0]])}}, "no scored video"),
        ({"videos": {}, "errors": {"metric": np.array([-1.0, 0.0])}}, "at least 0 per team"),
        ({"videos": {"metric": np.zeros((2, 3)), "people": np.zeros((2, 4))}}, "same shape"),
    ],
)
def test_faulty_evidence(changes, words):
    parts = {
        "teams": ("a", "b"),
        "columns": (METRIC, PEOPLE),
        "values": np.zeros((2, 2)),
        "videos": {"metric": np.zeros((2, 3))},
    }
    with pytest.raises(InputError, match=words):
        Evidence(**(parts | changes))


@pytest.mark.parametrize(
    ("part", "value", "words"),
    [
        ("team", [0, 2], "unknown team"),
        ("column", [2, 2], "unknown team or column"),
        ("video", [0, 3], "unknown video"),
        ("rater", [0, -1], "negative"),
        ("value", [1.0, np.nan], "finite"),
        ("value", [1.0], "one length"),
        ("team", [0, 0], "no ratings in a dimension"),
    ],
)
def test_faulty_ratings(part, value, words):
    parts = {"team": [0, 1], "video": [0, 1], "rater": [0, 0], "column": [1, 1], "value": [1.0, 2.0]}
    parts[part] = value
    with pytest.raises(InputError, match=words):
        Evidence(
            ("a", "b"),
            (METRIC, PEOPLE),
            np.zeros((2, 2)),
            {"metric": np.zeros((2, 3))},
            Ratings(**{name: np.array(array) for name, array in parts.items()}),
        )


def test_the_rule_and_the_evidence_name_the_same_columns():
    evidence = evidence_of_both()
    with pytest.raises(InputError, match="different columns"):
        draw_scores(evidence, ScoringPlan("weighted-sum", evidence.columns[::-1]))
    with pytest.raises(InputError, match="more draws"):
        draw_scores(evidence, ScoringPlan("weighted-sum", evidence.columns), draws=99)
