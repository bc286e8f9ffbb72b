"""Comparisons with known answers, with real videos, and made twice: what a report and the screening make of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from builders.boards import WHEN, make_snapshot

from evalkit.board.filtering import filter_answers
from evalkit.board.model import GoldPair, Snapshot
from evalkit.leaderboard.compute import compute_leaderboard
from evalkit.rating_report.compute import compute_rating_report
from evalkit.rating_report.screening import RULES, propose_exclusions, screen
from evalkit.ratings import Answer
from evalkit.ratings.sides import REFERENCE, control_side

SAMPLES = [f"s{at}" for at in range(12)]
TEAMS = {"alpha": {"psnr": [30.0] * 12}, "beta": {"psnr": [20.0] * 12}}
FROZEN = control_side("controls/frozen.mp4")


def given(rater: str, sample: str, left: str, right: str, points: float, second: float = 0.0) -> Answer:
    at = WHEN + timedelta(seconds=second)
    return Answer(rater, sample, "", points, at, 5.0, row=2, teams=(left, right))


def board(answers: list[Answer], gold: tuple[GoldPair, ...] = (), **more: object) -> Snapshot:
    rules = "schema: 1\nid: c\ntitle: The challenge\nratings: {method: pairs}\n"
    made = make_snapshot(rules, TEAMS, samples=SAMPLES, pairs=answers, **more)  # type: ignore[arg-type]
    return replace(made, gold_pairs=gold)


GOLD = (
    GoldPair("s0", "", (REFERENCE, FROZEN), 1, 1),
    GoldPair("s1", "", ("beta", "alpha"), 0, 0),
    GoldPair("s2", "", (FROZEN, "alpha"), 0, 1, draw=False),
    GoldPair("s3", "", ("alpha", "beta"), 0.5, 0.5),
)
RIGHT = [("s0", FROZEN, REFERENCE, 0.0), ("s1", "alpha", "beta", 1.0), ("s2", "alpha", FROZEN, 1.0)]
RIGHT += [("s3", "beta", "alpha", 0.5)]


@pytest.mark.parametrize(
    ("changed", "wrong", "rejected"),
    [
        ({}, 0, False),
        ({0: 1.0}, 1, False),  # a quarter: the threshold itself is kept
        ({0: 0.5, 2: 0.5}, 2, True),  # a draw where the frozen one is worse, and where they differ
        ({2: 0.0}, 0, False),  # which of the two is better is not asked, only that they differ
        ({1: 0.0, 3: 1.0}, 2, True),
    ],
)
def test_the_share_of_wrong_answers_by_hand(changed: dict[int, float], wrong: int, rejected: bool) -> None:
    answers = [
        given("r1", sample, left, right, changed.get(at, points))
        for at, (sample, left, right, points) in enumerate(RIGHT)
    ]
    # Sides exchanged, and the points with them: the same answers.
    answers += [given("r2", one.item, one.teams[1], one.teams[0], 1 - one.value) for one in answers]
    snapshot = board(answers, GOLD)
    for rater, results in screen(snapshot, filter_answers(snapshot), ["gold"]).items():
        (result,) = results
        assert (result.rejected, result.by_dimension[""].statistic) == (rejected, wrong / 4), rater
        assert f"{rater} is wrong on {wrong} of 4 gold items ({wrong / 4:.0%})" in result.sentence
    proposed = [(rater, code) for rater, code, _ in propose_exclusions(snapshot, ["gold"])]
    assert proposed == ([("r1", "gold"), ("r2", "gold")] if rejected else [])
    report = compute_rating_report(snapshot)
    assert sum(one.wrong for one in report.gold) == 2 * wrong and [one.answers for one in report.gold] == [2] * 4


def test_who_answers_at_random_is_flagged_and_who_looks_is_not() -> None:
    gold = tuple(GoldPair(sample, "", (REFERENCE, FROZEN), 1, 1, draw=False) for sample in SAMPLES)
    rng = np.random.default_rng(1)
    answers = []
    for at, sample in enumerate(SAMPLES):
        sides = (REFERENCE, FROZEN) if rng.random() < 0.5 else (FROZEN, REFERENCE)
        right = float(sides[0] == REFERENCE)
        answers += [
            given("careful", sample, *sides, 0.5 if at == 3 else right),  # one slip
            given("chance", sample, *sides, float(rng.choice([0.0, 0.5, 1.0]))),
            given("always left", sample, *sides, 1.0),
        ]
    proposed = propose_exclusions(board(answers, gold), ["gold"])
    assert [rater for rater, _, _ in proposed] == ["always left", "chance"]


def test_what_ranks_nobody_changes_no_team() -> None:
    plain = [given(f"r{at % 3}", SAMPLES[at], "alpha", "beta", float(at % 3 != 0)) for at in range(9)]
    more = [given("r2", sample, left, right, points, 60) for sample, left, right, points in RIGHT if sample != "s3"]
    more += [given("r0", sample, "beta", REFERENCE, 0.0, 90) for sample in SAMPLES]
    before, after = board(plain), board([*plain, *more])
    verdicts = filter_answers(after).of("comparison")
    codes = {tuple(one.answer.teams): one.codes for one in verdicts if one.codes}
    assert codes[FROZEN, REFERENCE] == codes["beta", REFERENCE] == ("not-ranked",)
    one, other = (compute_rating_report(snapshot).comparisons[0] for snapshot in (before, after))
    assert other.teams[0].points == one.teams[0].points + 1  # the comparison of s1, of the two teams, counts
    assert {row.team for row in other.teams} == {"alpha", "beta"}
    ranked = [compute_leaderboard(snapshot) for snapshot in (before, board([*plain, more[0], *more[2:]]))]
    assert [row.score for row in ranked[0].rows] == [row.score for row in ranked[1].rows]


def test_the_distance_to_the_truth_by_hand() -> None:
    answers = [
        given("r1", "s0", "alpha", "beta", 1.0),
        given("r1", "s0", "alpha", REFERENCE, 0.0),
        given("r2", "s0", REFERENCE, "alpha", 0.0),
        given("r1", "s1", "alpha", REFERENCE, 1.0),
        given("r1", "s1", REFERENCE, "alpha", 1.0, 60),  # again: the first counts
        given("a", "s1", "alpha", REFERENCE, 1.0),  # of the team itself
        given("out", "s1", "alpha", REFERENCE, 0.0),
        given("r1", "s2", FROZEN, REFERENCE, 0.0),
        given("r2", "s2", "beta", REFERENCE, 0.0),
        given("r2", "s3", "nobody knows", REFERENCE, 0.0),
    ]
    decisions = [("rater", "out", "manual", "asleep")]
    (found,) = compute_rating_report(board(answers, raters={"a": "alpha"}, decisions=decisions)).comparisons
    alpha, beta = found.references
    # s0: (0 + 1) / 2, s1: 1; the mean of both samples.
    assert (alpha.team, alpha.comparisons, alpha.points.value) == ("alpha", 3, pytest.approx(0.75))
    assert alpha.points.low is not None and alpha.points.high is not None
    assert alpha.points.low <= 0.75 <= alpha.points.high
    assert (beta.team, beta.comparisons, beta.points.value, beta.points.low) == ("beta", 1, 0.0, None)


@pytest.mark.parametrize(
    ("points", "low", "high"),
    [
        # Two raters, three samples: n = 2, the square root of 0.025.
        (1.0, 0.1581139, 1.0),
        (0.0, 0.0, 0.8418861),
        (0.5, None, None),
    ],
)
def test_equal_answers_have_an_interval_all_the_same(points: float, low: float | None, high: float | None) -> None:
    answers = [given("r1", "s0", "alpha", "beta", 1.0)]
    answers += [given(rater, f"s{at}", "alpha", REFERENCE, points) for rater in ("r1", "r2") for at in range(3)]
    (found,) = compute_rating_report(board(answers)).comparisons
    (alpha,) = found.references
    assert (alpha.comparisons, alpha.points.value) == (6, points)
    assert (alpha.points.low, alpha.points.high) == (pytest.approx(low), pytest.approx(high))
    assert (alpha.points.reason is None) == (low is not None)


def test_a_rater_who_compares_again_agrees_or_not_whatever_the_sides() -> None:
    answers = [
        given("same", "s0", "alpha", "beta", 1.0),
        given("same", "s0", "beta", "alpha", 0.0, 60),
        given("half", "s0", "alpha", "beta", 1.0),
        given("half", "s0", "beta", "alpha", 0.5, 60),
        given("half", "s1", "alpha", "beta", 1.0),
        given("half", "s1", "alpha", "beta", 0.0, 60),
        given("once", "s0", "alpha", "beta", 1.0),
    ]
    report = compute_rating_report(board(answers))
    repeats = {one.rater: one.repeats for one in report.raters}
    assert (repeats["same"].answers, repeats["same"].mean_difference) == (1, 0.0)  # type: ignore[union-attr]
    assert (repeats["half"].answers, repeats["half"].mean_difference) == (2, 0.75)  # type: ignore[union-attr]
    assert repeats["once"] is None
    assert [(one.rater, one.ratings, one.counted) for one in report.raters] == [
        ("half", 4, 2),
        ("once", 1, 1),
        ("same", 2, 1),
    ]


def test_the_other_rules_on_comparisons() -> None:
    """The quick and those who always choose one side are found; rules about scores have nothing to say."""
    answers = []
    for at, sample in enumerate(SAMPLES):
        sides = ("alpha", "beta") if at % 2 else ("beta", "alpha")
        for rater in ("r1", "r2", "r3"):
            answers.append(given(rater, sample, *sides, float(sides[0] == "alpha")))
        answers.append(given("left", sample, *sides, 1.0))
        answers.append(replace(given("quick", sample, *sides, float(sides[0] == "alpha")), seconds=0.3))
    snapshot = board(answers)
    found = screen(snapshot, filter_answers(snapshot))
    against = {rater: {one.rule for one in results if one.rejected} for rater, results in found.items()}
    assert against == {"r1": set(), "r2": set(), "r3": set(), "left": {"straight-liners"}, "quick": {"speeders"}}
    words = {one.rule: one.sentence for one in found["r1"]}
    assert list(words) == list(RULES)
    assert {rule for rule, sentence in words.items() if "the rule is for ratings" in sentence} == {
        "rest-correlation",
        "p913",
        "bt500",
    }
    assert words["gold"] == "r1 rated 0 gold items, too few to test (at least 1)."
