"""Whether the lips rest in silence: THEval's silent lip stability, on FaceMesh points and on 68 points."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.base import Event, VideoValue, metric, unscored
from evalkit.metrics.landmarks.features import RATE
from evalkit.metrics.landmarks.frames import found
from evalkit.metrics.speech.activity import WINDOW, speech_spans
from evalkit.metrics.theval import facemesh
from evalkit.metrics.theval.arithmetic import lip_gaps, runs_of, spread_around_mean
from evalkit.metrics.theval.points68 import (
    CITATION,
    EYE_CORNERS,
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
)

SAMPLES = 16000


@metric(
    id="theval.silent_lip_stability.p68",
    title="Silent lip stability, 68 points",
    summary="How much the gap between the lips varies while the speech pauses: median distance from its mean.",
    higher_is_better=None,
    range=(0.0, None),
    features=("landmarks68_video", "speech_level"),
    people_only=True,
    ignores_own_audio=True,
    role="diagnostic",
    blind_to="A mouth that stays open in silence: what doesn't vary is stable.",
    citation=f"{CITATION}: Synchronization/silent_lip_stability.py",
    missing_policy=f"{MISSING}; not applicable where the speech never pauses for 0.3 s",
    options=SpeechRule(),
    notes=f"{P68[:1].upper()}{P68[1:]}. Silence is that of the test set's speech, by its loudness; THEval takes the "
    "file's own sound and Silero's network.",
)
def silent_lip_stability(landmarks: Arrays, level: Arrays, options: SpeechRule) -> VideoValue:
    """Return the spread of the gap in silent frames.

    1. 25 frames a second; in each the mean vertical gap of three pairs of inner lip points (61 to 63 above 67 to 65),
       by the distance of the outer corners of the eyes (36, 45), in a frame squashed to 256 by 256.
    2. A frame is silent where the nearest window of 50 ms of the test set's speech has a root mean square of at most a
       tenth of the windows' 95th percentile, or of 0.001; only runs of at least 0.3 s count.
    3. The median over these frames of the distance of the gap from its mean.
    """
    track = track_of(landmarks)
    if isinstance(track, VideoValue):
        return track
    if not is_usable(level):
        return unscored("not_finite")
    silent = runs_of(~speech_frames(level, len(track.there), options), options.silence * RATE)
    if not silent.any():
        return not_applicable("no_silence", f"the speech never pauses for {options.silence:g} s")
    gaps = lip_gaps(track.squashed[silent & track.there], UPPER_LIP, LOWER_LIP, EYE_CORNERS)
    gaps = gaps[np.isfinite(gaps)]
    if len(gaps) < 2:
        return unscored("too_few_frames", "fewer than two silent frames have landmarks")
    return VideoValue(spread_around_mean(gaps), events=track.events)


def silent_frames(spans: list[tuple[float, float]], fps: float, count: int, silence: float) -> NDArray[np.bool_]:
    """Return the frames that the script takes for silent: (count,).

    Args:
        spans: of speech as (start, end) in samples at 16 kHz; the script has them in seconds with one decimal.
        fps: frames a second.
        count: of frames.
        silence: seconds that a pause must last.
    """
    silent = np.ones(count, bool)
    for span in spans:
        start, end = (int(round(at / SAMPLES, 1) * fps) for at in span)
        silent[start : end + 1] = False
    return runs_of(silent, silence * fps)


def spans_of(voice: Arrays) -> list[tuple[float, float]] | VideoValue:
    """Return the spans of speech in the file's own sound as (start, end) in samples, or why they are not known."""
    if voice["by_network"].shape != () or not bool(voice["by_network"]):
        return unscored("no_voice_network", "the set of backbones has no network of the role 'voice_activity'")
    probabilities = voice["generated"]
    if probabilities.ndim != 1 or not len(probabilities) or voice["samples"].shape != (2,):
        return unscored("no_audio", "the file has no sound")
    if not np.isfinite(probabilities).all():
        return unscored("not_finite")
    return speech_spans(probabilities, min(int(voice["samples"][0]), WINDOW * len(probabilities)))


@metric(
    id="theval.silent_lip_stability",
    title="Silent lip stability (THEval)",
    summary="How much the gap between the lips varies while the file's sound has no speech: median distance from the "
    "mean.",
    higher_is_better=None,
    range=(0.0, None),
    features=("facemesh", "voice_activity", "facts"),
    people_only=True,
    role="diagnostic",
    blind_to="A mouth that stays open in silence: what doesn't vary is stable.",
    citation=f"{CITATION}: Synchronization/silent_lip_stability.py",
    missing_policy="as the reference implementation: unscored without a silent run of 0.3 s or with fewer than two "
    "silent frames with a face",
    options=SpeechRule(),
    notes="Rests on FaceMesh points that the organizer imported (--features facemesh=DIR) and on Silero's network "
    "(role voice_activity). A median of distances from the mean is not the usual median absolute deviation.",
)
def mesh_silent_lip_stability(mesh: Arrays, voice: Arrays, facts: Arrays, options: SpeechRule) -> VideoValue:
    """Return the spread of the gap in silent frames.

    1. Spans of speech in the file's own sound by Silero VAD with its default settings, to 0.1 s; frames outside of them
       are silent, in runs of at least 0.3 s.
    2. In each silent frame with a face the mean vertical gap of eight pairs of inner lip points of FaceMesh, by the
       distance of points 33 and 263, in a frame squashed to 256 by 256.
    3. The median over these frames of the distance of the gap from its mean.
    """
    spans = spans_of(voice)
    fps, points = float(facts.get("fps", np.array(np.nan))), mesh["points"].astype(np.float64)
    if isinstance(spans, VideoValue):
        return spans
    if not len(points) or not np.isfinite(fps):
        return unscored("too_few_frames")
    silent = silent_frames(spans, fps, len(points), options.silence)
    if not silent.any():
        return unscored("no_silence", f"the sound has no pause of {options.silence:g} s")
    there = found(points)
    gaps = lip_gaps(
        points[silent & there] * facemesh.SIDE, facemesh.UPPER_LIP, facemesh.LOWER_LIP, facemesh.EYE_CORNERS
    )
    gaps = gaps[np.isfinite(gaps)]
    if len(gaps) < 2:
        return unscored("too_few_frames", "fewer than two silent frames have a face")
    events = () if there.all() else (Event("frames_without_landmarks", f"{int((~there).sum())} of {len(there)}"),)
    return VideoValue(spread_around_mean(gaps), events=events)


METRICS = (silent_lip_stability, mesh_silent_lip_stability)
