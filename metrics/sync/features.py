"""The feature ``syncnet``: lips of tracked faces against audio; `whole_frame` does without faces.

Frames, crops and audio stay in memory: no JPEG, AVI or MP3 comes between the video and the network
(their effect: docs/definitions/lip-sync.md#what-moves-the-values). The feature keeps the 31 distances of each window,
so that metrics can cut and average as they define.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.media.sampling import AtRate, Sampling
from evalkit.metrics.features.base import (
    Arrays,
    Extractor,
    FeatureOptions,
    FeatureRecord,
    FeatureUnavailableError,
    Item,
    Picture,
    Session,
    Times,
    WeightFile,
    described,
    frame_mask,
)
from evalkit.metrics.features.repeats import Repeats
from evalkit.metrics.sync import scene_cuts
from evalkit.metrics.sync import tracks as sync_tracks
from evalkit.metrics.sync.distances import FRAME_RATE
from evalkit.metrics.sync.frame_store import FrameStore
from evalkit.metrics.sync.networks import (
    DETECTOR,
    NETWORK,
    PRECISION,
    BoxDetector,
    SyncNetwork,
    open_detector,
    open_syncnet,
)
from evalkit.metrics.sync.protocols import ProtocolOptions, united
from evalkit.metrics.sync.s3fd_boxes import DetectorOptions
from evalkit.metrics.sync.windows import WINDOW_ARRAYS, AudioOptions, Comparison, LipStream
from evalkit.text import count

TRACK_ARRAYS = {
    "scene_start": "(S,) int64: first frame of each scene",
    "track_first": "(T,) int64: first frame of each track",
    "track_last": "(T,) int64: its last frame",
    "track_detections": "(T,) int64: frames of the track in which the face was found",
    "track_box": "(T, 4) float32: mean x1, y1, x2, y2 in pixels",
}
OTHERS = (
    "of each face that was followed and is no track: first frame, last frame, detections, pixels of the longer side"
)


@dataclass(frozen=True)
class SyncOptions(FeatureOptions):
    """Options of ``syncnet``."""

    sampling: Sampling = field(default_factory=lambda: AtRate(FRAME_RATE))
    audio: AudioOptions = field(default_factory=AudioOptions)
    files: str = described("none: frames, crops and audio stay in memory")
    detector: DetectorOptions = field(default_factory=DetectorOptions)
    tracks: sync_tracks.TrackOptions = field(default_factory=sync_tracks.TrackOptions)
    protocols: ProtocolOptions = field(default_factory=ProtocolOptions)
    crop: sync_tracks.CropOptions = field(default_factory=sync_tracks.CropOptions)
    precision: str = described(PRECISION)


SYNC = SyncOptions()


class SyncSession(Session):
    """Finds faces and cuts while the video is decoded; tracks, crops and SyncNet follow at the end."""

    def __init__(
        self,
        detector: BoxDetector,
        network: SyncNetwork,
        item: Item,
        options: SyncOptions = SYNC,
        memory: int | None = None,
    ) -> None:
        self._detector, self._network, self._item = detector, network, item
        self._options = options
        self._protocols = {"latentsync": options.protocols.latentsync, "mocha": options.protocols.mocha}
        self._ticks: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._start = 0.0
        self._score = [scene_cuts.ContentScore(protocol.scenes) for protocol in self._protocols.values()]
        self._scores: dict[int, list[float]] = {}
        self._waiting: list[tuple[int, Picture, tuple[int, int]]] = []
        self._faces: dict[int, NDArray[np.float64]] = {}
        self._same_as: dict[int, int] = {}  # frame -> the frame with its faces: an equal one before it, or itself
        self._repeats, self._newest = Repeats(), (-1, (0, 0))
        self._store = FrameStore(item.video, memory)

    def plan(self, times: Times) -> NDArray[np.bool_]:
        """Select the frames shown at 25 evenly spaced times per second: SyncNet takes no other frame rate.

        At each time it is the nearest frame, so a slower video gives frames twice and a faster one leaves some out.
        """
        self._ticks = self._options.sampling.select(times)
        self._start = float(times[0]) if len(times) else 0.0
        return frame_mask(self._ticks, len(times))

    def frame(self, index: int, time: float, rgb: Picture) -> None:
        """Detect cuts and, in batches, faces: not again in a frame that the detector sees as the one before."""
        self._scores[index] = [score(rgb) for score in self._score]
        self._store.add(index, rgb)
        small, size = self._detector.small(rgb), (rgb.shape[1], rgb.shape[0])
        if self._repeats.again(small) and size == self._newest[1]:
            self._same_as[index] = self._newest[0]
            return
        self._newest = (index, size)
        self._same_as[index] = index
        self._waiting.append((index, small, size))
        if len(self._waiting) >= self._detector.batch_size(small):
            self._detect()

    def _detect(self) -> None:
        if self._waiting:
            indices, smalls, sizes = zip(*self._waiting, strict=True)
            self._faces.update(zip(indices, self._detector.detect(smalls, sizes), strict=True))
            self._waiting.clear()

    def finish(self) -> Arrays:
        """Return tracks and distances.

        Raises:
            FeatureUnavailableError: ``no_frame``, ``frames_missing``, ``official_audio_unreadable``.
        """
        self._detect()
        check_complete(self._ticks, self._same_as)
        faces = [self._faces[self._same_as[int(index)]] for index in self._ticks]
        by_protocol = [
            protocol.tracks(faces, self._tick_scores(row), self._options.tracks)
            for row, protocol in enumerate(self._protocols.values())
        ]
        scenes = [[first for first, _ in scenes] for scenes, _, _ in by_protocol]
        tracks, members = united([tracks for _, tracks, _ in by_protocol])
        comparison = Comparison(self._network, self._item, self._start)
        spans = [(track.first, len(track.boxes)) for track in tracks]
        streams = [LipStream(self._network, comparison.windows(*span)) for span in spans]
        self._crop(tracks, streams)
        return {
            "faces": np.array([len(found) for found in faces], dtype=np.int64),
            **track_arrays(scenes[0], tracks),
            "scene_start_mocha": np.array(scenes[1], dtype=np.int64),
            **{f"track_{name}": row for name, row in zip(self._protocols, members, strict=True)},
            **{
                f"others_{name}": other_rows(others)
                for name, (_, _, others) in zip(self._protocols, by_protocol, strict=True)
            },
            **comparison.distances(streams, spans),
        }

    def _tick_scores(self, row: int) -> list[float]:
        """Return a protocol's content score of every tick; a frame that is shown again has not changed."""
        repeated = np.diff(self._ticks, prepend=-1) == 0
        return [
            0.0 if again else self._scores[int(index)][row] for index, again in zip(self._ticks, repeated, strict=True)
        ]

    def _crop(self, tracks: list[sync_tracks.FaceTrack], streams: list[LipStream]) -> None:
        """Send every track's crops, in order, to its stream."""
        places: dict[int, list[tuple[LipStream, NDArray[np.float64]]]] = {}
        for track, stream in zip(tracks, streams, strict=True):
            for tick, place in enumerate(sync_tracks.smooth(track.boxes, self._options.crop.median), start=track.first):
                places.setdefault(int(self._ticks[tick]), []).append((stream, place))

        def take(index: int, rgb: Picture) -> None:
            bgr = np.ascontiguousarray(rgb[:, :, ::-1])
            for stream, (x, y, half) in places[index]:
                stream.add(sync_tracks.crop(bgr, x, y, half, self._options.crop))

        try:
            self._store.visit(places, take)
        finally:
            self.decodes = self._store.decodes


class SyncExtractor(Extractor):
    """Tracks as LatentSync and as MoChaBench make them, against the official and the own audio."""

    record = FeatureRecord(
        name="syncnet",
        version=6,
        title="SyncNet distances of lips and audio at 31 shifts",
        inputs=frozenset({"video", "audio"}),
        weights=(DETECTOR, NETWORK),
        options=SYNC,
        arrays={
            "faces": "(N,) int64: faces found in each frame at 25 frames/s",
            **TRACK_ARRAYS,
            "scene_start_mocha": "(S2,) int64: first frame of each scene under MoChaBench's rule",
            "track_latentsync": "(T,) bool: whether LatentSync's rules make the track",
            "track_mocha": "(T,) bool: whether MoChaBench's rules make the track",
            "others_latentsync": f"(O, 4) float32: under LatentSync's rules, {OTHERS}",
            "others_mocha": f"(O2, 4) float32: under MoChaBench's rules, {OTHERS}",
            **WINDOW_ARRAYS,
        },
    )

    def __init__(self, weights: Mapping[str, WeightFile], device: str = "cpu") -> None:
        super().__init__(weights, device)
        self._detector = open_detector(weights[DETECTOR], device, self.record.options.detector)
        self._network = open_syncnet(weights[NETWORK], device)

    def open(self, item: Item, upstream: Mapping[str, Any]) -> SyncSession:
        """Start on a video."""
        return SyncSession(self._detector, self._network, item, options=self.record.options)


def track_arrays(scene_starts: Sequence[int], tracks: Sequence[sync_tracks.FaceTrack]) -> Arrays:
    """Return the arrays that `TRACK_ARRAYS` describes."""
    return {
        "scene_start": np.array(scene_starts, dtype=np.int64),
        "track_first": np.array([track.first for track in tracks], dtype=np.int64),
        "track_last": np.array([track.last for track in tracks], dtype=np.int64),
        "track_detections": np.array([track.detections for track in tracks], dtype=np.int64),
        "track_box": np.array([track.boxes.mean(axis=0) for track in tracks], dtype=np.float32).reshape(-1, 4),
    }


def other_rows(others: Sequence[sync_tracks.FaceTrack]) -> NDArray[np.float32]:
    """Return the array that `OTHERS` describes."""
    rows = [(face.first, face.last, face.detections, face.side) for face in others]
    return np.array(rows, dtype=np.float32).reshape(-1, 4)


def check_complete(ticks: NDArray[np.int64], seen: Collection[int]) -> None:
    """Check that every frame of the clock was decoded.

    Raises:
        FeatureUnavailableError: ``no_frame``, ``frames_missing``.
    """
    if len(ticks) == 0:
        raise FeatureUnavailableError("no_frame")
    lost = {int(index) for index in ticks} - set(seen)
    if lost:
        raise FeatureUnavailableError("frames_missing", f"{count(len(lost), 'frame')} could not be converted")


FEATURES = (SyncExtractor,)
