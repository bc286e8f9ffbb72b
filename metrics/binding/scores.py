"""From the feature ``binding`` to the matrix of confidences, and why a row of it is missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from statistics import fmean
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.base import (
    NOT_APPLICABLE,
    ArrayMetric,
    Event,
    MetricRecord,
    VideoValue,
    definition_beside,
    unscored,
)
from evalkit.metrics.binding.matrix import Mask, Matrix, judged
from evalkit.metrics.sync.arithmetic import summarise
from evalkit.metrics.sync.distances import FRAMES_PER_WINDOW

Arrays = Mapping[str, NDArray[Any]]
Speech = Literal["one", "several"]
NO_TURNS, NO_OVERLAP = f"{NOT_APPLICABLE}:no_turns", f"{NOT_APPLICABLE}:no_overlap"
Statistic = Callable[[Matrix, Mask], list[float]]


@dataclass(frozen=True)
class BindingChoice:
    """Which frames count, and what becomes of a person without a number.

    Args:
        speech: frames in which exactly ``one`` voice speaks, or in which ``several`` do.
        frames: that a person's lips must be seen in, at 25 frames/s.
        spoken: of these, in which the person speaks; a person whose voice speaks in fewer is not asked about.
        missing: what a person counts who speaks and whose lips have no number; ``None`` leaves them out.
    """

    speech: Speech = "one"
    frames: int = 50
    spoken: int = 25
    missing: float | None = None


CHOICE = BindingChoice()
STRICT = BindingChoice(missing=0.0)
OVERLAP = BindingChoice(speech="several")


@dataclass(frozen=True)
class Scores:
    """The confidences of one video.

    Args:
        matrix: S (P, P), NaN in rows without a number.
        asked: (P,) who speaks in the frames that count.
        missing: person -> why there is no number, and the details.
        outside: whether the reason is that the network can't judge a face.
    """

    matrix: Matrix
    asked: Mask
    missing: Mapping[int, str]
    outside: bool = False


def counted_frames(active: Mask, speech: Speech) -> Mask:
    """Return in which frames (N,) exactly one of the voices (P, N) speaks, or several do."""
    speaking = active.sum(axis=0)
    return np.asarray(speaking == 1 if speech == "one" else speaking > 1)


def binding_scores(arrays: Arrays, choice: BindingChoice) -> Scores:
    """Return the confidences of everybody's lips with everybody's voice over the same frames.

    Raises:
        ValueError: a distance is not finite.
    """
    active, box = arrays["active"], arrays["box"]
    frames = counted_frames(active, choice.speech)
    asked = (active & frames).sum(axis=1) >= choice.spoken
    persons = len(active)
    matrix = np.full((persons, persons), np.nan)
    missing: dict[int, str] = {}
    outside = False
    padded = np.concatenate([frames, np.zeros(FRAMES_PER_WINDOW - 1, bool)])
    run = np.lib.stride_tricks.sliding_window_view(padded, FRAMES_PER_WINDOW)
    inside = np.asarray(run.all(axis=1))
    for i in range(persons):
        rows = np.flatnonzero(arrays["window_person"] == i)
        rows = rows[arrays["window_frame"][rows] < len(inside)]
        rows = rows[inside[arrays["window_frame"][rows]]]
        seen = np.zeros(len(frames), dtype=bool)
        seen[(arrays["window_frame"][rows][:, None] + np.arange(FRAMES_PER_WINDOW)).ravel()] = True
        unlike = float(np.median(arrays["ood_score"][rows])) if len(rows) else 0.0
        spoken = int((seen & active[i]).sum())
        if not (box[i] != 0).any():
            missing[i] = "no face was followed that is theirs"
        elif seen.sum() < choice.frames:
            missing[i] = (
                f"their lips are followed in {seen.sum()} frames of the {frames.sum()} that count, "
                f"{choice.frames} are needed"
            )
        elif asked[i] and spoken < choice.spoken:
            missing[i] = f"they are seen in {spoken} of the frames in which they speak, {choice.spoken} are needed"
        elif unlike > 1:
            outside = True
            missing[i] = f"out-of-distribution score {unlike:.2f}, limit 1"
        else:
            for k in range(persons):
                sync = summarise(arrays["distance"][rows, k])
                assert sync != "too_short"  # noqa: S101 - there are rows
                matrix[i, k] = sync.confidence
    return Scores(matrix, asked, missing, outside)


def score_binding(
    statistic: Statistic,
    arrays: Arrays,
    choice: BindingChoice,
    total: Callable[[list[float]], float] = fmean,
    scale: Callable[[float, int], float] | None = None,
) -> VideoValue:
    """Return the ``total`` of a statistic over the persons who speak, or why there is none.

    Args:
        statistic: of `matrix`.
        arrays: the feature ``binding``.
        choice: which frames count.
        total: of the persons' numbers.
        scale: of the total, with the number of persons.
    """
    try:
        scores = binding_scores(arrays, choice)
    except ValueError as error:
        return unscored("distance_not_finite", str(error))
    asked = int(scores.asked.sum())
    if not asked:
        reason = NO_TURNS if choice.speech == "one" else NO_OVERLAP
        return VideoValue(None, reason, (Event("too_little_speech", _speech(arrays, choice)),))
    events = _events(arrays, scores)
    if scores.outside and not len(judged(scores.matrix, scores.asked)):
        return VideoValue(None, "outside_bundled_domain", events)
    found = statistic(scores.matrix, scores.asked)
    if choice.missing is not None and not scores.outside:
        found = [*found, *[choice.missing] * (asked - len(found))]
    if not found:
        reason = "single_row" if len(judged(scores.matrix, scores.asked)) else "no_row"
        return VideoValue(None, reason, events or (Event(reason, "the lips of one person alone have numbers"),))
    value = total(found)
    return VideoValue(value if scale is None else scale(value, len(scores.asked)), events=events)


def _speech(arrays: Arrays, choice: BindingChoice) -> str:
    frames = counted_frames(arrays["active"], choice.speech)
    which = "exactly one voice speaks" if choice.speech == "one" else "several voices speak"
    return f"{which} in {frames.sum()} of {len(frames)} frames, no person in {choice.spoken} of them"


def _events(arrays: Arrays, scores: Scores) -> tuple[Event, ...]:
    """Return what a reader should know: whose rows are missing, and who is not asked about."""
    names = [str(name) for name in arrays["name"]]
    events = []
    if scores.missing:
        kind = "outside_bundled_domain" if scores.outside else "person_without_row"
        told = "; ".join(f"'{names[i]}': {why}" for i, why in sorted(scores.missing.items()))
        if scores.outside:
            told += (
                ". The bundled network knows only drawn puppets: real people need published weights (evalkit weights)"
            )
        events.append(Event(kind, told))
    silent = [f"'{names[i]}'" for i in np.flatnonzero(~scores.asked)]
    if silent:
        events.append(Event("person_not_asked", f"speaks too little in the frames that count: {', '.join(silent)}"))
    return tuple(events)


def base_metric(
    statistic: Statistic,
    *,
    total: Callable[[list[float]], float] = fmean,
    scale: Callable[[float, int], float] | None = None,
    **fields: Any,
) -> ArrayMetric:
    """Declare a number of the binding score; ``fields`` are those of `MetricRecord`."""
    usual: dict[str, Any] = {
        "higher_is_better": True,
        "features": ("binding",),
        "people_only": True,
        "ignores_own_audio": True,
        "citation": "this project; sync confidence: Chung and Zisserman, Out of time, ACCV workshops 2016",
        "missing_policy": "persons without a number are left out; unscored without any",
        "blind_to": "How well the lips fit: a weak fit that is better than the others is right. See bind.conf.",
        "definition": definition_beside(__file__, "binding.md"),
    }
    record = MetricRecord(**(usual | fields))
    return ArrayMetric(record, partial(score_binding, statistic, total=total, scale=scale), CHOICE)


def strict(base: ArrayMetric) -> ArrayMetric:
    """Return the metric in which a person without a number counts as wrong."""
    record = base.record
    return base.variant(
        options=STRICT,
        id=f"{record.id}.strict",
        title=f"{record.title}, strict",
        summary=f"{record.summary} A person who speaks and has no number counts as wrong.",
        missing_policy="a person who speaks and whose lips have no number counts as wrong",
    )


def overlap(base: ArrayMetric) -> ArrayMetric:
    """Return the metric over the frames in which several speak."""
    record = base.record
    return base.variant(
        options=OVERLAP,
        id=f"{record.id}.overlap",
        title=f"{record.title}, overlap",
        summary=f"{record.summary} Here where several voices speak at once.",
    )
