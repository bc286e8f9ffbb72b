"""What leakage is measured by: lip sync of the real video, and of one of its frames with a closed mouth, held still.

Both are of the references alone, so they are computed once per test set.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.media.sampling import AtRate, Sampling
from evalkit.metrics.embeddings.frames import ReferenceVideoSession
from evalkit.metrics.features.audio import official_audio
from evalkit.metrics.features.base import (
    NO_WEIGHTS,
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
from evalkit.metrics.landmarks import features as landmarks
from evalkit.metrics.landmarks.arithmetic import Points, eye_distances
from evalkit.metrics.landmarks.frames import found
from evalkit.metrics.sync.distances import FRAMES_PER_WINDOW, silent_distances, window_count
from evalkit.metrics.sync.features import SYNC, SyncExtractor, SyncOptions, SyncSession
from evalkit.metrics.sync.networks import (
    DETECTOR,
    NETWORK,
    BoxDetector,
    LimitedNetwork,
    SyncNetwork,
    open_detector,
    open_syncnet,
)
from evalkit.metrics.sync.tracks import crop, smooth
from evalkit.metrics.sync.windows import compare

UPPER, LOWER = slice(61, 64), [67, 66, 65]  # inner lips, above each other


def _reference(item: Item) -> Any:
    if item.reference_video is None:
        raise FeatureUnavailableError("no_reference_video", "the sample has no reference video")
    return item.reference_video


class ReferenceSyncExtractor(SyncExtractor):
    """SyncNet's distances of the reference video."""

    record = replace(
        SyncExtractor.record,
        name="syncnet_reference",
        version=1,
        title="SyncNet distances of the reference video's lips and audio at 31 shifts",
        inputs=frozenset({"reference_video", "audio"}),
    )

    def open(self, item: Item, upstream: Mapping[str, Any]) -> Session:  # type: ignore[override]
        """Start on a sample.

        Raises:
            FeatureUnavailableError: ``no_reference_video``.
        """
        reference = _reference(item)
        inner = SyncSession(self._detector, self._network, replace(item, video=reference), options=self.record.options)
        return ReferenceVideoSession(inner, reference)


@dataclass(frozen=True)
class ClosedMouthOptions(FeatureOptions):
    """Options of ``syncnet_closed_mouth``.

    Args:
        sampling: frames among which the one with the smallest opening is chosen.
        sync: how SyncNet is run on that frame, shown as long as the reference video.
        finder: how landmarks are found.
    """

    sampling: Sampling = field(default_factory=lambda: AtRate(5))
    sync: SyncOptions = SYNC
    finder: landmarks.FinderOptions = field(default_factory=landmarks.FinderOptions)
    opening: str = described("mean distance of points 61-63 from 67-65 by the distance between the eyes")
    face: str = described("the detector's best in that frame")


class ClosedMouthSession(Session):
    """Keeps the frame with the smallest mouth opening; SyncNet sees it at the end."""

    def __init__(
        self,
        finder: landmarks.LandmarkFinder,
        detector: BoxDetector,
        network: SyncNetwork,
        item: Item,
        options: ClosedMouthOptions,
    ) -> None:
        self._finder, self._detector, self._network = finder, detector, network
        self._item, self._options = item, options

    def plan(self, times: Times) -> NDArray[np.bool_]:
        """Select frames by the sampling, and count those that SyncNet would see."""
        self._frames = len(self._options.sync.sampling.select(times))
        self._best: tuple[float, int, Picture] | None = None
        return frame_mask(self._options.sampling.select(times), len(times))

    def frame(self, index: int, time: float, rgb: Picture) -> None:
        """Measure how far the mouth is open."""
        points = self._finder.find(rgb)[0][None].astype(np.float64)
        if not found(points)[0]:
            return
        opening = float(mouth_openings(points)[0])
        if np.isfinite(opening) and (self._best is None or opening < self._best[0]):
            self._best = (opening, index, rgb.copy())

    def finish(self) -> Arrays:
        """Return the distances of the held frame.

        Raises:
            FeatureUnavailableError: ``no_official_audio``, ``official_audio_unreadable``, ``reference_video_no_face``.
        """
        audio = official_audio(self._item.audio)
        if audio is None:
            raise FeatureUnavailableError("no_official_audio", "the sample has no speech")
        if self._best is None:
            raise FeatureUnavailableError("reference_video_no_face", "no sampled frame of it has face landmarks")
        opening, index, rgb = self._best
        face = self._crop(rgb)
        windows = window_count(self._frames, len(audio.samples))
        one = self._network.lips(np.stack([face] * FRAMES_PER_WINDOW))
        lips = np.repeat(one[:1], windows, axis=0)
        outside = self._network.ood_score(face[None])[0] if isinstance(self._network, LimitedNetwork) else 0.0
        return {
            "official": compare(self._network, lips, audio.samples, self._frames),
            "silent": silent_distances(lips),
            "ood_score": np.array(outside, dtype=np.float64),
            "frame": np.array(index, dtype=np.int64),
            "opening": np.array(opening, dtype=np.float64),
        }

    def _crop(self, rgb: Picture) -> Picture:
        small, size = self._detector.small(rgb), (rgb.shape[1], rgb.shape[0])
        (boxes,) = self._detector.detect([small], [size])
        if not len(boxes):
            raise FeatureUnavailableError("reference_video_no_face", "no face in its frame with the closed mouth")
        options = self._options.sync.crop
        still = np.repeat(boxes[:1, :4].astype(np.float64), options.median, axis=0)
        x, y, half = smooth(still, options.median)[options.median // 2]
        return crop(np.ascontiguousarray(rgb[:, :, ::-1]), x, y, half, options)


def mouth_openings(points: Points) -> NDArray[np.float64]:
    """Return the distance between the inner lips by that between the eyes, of each frame: (T,) of (T, 68, 2)."""
    gaps = np.linalg.norm(points[:, UPPER] - points[:, LOWER], axis=-1).mean(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(gaps / eye_distances(points))


class ClosedMouthExtractor(Extractor):
    """The floor of lip sync: a face that says nothing, against the sample's speech."""

    record = FeatureRecord(
        name="syncnet_closed_mouth",
        version=1,
        title="SyncNet distances of one frame of the reference video with a closed mouth, held still",
        inputs=frozenset({"reference_video", "audio"}),
        weights=(DETECTOR, NETWORK, landmarks.ROLE),
        optional_weights=(landmarks.DETECTOR,),
        options=ClosedMouthOptions(),
        arrays={
            "official": "(W, 31) float32: distance of the still lips to the test set's speech at 31 shifts",
            "silent": "(W,) float32: distance of the still lips to the zero vector",
            "ood_score": "() float64: how unlike the faces that the network knows, above 1 outside",
            "frame": "() int64: number of the frame",
            "opening": "() float64: opening of the mouth by the distance between the eyes",
        },
    )

    def __init__(self, weights: Mapping[str, WeightFile], device: str = "cpu") -> None:
        super().__init__(weights, device)
        self.record = self.resolved_record(weights)
        options = self.record.options
        self._detector = open_detector(weights[DETECTOR], device, options.sync.detector)
        self._network = open_syncnet(weights[NETWORK], device)
        usable = options.finder.dlib is not None or landmarks.family_of(weights[landmarks.ROLE]) != "dlib"
        self._finder = landmarks.make_finder(weights, options.finder, device) if usable else None

    @classmethod
    def resolved_record(cls, weights: Mapping[str, WeightFile] = NO_WEIGHTS) -> FeatureRecord:
        """Return the record with what finds the landmarks here, as the features of landmarks have it."""
        finder = landmarks.resolved_options(cls.record.options.finder, weights)
        return replace(cls.record, options=replace(cls.record.options, finder=finder))

    def open(self, item: Item, upstream: Mapping[str, Any]) -> Session:
        """Start on a sample.

        Raises:
            FeatureUnavailableError: ``no_reference_video``, ``no_dlib``.
        """
        reference = _reference(item)
        if self._finder is None:
            raise FeatureUnavailableError("no_dlib", landmarks.NO_DLIB)
        inner = ClosedMouthSession(self._finder, self._detector, self._network, item, self.record.options)
        return ReferenceVideoSession(inner, reference)


FEATURES = (ReferenceSyncExtractor, ClosedMouthExtractor)
