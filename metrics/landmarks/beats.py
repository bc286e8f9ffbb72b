"""Whether the head moves to the rhythm of the speech: the beat alignment score of head motion and onsets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.base import Event, VideoValue, definition_beside, metric, unscored
from evalkit.metrics.landmarks.features import RATE
from evalkit.metrics.landmarks.head_motion import head_track

Arrays = Mapping[str, NDArray[Any]]
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class BeatOptions:
    """Of the beat alignment score, in frames at 25 a second: those of dance at 60 a second, as long in seconds.

    Args:
        smoothing: deviation of the Gaussian over the head's speed.
        tolerance: deviation of the Gaussian over the distance of the beats.
        least_seconds: of video with onsets in it.
    """

    smoothing: float = 5 * RATE / 60
    tolerance: float = 3 * RATE / 60
    least_seconds: float = 1.0


def motion_beats(angles: Numbers, smoothing: float) -> Numbers:
    """Return when the head slows down and speeds up again: (K,) in frames, halves between two frames.

    The speed from each frame to the next is the length of the change of all angles, smoothed by a Gaussian (reflected
    at the ends, cut off at 4 deviations); a beat is where it is lower than just before and just after.

    Args:
        angles: (T, 3) degrees, T at least 2.
        smoothing: the Gaussian's deviation in frames.
    """
    from scipy.ndimage import gaussian_filter1d

    speed = gaussian_filter1d(np.linalg.norm(np.diff(angles, axis=0), axis=1), smoothing)
    lowest = np.flatnonzero((speed[1:-1] < speed[:-2]) & (speed[1:-1] < speed[2:])) + 1
    return lowest.astype(np.float64) + 0.5


def beat_alignment(beats: Numbers, others: Numbers, tolerance: float) -> float:
    """Return the mean over ``beats`` of ``exp(-d**2 / (2 tolerance**2))``, d the distance to the nearest of ``others``.

    0..1; 0 where there are no others. Not symmetric: of audio beats to motion beats it is Bailando's score, of motion
    beats to audio beats that of AIST++ and EDGE.

    Raises:
        ValueError: without a beat.
    """
    if len(beats) == 0:
        raise ValueError("a mean over beats takes one")
    if len(others) == 0:
        return 0.0
    distances = np.abs(beats[:, None] - others).min(axis=1)
    return float(np.exp(-(distances**2) / (2 * tolerance**2)).mean())


def filled(angles: Numbers) -> Numbers:
    """Return the angles (T, 3) with those of frames without (NaN) on the line between their neighbours."""
    there = np.isfinite(angles).all(axis=1)
    at = np.arange(len(angles))
    return np.stack([np.interp(at, at[there], column[there]) for column in angles.T], axis=1)


@metric(
    id="motion.bas",
    title="Beat alignment",
    summary="Whether the head's turns come with the onsets of the speech: mean over the onsets of a Gaussian of the "
    "distance to the nearest moment at which the head is slowest.",
    higher_is_better=None,
    range=(0.0, 1.0),
    features=("landmarks68_video", "speech_onsets"),
    people_only=True,
    ignores_own_audio=True,
    role="diagnostic",
    blind_to="How much the head moves and whether that is natural: a head that trembles has slow moments everywhere, "
    "near any onset. The lips.",
    citation="Siyao et al., Bailando, CVPR 2022, for the score; head motion and speech as in Zhang et al., SadTalker, "
    "CVPR 2023; details are evalkit's own (docs/definitions/landmarks.md)",
    missing_policy="unscored where fewer than 80 % of the frames have landmarks, or the speech has no onset",
    definition=definition_beside(__file__, "beats.md"),
    notes="Chance is far above 0: compare with the number of the real videos. 0 for a head that stands still.",
    options=BeatOptions(),
)
def alignment(landmarks: Arrays, speech: Arrays, options: BeatOptions) -> VideoValue:
    """Return the score of the onsets during the video."""
    track = head_track(landmarks)
    if isinstance(track, VideoValue):
        return track
    count = len(track.angles)
    if count < options.least_seconds * RATE:
        return unscored("too_few_frames")
    onsets = speech["onsets"].astype(np.float64) * RATE
    if not np.isfinite(onsets).all():
        return unscored("not_finite")
    onsets = onsets[(onsets >= 0) & (onsets <= count - 1)]
    if len(onsets) == 0:
        return unscored("no_onset")
    beats = motion_beats(filled(track.angles), options.smoothing)
    events = track.events
    if len(beats) == 0:
        events = (*events, Event("no_motion_beat", "the head never slows down and speeds up again"))
    return VideoValue(beat_alignment(onsets, beats, options.tolerance), events=events)


METRICS = (alignment,)
