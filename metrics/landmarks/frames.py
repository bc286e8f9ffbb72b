"""Which frames of the feature ``landmarks68`` a metric compares, and when there are too few."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.base import Event, VideoValue, unscored
from evalkit.metrics.features.base import PairCoverage
from evalkit.metrics.landmarks.arithmetic import Points

LEAST_SHARE = 0.8  # of the reference's frames: a mean over less is not the video's
LEAST_REFERENCE = 0.5  # of the compared frames must have landmarks in the reference
MOST_MISSED = 0.05  # of these may lack them in the video


@dataclass(frozen=True)
class CommonFrames:
    """The frames with landmarks in both videos.

    Args:
        candidate, reference: (T, 68, 2) float64 pixels, T at least 1.
        events: what a reader should know of the others.
    """

    candidate: Points
    reference: Points
    events: tuple[Event, ...]


def found(points: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which frames have landmarks: (K,)."""
    mask: NDArray[np.bool_] = np.isfinite(points).all(axis=(1, 2))
    return mask


def missed_share(landmarks: Mapping[str, NDArray[Any]]) -> float | None:
    """Return the share of frames without landmarks in the video among those with landmarks in the reference.

    ``None`` when the reference has none.
    """
    ours, theirs = found(landmarks["candidate"]), found(landmarks["reference"])
    return float((theirs & ~ours).sum() / theirs.sum()) if theirs.any() else None


def common_frames(landmarks: Mapping[str, NDArray[Any]], *, strict: bool) -> CommonFrames | VideoValue:
    """Return the frames to compare, or why the video is unscored.

    Args:
        landmarks: the feature's arrays.
        strict: whether a video with too few frames or landmarks is unscored; otherwise every frame that has landmarks
            in both counts, as in the published scripts.
    """
    ours, theirs = found(landmarks["candidate"]), found(landmarks["reference"])
    both = ours & theirs
    without = f"{int((~ours).sum())} of {len(ours)} frames have no landmarks, of the reference {int((~theirs).sum())}"
    if not both.any():
        return unscored("no_landmarks" if len(both) else "no_common_frame", without if len(both) else "")
    coverage = PairCoverage.of(landmarks["compared"])
    compared = f"{coverage.pairs} of {coverage.reference_frames} frames of the reference are compared"
    if strict:
        if coverage.share < LEAST_SHARE:
            return unscored("too_little_compared", f"{compared}; at least {LEAST_SHARE:.0%} must be")
        if theirs.mean() < LEAST_REFERENCE:
            return unscored("reference_without_landmarks", without)
        if (theirs & ~ours).sum() > MOST_MISSED * theirs.sum():
            return unscored("landmarks_missing", f"{without}; at most {MOST_MISSED:.0%} may be missing")
    events = []
    if not both.all():
        events.append(Event("frames_without_landmarks", without))
    if coverage.pairs < coverage.reference_frames - 1:
        events.append(Event("shorter_than_reference", compared))
    return CommonFrames(
        landmarks["candidate"][both].astype(np.float64),
        landmarks["reference"][both].astype(np.float64),
        tuple(events),
    )
