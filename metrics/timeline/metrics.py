"""Whether events happen when the prompt's timeline asks for them (`timeline.v1`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.base import ArrayMetric, MetricRecord, VideoValue, definition_beside, unscored
from evalkit.metrics.clip.clipscore import truncation
from evalkit.metrics.clip.cosines import UNUSABLE, unit_rows
from evalkit.metrics.timeline import arithmetic
from evalkit.metrics.timeline.arithmetic import Floats, Located

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Alignment:
    """Cosines of one video, and when its events were asked for.

    Args:
        cosines: (F, K) of every frame with every event.
        times: (F,) middle of each frame, in seconds.
        starts, ends: (K,) of the events.
        length: of the video in seconds.
    """

    cosines: Floats
    times: Floats
    starts: Floats
    ends: Floats
    length: float

    def matrix(self, *, shrink: bool = True) -> Floats:
        """Return S (K, K)."""
        masks = arithmetic.segments(self.times, self.starts, self.ends, shrink=shrink)
        return arithmetic.similarity(self.cosines, masks)

    def located(self, *, shift: int = 0) -> Located:
        """Return where the events were found; ``shift`` exchanges their texts in a circle."""
        inside = self.starts < self.length
        scores = np.roll(self.cosines - self.cosines.mean(axis=0), shift, axis=1)[:, inside]
        middle = (self.times[1:] + self.times[:-1]) / 2
        edges = np.concatenate([[0.0], middle, [self.length]])
        found = arithmetic.locate(scores, edges, self.starts[inside], self.ends[inside])
        starts, ends = (np.full(len(self.starts), self.length) for _ in range(2))
        starts[inside], ends[inside] = found.starts, found.ends
        return Located(starts, ends, found.total)

    def evenly(self) -> Located:
        """Return the events at equal parts of the video: what is found where all frames are alike."""
        parts = np.linspace(0.0, self.length, len(self.starts) + 1)
        return Located(parts[:-1], parts[1:], 0.0)

    def overlap(self, found: Located) -> float:
        """Return the mean overlap (tIoU)."""
        return float(arithmetic.overlaps(found, self.starts, self.ends).mean())


Statistic = Callable[[Alignment], float | str]  # a reason where there is no number


def aligned(statistic: Statistic, least: int, frames: Arrays, events: Arrays) -> VideoValue:
    """Return ``statistic`` of a video with at least ``least`` events; an event says when a text was cut."""
    images, texts = unit_rows(frames["embedding"]), unit_rows(events["embedding"])
    if images is None or texts is None:
        return unscored(UNUSABLE)
    if not all(np.isfinite(part).all() for part in (frames["time"], frames["length"], events["time"])):
        return unscored("times_unusable")
    if len(texts) < least:
        return unscored("too_few_events", f"{len(texts)} of at least {least}")
    if len(images) < len(texts):
        return unscored("too_few_frames", f"{len(images)} for {len(texts)} events")
    starts, ends = (np.asarray(column, np.float64) for column in events["time"].T)
    cosines = np.clip(images @ texts.T, -1.0, 1.0)
    value = statistic(Alignment(cosines, np.asarray(frames["time"], np.float64), starts, ends, float(frames["length"])))
    if isinstance(value, str):
        return unscored(value)
    return VideoValue(value, events=tuple(one for tokens in events["tokens"] for one in truncation(int(tokens)))[:1])


def _accuracy(one: Alignment) -> float:
    return arithmetic.text_accuracy(one.matrix())


def _above_chance(one: Alignment) -> float:
    return arithmetic.above_chance(_accuracy(one), len(one.starts))


def _all_there(matrix: Floats) -> bool:
    return bool(np.isfinite(matrix).all())


def _vtm(one: Alignment) -> float | str:
    matrix = one.matrix(shrink=False)
    return float(100.0 * np.diag(matrix).mean()) if _all_there(matrix) else "events_missed"


def _margin(which: int, one: Alignment) -> float | str:
    matrix = one.matrix()
    return arithmetic.margins(matrix)[which] if _all_there(matrix) else "events_missed"


def _shuffled(one: Alignment) -> float:
    return float(np.mean([one.overlap(one.located(shift=shift)) for shift in range(1, len(one.starts))]))


def _recall(one: Alignment) -> float:
    return float((arithmetic.overlaps(one.located(), one.starts, one.ends) >= 0.5).mean())


def _order(one: Alignment) -> float:
    return arithmetic.order(one.cosines - one.cosines.mean(axis=0), one.times)


_NOTES = (
    "evalkit's own definition: IPVG 2026 published none. CLIP hardly tells fine actions apart, such as a left hand "
    "from a right one: it sees scenes and poses. Use it beside people's judgement."
)
_SHARE, _SIGNED = (0.0, 1.0), (-1.0, 1.0)


def _declare(
    name: str,
    title: str,
    summary: str,
    statistic: Statistic,
    span: tuple[float | None, float | None],
    *,
    least: int = 2,
    better: bool | None = True,
    **more: Any,
) -> ArrayMetric:
    """Return a metric of the family over videos with at least ``least`` events."""
    record = MetricRecord(
        id=f"timeline.v1.{name}",
        title=title,
        summary=summary,
        higher_is_better=better,
        range=span,
        features=("timeline_frames", "timeline_events"),
        citation=more.pop("citation", "evalkit, docs/definitions/timeline.md"),
        missing_policy="a sample without a timeline is unscored; with a single event, only vtm has a value",
        blind_to="Actions that look alike in single frames, and how well an event is done.",
        definition=definition_beside(__file__, "v1.md"),
        notes=_NOTES,
        **more,
    )
    return ArrayMetric(record, partial(aligned, statistic, least))


METRICS = (
    _declare(
        "nacc",
        "Events at their times",
        "Share of segments whose own text fits best; 0 by chance, 1 for all.",
        _above_chance,
        _SIGNED,
    ),
    _declare(
        "tiou",
        "Event overlap",
        "Overlap of the intervals where events are found and asked for.",
        lambda one: one.overlap(one.located()),
        _SHARE,
    ),
    _declare(
        "acc_t2v",
        "Text of each segment",
        "Share of segments whose own text is the nearest of all.",
        _accuracy,
        _SHARE,
    ),
    _declare(
        "acc_v2t",
        "Segment of each text",
        "Share of texts whose own segment is the nearest of all.",
        lambda one: arithmetic.segment_accuracy(one.matrix()),
        _SHARE,
    ),
    _declare(
        "vtm",
        "Segment text match (VTM)",
        "100 times the mean cosine of each segment with its own text.",
        _vtm,
        (-100.0, 100.0),
        least=1,
        unit="x100 cosine",
        citation="Bugliarello et al., StoryBench, NeurIPS 2023",
    ),
    _declare(
        "margin",
        "Event margin",
        "Cosine of a segment with its own text, less the mean of the other texts.",
        partial(_margin, 0),
        (-2.0, 2.0),
        unit="cosine",
    ),
    _declare(
        "hard_margin",
        "Event margin, nearest text",
        "Cosine of a segment with its own text, less that of the nearest other text.",
        partial(_margin, 1),
        (-2.0, 2.0),
        unit="cosine",
    ),
    _declare(
        "r50",
        "Events found (R@0.5)",
        "Share of events found with an overlap of at least one half.",
        _recall,
        _SHARE,
    ),
    _declare(
        "boundary_error",
        "Boundary error",
        "Seconds between found and requested begin and end of events.",
        lambda one: arithmetic.boundary_error(one.located(), one.starts, one.ends),
        (0.0, None),
        better=False,
        unit="s",
    ),
    _declare(
        "order",
        "Order of events",
        "Kendall's tau of the order asked for and the order found.",
        _order,
        _SIGNED,
    ),
    _declare(
        "tiou.shuffled",
        "Event overlap, texts exchanged",
        "Control: the overlap with the texts in every other cyclic order.",
        _shuffled,
        _SHARE,
        better=None,
        role="diagnostic",
    ),
    _declare(
        "tiou.frozen",
        "Event overlap, frozen",
        "Control: the overlap of a video whose frames are all alike.",
        lambda one: one.overlap(one.evenly()),
        _SHARE,
        better=None,
        role="diagnostic",
    ),
)
