"""The part of a challenge that says which ratings count, and its share of the digest."""

from __future__ import annotations

from typing import Any

import pytest

from evalkit.challenges.model import Challenge, parse_challenge
from evalkit.challenges.rating_rules import RatingRules
from evalkit.errors import ChallengeError

DIMENSIONS = "dimensions: [{id: lips, title: Lips}]"


def challenge(ratings: str) -> Challenge:
    return parse_challenge(f"id: a\ntitle: b\nratings: {{{ratings}}}", "c.yaml")


RULES = {
    "window": "{closes: 2026-03-05 AoE}",
    "min_seconds_per_item": "4",
    "max_seconds_per_item": "400",
    "max_items_per_rater": "40",
    "required_dimensions": "[lips]",
    "blind": "true",
    "exclude_own_team": "false",
    "estimator": "mos.ap",
}


def test_all_rules_are_tried() -> None:
    assert set(RatingRules.model_fields) == {"method", "dimensions", "finalists"} | set(RULES)


@pytest.mark.parametrize("name", RULES)
def test_a_rule_that_is_set_changes_the_digest(name: str) -> None:
    assert challenge(f"{DIMENSIONS}, {name}: {RULES[name]}").sha256 != challenge(DIMENSIONS).sha256


@pytest.mark.parametrize(
    ("name", "default"),
    [("blind", "false"), ("exclude_own_team", "true"), ("window", "null"), ("estimator", "mos.plain")],
)
def test_a_rule_written_out_as_it_is_anyway_does_not(name: str, default: str) -> None:
    assert challenge(f"{name}: {default}").sha256 == challenge("").sha256


def test_a_window_is_read_as_deadlines_are() -> None:
    window = challenge("window: {opens: 2026-03-01 AoE, closes: 2026-03-05 AoE}").ratings.window
    assert window is not None
    opens: Any = window.opens_at()
    closes: Any = window.closes_at()
    assert opens.isoformat() == "2026-03-01T00:00:00-12:00"
    assert closes.isoformat() == "2026-03-05T23:59:59.999999-12:00"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("window: {opens: 2026-03-05 AoE, closes: 2026-03-01 AoE}", "a window must close after it opens"),
        ("window: {closes: '2026-03-05T12:00'}", "has no time zone"),
        ("window: {shuts: 2026-03-05 AoE}", "unknown key 'ratings.window.shuts'"),
        ("min_seconds_per_item: 0", "ratings.min_seconds_per_item"),
        ("min_seconds_per_item: 9, max_seconds_per_item: 4", "no rating can have"),
        ("max_items_per_rater: 0", "ratings.max_items_per_rater"),
        ("required_dimensions: [lips]", "the required dimension 'lips' is not one of the dimensions"),
        (f"{DIMENSIONS}, required_dimensions: [lip]", "Did you mean 'lips'?"),
        ("blind: 3", "ratings.blind"),
    ],
)
def test_faults_are_named(text: str, words: str) -> None:
    with pytest.raises(ChallengeError) as error:
        challenge(text)
    assert words in str(error.value)
