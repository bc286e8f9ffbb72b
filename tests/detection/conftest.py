"""A small test set for detectors, and how a submission of scores is read for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from evalkit.challenges.model import Challenge
from evalkit.detection.reading import ReadScores, read_scores
from evalkit.detection.testset_making import make_truth_testset
from evalkit.submission.model import Submission
from evalkit.testsets.loading import load_testset
from evalkit.testsets.model import TestSet

TRUTH = """video_id,label,generator,identity,driver
r1,0,,anna,
r2,real,,ben,
r3,0,,cleo,
f1,1,maker1,anna,ben
f2,fake,maker1,ben,cleo
f3,1,maker2,cleo,anna
f4,1,maker2,anna,anna
"""
SCORES = {"r1": 0.1, "r2": 0.3, "r3": 0.6, "f1": 0.4, "f2": 0.9, "f3": 0.2, "f4": 0.8}


def challenge(**parts: object) -> Challenge:
    return Challenge.model_validate(
        {
            "schema": 1,
            "id": "fakes",
            "title": "Fakes",
            "submission": {"kind": "scores"},
            "metrics": [{"id": "det.auc"}, {"id": "det.auc.macro"}, {"id": "det.auc.strict"}, {"id": "det.score"}],
            **parts,
        }
    )


@pytest.fixture
def testset(tmp_path: Path) -> TestSet:
    (tmp_path / "truth.csv").write_text(TRUTH)
    make_truth_testset(tmp_path / "truth.csv", tmp_path / "testset")
    return load_testset(tmp_path / "testset")


@pytest.fixture
def read(tmp_path: Path, testset: TestSet) -> Callable[..., ReadScores]:
    def reading(content: str | bytes, **parts: object) -> ReadScores:
        file = tmp_path / "team.csv"
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_scores(Submission.open(file), challenge(**parts), testset)

    return reading


def rules_of(found: ReadScores) -> dict[str, list[str | None]]:
    """Return rule -> the samples of its findings, without what is merely missing."""
    rules: dict[str, list[str | None]] = {}
    for finding in found.findings:
        if finding.rule != "scores.missing":
            rules.setdefault(finding.rule, []).append(finding.sample)
    return rules
