"""Which samples of a test set are scored, and what a scorecard says of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evalkit.errors import TestSetError, UsageError, did_you_mean
from evalkit.metrics.base import SetMetric
from evalkit.metrics.features.base import Item
from evalkit.scoring.plan import RunPlan
from evalkit.scoring.scorecard import ScoreEvent
from evalkit.testsets.model import Sample, TestSet
from evalkit.testsets.picking import Pick, narrowed

Samples = Pick | Sequence[str] | None


def chosen_samples(testset: TestSet, samples: Samples) -> TestSet:
    """Return the test set with the chosen samples.

    Args:
        testset: all of it.
        samples: a pick, ids, or ``None`` for all.

    Raises:
        UsageError: another type, or an id that the test set doesn't have.
        TestSetError: nothing is left.
    """
    if isinstance(samples, Pick):
        testset = samples.of(testset)
    elif samples is not None:
        testset = narrowed(testset, _ids(testset, samples))
    if not testset.samples:
        raise TestSetError("There is no sample to score.", expected="at least one")
    return testset


def _ids(testset: TestSet, samples: Any) -> set[str]:
    names = list(samples) if isinstance(samples, list | tuple | set | frozenset) else [samples]
    if isinstance(samples, str | int) or any(not isinstance(name, str) for name in names):
        raise UsageError(
            "The argument samples has the wrong type.",
            found=type(samples).__name__,
            expected="evalkit.pick(16), a list of ids, or None for all samples",
        )
    known = [sample.id for sample in testset]
    for name in names:
        if name not in known:
            raise UsageError(f"The test set has no sample '{name}'.{did_you_mean(name, known)}")
    return set(names)


def subset_record(testset: TestSet, samples: Samples) -> dict[str, Any]:
    """Return what a scorecard's provenance says of the choice."""
    whole = testset.whole
    record: dict[str, Any] = {"samples": len(testset), "of": len(whole), "testset_sha256": whole.sha256}
    if isinstance(samples, Pick):
        record["pick"] = {"count": samples.count, "seed": samples.seed}
    return record


def subset_note(testset: TestSet, plan: RunPlan, name: str) -> ScoreEvent | None:
    """Return what a reader of one number must know; ``None`` where all samples are scored."""
    whole = len(testset.whole)
    if len(testset) == whole:
        return None
    said = f"{len(testset)} of the {whole} samples"
    if isinstance(plan.metrics.get(name), SetMetric):
        said += "; a distance of sets depends on how many there are: compare it with those of the same samples only"
    return ScoreEvent(kind="subset", detail=said)


def item_of(sample: Sample, testset: TestSet, video: Any, unused: frozenset[str]) -> Item:
    """Return the sample with its references' files and a video in memory."""
    return Item.of(sample, testset, video, unused=unused)
