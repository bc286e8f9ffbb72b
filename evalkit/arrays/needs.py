"""What a metric needs besides frames, by the records of its features."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from evalkit.errors import UsageError
from evalkit.media.sampling import AtRate, EveryNth
from evalkit.metrics.base import Metric, SetMetric
from evalkit.metrics.features.base import FeatureRecord, feature_registry, in_order
from evalkit.scoring.kinds.video import FACTS
from evalkit.scoring.plan import DETECTION, PSEUDO, SPEED, RunPlan

# Input of a feature -> the argument that gives it, and what it is.
ARGUMENTS = {
    "reference_video": ("reference", "a reference video"),
    "reference_images": ("reference_image", "a reference image"),
    "audio": ("audio", "sound"),
    "text": ("prompt", "a prompt"),
    "timeline": ("timeline", "a timeline"),
}


class NotOfArraysError(UsageError):
    """Frames and sound are not enough for a metric."""


def records_of(metric: Metric) -> list[FeatureRecord]:
    """Return the records of the features that a metric reads, and of those that these need."""
    registry = feature_registry()
    return [registry[name].record for name in in_order(set(metric.record.features) - PSEUDO, registry)]


def inputs_of(metric: Metric) -> set[str]:
    """Return the kinds of input that a metric reads, ``video`` among them."""
    return {part for record in records_of(metric) for part in record.inputs}


def refuse_what_needs_files(metric: Metric) -> None:
    """Make sure that a metric can be computed of arrays.

    Raises:
        NotOfArraysError: it can't; the message says what to do instead.
    """
    name = metric.record.id
    if DETECTION in metric.record.features:
        raise NotOfArraysError(
            f"{name} is made of a detector's scores, which videos don't have.",
            fix="Score a table with 'evalkit score', or use the functions of evalkit.statistics.detection.",
        )
    if SPEED in metric.record.features:
        raise NotOfArraysError(
            f"{name} is made of measured seconds, which arrays don't have.",
            fix="Measure with 'evalkit speed', or divide the seconds yourself.",
        )
    sources = sorted({one.source for record in records_of(metric) for one in record.imports})
    if sources:
        raise NotOfArraysError(
            f"{name} reads files that another program made of the video ({', '.join(sources)}).",
            fix=f"Score the file with 'evalkit score --features {sources[0]}=DIR'.",
        )
    if "speakers" in inputs_of(metric):
        raise NotOfArraysError(
            f"{name} compares several persons with several voices, which arrays don't have.",
            fix="Score files with a test set whose samples have speakers: 'evalkit score'.",
        )
    if "transcript" in inputs_of(metric):
        raise NotOfArraysError(
            f"{name} compares words with a sample's transcript, which arrays don't have.",
            fix="Score files with a test set whose samples have transcripts: 'evalkit score'.",
        )
    if "occluders" in inputs_of(metric):
        raise NotOfArraysError(
            f"{name} needs masks of what covers the face, which arrays don't have.",
            fix="Score files with a test set whose samples have occluders: 'evalkit score'.",
        )
    if metric.record.setups:
        raise NotOfArraysError(
            f"{name} is made of several videos of each sample, which a test set with setups asks for.",
            fix="Score a submission with 'evalkit score' and the preset 'leakage'.",
        )
    programs = sorted({program for record in records_of(metric) for program in record.programs})
    if programs:
        raise NotOfArraysError(
            f"{name} goes through files that {' and '.join(programs)} writes, so it needs a video file.",
            fix="Score the file with 'evalkit score', or use the metric of the same family that stays in memory "
            "('evalkit metrics list').",
        )


def needs_rate(metric: Metric) -> bool:
    """Whether the value depends on when frames are shown. A distance of sets is computed of all frames without it."""
    if FACTS in metric.record.features:
        return True
    if isinstance(metric, SetMetric):
        return False
    return any(
        "audio" in record.inputs or "seconds" in record.arrays or _by_time(record.options)
        for record in records_of(metric)
        if "video" in record.inputs
    )


def _by_time(options: Any) -> bool:
    return isinstance(getattr(options, "sampling", None), AtRate | EveryNth)


def check_given(plan: RunPlan, given: Iterable[str]) -> None:
    """Make sure that every metric has what it compares with.

    Args:
        given: the arguments that were given.

    Raises:
        UsageError: naming the metric and the argument.
    """
    there = set(given)
    for metric in plan.metrics.values():
        needed = inputs_of(metric)
        for part, (argument, what) in ARGUMENTS.items():
            if part in needed and argument not in there:
                raise UsageError(
                    f"{metric.record.id} compares with {what}, and none was given.", fix=f"Add {argument}=..."
                )
        if needs_rate(metric) and not there & {"fps", "times"}:
            raise UsageError(
                f"{metric.record.id} depends on when the frames are shown.",
                fix="Add fps=25 (or what it is), or times= with the seconds of each frame.",
            )
