"""From the distances of a video's face tracks to one number (docs/definitions/lip-sync.md#tracks)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.base import Event, VideoValue, unscored
from evalkit.metrics.sync.arithmetic import Sync, cut_to, summarise
from evalkit.metrics.sync.tracks import TRACKS, TrackOptions

Arrays = Mapping[str, NDArray[Any]]
Audio = Literal["official", "own"]
STILL = 0.5  # grey levels of 255, of the mouth's area at 40 x 40; encoding a held picture makes 0.03, a talking one 3
SHOWN = 5
NO_TRACK_KINDS = ("no_track", "track_too_short", "too_short")  # events of a video without a track that can be scored


@dataclass(frozen=True)
class TrackChoice:
    """Which tracks of a video count, and against which audio: the options of every lip-sync metric.

    Args:
        audio: the test set's speech, or the video file's own audio.
        tracks: whose rules make the tracks, where the feature has those of several.
        windows: cut every track to its first so many windows, and leave out those that have fewer.
        detections: leave out tracks with no more detections than this.
        without_track: the value of a video without a track that can be scored; ``None`` leaves it unscored.
    """

    audio: Audio = "official"
    tracks: str = "latentsync"
    windows: int | None = None
    detections: int = 0
    without_track: float | None = None


def track_syncs(arrays: Arrays, choice: TrackChoice) -> list[Sync]:
    """Return the numbers of every chosen track that the audio reaches and that the network can judge.

    Args:
        arrays: the feature ``syncnet``, ``syncnet_whole`` or ``syncnet_replicate``.

    Raises:
        ValueError: when a distance is not finite.
    """
    distances, silent = arrays[choice.audio], arrays["silent"]
    reached = ~np.isnan(distances).all(axis=1)
    syncs = []
    for track in track_rows(arrays, choice.tracks):
        if "track_detections" in arrays and arrays["track_detections"][track] <= choice.detections:
            continue
        if ood_score(arrays, track) > 1:
            continue
        rows = (arrays["window_track"] == track) & reached
        stretch = distances[rows]
        if choice.windows is not None:
            if len(stretch) < choice.windows:
                continue
            stretch = cut_to(stretch, silent[rows], choice.windows)
        sync = summarise(stretch)
        if sync != "too_short":
            syncs.append(sync)
    return syncs


def track_rows(arrays: Arrays, tracks: str) -> list[int]:
    """Return the rows of the tracks that the rules ``tracks`` make."""
    if "track_first" not in arrays:
        return [0]
    every = np.ones(len(arrays["track_first"]), dtype=bool)
    return [int(row) for row in np.flatnonzero(arrays.get(f"track_{tracks}", every))]


def ood_score(arrays: Arrays, track: int) -> float:
    """Return how unlike the faces that the network knows a track is, above 1 outside; the median over its windows."""
    values = _of_track(arrays, "ood_score", track)
    return float(np.median(values)) if len(values) else 0.0


def is_still(arrays: Arrays, track: int) -> bool:
    """Return whether the mouth of a track does not move: nine in ten frames change it by less than `STILL`."""
    values = _of_track(arrays, "motion", track)
    return len(values) > 0 and float(np.mean(values < STILL)) >= 0.9


def _of_track(arrays: Arrays, name: str, track: int) -> NDArray[Any]:
    """Return an array's values of a track's windows; none where the feature lacks it."""
    return arrays[name][arrays["window_track"] == track] if name in arrays else np.empty(0)


def mean_confidence(syncs: Sequence[Sync]) -> float:
    """Return the mean confidence of the tracks."""
    return fmean(sync.confidence for sync in syncs)


def mean_distance(syncs: Sequence[Sync]) -> float:
    """Return the mean distance of the tracks."""
    return fmean(sync.distance for sync in syncs)


def best_confidence(syncs: Sequence[Sync]) -> float:
    """Return the largest confidence of the tracks."""
    return max(sync.confidence for sync in syncs)


def best_distance(syncs: Sequence[Sync]) -> float:
    """Return the smallest distance of the tracks, which may be another track's than the largest confidence."""
    return min(sync.distance for sync in syncs)


def best_offset(syncs: Sequence[Sync]) -> float:
    """Return the offset of the track with the largest confidence; the first of equal ones."""
    return float(max(syncs, key=lambda sync: sync.confidence).offset)


def mean_offset(syncs: Sequence[Sync]) -> float:
    """Return the mean offset of the tracks, cut to a whole number of frames towards zero as LatentSync does."""
    return float(int(fmean(sync.offset for sync in syncs)))


def score_tracks(statistic: Callable[[Sequence[Sync]], float], arrays: Arrays, choice: TrackChoice) -> VideoValue:
    """Return ``statistic`` of the chosen tracks, or why there is none: ``no_official_audio``, ``no_track:...``, ..."""
    if not arrays[f"has_{choice.audio}"]:
        return unscored(f"no_{choice.audio}_audio")
    try:
        syncs = track_syncs(arrays, choice)
        every = track_syncs(arrays, TrackChoice(choice.audio, choice.tracks))
    except ValueError as error:
        return unscored("distance_not_finite", str(error))
    outside = _outside(arrays, choice.tracks)
    if syncs:
        events = (*_events(every, choice.audio), *outside, *_still(arrays, choice), *_cancelled(arrays, choice.audio))
        return VideoValue(statistic(syncs), events=events)
    if outside:
        return VideoValue(None, "outside_bundled_domain", outside)
    reason = ""
    if not track_rows(arrays, choice.tracks):
        missing = why_no_track(arrays, choice.tracks)
        reason, event = f"no_track:{missing.kind}", Event("no_track", missing.detail)
    elif every:
        needed = f"at least {choice.windows} are" if choice.windows else f"more than {choice.detections} detections are"
        longest = max(sync.windows for sync in every)
        event = Event("track_too_short", f"the longest has {longest} windows; {needed} needed")
    else:
        event = Event("too_short", "the audio ends within six frames of the track's start")
    if choice.without_track is None:
        return VideoValue(None, reason or event.kind, (event,))
    return VideoValue(choice.without_track, events=(event,))


def why_no_track(arrays: Arrays, tracks: str, options: TrackOptions = TRACKS) -> Event:
    """Return why no face of a video makes a track, with the numbers of the video and those that are needed.

    The kind is the first that holds: ``short_video``, ``few_faces`` (the detector finds too few), ``small_face``,
    ``scene_cuts``, or ``face_lost`` (the boxes of one frame and the next overlap too little, or too many miss between).
    """
    needed, frames = options.min_track, len(arrays["faces"])
    seen = int((arrays["faces"] > 0).sum())
    starts = arrays["scene_start_mocha" if tracks == "mocha" else "scene_start"]
    longest_scene = int(np.diff(np.append(starts, frames)).max(initial=0))
    first, last, detections, side = max(
        arrays[f"others_{tracks}"].tolist(), key=lambda face: face[2] * face[3], default=(0, 0, 0, 0.0)
    )
    found = f"a face in {seen} of {frames} frames at 25/s"
    found += f", {len(starts)} scenes, the longest of {longest_scene} frames" if len(starts) > 1 else ", one scene"
    if detections:
        found += f"; the most prominent face is followed for {detections:.0f} detections, {side:.0f} pixels"
    found += f"; a track needs more than {needed} detections in one scene and {options.smallest_face} pixels"
    cut = first in starts[1:] or last + 1 in starts
    kinds = {
        "short_video": frames <= needed,
        "few_faces": seen <= needed,
        "small_face": detections > needed and side <= options.smallest_face,
        "scene_cuts": longest_scene <= needed or cut,
        "face_lost": True,
    }
    return Event(next(kind for kind, holds in kinds.items() if holds), found)


def _outside(arrays: Arrays, tracks: str) -> tuple[Event, ...]:
    """Return an event when the network can't judge some tracks."""
    rows = track_rows(arrays, tracks)
    beyond = [value for value in (ood_score(arrays, row) for row in rows) if value > 1]
    if not beyond:
        return ()
    numbers = ", ".join(f"{value:.2f}" for value in beyond[:SHOWN]) + (", ..." if len(beyond) > SHOWN else "")
    detail = (
        f"{len(beyond)} of {len(rows)} tracks do not count: the bundled network knows only drawn puppets, and these "
        f"faces are unlike them (out-of-distribution score {numbers}; limit 1). Real people need published weights "
        "(evalkit weights)"
    )
    return (Event("outside_bundled_domain", detail),)


def _still(arrays: Arrays, choice: TrackChoice) -> tuple[Event, ...]:
    """Return an event when the mouth of some tracks does not move."""
    rows = track_rows(arrays, choice.tracks)
    still = sum(is_still(arrays, row) for row in rows)
    if not still:
        return ()
    detail = (
        f"in {still} of {len(rows)} tracks the mouth does not move: their distance and offset say nothing of the lips"
    )
    return (Event("still_mouth", detail),)


def _cancelled(arrays: Arrays, audio: Audio) -> tuple[Event, ...]:
    """Return an event when the channels of the audio cancel each other, so that there is little left to compare."""
    from evalkit.media.facts import CANCELLED

    energy = float(arrays.get(f"mix_{audio}", np.nan))
    if not energy < CANCELLED:
        return ()
    whose = "test set's speech" if audio == "official" else "file's own audio"
    detail = (
        f"the channels of the {whose} cancel each other: their average has {energy:.1%} of the energy of independent "
        "channels. Keep one channel: ffmpeg -i IN -af 'pan=mono|c0=c0' OUT"
    )
    return (Event(f"{audio}_audio_cancels", detail),)


def _events(syncs: Sequence[Sync], audio: Audio) -> tuple[Event, ...]:
    """Return an event that lists the tracks when there are several."""
    if len(syncs) < 2:
        return ()
    rows = [f"C {sync.confidence:.3f} D {sync.distance:.3f} offset {sync.offset}" for sync in syncs]
    return (Event("several_tracks", f"{len(syncs)} tracks against the {audio} audio: {'; '.join(rows)}"),)
