"""Lip sync: how well the lips of a video fit the sound, by SyncNet (METRICS.md 3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.base import Event, Metric, MetricRecord, Outcome, unscored
from evalkit.metrics.sync_arithmetic import Sync, cut_to, summarise

Arrays = Mapping[str, NDArray[Any]]
Sound = Literal["official", "own"]
COMMON_WINDOWS = 95  # the windows of 100 frames, 4 s
JOONSON_DETECTIONS = 100


def track_syncs(arrays: Arrays, sound: Sound, windows: int | None = None, detections: int = 0) -> list[Sync]:
    """Return the numbers of every track that the sound reaches.

    Args:
        arrays: the feature ``syncnet`` or ``syncnet_whole``.
        sound: which sound to compare with.
        windows: cut every track to its first so many windows, and leave out those that have fewer.
        detections: leave out tracks with no more detections than this.

    Raises:
        ValueError: when a distance is not finite.
    """
    tracks = len(arrays["track_first"]) if "track_first" in arrays else 1
    distances, silent = arrays[sound], arrays["silent"]
    heard = ~np.isnan(distances).all(axis=1)
    syncs = []
    for track in range(tracks):
        if "track_detections" in arrays and arrays["track_detections"][track] <= detections:
            continue
        rows = (arrays["window_track"] == track) & heard
        stretch = distances[rows]
        if windows is not None:
            if len(stretch) < windows:
                continue
            stretch = cut_to(stretch, silent[rows], windows)
        sync = summarise(stretch)
        if sync != "too_short":
            syncs.append(sync)
    return syncs


def track_coverage(arrays: Arrays) -> float | None:
    """Return the share of the frames at 25/s that lie in a track; ``None`` without a frame."""
    frames = len(arrays["faces"])
    if frames == 0:
        return None
    covered = np.zeros(frames, dtype=bool)
    for first, last in zip(arrays["track_first"], arrays["track_last"], strict=True):
        covered[first : last + 1] = True
    return float(covered.mean())


def mean_confidence(syncs: Sequence[Sync]) -> float:
    """Return the mean confidence of the tracks."""
    return fmean(sync.confidence for sync in syncs)


def mean_distance(syncs: Sequence[Sync]) -> float:
    """Return the mean distance of the tracks."""
    return fmean(sync.distance for sync in syncs)


def mean_offset(syncs: Sequence[Sync]) -> float:
    """Return the mean offset of the tracks, cut to a whole number of frames towards zero as LatentSync does."""
    return float(int(fmean(sync.offset for sync in syncs)))


class SyncMetric(Metric):
    """One number of the tracks of a video.

    Args:
        record: what it means.
        statistic: the number of a video's tracks, at least one.
        sound: the test set's speech or the file's own sound.
        worst: the value of a video without a track that can be scored; ``None`` leaves it unscored.
        windows, detections: as in `track_syncs`.
    """

    def __init__(
        self,
        record: MetricRecord,
        statistic: Callable[[Sequence[Sync]], float],
        *,
        sound: Sound = "official",
        worst: float | None = None,
        windows: int | None = None,
        detections: int = 0,
    ) -> None:
        self.record = record
        self._statistic = statistic
        self._sound: Sound = sound
        self._worst = worst
        self._windows = windows
        self._detections = detections

    def compute(self, features: Mapping[str, Arrays]) -> Outcome:
        """Return the number, or why there is none: ``no_official_audio``, ``no_own_audio``, ``no_track``, ..."""
        arrays = features[self.record.features[0]]
        if not arrays[f"has_{self._sound}"]:
            return unscored(f"no_{self._sound}_audio")
        try:
            syncs = track_syncs(arrays, self._sound, self._windows, self._detections)
            every = track_syncs(arrays, self._sound)
        except ValueError as error:
            return unscored("distance_not_finite", str(error))
        if not syncs:
            return self._without_track(arrays, every)
        return Outcome(self._statistic(syncs), events=_events(every, self._sound))

    def _without_track(self, arrays: Arrays, every: Sequence[Sync]) -> Outcome:
        """Return the declared value of a video without a track, or the reason."""
        if "track_first" in arrays and len(arrays["track_first"]) == 0:
            reason, detail = (
                "no_track",
                f"a face in {int((arrays['faces'] > 0).sum())} of {len(arrays['faces'])} frames",
            )
        elif every:
            reason, detail = "track_too_short", f"the longest has {max(sync.windows for sync in every)} windows"
        else:
            reason, detail = "too_short", "the sound ends within six frames of the track's start"
        if self._worst is None:
            return unscored(reason, detail)
        return Outcome(self._worst, events=(Event(reason, detail),))


class TrackCoverage(Metric):
    """The share of a video that the tracks cover."""

    def __init__(self, record: MetricRecord) -> None:
        self.record = record

    def compute(self, features: Mapping[str, Arrays]) -> Outcome:
        """Return the share; 0 without a track."""
        value = track_coverage(features[self.record.features[0]])
        return unscored("no_frame") if value is None else Outcome(value)


def _events(syncs: Sequence[Sync], sound: Sound) -> tuple[Event, ...]:
    """Say what each track is when there are several."""
    if len(syncs) < 2:
        return ()
    rows = [f"C {sync.confidence:.3f} D {sync.distance:.3f} offset {sync.offset}" for sync in syncs]
    return (Event("several_tracks", f"{len(syncs)} tracks against the {sound} sound: {'; '.join(rows)}"),)


_PIPELINE = (
    "In memory: no JPEG, MP4 or AAC in between, 25 frames/s by the nearest frame, so values differ from a script's in "
    "the second decimal. Confidence grows with length (zero padding): compare equal lengths only."
)
_CONF = MetricRecord(
    id="sync.latentsync.conf",
    title="Sync-C",
    summary="SyncNet confidence against the test set's speech: median less minimum of 31 mean distances; track mean.",
    higher_is_better=True,
    unit="",
    range=(0.0, None),
    features=("syncnet",),
    protocol=1,
    citation="Chung and Zisserman, Out of time, ACCV workshops 2016; tracks as bytedance/LatentSync, eval_sync_conf.py",
    role="secondary",
    missing_policy="as the reference implementation: a video without a track is left out",
    aliases=("lse_c",),
    notes=_PIPELINE,
)
_DIST = replace(
    _CONF,
    id="sync.latentsync.dist",
    title="Sync-D",
    summary="SyncNet distance against the test set's speech: the smallest of 31 mean distances; mean over tracks.",
    higher_is_better=False,
    role="ranked",
    missing_policy="a video without a track is unscored, which lowers the coverage",
    aliases=("lse_d",),
    notes=f"The distance of the tracks that sync.latentsync.conf scores. {_PIPELINE}",
)
_OFFSET = replace(
    _CONF,
    id="sync.latentsync.offset",
    title="Sync offset",
    summary="Where lips and the test set's speech fit best; positive: the sound is early. Track mean, cut to a whole.",
    higher_is_better=None,
    unit="frames at 25/s",
    range=(-15.0, 15.0),
    role="diagnostic",
    missing_policy="unscored",
    aliases=(),
    notes="With several tracks the mean is cut towards zero; an event lists the tracks.",
)


def _variant(base: MetricRecord, family: str, title: str, what: str, **changes: Any) -> MetricRecord:
    """Return ``base`` under another family, with the difference in its title and summary."""
    changes = {"role": "diagnostic" if base.role == "diagnostic" else "secondary", "aliases": (), **changes}
    name = f"sync.{family}.{base.id.rsplit('.', maxsplit=1)[-1]}"
    return replace(base, id=name, title=f"{base.title}, {title}", summary=f"{base.summary} {what}", **changes)


_OWN = "Here with the file's own sound in place of the test set's."
_OWN_NOTES = "An entrant can shift it by remuxing; never rank on it. It shows sound that was muxed late or early."
_COMMON = "Here of each track's first 4 s; tracks that are shorter don't count."
_JOONSON = "Here of tracks with more than 100 detections."
_WHOLE = "Here of whole frames resized to 224 x 224 in place of tracked faces."
_WHOLE_CHANGES = {
    "features": ("syncnet_whole",),
    "citation": "Prajwal et al., A Lip Sync Expert Is All You Need, ACM MM 2020; Rudrabha/Wav2Lip, evaluation scripts",
    "missing_policy": "unscored",
    "notes": "For videos that are face crops at 25 frames/s already.",
}

METRICS: tuple[Metric, ...] = (
    SyncMetric(_CONF, mean_confidence),
    SyncMetric(_DIST, mean_distance),
    SyncMetric(_OFFSET, mean_offset),
    SyncMetric(
        _variant(
            _CONF,
            "strict",
            "strict",
            "Here 0 without a track.",
            role="ranked",
            missing_policy="a video without a track that can be scored counts as 0, the worst value",
        ),
        mean_confidence,
        worst=0.0,
    ),
    TrackCoverage(
        MetricRecord(
            id="sync.coverage",
            title="Sync coverage",
            summary="Share of the video's frames at 25/s that lie in a face track and so enter the sync metrics.",
            higher_is_better=None,
            unit="share",
            range=(0.0, 1.0),
            features=("syncnet",),
            protocol=1,
            citation="this project; METRICS.md 3.5",
            role="diagnostic",
            missing_policy="no track is 0",
        )
    ),
    SyncMetric(_variant(_CONF, "own", "own sound", _OWN, notes=_OWN_NOTES), mean_confidence, sound="own"),
    SyncMetric(_variant(_DIST, "own", "own sound", _OWN, notes=_OWN_NOTES), mean_distance, sound="own"),
    SyncMetric(_variant(_OFFSET, "own", "own sound", _OWN, notes=_OWN_NOTES), mean_offset, sound="own"),
    SyncMetric(_variant(_CONF, "common", "4 s", _COMMON), mean_confidence, windows=COMMON_WINDOWS),
    SyncMetric(_variant(_DIST, "common", "4 s", _COMMON), mean_distance, windows=COMMON_WINDOWS),
    SyncMetric(_variant(_CONF, "joonson", "long tracks", _JOONSON), mean_confidence, detections=JOONSON_DETECTIONS),
    SyncMetric(_variant(_DIST, "joonson", "long tracks", _JOONSON), mean_distance, detections=JOONSON_DETECTIONS),
    SyncMetric(_variant(_CONF, "wav2lip_lrs", "whole frame", _WHOLE, **_WHOLE_CHANGES), mean_confidence),
    SyncMetric(_variant(_DIST, "wav2lip_lrs", "whole frame", _WHOLE, **_WHOLE_CHANGES), mean_distance),
    SyncMetric(_variant(_OFFSET, "wav2lip_lrs", "whole frame", _WHOLE, **_WHOLE_CHANGES), mean_offset),
)
