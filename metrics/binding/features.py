"""The feature ``binding``: the lips of every person of a sample against every person's voice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.binding.attaching import ATTACH, AttachOptions, Piece, attach, split_by_identity
from evalkit.metrics.binding.faces import FaceLooks, region
from evalkit.metrics.binding.second_look import SecondLook
from evalkit.metrics.binding.streams import STREAMS, StreamOptions, activity, read_streams, silenced
from evalkit.metrics.faces.embeddings import open_arcface
from evalkit.metrics.faces.features import DETECTOR as FACE_DETECTOR
from evalkit.metrics.faces.features import SECOND_DETECTOR, make_policy
from evalkit.metrics.features.audio import Samples
from evalkit.metrics.features.base import (
    Arrays,
    Extractor,
    FeatureRecord,
    FeatureUnavailableError,
    Item,
    Picture,
    WeightFile,
    described,
)
from evalkit.metrics.sync import tracks as sync_tracks
from evalkit.metrics.sync.distances import CURVE, FRAMES_PER_WINDOW, SHIFTS, padded_distances, window_count
from evalkit.metrics.sync.features import SyncOptions, SyncSession, check_complete
from evalkit.metrics.sync.frame_store import Take
from evalkit.metrics.sync.mfcc import mfcc
from evalkit.metrics.sync.networks import DETECTOR, NETWORK, BoxDetector, SyncNetwork, open_detector, open_syncnet
from evalkit.metrics.sync.windows import LipStream

NO_SPEAKERS = "not_applicable:one_voice"


@dataclass(frozen=True)
class BindingOptions(SyncOptions):
    """Options of ``binding``: those of ``syncnet`` with shorter and smaller tracks, and what is added."""

    tracks: sync_tracks.TrackOptions = field(
        default_factory=lambda: sync_tracks.TrackOptions(min_track=24, smallest_face=64)
    )
    streams: StreamOptions = STREAMS
    attach: AttachOptions = ATTACH
    second_look: str = described("of the bundled detector only: each face again in its surroundings")
    beyond: str = described("audio at a shift is that of the stream, zero vectors beyond its ends only")


BINDING = BindingOptions()


class BindingSession(SyncSession):
    """Finds faces while the video is decoded; tracks, persons and SyncNet follow at the end."""

    def __init__(
        self,
        detector: BoxDetector,
        network: SyncNetwork,
        looks: FaceLooks,
        item: Item,
        options: BindingOptions = BINDING,
    ) -> None:
        super().__init__(detector, network, item, options)
        self._looks, self._choices = looks, options
        voices = read_streams(item.speakers, options.streams)
        self._active = activity(voices, options.streams)
        self._voices = [silenced(voice, speaks) for voice, speaks in zip(voices, self._active, strict=True)]
        self._size = (0, 0)
        self.followed = np.empty((len(item.speakers), 0, 4), np.float32)  # boxes, known after `finish`

    @property
    def ticks(self) -> NDArray[np.int64]:
        """Number of the frame that is shown at each of 25 times a second."""
        return self._ticks

    def frame(self, index: int, time: float, rgb: Picture) -> None:
        """Find faces."""
        self._size = (rgb.shape[1], rgb.shape[0])
        super().frame(index, time, rgb)

    def finish(self) -> Arrays:
        """Return who is where, who speaks when, and the distances of all lips to all voices.

        Raises:
            FeatureUnavailableError: ``no_frame``, ``frames_missing``, ``reference_image_unreadable``.
        """
        self._detect()
        check_complete(self._ticks, self._same_as)
        faces = [self._faces[self._same_as[int(index)]] for index in self._ticks]
        _, tracks, _ = self._protocols["latentsync"].tracks(faces, self._tick_scores(0), self._choices.tracks)
        streams = [LipStream(self._network, max(0, len(track.boxes) - FRAMES_PER_WINDOW + 1)) for track in tracks]
        pieces = self._visit(tracks, streams)
        persons = self._looks.persons(self._item, self._size)
        choice = self._choices.attach
        pieces = [part for piece in pieces for part in split_by_identity(piece, persons, choice)]
        owners = attach(pieces, persons, self._size, choice)
        attached = [(person, piece) for person, piece in zip(owners, pieces, strict=True) if person >= 0]
        frames, count = len(self._ticks), len(persons)
        box = np.zeros((count, frames, 4), np.float32)
        for person, piece in attached:
            box[person, piece.face.first : piece.face.last + 1] = piece.face.boxes
        self.followed = box
        return {
            "name": np.array([voice.name for voice in self._item.speakers]),
            "active": self._active,
            "box": box,
            "identity": np.array([_identity(persons[k].face, attached, k) for k in range(count)], np.float32),
            "tracks": np.array(len(tracks), np.int64),
            **self._distances(attached, streams, tracks),
        }

    def _visit(self, tracks: Sequence[sync_tracks.FaceTrack], streams: Sequence[LipStream]) -> list[Piece]:
        """Send every track's mouth crops to its stream, and look at its face now and then."""
        places: dict[int, list[tuple[int, int, NDArray[np.float64]]]] = {}
        for row, track in enumerate(tracks):
            for tick, place in enumerate(sync_tracks.smooth(track.boxes, self._choices.crop.median), start=track.first):
                places.setdefault(int(self._ticks[tick]), []).append((row, tick, place))
        crops: list[tuple[int, int, NDArray[np.uint8]]] = []

        def take(index: int, rgb: Picture) -> None:
            bgr = np.ascontiguousarray(rgb[:, :, ::-1])
            for row, tick, (x, y, half) in places[index]:
                streams[row].add(sync_tracks.crop(bgr, x, y, half, self._choices.crop))
                since = tick - tracks[row].first
                if since % self._choices.attach.every == self._choices.attach.every // 2:
                    crop = self._looks.crop(region(rgb, tracks[row].boxes[since]))
                    if crop is not None:
                        crops.append((row, tick, crop))

        self.visit(places, take)
        vectors = self._looks.vectors([crop for _, _, crop in crops])
        pieces = [Piece(row, track, {}) for row, track in enumerate(tracks)]
        for (row, tick, _), vector in zip(crops, vectors, strict=True):
            if vector is not None:
                pieces[row].looks[tick] = vector
        return pieces

    def visit(self, wanted: Mapping[int, Any], take: Take) -> None:
        """Hand out frames again, from memory where they fit."""
        try:
            self._store.visit(wanted, take)
        finally:
            self.decodes = self._store.decodes

    def _distances(
        self,
        attached: Sequence[tuple[int, Piece]],
        streams: Sequence[LipStream],
        tracks: Sequence[sync_tracks.FaceTrack],
    ) -> Arrays:
        """Return the arrays of all windows of five frames, each person's lips against each voice."""
        heard = [self._heard(voice) for voice in self._voices]
        reach = min((len(one) - 2 * SHIFTS for one in heard), default=0)
        person, first, distances, scores, motion = [], [], [], [], []
        for owner, piece in attached:
            stream, start = streams[piece.track], tracks[piece.track].first
            arrays = stream.arrays()
            last = min(piece.face.last - FRAMES_PER_WINDOW + 1, start + len(arrays["silent"]) - 1, reach - 1)
            if last < piece.face.first:
                continue
            span = slice(piece.face.first - start, last - start + 1)
            lips = stream.finish()[span]
            sound = [one[piece.face.first : last + 1 + 2 * SHIFTS] for one in heard]
            distances.append(np.stack([padded_distances(lips, part) for part in sound], axis=1))
            person.append(np.full(len(lips), owner))
            first.append(np.arange(piece.face.first, last + 1))
            scores.append(arrays["ood_score"][span])
            motion.append(arrays["motion"][span])
        nothing = np.empty((0, len(self._voices), CURVE), np.float32)
        return {
            "window_person": np.concatenate([np.empty(0), *person]).astype(np.int64),
            "window_frame": np.concatenate([np.empty(0), *first]).astype(np.int64),
            "distance": np.concatenate([nothing, *distances]).astype(np.float32),
            "ood_score": np.concatenate([np.empty(0), *scores]).astype(np.float32),
            "motion": np.concatenate([np.empty(0), *motion]).astype(np.float32),
        }

    def _heard(self, voice: Samples) -> NDArray[np.float32]:
        """Return the vectors of a stream between `SHIFTS` zero vectors before and after it: computed once."""
        windows = window_count(len(self._ticks), len(voice))
        vectors = self._network.audio(mfcc(voice), windows) if windows else np.empty((0, 1), np.float32)
        return np.pad(np.asarray(vectors, np.float32), ((SHIFTS, SHIFTS), (0, 0)))


def _identity(face: NDArray[np.float64] | None, attached: Sequence[tuple[int, Piece]], person: int) -> float:
    looks = [look for owner, piece in attached if owner == person for look in piece.looks.values()]
    return float(np.mean([look @ face for look in looks])) if face is not None and looks else float("nan")


class BindingExtractor(Extractor):
    """Face tracks attached to the sample's persons, and every person's lips against every voice."""

    record = FeatureRecord(
        name="binding",
        version=1,
        title="SyncNet distances of every person's lips to every person's voice",
        inputs=frozenset({"video", "speakers", "reference_images"}),
        weights=(DETECTOR, NETWORK, FACE_DETECTOR, "arcface"),
        optional_weights=(SECOND_DETECTOR,),
        options=BINDING,
        arrays={
            "name": "(P,) str: of each person, in the test set's order",
            "active": "(P, M) bool: whether the person's voice speaks in each 25th of a second of the voices",
            "box": "(P, N, 4) float32: x1, y1, x2, y2 of the person's face in pixels, zeros where it is not followed",
            "identity": "(P,) float32: mean cosine of the followed face to the person's picture, NaN without",
            "tracks": "() int64: faces that were followed, those of nobody included",
            "window_person": "(W,) int64: whose lips a window of five frames shows",
            "window_frame": "(W,) int64: its first frame",
            "distance": "(W, P, 31) float32: distance of the lips to each person's voice at 31 shifts",
            "ood_score": "(W,) float32: how unlike the faces that the network knows, above 1 outside; 0: no limit",
            "motion": "(W,) float32: change of the mouth's area to the next frame, mean over 40 x 40 in grey levels",
        },
    )

    def __init__(self, weights: Mapping[str, WeightFile], device: str = "cpu") -> None:
        super().__init__(weights, device)
        detector = open_detector(weights[DETECTOR], device, self.record.options.detector)
        self._detector = SecondLook(detector) if weights[DETECTOR].bundled else detector
        self._network = open_syncnet(weights[NETWORK], device)
        self._looks = FaceLooks(make_policy(weights, device), open_arcface(weights["arcface"], device))

    def open(self, item: Item, upstream: Mapping[str, Any]) -> BindingSession:
        """Start on a video.

        Raises:
            FeatureUnavailableError: the sample has one voice, or its voices are not separate.
        """
        if not item.speakers:
            raise FeatureUnavailableError(NO_SPEAKERS)
        return BindingSession(self._detector, self._network, self._looks, item, self.record.options)


FEATURES = (BindingExtractor,)
