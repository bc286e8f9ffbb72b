"""The feature ``faces``: every face in 16 frames of a video, linked into tracks, one of them the subject."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.media.sampling import Sampling, Uniform
from evalkit.metrics.faces.policy import Detection, FacePolicy
from evalkit.metrics.faces.scrfd import Scrfd
from evalkit.metrics.faces.tracks import build_tracks, subject_track
from evalkit.metrics.faces.yunet import YuNet
from evalkit.metrics.features.base import (
    Arrays,
    Extractor,
    FeatureRecord,
    Item,
    Picture,
    Session,
    Times,
    WeightFile,
    described,
    frame_mask,
)
from evalkit.metrics.features.declare import SamplingOptions
from evalkit.metrics.features.face import Detector, Face
from evalkit.metrics.features.repeats import Repeats

DETECTOR = "face_detector"
SECOND_DETECTOR = "face_detector_second"
ATTEMPTS = ("as_is", "margin", "second", "second_margin")
MARGIN = 0.25


@dataclass(frozen=True)
class FacesOptions(SamplingOptions):
    """Options of ``faces``."""

    sampling: Sampling = field(default_factory=lambda: Uniform(16, "floor"))
    attempts: tuple[str, ...] = described(ATTEMPTS)
    margin: float = described(MARGIN)
    track_iou: float = 0.3
    subject: str = described("most frames, then largest area, then nearest the centre")


FACES = FacesOptions()


def make_detector(weight: WeightFile, device: str) -> Detector:
    """Return the detector that the manifest's options describe.

    ``{family: scrfd|yunet, input_size, threshold}``, or ``{format: bundled, threshold}``.
    """
    options = dict(weight.options)
    if weight.bundled:
        from evalkit.metrics.networks.small.runners import SmallDetector

        del options["format"]
        return SmallDetector(weight.path, weight.sha256, device, **options)
    family = options.pop("family", "scrfd")
    if family == "yunet":
        return YuNet(weight.path, **options)
    if "input_size" in options:
        options["input_size"] = tuple(options["input_size"])
    return Scrfd(weight.path, device=device, **options)


def make_policy(weights: Mapping[str, WeightFile], device: str) -> FacePolicy:
    """Return the declared detection policy with the detectors that the backbones have."""
    second = weights.get(SECOND_DETECTOR)
    return FacePolicy(
        make_detector(weights[DETECTOR], device), make_detector(second, device) if second else None, MARGIN
    )


class FacesSession(Session):
    """Detects faces while the video is decoded; dependent sessions read `detection`."""

    def __init__(self, policy: FacePolicy, options: FacesOptions = FACES) -> None:
        self._policy, self._options = policy, options
        self._wanted: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._found: dict[int, Detection] = {}
        self._times: dict[int, float] = {}
        self._size = (0, 0)

    def plan(self, times: Times) -> NDArray[np.bool_]:
        """Select 16 frames spread over the video."""
        self._wanted = self._options.sampling.select(times)
        self._found, self._times = {}, {}
        self._newest = -1
        self._repeats = Repeats()
        return frame_mask(self._wanted, len(times))

    def frame(self, index: int, time: float, rgb: Picture) -> None:
        """Detect faces; a frame that equals the one before has the same."""
        again = self._repeats.again(rgb)
        self._found[index] = self._found[self._newest] if again else self._policy.detect(rgb)
        self._newest = index
        self._times[index] = time
        self._size = (rgb.shape[1], rgb.shape[0])

    def sampled(self) -> NDArray[np.int64]:
        """Return the sampled frame numbers (16,), repeats included."""
        return self._wanted

    def detection(self, index: int) -> Detection:
        """Return what was found in frame ``index``."""
        return self._found[index]

    def finish(self) -> Arrays:
        """Link the faces into tracks and flatten everything into arrays."""
        frames = sorted(self._found)
        detections = [self._found[index] for index in frames]
        faces = [(row, face) for row, detection in enumerate(detections) for face in detection.faces]
        tracks = build_tracks([d.faces for d in detections], frames, iou=self._options.track_iou)
        # By row too: frames that are equal have the same faces, and two tracks may share one.
        owner = {
            (row, id(face)): number
            for number, track in enumerate(tracks)
            for row, face in zip(track.positions, track.faces, strict=True)
        }
        subject = subject_track(tracks, self._size)
        return {
            "sampled": np.searchsorted(np.array(frames, dtype=np.int64), self._wanted).astype(np.int64),
            "frame_index": np.array(frames, dtype=np.int64),
            "frame_time": np.array([self._times[index] for index in frames], dtype=np.float64),
            "face_frame": np.array([row for row, _ in faces], dtype=np.int64),
            **detection_arrays(detections, [face for _, face in faces]),
            "track": np.array([owner[row, id(face)] for row, face in faces], dtype=np.int64),
            "subject": np.array(tracks.index(subject) if subject else -1, dtype=np.int64),
            "frame_size": np.array(self._size, dtype=np.int64),
        }


class FacesView:
    """The same answers as a live session, from cached arrays."""

    def __init__(self, arrays: Arrays) -> None:
        self._arrays = arrays
        self._row = {int(index): row for row, index in enumerate(arrays["frame_index"])}

    def sampled(self) -> NDArray[np.int64]:
        """Return the sampled frame numbers (16,), repeats included."""
        indices: NDArray[np.int64] = self._arrays["frame_index"][self._arrays["sampled"]]
        return indices

    def detection(self, index: int) -> Detection:
        """Return what was found in frame ``index``."""
        row = self._row[index]
        return read_detection(self._arrays, row, np.flatnonzero(self._arrays["face_frame"] == row))


class FacesExtractor(Extractor):
    """Faces by the declared policy: as is, with a grey margin, with the second detector.

    See docs/definitions/face-detection.md#attempts.
    """

    record = FeatureRecord(
        name="faces",
        version=1,
        title="faces, five keypoints and tracks in 16 frames",
        weights=(DETECTOR,),
        optional_weights=(SECOND_DETECTOR,),
        options=FACES,
        arrays={
            "sampled": "(16,) int64: rows of frame_index, repeated in videos shorter than 16 frames",
            "frame_index": "(K,) int64: numbers of the sampled frames, ascending",
            "frame_time": "(K,) float64 seconds",
            "attempt": "(K,) int8: which attempt found faces (index into options.attempts), -1 for none",
            "margin": "(K, 2) int32: columns and rows of grey that the attempt added",
            "face_frame": "(F,) int64: row of frame_index that the face is in",
            "box": "(F, 4) float32: x1, y1, x2, y2 in pixels",
            "score": "(F,) float32 in 0..1",
            "keypoints": "(F, 5, 2) float32: eyes, nose, mouth corners in pixels",
            "track": "(F,) int64: track number",
            "subject": "() int64: number of the subject's track, -1 without any face",
            "frame_size": "(2,) int64: width, height in pixels",
        },
    )

    def __init__(self, weights: Mapping[str, WeightFile], device: str = "cpu") -> None:
        super().__init__(weights, device)
        self._policy = make_policy(weights, device)

    def open(self, item: Item, upstream: Mapping[str, Any]) -> FacesSession:
        """Start on a video."""
        return FacesSession(self._policy, self.record.options)

    def view(self, arrays: Arrays) -> FacesView:
        """Return the cached detections."""
        return FacesView(arrays)


def detection_arrays(detections: Sequence[Detection], faces: Sequence[Face]) -> Arrays:
    """Return the arrays of ``detections``, a row per image, and of ``faces``, a row per face."""
    return {
        "attempt": np.array([attempt_number(detection) for detection in detections], dtype=np.int8),
        "margin": np.array([detection.margin for detection in detections], dtype=np.int32).reshape(-1, 2),
        "box": np.array([face.box for face in faces], dtype=np.float32).reshape(-1, 4),
        "score": np.array([face.score for face in faces], dtype=np.float32),
        "keypoints": np.array([face.keypoints for face in faces], dtype=np.float32).reshape(-1, 5, 2),
    }


def read_detection(arrays: Arrays, row: int, faces: Iterable[int]) -> Detection:
    """Return the detection of an image from `detection_arrays`: its row and the rows of its faces."""
    code = int(arrays["attempt"][row])
    found = tuple(Face(arrays["box"][i], float(arrays["score"][i]), arrays["keypoints"][i]) for i in faces)
    left, top = (int(value) for value in arrays["margin"][row])
    return Detection(found, ATTEMPTS[code] if code >= 0 else None, (left, top))  # type: ignore[arg-type]


def attempt_number(detection: Detection) -> int:
    """Return which attempt found the faces, as an index into `ATTEMPTS`; -1 for none."""
    return ATTEMPTS.index(detection.attempt) if detection.attempt else -1


FEATURES = (FacesExtractor,)
