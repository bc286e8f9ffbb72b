"""Whether the mouth opens with the loudness of the speech: THEval's lip sync on 68 points."""

from __future__ import annotations

import numpy as np

from evalkit.metrics.base import VideoValue, metric, unscored
from evalkit.metrics.theval.arithmetic import lip_openings, opening_against_volume
from evalkit.metrics.theval.points68 import (
    CITATION,
    EYES,
    LOWER_LIP,
    MISSING,
    P68,
    UPPER_LIP,
    Arrays,
    SpeechRule,
    is_usable,
    not_applicable,
    speech_frames,
    track_of,
    volume_at_frames,
)


@metric(
    id="theval.lip_sync.p68",
    title="Lip sync by loudness, 68 points",
    summary="Mean difference of the mouth's opening from the speech's loudness, both stretched to 0..1.",
    higher_is_better=None,
    range=(0.0, 1.0),
    features=("landmarks68_video", "speech_level"),
    people_only=True,
    ignores_own_audio=True,
    role="diagnostic",
    blind_to="What is said: a mouth that opens with the loudness alone is best, and closed lips at a loud sound are "
    "worst. The frame's shape: openings are shares of its height by shares of its width.",
    citation=f"{CITATION}: Synchronization/lip_sync.py",
    missing_policy=f"{MISSING}; not applicable where less than a tenth of the frames has speech",
    options=SpeechRule(),
    notes=f"{P68[:1].upper()}{P68[1:]}. Speech and loudness are those of the test set's speech; THEval takes the "
    "file's own sound and Silero's network. Real speech has about 0.25 in THEval's set: 0 is no aim.",
)
def lip_sync(landmarks: Arrays, level: Arrays, options: SpeechRule) -> VideoValue:
    """Return the mean difference over the frames with speech.

    1. 25 frames a second; in each the height between the means of three upper and three lower inner lip points, as a
       share of the frame's height, by the horizontal distance of the eyes' middles, as a share of its width.
    2. The root mean square of the test set's speech in windows of 50 ms, linear between their times.
    3. Frames with speech are those whose nearest window has more than a tenth of the windows' 95th percentile, and
       more than 0.001.
    4. Over these frames both are stretched to 0..1 (1e-8 added to the range); mean absolute difference.
    """
    track = track_of(landmarks)
    if isinstance(track, VideoValue):
        return track
    if not is_usable(level):
        return unscored("not_finite")
    count = len(track.there)
    heard = speech_frames(level, count, options)
    if heard.mean() < options.least_speech:
        return not_applicable("no_speech", f"{heard.mean():.0%} of the frames have speech")
    openings = np.full(count, np.nan)
    openings[track.there] = lip_openings(track.shares[track.there], UPPER_LIP, LOWER_LIP, EYES)
    used = heard & np.isfinite(openings)
    if used.sum() < 2:
        return unscored("too_few_frames", "fewer than two frames with speech have landmarks")
    value = opening_against_volume(openings[used], volume_at_frames(level, count)[used])
    return VideoValue(value, events=track.events)


METRICS = (lip_sync,)
