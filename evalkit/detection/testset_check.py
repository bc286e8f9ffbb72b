"""Check a test set for detectors: what it says of its videos, and what it shares with a training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evalkit.challenges.model import Challenge
from evalkit.detection.leaks import Judged, Leak, find_leaks
from evalkit.detection.truth_table import TEST, TruthRow, read_truth
from evalkit.errors import InputError
from evalkit.testsets.model import TestSet
from evalkit.testsets.truth import Truth
from evalkit.validators.findings import Finding, run_rules
from evalkit.validators.registry import rules_for
from evalkit.validators.truth import CheckedTruth, Common

TRAIN_FILE = "train.csv"


def check_truth(testset: TestSet, challenge: Challenge, train: Path | None) -> list[Finding]:
    """Return what the rules find.

    Args:
        testset: of the organizer, with truth.
        challenge: of the kind ``scores``.
        train: a table of the videos that detectors are trained with; ``None`` for ``train.csv`` in the test set's
            folder, if there is one.

    Raises:
        InputError: when the table can't be read.
    """
    if train is None and (testset.root / TRAIN_FILE).is_file():
        train = testset.root / TRAIN_FILE
    rows = None if train is None else _trained(train)
    tested = [judged(one.id, one.truth) for one in testset if one.truth is not None]
    trained = [judged(row.sample, row.truth) for row in rows or ()]
    case = CheckedTruth(
        samples=testset.samples,
        rules=challenge.detection,
        asked=challenge.testset.samples,
        trained=None if rows is None else len(rows),
        unnamed=sum(not row.truth.identity for row in rows or ()),
        leaks=tuple(_grouped(find_leaks(trained, tested, challenge.detection), tested)),
    )
    return run_rules(rules_for("truth"), case, challenge.submission.severities)


def judged(sample: str, truth: Truth) -> Judged:
    """Return a video as far as leaks depend on it."""
    video = truth.video or sample
    return Judged(sample, video, truth.identity, truth.driver, truth.generator, truth.dataset, truth.run)


def _trained(path: Path) -> list[TruthRow]:
    rows = read_truth(path)
    test = [row for row in rows if row.split == "test"]
    if test:
        raise InputError(
            f"{path}, row {test[0].row}: the list of the training has a video of the split 'test'.",
            expected=f"other splits than {' and '.join(repr(word) for word in TEST if word)}, or no column 'split'",
        )
    return rows


def _grouped(leaks: Sequence[Leak], tested: Sequence[Judged]) -> list[Common]:
    """Return a record for each kind of leak and run, with all names in it."""
    found: dict[tuple[str, str], list[Leak]] = {}
    for one in leaks:
        found.setdefault((one.what, one.run), []).append(one)
    groups = []
    for (what, run), ones in found.items():
        names = tuple((one.name, one.trained, one.tested) for one in ones)
        concerned = {one.name for one in ones}
        videos = sum(one.run == run and not concerned.isdisjoint(_names(what, one)) for one in tested)
        groups.append(Common(what, run, names, videos))
    return groups


def _names(what: str, one: Judged) -> tuple[str, ...]:
    return (one.identity, one.driver) if what == "person" else (str(getattr(one, what)),)
