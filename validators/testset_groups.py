"""Rules about the groups of people of a test set: labels that mean one thing and are read as another."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable

from evalkit.text import hidden_characters
from evalkit.validators.checked_testset import CheckedTestSet
from evalkit.validators.findings import Rule, Violation
from evalkit.validators.testset import NAMED


def _empty(case: CheckedTestSet) -> Iterable[Violation]:
    """Labels without a word: an empty cell of a table became a group of its own."""
    samples: dict[str, list[str]] = defaultdict(list)
    for sample in (*(one.sample for one in case.samples), *case.left_out):
        for attribute, value in sample.groups.items():
            if not _plain(attribute) or not _plain(value):
                samples[attribute].append(sample.id)
    for attribute, found in samples.items():
        yield Violation(
            "Samples have an empty label among their groups: it counts as a group of its own.",
            found=f"'{attribute}' of {_some(found)}",
            expected="a word",
            fix="Leave the attribute out where it is not known; such samples are in none of its groups.",
            sample=found[0],
        )


def _alike(case: CheckedTestSet) -> Iterable[Violation]:
    """Labels that a reader takes for one: 'F', 'f ' and 'f'."""
    attributes: dict[str, dict[str, str]] = defaultdict(dict)
    values: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for sample in (*(one.sample for one in case.samples), *case.left_out):
        for attribute, value in sample.groups.items():
            attributes[_plain(attribute)].setdefault(attribute, sample.id)
            values[attribute, _plain(value)].setdefault(value, sample.id)
    for what, found in (
        *(("attributes", names) for names in attributes.values()),
        *((f"values of '{attribute}'", names) for (attribute, _), names in values.items()),
    ):
        if len(found) > 1:
            yield Violation(
                "Labels differ in capitals, blanks or invisible characters alone: each is a group of its own.",
                found=f"{what}: {_some(repr(name) for name in found)}",
                expected="one spelling",
                sample=list(found.values())[1],
            )


def _plain(name: str) -> str:
    """Return a name without what a reader doesn't see: capitals, blanks, invisible characters."""
    seen = "".join(char for char in name if char.isspace() or not hidden_characters(char))
    return " ".join(unicodedata.normalize("NFKC", seen).casefold().split())


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:NAMED]) + (f" and {len(listed) - NAMED} more" if len(listed) > NAMED else "")


RULES: tuple[Rule[CheckedTestSet], ...] = (
    Rule("testset.groups-empty", "testset", "warning", "an empty label among the groups of people", _empty),
    Rule("testset.groups-alike", "testset", "warning", "labels of groups that read alike", _alike),
)
