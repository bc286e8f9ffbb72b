"""Lip leakage under silence, without a reference: how much lips move that were given nothing to say."""

from __future__ import annotations

import numpy as np

from evalkit.metrics.base import VideoValue, metric, unscored
from evalkit.metrics.leakage.silence import CITATION
from evalkit.metrics.theval.arithmetic import lip_gaps, spread_around_mean
from evalkit.metrics.theval.points68 import EYE_CORNERS, LOWER_LIP, MISSING, UPPER_LIP, Arrays, track_of
from evalkit.testsets.setup_names import SILENT


@metric(
    id="leak.silent_mad",
    title="Leak-M",
    summary="How much the gap between the lips varies in videos that were driven by silence: median distance from its "
    "mean.",
    higher_is_better=False,
    range=(0.0, None),
    features=("landmarks68_video",),
    people_only=True,
    setups=(SILENT,),
    role="secondary",
    blind_to="What the lips say, and why they move: a yawn leaks nothing. A mouth that never moves is perfect.",
    citation=f"{CITATION}; spread of the lips' gap as in THEval (arXiv 2511.04520), on 68 points",
    missing_policy=f"{MISSING}; the other setups of an item are not part of it",
    notes="evalkit's own, for sources whose speech is not known. Landmarks of a closed mouth tremble: compare with the "
    "same number of a still picture.",
)
def silent_lip_motion(landmarks: Arrays) -> VideoValue:
    """Return the spread of the gap over the whole video, since its driving sound is silent throughout.

    1. 25 frames a second; in each the mean vertical gap of three pairs of inner lip points (61 to 63 above 67 to 65),
       by the distance of the outer corners of the eyes (36, 45), in a frame squashed to 256 by 256.
    2. The median over the frames of the distance of the gap from its mean.
    3. The mean over the videos of the setup `silent`.
    """
    track = track_of(landmarks)
    if isinstance(track, VideoValue):
        return track
    gaps = lip_gaps(track.squashed[track.there], UPPER_LIP, LOWER_LIP, EYE_CORNERS)
    gaps = gaps[np.isfinite(gaps)]
    if len(gaps) < 2:
        return unscored("too_few_frames", "fewer than two frames have landmarks")
    return VideoValue(spread_around_mean(gaps), events=track.events)


METRICS = (silent_lip_motion,)
