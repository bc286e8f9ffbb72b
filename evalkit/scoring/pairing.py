"""Show a reference video and a candidate side by side, frame by frame, without holding either in memory.

The clock is the reference's: for each of its frames the candidate's frame nearest in time is taken (both counted from
their first frame), up to the end of the shorter one. With equal frame rates this is frame n beside frame n.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import MediaError
from evalkit.media.decode import iter_frames
from evalkit.media.held import VideoSource
from evalkit.media.inspect import scan_times
from evalkit.media.limits import MAX_FRAMES
from evalkit.media.sampling import Indices, Times, at_times, frame_interval
from evalkit.media.still_frame import STILL_TIMES, iter_still
from evalkit.metrics.features.base import FeatureUnavailableError, PairCoverage, PairSession, Picture


def pair_indices(candidate: Times, reference: Times) -> Indices:
    """Return, for each reference frame that both videos reach, the index of the candidate frame shown at that time.

    Args:
        candidate: (N,) display times in seconds.
        reference: (M,) display times in seconds.

    Returns:
        (K,) with K <= M, non-decreasing; element k belongs to reference frame k.
    """
    if len(candidate) == 0 or len(reference) == 0:
        return np.empty(0, dtype=np.int64)
    ours, theirs = candidate - candidate[0], reference - reference[0]
    # Half an interval after the last candidate frame's time nothing is nearer than "past the end".
    end = ours[-1] + 0.5 * frame_interval(candidate, default=0.04) + 1e-6
    return at_times(ours, theirs[theirs <= end])


def _extra_seconds(candidate: Times, reference: Times) -> float:
    """Return how much longer the candidate is than the reference, at least 0; both from the first to the last frame."""
    if len(candidate) == 0 or len(reference) == 0:
        return 0.0
    return max(0.0, float((candidate[-1] - candidate[0]) - (reference[-1] - reference[0])))


class PairedSink:
    """A frame sink for the candidate that reads the reference in step and feeds sessions with pairs.

    Args:
        reference: a video; with ``still`` an image, which is one frame.
        sessions: what takes the pairs.
        max_frames: frames of the reference that are looked at.
        still: whether the reference is an image.
    """

    def __init__(
        self,
        reference: VideoSource,
        sessions: Sequence[PairSession],
        max_frames: int = MAX_FRAMES,
        *,
        still: bool = False,
    ) -> None:
        self._reference, self._still = reference, still
        self._sessions = sessions
        self._max_frames = max_frames
        self._problem: Exception | None = None
        self._matches: Indices = np.empty(0, dtype=np.int64)
        self._next = 0
        self._stream: Iterator[Picture] = iter(())

    def plan(self, times: Times) -> NDArray[np.bool_]:
        """Return which candidate frames some reference frame is paired with."""
        mask = np.zeros(len(times), dtype=bool)
        self._problem = None
        for session in self._sessions:
            session.restart()
        try:
            reference = STILL_TIMES if self._still else scan_times(self._reference, self._max_frames)
        except (MediaError, OSError) as error:
            self._problem = FeatureUnavailableError("reference_video_unreadable", str(error))
            return mask
        self._matches = pair_indices(times, reference)
        coverage = PairCoverage(len(self._matches), len(reference), _extra_seconds(times, reference))
        for session in self._sessions:
            session.begin(coverage)
        self._next = 0
        self._stream = iter_still(cast(Path, self._reference)) if self._still else iter_frames(self._reference)
        mask[self._matches] = True
        return mask

    def frame(self, index: int, time: float, rgb: Picture) -> None:
        """Pair ``rgb`` with every reference frame that it is shown beside."""
        while self._problem is None and self._next < len(self._matches) and self._matches[self._next] == index:
            try:
                other = next(self._stream)
            except (StopIteration, MediaError) as error:
                self._problem = FeatureUnavailableError(
                    "reference_video_unreadable", str(error) or "it has fewer frames than its index states"
                )
                return
            try:
                for session in self._sessions:
                    session.pair(self._next, rgb, other)
            except Exception as error:  # noqa: BLE001 - raised by `check`; the other sinks continue
                self._problem = error
                return
            self._next += 1

    def check(self) -> None:
        """Raise what went wrong with the reference video or in a session, if anything did.

        Raises:
            FeatureUnavailableError: ``reference_video_unreadable``, or a session's own reason.
        """
        if self._problem is not None:
            raise self._problem
