"""Which part of a video shows which event: the arithmetic of `timeline.v1`, on cosines alone.

Times are in seconds from the start of the video. An event ``j`` is asked for from ``starts[j]`` to ``ends[j]``; events
are in the order of their starts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

SHRINK_SECONDS, SHRINK_SHARE = 0.25, 0.1
LEAST_FRAMES = 2  # of a segment that was shrunk
GAP_SECONDS = 0.5  # a longer gap between events is a part of the video that shows none of them
BOX_SECONDS = 0.5
_TIE = 1e-9  # cosines that differ by less are equal: they are sums in float64 of float32 vectors


@dataclass(frozen=True)
class Located:
    """Where the events were found.

    Args:
        starts, ends: (K,) seconds; both are the video's length for an event that begins after it.
        total: sum of the cosines along the segmentation.
    """

    starts: Floats
    ends: Floats
    total: float


def segments(times: Floats, starts: Floats, ends: Floats, *, shrink: bool) -> Flags:
    """Return the mask (K, F) of the frames of each event; the row of an event after the end is empty.

    Args:
        times: (F,) middle of each frame.
        starts, ends: (K,) of the events.
        shrink: leave out 0.25 s, or a tenth of the event, at both ends, so that a change that is a little early or late
            costs nothing. A segment with fewer than two frames left is taken whole.
    """
    whole = (times >= starts[:, None]) & (times < ends[:, None])
    if not shrink:
        return whole
    margin = np.minimum(SHRINK_SECONDS, SHRINK_SHARE * (ends - starts))
    inner = (times >= (starts + margin)[:, None]) & (times < (ends - margin)[:, None])
    return np.where((inner.sum(axis=1) >= LEAST_FRAMES)[:, None], inner, whole)


def similarity(cosines: Floats, masks: Flags) -> Floats:
    """Return S (K, K): the mean cosine of the frames of segment i with event j; NaN for a segment without a frame.

    Args:
        cosines: (F, K) of every frame with every event.
        masks: (K, F) from `segments`.
    """
    weights = masks.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        result: Floats = (weights @ cosines) / weights.sum(axis=1, keepdims=True)
    return result


def text_accuracy(matrix: Floats) -> float:
    """Return the share of segments whose own event is the nearest of all; a tie of n counts 1/n.

    A segment without a frame counts as wrong. By chance: 1/K.
    """
    return float(np.mean([_hit(row, at) for at, row in enumerate(matrix)]))


def segment_accuracy(matrix: Floats) -> float:
    """Return the share of events whose own segment is the nearest of all; ties and gaps as in `text_accuracy`."""
    return float(np.mean([_hit(column, at) for at, column in enumerate(matrix.T)]))


def _hit(values: Floats, own: int) -> float:
    if not np.isfinite(values[own]):
        return 0.0
    known = values[np.isfinite(values)]
    best = known.max()
    return 1.0 / int((known >= best - _TIE).sum()) if values[own] >= best - _TIE else 0.0


def above_chance(accuracy: float, events: int) -> float:
    """Return an accuracy so that chance is 0 and all right is 1; of at least two events."""
    return (accuracy - 1 / events) / (1 - 1 / events)


def margins(matrix: Floats) -> tuple[float, float]:
    """Return the mean over segments of the own cosine less the mean, and less the largest, of the others."""
    own, others = np.diag(matrix), matrix[~np.eye(len(matrix), dtype=bool)].reshape(len(matrix), -1)
    return float((own - others.mean(axis=1)).mean()), float((own - others.max(axis=1)).mean())


def locate(scores: Floats, edges: Floats, starts: Floats, ends: Floats) -> Located:
    """Return the best cut of the video into the events, in their order.

    Every event gets at least one frame. Where the request leaves more than 0.5 s without an event (before, between or
    after events), frames there may belong to none, at a score of 0. Of equal cuts the earliest is taken.

    Args:
        scores: (F, K) of every frame with every event that begins before the end; F >= K >= 1.
        edges: (F + 1,) where frames begin and end.
        starts, ends: (K,) as asked for.
    """
    count, events = scores.shape
    columns: list[int] = []  # the parts in their order: events by number, -1 for none of them
    before = edges[0]
    for at in range(events):
        columns += [-1] if starts[at] - before > GAP_SECONDS else []
        columns.append(at)
        before = ends[at]
    columns += [-1] if edges[-1] - before > GAP_SECONDS else []
    # best[f]: the largest sum of the first f frames cut into the parts so far; cut[p][f]: where part p then begins.
    best = np.full(count + 1, -np.inf)
    best[0] = 0.0
    cuts = []
    for column in columns:
        sums = np.concatenate([[0.0], np.cumsum(scores[:, column] if column >= 0 else np.zeros(count))])
        reached, cut = np.full(count + 1, -np.inf), np.zeros(count + 1, dtype=np.int64)
        # A part from a to f adds sums[f] - sums[a]: only the best start so far is kept. An event has a frame at least.
        lead, start = -np.inf, 0
        for frame in range(count + 1):
            if column < 0 and best[frame] - sums[frame] > lead:
                lead, start = best[frame] - sums[frame], frame
            reached[frame], cut[frame] = lead + sums[frame], start
            if column >= 0 and best[frame] - sums[frame] > lead:
                lead, start = best[frame] - sums[frame], frame
        best = reached
        cuts.append(cut)
    found = np.zeros((events, 2))
    frame = count
    for column, cut in zip(reversed(columns), reversed(cuts), strict=True):
        begin = int(cut[frame])
        if column >= 0:
            found[column] = edges[begin], edges[frame]
        frame = begin
    return Located(found[:, 0], found[:, 1], float(best[count]))


def overlaps(found: Located, starts: Floats, ends: Floats) -> Floats:
    """Return for each event the overlap of where it was found and where it was asked for, by their union (tIoU)."""
    both = np.minimum(found.ends, ends) - np.maximum(found.starts, starts)
    union = np.maximum(found.ends, ends) - np.minimum(found.starts, starts)
    result: Floats = np.maximum(both, 0.0) / union
    return result


def boundary_error(found: Located, starts: Floats, ends: Floats) -> float:
    """Return how far begin and end of the events are from what was asked for, in seconds; mean over both and events."""
    return float((np.abs(found.starts - starts) + np.abs(found.ends - ends)).mean() / 2)


def order(scores: Floats, times: Floats) -> float:
    """Return Kendall's tau of the events' order and of the times at which each fits best, -1..1; equal times count 0.

    Args:
        scores: (F, K), of at least two events; smoothed here with a box of 0.5 s.
        times: (F,) middle of each frame.
    """
    near = np.abs(times[:, None] - times[None]) <= BOX_SECONDS / 2 + 1e-9
    smooth = (near.astype(np.float64) @ scores) / near.sum(axis=1, keepdims=True)
    # The middle of all frames that fit equally well: a frozen video has no order.
    peak = np.array([times[column >= column.max() - _TIE].mean() for column in smooth.T])
    steps = peak[None] - peak[:, None]
    signs = np.sign(np.where(np.abs(steps) < 1e-9, 0.0, steps))[np.triu_indices(len(peak), 1)]
    return float(signs.mean())
