"""Challenges and test sets for tests of the layout rules."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from evalkit.challenges.model import Challenge
from evalkit.testsets.model import Sample, TestSet
from evalkit.validators.findings import Finding, run_rules
from evalkit.validators.layout import RULES
from evalkit.validators.matching import Layout, match_layout

IDS = [f"s{n:02}" for n in range(1, 21)]


def challenge(*layouts: str, samples: int | None = None, **severities: str) -> Challenge:
    submission: dict[str, Any] = {"layouts": layouts or ("{id}.mp4",)}
    if severities:
        submission["severities"] = {f"layout.{rule.replace('_', '-')}": word for rule, word in severities.items()}
    return Challenge.model_validate(
        {"id": "mine", "title": "Mine", "submission": submission, "testset": {"samples": samples}}
    )


def samples_of(*samples: str | Sample) -> TestSet:
    return TestSet(Path(), tuple(Sample(id=item) if isinstance(item, str) else item for item in samples))


def person_set(people: int = 3, prompts: int = 2) -> TestSet:
    return samples_of(
        *(
            Sample(id=f"id{i:03}/prompt{j}", identity=f"id{i:03}", prompt=f"prompt{j}")
            for i in range(1, people + 1)
            for j in range(1, prompts + 1)
        )
    )


def found(layout: Layout, rules: Challenge | None = None) -> list[Finding]:
    return run_rules(RULES, layout, rules.submission.severities if rules else {})


def judge(paths: Sequence[str], rules: Challenge, testset: TestSet | None = None) -> tuple[Layout, list[Finding]]:
    layout = match_layout(paths, rules, testset)
    return layout, found(layout, rules)


def one(findings: list[Finding], rule: str) -> Finding:
    (finding,) = (finding for finding in findings if finding.rule == f"layout.{rule}")
    return finding


# Several templates

BOTH = ("{identity}/{prompt}.mp4", "{index}.mp4")


# Whatever the names are

names = st.text(st.sampled_from("ab01./{}*\u00e9"), min_size=1, max_size=8)
