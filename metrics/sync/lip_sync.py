"""Lip sync: how well the lips of a video fit the audio, by SyncNet (docs/definitions/lip-sync.md).

Confidence, distance and offset of the same tracks, and the families of them that differ in which tracks count and
against which audio (`TrackChoice`). Those of whole frames are in `whole_frame`, those through files in `replicate`.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from evalkit.metrics.base import ArrayMetric, MetricRecord, definition_beside
from evalkit.metrics.sync.distances import FRAME_RATE, FRAMES_PER_WINDOW
from evalkit.metrics.sync.track_scores import (
    TrackChoice,
    best_confidence,
    best_distance,
    best_offset,
    mean_confidence,
    mean_distance,
    mean_offset,
    score_tracks,
)

_PIPELINE = (
    "In memory: no JPEG, MP4 or AAC in between, 25 frames/s by the nearest frame, so values differ from a script's in "
    "the second decimal. Confidence grows with length (zero padding): compare equal lengths only."
)
CONFIDENCE = ArrayMetric(
    MetricRecord(
        id="sync.latentsync.conf",
        title="Sync-C",
        summary="SyncNet confidence against the test set's speech: median less minimum of 31 mean distances; track "
        "mean.",
        higher_is_better=True,
        range=(0.0, None),
        features=("syncnet",),
        people_only=True,
        blind_to="The file's own audio, which people hear: the test set's speech takes its place. Whose face it is.",
        ignores_own_audio=True,
        citation="Chung and Zisserman, Out of time, ACCV workshops 2016; tracks as bytedance/LatentSync, "
        "eval_sync_conf.py",
        missing_policy="as the reference implementation: a video without a track is left out",
        aliases=("lse_c",),
        definition=definition_beside(__file__, "lip_sync.md"),
        notes=_PIPELINE,
    ),
    partial(score_tracks, mean_confidence),
    TrackChoice(),
)
DISTANCE = CONFIDENCE.variant(
    partial(score_tracks, mean_distance),
    id="sync.latentsync.dist",
    title="Sync-D",
    summary="SyncNet distance against the test set's speech: the smallest of 31 mean distances; mean over tracks.",
    higher_is_better=False,
    role="ranked",
    missing_policy="a video without a track is unscored, which lowers the coverage",
    aliases=("lse_d",),
    notes=f"The distance of the tracks that sync.latentsync.conf scores. {_PIPELINE}",
)
OFFSET = CONFIDENCE.variant(
    partial(score_tracks, mean_offset),
    id="sync.latentsync.offset",
    title="Sync offset",
    summary="Where lips and the test set's speech fit best; positive: the audio is early. Track mean, cut to a whole.",
    higher_is_better=None,
    unit="frames at 25/s",
    range=(-15.0, 15.0),
    protocol=2,
    aggregate="median",
    role="diagnostic",
    missing_policy="unscored",
    aliases=(),
    notes="With several tracks of a video the mean is cut towards zero; an event lists the tracks. Over videos the "
    "median: where the network is unsure an offset is arbitrary, and a mean of -12 and 7 says nothing. The share of "
    "videos at the mode says how far to trust it: videos muxed with one delay share one offset.",
)


def family(
    name: str, title: str, what: str, *bases: ArrayMetric, choice: TrackChoice | None = None, **changes: Any
) -> list[ArrayMetric]:
    """Return ``bases`` under the ids ``sync.NAME.*``, with what differs in their titles and summaries."""
    made = []
    for base in bases or (CONFIDENCE, DISTANCE, OFFSET):
        record = base.record
        fields: dict[str, Any] = {
            "id": f"sync.{name}.{record.id.rsplit('.', maxsplit=1)[-1]}",
            "title": f"{record.title}, {title}",
            "summary": f"{record.summary} {what}",
            "role": "diagnostic" if record.role == "diagnostic" else "secondary",
            "aliases": (),
        }
        made.append(base.variant(options=choice, **(fields | changes)))
    return made


_MOCHA: dict[str, Any] = {
    "choice": TrackChoice(tracks="mocha"),
    "citation": "MoChaBench, eval-lipsync; syncnet-python 0.2.3, SyncNetPipeline.inference",
    "missing_policy": "as the reference implementation: a video without a track is left out",
    "definition": definition_beside(__file__, "mochabench.md"),
    "notes": "Scenes as PySceneDetect 0.6.7 finds them (it scales to 256 pixels and merges flicker by default; the "
    "package sets neither), a frame's faces are left at the first that overlaps too little, more than 50 detections. "
    "Confidence and distance may be those of different tracks. In memory: the package goes through AVI and JPEG. A "
    "video without a track is 0.0 there, a perfect distance, and is left out of its averages.",
}

METRICS = (
    CONFIDENCE,
    DISTANCE,
    OFFSET,
    *family(
        "strict",
        "strict",
        "Here 0 without a track.",
        CONFIDENCE,
        choice=TrackChoice(without_track=0.0),
        role="ranked",
        missing_policy="a video without a track that can be scored counts as 0, the worst value",
    ),
    *family(
        "own",
        "own audio",
        "Here with the file's own audio in place of the test set's.",
        choice=TrackChoice(audio="own"),
        blind_to="Whose face and voice it is, and what the speech says: only whether lips and the file's audio fit.",
        ignores_own_audio=False,
        notes="An entrant can shift it by remuxing; never rank on it. It shows audio that was muxed late or early.",
    ),
    *family(
        "common",
        "4 s",
        "Here of each track's first 4 s; tracks that are shorter don't count.",
        CONFIDENCE,
        DISTANCE,
        choice=TrackChoice(windows=4 * FRAME_RATE - FRAMES_PER_WINDOW),
        notes="The one to compare clips of different length by: the zero padding lifts the confidence of a long track "
        "(8.4 at 20 windows, 9.7 at 250, same features). Every track counts with its first 95 windows (100 frames), "
        "exactly as if video and audio had been cut there before.",
    ),
    *family(
        "joonson",
        "long tracks",
        "Here of tracks with more than 100 detections.",
        CONFIDENCE,
        DISTANCE,
        choice=TrackChoice(detections=100),
        notes="Only the length of the tracks is run_pipeline.py's. Its cuts are not reproduced: it asks for "
        "PySceneDetect 0.5.1, whose threshold is 30, while cuts here are those of 0.6.1 with 27, so a change between "
        "27 and 30 ends a track here and not there. Neither is its AVI with MP3 audio, which delays the audio by 23 "
        "to 69 ms and so lowers its offsets by 0.6 to 1.7 frames, nor its habit to print each track: here they are "
        "averaged.",
    ),
    *family(
        "mocha",
        "MoCha",
        "Here the largest of MoChaBench's tracks.",
        CONFIDENCE.variant(partial(score_tracks, best_confidence)),
        **_MOCHA,
    ),
    *family(
        "mocha",
        "MoCha",
        "Here the smallest of MoChaBench's tracks.",
        DISTANCE.variant(partial(score_tracks, best_distance)),
        **_MOCHA,
    ),
    *family(
        "mocha",
        "MoCha",
        "Here of the track with the largest confidence.",
        OFFSET.variant(partial(score_tracks, best_offset)),
        **_MOCHA,
    ),
)
