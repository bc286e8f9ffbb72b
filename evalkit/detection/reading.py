"""From a submission of scores to what it says of each video, and what is wrong with it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from evalkit.challenges.model import Challenge
from evalkit.detection.score_table import ScoreReader, VideoScore
from evalkit.errors import SubmissionError
from evalkit.submission.model import Submission
from evalkit.testsets.model import TestSet
from evalkit.validators.archive.check import UNREADABLE as UNREADABLE_MEMBER
from evalkit.validators.archive.check import blocks, check_archive
from evalkit.validators.archive.strays import junk
from evalkit.validators.findings import Finding, run_rules
from evalkit.validators.registry import rules_for
from evalkit.validators.scores import UNREADABLE, Fault, ScoreTables

SUFFIXES = (".csv", ".tsv")
USUAL = "scores"  # name of a table that says nothing about which videos it is of
LARGEST_TABLE = 1024**3  # bytes; two million rows are a tenth of it


@dataclass(frozen=True)
class ReadScores:
    """What a submission of scores says.

    Args:
        findings: of the rules.
        refused: whether the archive was refused, so that nothing in it was read.
        tables: paths of the tables.
        videos: sample -> its score, in the order of the test set; without one, of the tables.
    """

    findings: tuple[Finding, ...]
    refused: bool = False
    tables: tuple[str, ...] = ()
    videos: Mapping[str, VideoScore] = field(default_factory=dict)


def read_scores(submission: Submission, challenge: Challenge, testset: TestSet | None) -> ReadScores:
    """Read every table of a submission.

    Args:
        submission: opened.
        challenge: of the kind ``scores``.
        testset: whose videos have scores; without one every id is a video.
    """
    severities = challenge.submission.severities
    found = check_archive(submission, challenge.submission.archive, severities, challenge.submission.layouts)
    if blocks(found):
        return ReadScores(tuple(found), refused=True)
    closed = {one.path for one in found if one.rule in UNREADABLE_MEMBER}
    files = [one.path for one in submission.members if one.kind == "file" and not junk(one.path)]
    tables = [path for path in files if path.lower().endswith(SUFFIXES) and path not in closed]
    whole = None if testset is None else [sample.id for sample in testset.whole]
    reader = ScoreReader(challenge.detection, whole)
    damaged: list[Fault] = []
    with tempfile.TemporaryDirectory(prefix="evalkit-scores-") as folder:
        for number, path in enumerate(tables):
            copy = Path(folder) / f"{number}.csv"
            try:
                digest = submission.copy(path, copy, LARGEST_TABLE)
            except SubmissionError as error:
                damaged.append(Fault(path, error.what, error.found, error.expected, error.fix))
                continue
            submission.refuse_changed(path, digest)
            reader.read(copy, path, () if testset is None and len(tables) == 1 else prefixes(path))
            copy.unlink()
    scores = dict(reader.scores())
    faults = dict(reader.faults)
    if damaged:
        faults[UNREADABLE] = (*damaged, *faults.get(UNREADABLE, ()))
    asked = list(scores) if testset is None else [sample.id for sample in testset]
    facts = ScoreTables(
        tables=tuple(tables),
        others=tuple(path for path in files if path not in tables),
        faults=faults,
        missing=tuple(name for name in asked if name not in scores) if tables else (),
        failed=tuple(name for name in asked if name in scores and _failed(scores[name])),
        constant=_constant(scores, asked),
        scored=sum(name in scores and scores[name].score is not None for name in asked),
        unknown=reader.unknown,
        known=sum(name in scores for name in whole or ()),
    )
    findings = (*found, *run_rules(rules_for("scores"), facts, severities))
    return ReadScores(findings, False, tuple(tables), {name: scores[name] for name in asked if name in scores})


def prefixes(path: str) -> tuple[str, ...]:
    """Return what the place of a table may put before its ids, the longest first.

    ``hallo2.csv`` and ``hallo2/scores.csv`` are both of videos ``hallo2/...``; a folder around all may come before.
    """
    place = PurePosixPath(path)
    parts = [*place.parts[:-1], *([] if place.stem.casefold() == USUAL else [place.stem])]
    return tuple("/".join(parts[at:]) + "/" for at in range(len(parts)))


def _failed(video: VideoScore) -> bool:
    return video.score is None and video.fault is None


def _constant(scores: Mapping[str, VideoScore], asked: list[str]) -> float | None:
    values = {scores[name].score for name in asked if name in scores} - {None}
    many = sum(name in scores and scores[name].score is not None for name in asked) > 1
    return next(iter(values)) if len(values) == 1 and many else None
