"""Which faces make a track: the rules of LatentSync and of MoChaBench over the same detections.

See docs/definitions/lip-sync.md#tracks.

Nearly always both find the same tracks. Equal tracks are kept once, so that their crops are embedded once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.features.base import FeatureOptions
from evalkit.metrics.sync import scene_cuts
from evalkit.metrics.sync.tracks import TRACKS, AfterMiss, FaceTrack, TrackOptions, follow_faces


@dataclass(frozen=True)
class Protocol(FeatureOptions):
    """How one reference cuts a video into scenes and follows faces.

    Args:
        scenes: how cuts are found.
        after_miss: as in `evalkit.metrics.sync.tracks.follow_faces`.
    """

    scenes: scene_cuts.SceneOptions
    after_miss: AfterMiss

    def tracks(
        self, faces: Sequence[NDArray[Any]], scores: Sequence[float], options: TrackOptions = TRACKS
    ) -> tuple[list[tuple[int, int]], list[FaceTrack], list[FaceTrack]]:
        """Return the scenes, each as its first frame and the one after its last, the tracks, and what is none.

        What is none are faces that were followed but are too short or too small for a track: they tell why there is
        no track.

        Args:
            faces: of every frame, (n, >= 4).
            scores: of every frame, how much it differs from the one before.
            options: which faces make a track; a scene of fewer than ``min_track`` frames has none.
        """
        found = scene_cuts.scenes(self.scenes.cuts(scores), len(faces))
        tracks: list[FaceTrack] = []
        others: list[FaceTrack] = []
        for first, end in found:
            long_enough = end - first >= options.min_track
            for face in follow_faces(faces[first:end], first, options, self.after_miss):
                (tracks if long_enough and face.counts(options) else others).append(face)
        return found, tracks, others


LATENTSYNC = Protocol(scene_cuts.SceneOptions("PySceneDetect 0.6.1, content"), "go_on")
MOCHA = Protocol(scene_cuts.SceneOptions("PySceneDetect 0.6.7, content"), "stop")


@dataclass(frozen=True)
class ProtocolOptions(FeatureOptions):
    """The protocols whose tracks are found, by the name in the ids of their metrics."""

    latentsync: Protocol = LATENTSYNC
    mocha: Protocol = MOCHA


def united(groups: Sequence[Sequence[FaceTrack]]) -> tuple[list[FaceTrack], NDArray[np.bool_]]:
    """Return every different track once, those of the first group first, and which group has it: (G, T) bool."""
    tracks: list[FaceTrack] = []
    for group in groups:
        tracks += [track for track in group if _place(track, tracks) is None]
    has = np.zeros((len(groups), len(tracks)), dtype=bool)
    for row, group in enumerate(groups):
        for track in group:
            has[row, _place(track, tracks)] = True
    return tracks, has


def _place(track: FaceTrack, tracks: Sequence[FaceTrack]) -> int | None:
    """Return the index of the same track in ``tracks``."""
    for place, other in enumerate(tracks):
        same = (track.first, track.detections) == (other.first, other.detections)
        if same and np.array_equal(track.boxes, other.boxes):
            return place
    return None
