"""Lip sync of the face tracks whose mouth is seen: SyncNet's numbers say nothing of a mouth behind a hand.

The masks say how much of the mouth is seen in each frame of the reference, whatever a team submits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import MediaError
from evalkit.media.sampling import at_times, frame_interval
from evalkit.metrics.base import ArrayMetric, Event, MetricRecord, VideoValue, definition_beside, unscored
from evalkit.metrics.features.base import (
    Arrays,
    Extractor,
    FeatureOptions,
    FeatureRecord,
    FeatureUnavailableError,
    Item,
    Session,
    described,
)
from evalkit.metrics.occlusion.masks import WHITE, Masks, check_inputs
from evalkit.metrics.regions.face_region import NAME, FaceRegionView
from evalkit.metrics.sync.arithmetic import Sync
from evalkit.metrics.sync.distances import FRAME_RATE
from evalkit.metrics.sync.track_scores import (
    SHOWN,
    TrackChoice,
    mean_confidence,
    mean_distance,
    score_tracks,
    track_rows,
)

Given = Mapping[str, NDArray[Any]]
TRACKS = "latentsync"


@dataclass(frozen=True)
class MouthOptions(FeatureOptions):
    """Options of ``mouth_visible``."""

    mouth: str = described("lower half of the reference's face")
    white: int = WHITE


class MouthVisibleSession(Session):
    """Selects no frame of the video: it reads the masks."""

    def __init__(self, item: Item, face: FaceRegionView) -> None:
        self._item, self._face = item, face

    def finish(self) -> Arrays:
        """Return the visible share of the mouth in each frame of the reference.

        Raises:
            FeatureUnavailableError: why there is no region, or no mask.
        """
        from evalkit.media.inspect import scan_times

        mouth, size = self._face.slices("mouth"), self._face.frame_size()
        try:
            times = scan_times(self._item.reference_video)  # type: ignore[arg-type]  # the extractor has checked it
        except (MediaError, OSError) as error:
            raise FeatureUnavailableError("reference_video_unreadable", str(error)) from None
        if not len(times):
            raise FeatureUnavailableError("reference_video_unreadable", "it has no frame")
        masks = Masks(self._item)
        visible = [1.0 - float(masks.next(*size, mouth).mean()) for _ in times]
        return {"frame_time": times - times[0], "visible": np.array(visible, dtype=np.float64)}


class MouthVisibleExtractor(Extractor):
    """How much of the mouth is seen; once per test set, not per team."""

    record = FeatureRecord(
        name="mouth_visible",
        version=1,
        title="visible share of the reference's mouth, frame by frame",
        inputs=frozenset({"reference_video", "occluders"}),
        needs=(NAME,),
        options=MouthOptions(),
        arrays={
            "frame_time": "(F,) float64: display time of each frame of the reference after its first, in seconds",
            "visible": "(F,) float64 in 0..1: share of the mouth's pixels that nothing covers",
        },
    )

    def open(self, item: Item, upstream: Mapping[str, Any]) -> MouthVisibleSession:
        """Start on a sample.

        Raises:
            FeatureUnavailableError: ``no_reference_video``, ``no_occluders``.
        """
        check_inputs(item)
        return MouthVisibleSession(item, upstream[NAME])


@dataclass(frozen=True)
class VisibleTracks:
    """Which tracks count.

    Args:
        visible: least share of the mouth that is seen, mean over the track's frames at 25/s.
    """

    visible: float = 0.5


def visible_shares(arrays: Given, mouth: Given) -> dict[int, float]:
    """Return the visible share of the mouth of each track, by its row: the mean over its frames at 25/s.

    A frame has the mask nearest in time. Frames after the reference's end have none and don't count; a track that
    begins there has a share of 0.

    Args:
        arrays: the feature ``syncnet``.
        mouth: the feature ``mouth_visible``.
    """
    times, visible = mouth["frame_time"], mouth["visible"]
    end = times[-1] + frame_interval(times, default=1 / FRAME_RATE)
    shares = {}
    for row in track_rows(arrays, TRACKS):
        ticks = np.arange(arrays["track_first"][row], arrays["track_last"][row] + 1) / FRAME_RATE
        seen = visible[at_times(times, ticks[ticks < end])]
        shares[row] = float(seen.mean()) if len(seen) else 0.0
    return shares


def usable(mouth: Given) -> bool:
    """Return whether the feature ``mouth_visible`` has a frame, and numbers alone."""
    return len(mouth["visible"]) > 0 and all(bool(np.isfinite(array).all()) for array in mouth.values())


def counted(shares: Mapping[int, float], choice: VisibleTracks) -> list[int]:
    """Return the rows of the tracks that count."""
    return [row for row, share in shares.items() if share >= choice.visible]


def score_visible(
    statistic: Callable[[Sequence[Sync]], float], arrays: Given, mouth: Given, choice: VisibleTracks
) -> VideoValue:
    """Return ``statistic`` of the tracks that count, or why there is none: ``mouth_covered``, or as `score_tracks`."""
    if not usable(mouth):
        return unscored("masks_unusable")
    shares = visible_shares(arrays, mouth)
    rows = counted(shares, choice)
    left_out = [share for row, share in shares.items() if row not in rows]
    numbers = ", ".join(f"{share:.2f}" for share in left_out[:SHOWN]) + (", ..." if len(left_out) > SHOWN else "")
    detail = (
        f"{len(left_out)} of {len(shares)} tracks don't count: {numbers} of the mouth is seen, at least "
        f"{choice.visible:.2f} must be"
    )
    if left_out and not rows:
        return unscored("mouth_covered", detail)
    kept = {**arrays, f"track_{TRACKS}": np.isin(np.arange(len(arrays["track_first"])), rows)}
    found = score_tracks(statistic, kept, TrackChoice(tracks=TRACKS))
    events = (Event("tracks_left_out", detail),) if left_out else ()
    return VideoValue(found.value, found.reason, (*found.events, *events))


def visible_coverage(arrays: Given, mouth: Given, choice: VisibleTracks) -> VideoValue | float:
    """Return the share of the video's frames at 25/s that lie in a track that counts."""
    if not usable(mouth):
        return unscored("masks_unusable")
    covered = np.zeros(len(arrays["faces"]), dtype=bool)
    for row in counted(visible_shares(arrays, mouth), choice):
        covered[arrays["track_first"][row] : arrays["track_last"][row] + 1] = True
    return float(covered.mean()) if len(covered) else unscored("no_frame")


CONFIDENCE = ArrayMetric(
    MetricRecord(
        id="occl.sync_conf",
        title="Sync-C, mouth seen",
        summary="SyncNet confidence against the test set's speech of the face tracks whose mouth is half seen or more; "
        "mean over tracks.",
        higher_is_better=True,
        range=(0.0, None),
        features=("syncnet", "mouth_visible"),
        people_only=True,
        blind_to="Tracks whose mouth is covered for the most part, and the file's own audio, which people hear.",
        ignores_own_audio=True,
        citation="evalkit's own; confidence as sync.latentsync.conf, docs/definitions/dubbing.md",
        missing_policy="unscored without masks in the test set, and where no track's mouth is seen enough",
        definition=definition_beside(__file__, "lip_sync.md"),
        notes="Beside it belongs occl.sync_coverage: how much of the videos it rests on. Made by evalkit: papers on "
        "occluded lips publish no definition.",
    ),
    partial(score_visible, mean_confidence),
    VisibleTracks(),
)
DISTANCE = CONFIDENCE.variant(
    partial(score_visible, mean_distance),
    id="occl.sync_dist",
    title="Sync-D, mouth seen",
    summary="SyncNet distance against the test set's speech of the face tracks whose mouth is half seen or more; "
    "mean over tracks.",
    higher_is_better=False,
    citation="evalkit's own; distance as sync.latentsync.dist, docs/definitions/dubbing.md",
)
COVERAGE = CONFIDENCE.variant(
    visible_coverage,
    id="occl.sync_coverage",
    title="Sync coverage, mouth seen",
    summary="Share of the video's frames at 25/s that lie in a face track whose mouth is half seen or more.",
    higher_is_better=None,
    unit="share",
    range=(0.0, 1.0),
    role="diagnostic",
    blind_to="Whether lips and speech fit.",
    ignores_own_audio=False,
    citation="evalkit's own, docs/definitions/dubbing.md",
    missing_policy="no such track is 0; unscored without masks in the test set",
    notes="The share that occl.sync_conf and occl.sync_dist rest on.",
)

FEATURES, METRICS = (MouthVisibleExtractor,), (CONFIDENCE, DISTANCE, COVERAGE)
