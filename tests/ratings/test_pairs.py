"""What makes a comparison itself, and which comparisons count; the arithmetic stands beside each case."""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from builders.answers import make_comparison

from evalkit.challenges.rating_rules import RatingRules
from evalkit.ratings import Answer, check_answers, summarise_answers

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)
AOE = timezone(timedelta(hours=-12))


def rules(**more: Any) -> RatingRules:
    return RatingRules.model_validate({"method": "pairs", **more})


def pair(left: str = "alpha", right: str = "beta", outcome: float = 1.0, **more: Any) -> Answer:
    fixed = {"rater": "r01", "sample": "s1", "dimension": "", "at": NOON, "seconds": 10.0, "row": 2}
    return make_comparison(left=left, right=right, outcome=outcome, **{**fixed, **more})


def codes(*given: Answer, using: RatingRules | None = None, **more: Any) -> list[tuple[str, ...]]:
    return [verdict.codes for verdict in check_answers(given, using or rules(), **more)]


# Identity


def test_the_identity_is_the_digest_of_its_parts() -> None:
    parts = ["comparison", "r01", "s1", "alpha", "beta", "lips", "0.5", "2026-03-03T12:00:00.000000+00:00"]
    expected = hashlib.sha256(json.dumps(parts, separators=(",", ":")).encode()).hexdigest()
    assert pair(outcome=0.5, dimension="lips").id == expected
    timeless = hashlib.sha256(json.dumps([*parts[:-1], None], separators=(",", ":")).encode()).hexdigest()
    assert pair(outcome=0.5, dimension="lips", at=None).id == timeless


def test_what_belongs_to_the_identity_and_what_does_not() -> None:
    one = pair()
    same = [
        replace(one, row=99, seconds=3.0, status="rejected"),
        replace(one, at=NOON.astimezone(AOE)),
        replace(one, value=1),
    ]
    others = [
        replace(one, rater="r02"),
        replace(one, item="s2"),
        replace(one, teams=("gamma", "beta")),
        replace(one, teams=("alpha", "gamma")),
        replace(one, value=0.0),
        replace(one, value=0.5),
        replace(one, dimension="lips"),
        replace(one, at=NOON + timedelta(microseconds=1)),
        replace(one, at=None),
        replace(one, teams=("beta", "alpha"), value=0.0),  # the sides exchanged: another presentation
    ]
    assert {other.id for other in same} == {one.id}
    assert len({other.id for other in [one, *others]}) == 1 + len(others)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        pair(at=datetime(2026, 3, 3))


def test_a_comparison_is_of_two_teams() -> None:
    with pytest.raises(ValueError, match="two teams, not of 1"):
        replace(pair(), teams=("alpha",))
    assert (pair().kind, replace(pair(), teams=()).kind) == ("comparison", "rating")


# Each comparison by itself


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC), ()),
        (datetime(2026, 3, 1, 11, 59, 59, 999_999, tzinfo=UTC), ("early",)),
        (datetime(2026, 3, 6, 11, 59, 59, 999_999, tzinfo=UTC), ()),
        (datetime(2026, 3, 6, 12, 0, 0, tzinfo=UTC), ("late",)),
        (None, ("no-time",)),
    ],
)
def test_the_window_is_held_to_the_second(at: datetime | None, expected: tuple[str, ...]) -> None:
    window = rules(window={"opens": "2026-03-01T00:00:00 AoE", "closes": "2026-03-05T23:59:59 AoE"})
    assert codes(pair(at=at), using=window) == [expected]
    assert codes(pair(at=at)) == [()]


@pytest.mark.parametrize(
    ("seconds", "expected"), [(3.9, ("too-quick",)), (4.0, ()), (60.0, ()), (60.1, ("too-slow",)), (None, ())]
)
def test_time_spent(seconds: float | None, expected: tuple[str, ...]) -> None:
    limits = rules(min_seconds_per_item=4, max_seconds_per_item=60)
    assert codes(pair(seconds=seconds), using=limits) == [expected]


def test_the_dimension_is_one_of_the_challenge_and_empty_where_it_has_none() -> None:
    asks = rules(dimensions=[{"id": "lips", "title": "Lips"}])
    assert codes(pair(dimension="lips"), pair(dimension="looks"), pair(), using=asks) == [
        (),
        ("unknown-dimension",),
        ("unknown-dimension",),
    ]
    assert codes(pair(), pair(dimension="lips")) == [(), ("unknown-dimension",)]


def test_teams_samples_and_own_team() -> None:
    given = [pair(), pair(right="omega"), pair("omega", "psi"), pair(sample="s9"), pair(rater="r02")]
    known: dict[str, Any] = {
        "teams": {"alpha", "beta"},
        "samples": {"s1"},
        "own_teams": {"r02": "beta", "r01": "gamma"},
    }
    assert codes(*given, **known) == [(), ("unknown-team",), ("unknown-team",), ("unknown-sample",), ("own-team",)]
    assert codes(*given) == [()] * 5
    assert codes(given[4], using=rules(exclude_own_team=False), **known) == [()]
    sentences = [verdict.reasons[0].sentence for verdict in check_answers(given, rules(), **known)[1:]]
    assert sentences == [
        "'omega' does not take part.",
        "'omega' and 'psi' do not take part.",
        "No run has the sample 's9'.",
        "One side is the rater's own team, 'beta'.",
    ]


def test_every_reason_is_given_and_foreign_text_is_harmless() -> None:
    worst = pair("a\x1b[2J", sample="s9", status="returned\x1b[2J", seconds=1.0, at=None)
    strict = rules(window={"closes": "2026-03-05 AoE"}, min_seconds_per_item=4)
    (verdict,) = check_answers([worst], strict, teams={"beta"}, samples={"s1"})
    assert verdict.codes == ("rejected", "no-time", "too-quick", "unknown-team", "unknown-sample")
    assert not verdict.counted
    assert all("\x1b" not in reason.sentence for reason in verdict.reasons)


# Several together


def test_the_same_comparison_again_counts_once() -> None:
    assert codes(pair(), pair(row=7)) == [(), ("repeated",)]


def test_of_two_answers_to_one_question_the_earliest_counts_whatever_the_sides() -> None:
    later = pair("beta", "alpha", 1.0, at=NOON + timedelta(hours=1), row=3)
    assert codes(later, pair()) == [("duplicate",), ()]
    assert codes(pair(at=None, outcome=0.0), pair()) == [("duplicate",), ()]  # without a time it is the last
    for other in (pair("beta", "gamma"), pair(sample="s2"), pair(rater="r02")):
        assert codes(pair(), other) == [(), ()]


def test_an_answer_that_does_not_count_takes_no_place() -> None:
    quick = rules(min_seconds_per_item=4, max_items_per_rater=1)
    given = [pair(seconds=1.0), pair(at=NOON + timedelta(hours=1)), pair(sample="s2", at=NOON + timedelta(hours=2))]
    assert codes(*given, using=quick) == [("too-quick",), (), ("over-limit",)]


def test_the_limit_counts_comparisons_in_order_of_time() -> None:
    given = [pair(sample=f"s{at}", at=NOON + timedelta(hours=at)) for at in range(5)]
    random.Random(3).shuffle(given)
    verdicts = check_answers([*given, pair(rater="r02")], rules(max_items_per_rater=3))
    assert sorted(verdict.answer.item for verdict in verdicts if verdict.counted) == ["s0", "s1", "s1", "s2"]
    assert {verdict.codes for verdict in verdicts if not verdict.counted} == {("over-limit",)}


def test_the_summary_speaks_of_comparisons() -> None:
    summary = summarise_answers(
        check_answers([pair(), pair(row=3), pair(sample="s2", seconds=None)], rules()), "comparison"
    )
    assert (summary.total, summary.counted, summary.items, summary.without_seconds) == (3, 2, 2, 1)
    assert summary.reasons == {"repeated": 1}
    assert summary.raters == {"r01": (2, 3)}
    assert summary.lines()[0] == "2 of 3 comparisons count: 1 rater, 2 samples."
