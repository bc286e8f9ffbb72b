"""Labels of groups that a test set's author does not mean: empty ones, and two spellings of one."""

from __future__ import annotations

import pytest

from evalkit.challenges.model import TestSetSpec
from evalkit.testsets.model import Sample
from evalkit.validators.checked_testset import CheckedSample, CheckedTestSet
from evalkit.validators.registry import rules_for


def found(*groups: dict[str, str], left_out: int = 0) -> list[tuple[str, str, str | None]]:
    """Return (rule, what was found, sample) of the groups of samples s1, s2, ...; the last ones were left unchecked."""
    samples = [Sample(id=f"s{at}", groups=one) for at, one in enumerate(groups, start=1)]
    checked = samples[: len(samples) - left_out]
    case = CheckedTestSet(
        tuple(CheckedSample(one) for one in checked), TestSetSpec(), left_out=tuple(samples[len(checked) :])
    )
    rules = [rule for rule in rules_for("testset") if rule.id.startswith("testset.groups-")]
    assert len(rules) == 2
    return [(rule.id, one.found or "", one.sample) for rule in rules for one in rule.check(case)]


def test_ordinary_labels_are_fine() -> None:
    assert found({"gender": "f", "age": "19-30"}, {"gender": "m"}, {}, {"Gender role": "f"}, {"age": "31-45"}) == []


@pytest.mark.parametrize("empty", ["", " ", "\u200b", "\t"])
def test_an_empty_label_is_told_once_for_an_attribute(empty: str) -> None:
    told = found(*[{"gender": empty}] * 6, {"gender": "f"}, {"": "x"}, left_out=3)
    assert told == [
        ("testset.groups-empty", "'gender' of s1, s2, s3, s4, s5 and 1 more", "s1"),
        ("testset.groups-empty", "'' of s8", "s8"),
    ]


@pytest.mark.parametrize("other", ["F", " f", "f ", "\u202ef", "\uff46"])
def test_spellings_that_read_alike_are_told(other: str) -> None:
    (told,) = found({"gender": "f"}, {"gender": "m"}, {"gender": other}, {"gender": "f"})
    assert told == ("testset.groups-alike", f"values of 'gender': 'f', {other!r}", "s3")


def test_attributes_that_read_alike_are_told() -> None:
    assert found({"gender": "f"}, {"Gender ": "m"}) == [
        ("testset.groups-alike", "attributes: 'gender', 'Gender '", "s2")
    ]
    assert found({"a": "x"}, {"b": "X"}) == []
