"""The rating report on the real ratings of the talking-heads footage."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders.rated import rater_of

from evalkit.board.model import Snapshot
from evalkit.challenges.rating_rules import RatingRules
from evalkit.rating_report.compute import compute_rating_report
from evalkit.rating_report.model import RatingReport
from evalkit.rating_report.screening import propose_exclusions


@pytest.fixture(scope="module")
def real_report(real_board: Snapshot) -> RatingReport:
    return compute_rating_report(real_board, draws=200)


@pytest.mark.shared
def test_the_planted_raters_are_proposed_and_nobody_else(real_board: Snapshot) -> None:
    found = propose_exclusions(real_board, ["speeders", "straight-liners"])
    assert [(rater, code) for rater, code, _ in found] == [("r13", "speeder"), ("r14", "straight-liner")]
    assert propose_exclusions(real_board, ["rest-correlation", "p913", "bt500", "gold"]) == []


@pytest.mark.shared
def test_every_estimator_puts_the_faithful_first(real_report: RatingReport) -> None:
    assert len(real_report.dimensions) == 4
    assert rater_of(real_report, "r12").ratings - rater_of(real_report, "r12").counted == 52
    for dimension in real_report.dimensions:
        for scores in dimension.estimators:
            assert scores.reason is None
            assert max(scores.teams, key=lambda team: team.score.value or 0).team == "faithful"
        assert dimension.alpha_ordinal.value is not None
        assert 0.4 < dimension.alpha_ordinal.value < 0.9


@pytest.mark.shared
def test_the_strengths_of_the_real_pairs_have_the_order_of_the_points(real_board: Snapshot) -> None:
    """The design is not balanced, so that the orders agree is a fact and no theorem."""
    asked = replace(
        real_board, challenge=real_board.challenge.model_copy(update={"ratings": RatingRules(method="pairs")})
    )
    (report,) = compute_rating_report(asked).comparisons
    assert report.comparisons == 550
    assert not report.balanced
    by_points = [team.team for team in report.teams]
    by_strength = sorted(report.teams, key=lambda team: -(team.strength.value or 0))
    assert by_points == [team.team for team in by_strength]
    assert by_points[0] == "faithful"
    assert set(by_points[-2:]) == {"frozen", "swapped"}
