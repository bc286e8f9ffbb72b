"""Lip sync: how well the lips of a video fit the audio, by SyncNet (docs/definitions/lip-sync.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.base import Event, Metric, MetricRecord, VideoValue, definition_beside, unscored
from evalkit.metrics.sync.arithmetic import Sync, cut_to, summarise

Arrays = Mapping[str, NDArray[Any]]
Audio = Literal["official", "own"]
COMMON_WINDOWS = 95  # the windows of 100 frames, 4 s
JOONSON_DETECTIONS = 100


def track_syncs(
    arrays: Arrays, audio: Audio, windows: int | None = None, detections: int = 0, tracks: str = "latentsync"
) -> list[Sync]:
    """Return the numbers of every track that the audio reaches.

    Args:
        arrays: the feature ``syncnet``, ``syncnet_whole`` or ``syncnet_replicate``.
        audio: which audio to compare with.
        windows: cut every track to its first so many windows, and leave out those that have fewer.
        detections: leave out tracks with no more detections than this.
        tracks: whose rules make the tracks, where the feature has those of several.

    Raises:
        ValueError: when a distance is not finite.
    """
    wanted = _rows(arrays, tracks)
    distances, silent = arrays[audio], arrays["silent"]
    reached = ~np.isnan(distances).all(axis=1)
    syncs = []
    for track in wanted:
        if "track_detections" in arrays and arrays["track_detections"][track] <= detections:
            continue
        rows = (arrays["window_track"] == track) & reached
        stretch = distances[rows]
        if windows is not None:
            if len(stretch) < windows:
                continue
            stretch = cut_to(stretch, silent[rows], windows)
        sync = summarise(stretch)
        if sync != "too_short":
            syncs.append(sync)
    return syncs


def _rows(arrays: Arrays, tracks: str) -> list[int]:
    """Return the rows of the tracks that the rules ``tracks`` make."""
    if "track_first" not in arrays:
        return [0]
    every = np.ones(len(arrays["track_first"]), dtype=bool)
    return [int(row) for row in np.flatnonzero(arrays.get(f"track_{tracks}", every))]


def track_coverage(arrays: Arrays) -> float | None:
    """Return the share of the frames at 25/s that lie in a track of LatentSync's; ``None`` without a frame."""
    frames = len(arrays["faces"])
    if frames == 0:
        return None
    covered = np.zeros(frames, dtype=bool)
    for row in _rows(arrays, "latentsync"):
        covered[arrays["track_first"][row] : arrays["track_last"][row] + 1] = True
    return float(covered.mean())


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


class SyncMetric(Metric):
    """One number of the tracks of a video.

    Args:
        record: what it means.
        statistic: the number of a video's tracks, at least one.
        audio: the test set's speech or the file's own audio.
        worst: the value of a video without a track that can be scored; ``None`` leaves it unscored.
        windows, detections, tracks: as in `track_syncs`.
    """

    def __init__(
        self,
        record: MetricRecord,
        statistic: Callable[[Sequence[Sync]], float],
        *,
        audio: Audio = "official",
        worst: float | None = None,
        windows: int | None = None,
        detections: int = 0,
        tracks: str = "latentsync",
    ) -> None:
        self.record = record
        self._statistic = statistic
        self._audio: Audio = audio
        self._worst = worst
        self._windows = windows
        self._detections = detections
        self._tracks = tracks

    def compute(self, features: Mapping[str, Arrays]) -> VideoValue:
        """Return the number, or why there is none: ``no_official_audio``, ``no_own_audio``, ``no_track``, ..."""
        arrays = features[self.record.features[0]]
        if not arrays[f"has_{self._audio}"]:
            return unscored(f"no_{self._audio}_audio")
        try:
            syncs = track_syncs(arrays, self._audio, self._windows, self._detections, self._tracks)
            every = track_syncs(arrays, self._audio, tracks=self._tracks)
        except ValueError as error:
            return unscored("distance_not_finite", str(error))
        if not syncs:
            return self._without_track(arrays, every)
        return VideoValue(self._statistic(syncs), events=_events(every, self._audio))

    def _without_track(self, arrays: Arrays, every: Sequence[Sync]) -> VideoValue:
        """Return the declared value of a video without a track, or the reason."""
        if not _rows(arrays, self._tracks):
            reason, detail = (
                "no_track",
                f"a face in {int((arrays['faces'] > 0).sum())} of {len(arrays['faces'])} frames",
            )
        elif every:
            reason, detail = "track_too_short", f"the longest has {max(sync.windows for sync in every)} windows"
        else:
            reason, detail = "too_short", "the audio ends within six frames of the track's start"
        if self._worst is None:
            return unscored(reason, detail)
        return VideoValue(self._worst, events=(Event(reason, detail),))


class TrackCoverage(Metric):
    """The share of a video that the tracks cover."""

    def __init__(self, record: MetricRecord) -> None:
        self.record = record

    def compute(self, features: Mapping[str, Arrays]) -> VideoValue:
        """Return the share; 0 without a track."""
        value = track_coverage(features[self.record.features[0]])
        return unscored("no_frame") if value is None else VideoValue(value)


def _events(syncs: Sequence[Sync], audio: Audio) -> tuple[Event, ...]:
    """Say what each track is when there are several."""
    if len(syncs) < 2:
        return ()
    rows = [f"C {sync.confidence:.3f} D {sync.distance:.3f} offset {sync.offset}" for sync in syncs]
    return (Event("several_tracks", f"{len(syncs)} tracks against the {audio} audio: {'; '.join(rows)}"),)


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
    definition=definition_beside(__file__, "sync.md"),
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
    summary="Where lips and the test set's speech fit best; positive: the audio is early. Track mean, cut to a whole.",
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


_OWN = "Here with the file's own audio in place of the test set's."
_OWN_NOTES = "An entrant can shift it by remuxing; never rank on it. It shows audio that was muxed late or early."
_COMMON = "Here of each track's first 4 s; tracks that are shorter don't count."
_COMMON_NOTES = (
    "The one to compare clips of different length by: the zero padding lifts the confidence of a long track (8.4 at 20 "
    "windows, 9.7 at 250, same features). Every track counts with its first 95 windows (100 frames), exactly as if "
    "video and audio had been cut there before."
)
_JOONSON = "Here of tracks with more than 100 detections."
_JOONSON_NOTES = (
    "Only the length of the tracks is run_pipeline.py's. Its cuts are not reproduced: it asks for PySceneDetect 0.5.1, "
    "whose threshold is 30, while cuts here are those of 0.6.1 with 27, so a change between 27 and 30 ends a track "
    "here and not there. Neither is its AVI with MP3 audio, which delays the audio by 23 to 69 ms and so lowers its "
    "offsets by 0.6 to 1.7 frames, nor its habit to print each track: here they are averaged."
)
_MOCHA_CHANGES = {
    "citation": "MoChaBench, eval-lipsync; syncnet-python 0.2.3, SyncNetPipeline.inference",
    "missing_policy": "as the reference implementation: a video without a track is left out",
    "definition": definition_beside(__file__, "sync_mocha.md"),
    "notes": "Scenes as PySceneDetect 0.6.7 finds them (it scales to 256 pixels and merges flicker by default; the "
    "package sets neither), a frame's faces are left at the first that overlaps too little, more than 50 detections. "
    "Confidence and distance may be those of different tracks. In memory: the package goes through AVI and JPEG. A "
    "video without a track is 0.0 there, a perfect distance, and is left out of its averages.",
}
_FILES_CHANGES = {
    "features": ("syncnet_replicate",),
    "citation": "bytedance/LatentSync, eval/eval_sync_conf.py and eval/syncnet_detect.py",
    "missing_policy": "as the script: a video without a track or without audio is left out; no_ffmpeg without ffmpeg",
    "definition": definition_beside(__file__, "sync_replicate.md"),
    "notes": "To reproduce a published number, with the video's own audio as the script has it; never rank on it. "
    "Depends on the ffmpeg program, whose version is in the feature's options. The script prints two decimals.",
}
_FILES = "Here with the file's own audio, through ffmpeg's MP4, JPEG and AAC files as LatentSync's script does."
_WHOLE = "Here of whole frames resized to 224 x 224 in place of tracked faces."
_WHOLE_CHANGES = {
    "features": ("syncnet_whole",),
    "citation": "Prajwal et al., A Lip Sync Expert Is All You Need, ACM MM 2020; Rudrabha/Wav2Lip, evaluation scripts",
    "missing_policy": "unscored",
    "definition": definition_beside(__file__, "sync_whole.md"),
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
            citation="this project",
            role="diagnostic",
            missing_policy="no track is 0",
            definition=definition_beside(__file__, "track_coverage.md"),
        )
    ),
    SyncMetric(_variant(_CONF, "own", "own audio", _OWN, notes=_OWN_NOTES), mean_confidence, audio="own"),
    SyncMetric(_variant(_DIST, "own", "own audio", _OWN, notes=_OWN_NOTES), mean_distance, audio="own"),
    SyncMetric(_variant(_OFFSET, "own", "own audio", _OWN, notes=_OWN_NOTES), mean_offset, audio="own"),
    SyncMetric(_variant(_CONF, "common", "4 s", _COMMON, notes=_COMMON_NOTES), mean_confidence, windows=COMMON_WINDOWS),
    SyncMetric(_variant(_DIST, "common", "4 s", _COMMON, notes=_COMMON_NOTES), mean_distance, windows=COMMON_WINDOWS),
    SyncMetric(
        _variant(_CONF, "joonson", "long tracks", _JOONSON, notes=_JOONSON_NOTES),
        mean_confidence,
        detections=JOONSON_DETECTIONS,
    ),
    SyncMetric(
        _variant(_DIST, "joonson", "long tracks", _JOONSON, notes=_JOONSON_NOTES),
        mean_distance,
        detections=JOONSON_DETECTIONS,
    ),
    SyncMetric(
        _variant(_CONF, "mocha", "MoCha", "Here the largest of MoChaBench's tracks.", **_MOCHA_CHANGES),
        best_confidence,
        tracks="mocha",
    ),
    SyncMetric(
        _variant(_DIST, "mocha", "MoCha", "Here the smallest of MoChaBench's tracks.", **_MOCHA_CHANGES),
        best_distance,
        tracks="mocha",
    ),
    SyncMetric(
        _variant(_OFFSET, "mocha", "MoCha", "Here of the track with the largest confidence.", **_MOCHA_CHANGES),
        best_offset,
        tracks="mocha",
    ),
    SyncMetric(_variant(_CONF, "replicate", "through files", _FILES, **_FILES_CHANGES), mean_confidence, audio="own"),
    SyncMetric(_variant(_DIST, "replicate", "through files", _FILES, **_FILES_CHANGES), mean_distance, audio="own"),
    SyncMetric(_variant(_OFFSET, "replicate", "through files", _FILES, **_FILES_CHANGES), mean_offset, audio="own"),
    SyncMetric(_variant(_CONF, "wav2lip_lrs", "whole frame", _WHOLE, **_WHOLE_CHANGES), mean_confidence),
    SyncMetric(_variant(_DIST, "wav2lip_lrs", "whole frame", _WHOLE, **_WHOLE_CHANGES), mean_distance),
    SyncMetric(_variant(_OFFSET, "wav2lip_lrs", "whole frame", _WHOLE, **_WHOLE_CHANGES), mean_offset),
)
