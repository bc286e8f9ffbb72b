"""Which faces make a track: the rules of LatentSync and of MoChaBench over the same detections.

See docs/definitions/lip-sync.md#tracks.

Nearly always both find the same tracks. Equal tracks are kept once, so that their crops are embedded once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.sync import scene_cuts
from evalkit.metrics.sync.tracks import AfterMiss, FaceTrack, track_faces

MIN_TRACK = 50


@dataclass(frozen=True)
class Protocol:
    """How one reference cuts a video into scenes and follows faces.

    Args:
        name: as in the ids of its metrics.
        size: at which frames are compared to find cuts.
        find_cuts: from the score of every frame to the frames that begin a scene.
        after_miss: as in `evalkit.metrics.sync.tracks.track_faces`.
        options: the same in words, for the feature's record.
    """

    name: str
    size: Callable[[int, int], scene_cuts.Size]
    find_cuts: Callable[[Sequence[float]], list[int]]
    after_miss: AfterMiss
    options: tuple[tuple[str, str], ...]

    def tracks(
        self, faces: Sequence[NDArray[Any]], scores: Sequence[float]
    ) -> tuple[list[tuple[int, int]], list[FaceTrack]]:
        """Return the scenes, each as its first frame and the one after its last, and the tracks.

        Args:
            faces: of every frame, (n, >= 4).
            scores: of every frame, how much it differs from the one before.
        """
        found = scene_cuts.scenes(self.find_cuts(scores), len(faces))
        tracks = [
            track
            for first, end in found
            if end - first >= MIN_TRACK
            for track in track_faces(faces[first:end], first, min_track=MIN_TRACK, after_miss=self.after_miss)
        ]
        return found, tracks


LATENTSYNC = Protocol(
    "latentsync",
    scene_cuts.size_by_width,
    scene_cuts.find_cuts,
    "go_on",
    (("scenes", "PySceneDetect 0.6.1, content, 27"), ("after_miss", "go_on")),
)
MOCHA = Protocol(
    "mocha",
    scene_cuts.size_by_longer_side,
    scene_cuts.find_merged_cuts,
    "stop",
    (("scenes", "PySceneDetect 0.6.7, content, 27"), ("after_miss", "stop")),
)
PROTOCOLS = (LATENTSYNC, MOCHA)


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
    """Return where in ``tracks`` the same track stands."""
    for place, other in enumerate(tracks):
        same = (track.first, track.detections) == (other.first, other.detections)
        if same and np.array_equal(track.boxes, other.boxes):
            return place
    return None
