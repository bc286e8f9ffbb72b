"""The steps of a call that need no network: which arguments belong together, and what can't be measured at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from evalkit.arrays.checks import items_of, references_alone, split
from evalkit.arrays.needs import check_given, inputs_of
from evalkit.arrays.record import Measurement
from evalkit.errors import InputError, UsageError
from evalkit.metrics.base import Metric, SetMetric, VideoInputs
from evalkit.metrics.features.base import Item
from evalkit.scoring.plan import RunPlan

_ARGUMENTS = (
    "fps", "times", "reference", "reference_fps", "reference_image", "audio", "audio_rate", "prompt", "timeline",
)  # fmt: skip


def prepared(plan: RunPlan, video: Any, given: Mapping[str, Any]) -> tuple[list[Item], list[Item]]:
    """Return an item for each video, and one for each reference that belongs to none of them.

    Args:
        plan: what will be measured.
        video, given: the arguments of `evalkit.measure`.

    Raises:
        UsageError: something that a metric needs was not given.
        InputError: an array does not fit.
    """
    unknown = sorted(set(given) - set(_ARGUMENTS))
    if unknown:
        raise TypeError(f"measure() got an unexpected keyword argument {unknown[0]!r}")
    there = {name: value for name, value in given.items() if value is not None}
    check_given(plan, there)
    alone: list[Item] = []
    if "reference" in there and sets_of(plan) and not _compares_pairs(plan):
        there, alone = _unequal(video, there)
    items = items_of(video, **there)
    _check_equal_lengths(plan, items, there)
    return items, alone


def sets_of(plan: RunPlan) -> set[str]:
    """Return the metrics that have no value for a single video."""
    return {name for name, metric in plan.metrics.items() if isinstance(metric, SetMetric)}


def _compares_pairs(plan: RunPlan) -> bool:
    """Whether a metric compares each video with a reference of its own."""
    sets = sets_of(plan)
    return any("reference_video" in inputs_of(metric) for name, metric in plan.metrics.items() if name not in sets)


def _unequal(video: Any, there: dict[str, Any]) -> tuple[dict[str, Any], list[Item]]:
    """Return the arguments without the references, and these alone, when there are not as many as videos."""
    if len(split(video, "video")) == len(split(there["reference"], "reference")):
        return there, []
    rate = there.get("reference_fps", there.get("fps"))
    if isinstance(rate, list | tuple):
        raise UsageError(
            "With another number of references than of videos, one rate goes for all of them.",
            fix="Give fps and reference_fps as numbers.",
        )
    if rate is None and "times" in there:
        raise UsageError(
            "The videos have times, and the references have no frame rate.", fix="Add reference_fps=25 (or what it is)."
        )
    rest = {name: value for name, value in there.items() if name not in {"reference", "reference_fps"}}
    return rest, references_alone(there["reference"], rate)


def _check_equal_lengths(plan: RunPlan, items: Sequence[Item], there: Mapping[str, Any]) -> None:
    """Refuse pairs of unequal length without a rate: nobody knows which frames belong together."""
    if {"fps", "times"} & set(there) or not _compares_pairs(plan):
        return
    for item in items:
        ours: Any = item.video
        theirs: Any = item.reference_video
        if theirs is not None and len(ours.frames) != len(theirs.frames):
            raise InputError(
                "A video and its reference have not as many frames, and no frame rate was given.",
                found=f"{len(ours.frames)} and {len(theirs.frames)} frames (video {int(item.sample)})",
                fix="Give fps, and reference_fps if it is another: frames are then paired by their time. Or cut both.",
            )


def refuse_short(found: Mapping[str, Measurement], sets: Iterable[str], rows: Sequence[VideoInputs]) -> None:
    """Refuse sets in which no video is long enough: a mistake of the caller, not a gap in the data.

    Raises:
        InputError: naming the length.
    """
    for name in set(sets) & set(found):
        one = found[name]
        if one.value is None and one.reason in {"too_few_frames", "reference_video_too_short"}:
            data = (data for row in rows for data in row.features.values())
            details = (feature.detail for feature in data if feature.reason == one.reason and feature.detail)
            raise InputError(
                f"No {'video' if one.reason == 'too_few_frames' else 'reference'} is long enough for {name}.",
                found=next(details, None),
                fix="Give longer videos, or another metric: FID and KID take single frames.",
            )


def as_asked(metrics: Any, found: Mapping[str, Measurement], ids: Mapping[str, str]) -> Any:
    """Return the measurement of a single metric, or those of several by the names that were given.

    Args:
        metrics: as given.
        found: id -> measurement.
        ids: name -> id, of the names that were given.
    """
    if isinstance(metrics, Metric) or (isinstance(metrics, str) and "," not in metrics):
        return next(iter(found.values()))
    names = [one.strip() for one in metrics.split(",") if one.strip()] if isinstance(metrics, str) else list(metrics)
    named = [name if isinstance(name, str) else name.record.id for name in names]
    return {name: found[ids.get(name, name)] for name in named}
