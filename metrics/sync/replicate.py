"""Lip sync through the files that LatentSync's script writes: the feature ``syncnet_replicate`` and its metrics.

The steps and ffmpeg's options are those of bytedance/LatentSync, eval/syncnet_detect.py and syncnet/syncnet_eval.py:
re-time to MP4, audio and JPEG frames from that, crops from the JPEG frames into an MP4 with AAC audio, and JPEG frames
and audio from that. docs/definitions/lip-sync.md#what-moves-the-values gives the effect of each step. Values depend on
ffmpeg's version and build.

Differences from the script: cuts are detected in frames that PyAV decodes from the re-timed MP4 (the script uses
OpenCV). A file on which ffmpeg fails is unscored (the script goes on with what was written), and so is a video of more
than ten minutes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import MachineError, MediaError
from evalkit.metrics.base import definition_beside
from evalkit.metrics.features.audio import RATE, Samples, to_int16
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
)
from evalkit.metrics.features.ffmpeg_program import Ffmpeg, FfmpegError, find_ffmpeg
from evalkit.metrics.sync import scene_cuts
from evalkit.metrics.sync import tracks as sync_tracks
from evalkit.metrics.sync.distances import CURVE, FRAME_RATE, window_count
from evalkit.metrics.sync.features import OTHERS, TRACK_ARRAYS, other_rows, track_arrays
from evalkit.metrics.sync.lip_sync import family
from evalkit.metrics.sync.networks import (
    DETECTOR,
    NETWORK,
    PRECISION,
    BoxDetector,
    SyncNetwork,
    open_detector,
    open_syncnet,
)
from evalkit.metrics.sync.protocols import LATENTSYNC, Protocol
from evalkit.metrics.sync.s3fd_boxes import DetectorOptions
from evalkit.metrics.sync.track_scores import TrackChoice
from evalkit.metrics.sync.windows import LIP_ARRAYS, WINDOW_ARRAYS, LipStream, compare, lip_arrays

_AUDIO = f"-ac 1 -vn -acodec pcm_s16le -ar {RATE}"


@dataclass(frozen=True)
class FileOptions(FeatureOptions):
    """Options of ffmpeg for each file that is written, separated by spaces."""

    retime: str = f"-qscale:v 2 -async 1 -r {FRAME_RATE}"
    frames: str = "-qscale:v 2 -f image2"
    audio: str = _AUDIO
    crop_codec: str = "mp4v"
    crops: str = "-c:v copy -c:a aac"
    crop_frames: str = "-f image2"
    crop_audio: str = f"-async 1 {_AUDIO}"


@dataclass(frozen=True)
class ReplicateOptions(FeatureOptions):
    """Options of ``syncnet_replicate``; the versions of ffmpeg and OpenCV are filled in on the machine."""

    files: FileOptions = field(default_factory=FileOptions)
    longest: float = 600.0  # seconds; a longer video is unscored
    detector: DetectorOptions = field(default_factory=DetectorOptions)
    tracks: sync_tracks.TrackOptions = field(default_factory=sync_tracks.TrackOptions)
    protocol: Protocol = LATENTSYNC
    crop: sync_tracks.CropOptions = field(default_factory=sync_tracks.CropOptions)
    precision: str = described(PRECISION)
    ffmpeg: Mapping[str, str] | None = None
    opencv: str = ""


REPLICATE = ReplicateOptions()


class ReplicateSession(Session):
    """Selects no frame: ffmpeg reads the file at the end. Its temporary folder is always removed."""

    def __init__(
        self,
        detector: BoxDetector,
        network: SyncNetwork,
        ffmpeg: Ffmpeg,
        item: Item,
        options: ReplicateOptions = REPLICATE,
    ) -> None:
        self._options = options
        self._detector, self._network, self._ffmpeg, self._item = detector, network, ffmpeg, item
        self._seconds = 0.0

    def plan(self, times: Times) -> NDArray[np.bool_]:
        """Note how long the video is."""
        self._seconds = float(times[-1] - times[0]) if len(times) else 0.0
        return super().plan(times)

    def finish(self) -> Arrays:
        """Return tracks and distances.

        Raises:
            FeatureUnavailableError: ``too_long``, ``no_own_audio``, ``no_frame``, ``ffmpeg_failed``, or
                ``ffmpeg_too_new`` when the program no longer knows the script's options.
        """
        if self._seconds > self._options.longest:
            raise FeatureUnavailableError("too_long", f"{self._seconds:.0f} s of at most {self._options.longest:.0f}")
        with tempfile.TemporaryDirectory(prefix="evalkit-replicate-", ignore_cleanup_errors=True) as name:
            return self._run(Path(name))

    def _convert(self, folder: Path, inputs: Sequence[Path | str], words: str, output: str) -> None:
        try:
            self._ffmpeg.run(folder, inputs, words.split(), output)
        except FfmpegError as error:
            said = str(error).replace(str(folder), "").replace(str(self._item.video), "video")
            if "does not contain any stream" in said and "-vn" in words.split():
                raise FeatureUnavailableError("no_own_audio", "the file has no audio") from None
            if "async" in said:
                detail = f"ffmpeg {self._ffmpeg.version} refuses '-async 1': {said}"
                raise FeatureUnavailableError("ffmpeg_too_new", detail) from None
            raise FeatureUnavailableError("ffmpeg_failed", said) from None

    def _run(self, folder: Path) -> Arrays:
        self.decodes = 1
        files, protocol = self._options.files, self._options.protocol
        self._convert(folder, [self._item.video.resolve()], files.retime, "video.mp4")
        (folder / "frames").mkdir()
        self._convert(folder, ["video.mp4"], files.frames, "frames/%06d.jpg")
        self._convert(folder, ["video.mp4"], files.audio, "audio.wav")
        pictures = sorted((folder / "frames").glob("*.jpg"))
        if not pictures:
            raise FeatureUnavailableError("no_frame", "ffmpeg wrote no frame")
        faces = list(self._faces(pictures))
        scenes, tracks, others = protocol.tracks(
            faces, content_scores(folder / "video.mp4", len(pictures), protocol), self._options.tracks
        )
        parts = [self._track(folder, number, track, pictures) for number, track in enumerate(tracks)]
        streams, distances = [part[0] for part in parts], [part[1] for part in parts]
        return {
            "faces": np.array([len(found) for found in faces], dtype=np.int64),
            **track_arrays([first for first, _ in scenes], tracks),
            "others_latentsync": other_rows(others),
            **lip_arrays(streams),
            "own": np.concatenate([np.empty((0, CURVE), np.float32), *distances]),
            "has_own": np.array(True),
        }

    def _faces(self, pictures: Sequence[Path]) -> Iterator[NDArray[np.float64]]:
        """Yield the faces of every JPEG frame; batches as large as the detector likes."""
        waiting: list[tuple[Picture, tuple[int, int]]] = []
        for number, path in enumerate(pictures, start=1):
            rgb = np.ascontiguousarray(read_bgr(path)[:, :, ::-1])
            waiting.append((self._detector.small(rgb), (rgb.shape[1], rgb.shape[0])))
            if number == len(pictures) or len(waiting) >= self._detector.batch_size(waiting[0][0]):
                yield from self._detector.detect([small for small, _ in waiting], [size for _, size in waiting])
                waiting.clear()

    def _track(
        self, folder: Path, number: int, track: sync_tracks.FaceTrack, pictures: Sequence[Path]
    ) -> tuple[LipStream, NDArray[np.float32]]:
        """Write the track's files and return its embedded lips (n windows) and their distances (n, 31)."""
        import cv2

        files = self._options.files
        inner = folder / f"{number:05d}"
        inner.mkdir()
        write_crops(inner / "t.mp4", track, pictures, self._options.crop, files.crop_codec)
        first, end = track.first / FRAME_RATE, (track.last + 1) / FRAME_RATE
        self._convert(inner, [folder / "audio.wav"], f"-ss {first:.3f} -to {end:.3f}", "audio.wav")
        self._convert(inner, ["t.mp4", "audio.wav"], files.crops, "crop.mp4")
        (inner / "frames").mkdir()
        self._convert(inner, ["crop.mp4"], files.crop_frames, "frames/%06d.jpg")
        self._convert(inner, ["crop.mp4"], files.crop_audio, "crop.wav")
        audio = wav_samples(inner / "crop.wav")
        crops = sorted((inner / "frames").glob("*.jpg"))
        stream = LipStream(self._network, window_count(len(crops), len(audio)))
        size = (self._options.crop.size, self._options.crop.size)
        for path in crops:
            stream.add(np.asarray(cv2.resize(read_bgr(path), size), dtype=np.uint8))
        return stream, compare(self._network, stream.finish(), audio, len(crops))


def content_scores(video: Path, frames: int, protocol: Protocol = LATENTSYNC) -> list[float]:
    """Return for each of ``frames`` frames how much it differs from the one before; 0 beyond the video's end."""
    from evalkit.media.decode import iter_frames

    score = scene_cuts.ContentScore(protocol.scenes)
    try:
        scores = [score(rgb) for rgb in iter_frames(video)][:frames]
    except MediaError as error:
        raise FeatureUnavailableError("ffmpeg_failed", f"its MP4 can't be read: {error}") from None
    return scores + [0.0] * (frames - len(scores))


def write_crops(
    path: Path,
    track: sync_tracks.FaceTrack,
    pictures: Sequence[Path],
    options: sync_tracks.CropOptions = sync_tracks.CROP,
    codec: str = "mp4v",
) -> None:
    """Write the track's crops of the JPEG frames as MPEG-4 part 2 in MP4, as OpenCV's writer makes it.

    Raises:
        MachineError: OpenCV can't write such a file.
    """
    import cv2

    size = (options.size, options.size)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), FRAME_RATE, size)
    if not writer.isOpened():
        raise MachineError("OpenCV can't write MPEG-4 into MP4.", found=f"opencv {cv2.__version__}")
    for offset, (x, y, half) in enumerate(sync_tracks.smooth(track.boxes, options.median)):
        writer.write(sync_tracks.crop(read_bgr(pictures[track.first + offset]), x, y, half, options))
    writer.release()


def read_bgr(path: Path) -> Picture:
    """Return a JPEG file that ffmpeg wrote as (H, W, 3) uint8 BGR, decoded by OpenCV as the script does.

    Raises:
        FeatureUnavailableError: ``ffmpeg_failed``.
    """
    import cv2

    picture = cv2.imread(str(path))
    if picture is None:
        raise FeatureUnavailableError("ffmpeg_failed", f"{path.name} is not an image")
    return np.asarray(picture, dtype=np.uint8)


def wav_samples(path: Path) -> Samples:
    """Return the samples of a 16 kHz mono 16-bit WAV file, unchanged; none when it is empty."""
    from evalkit.media.audio import read_audio

    try:
        return to_int16(read_audio(path, RATE))
    except MediaError:
        return np.empty(0, dtype=np.int16)


class ReplicateExtractor(Extractor):
    """LatentSync's evaluation through files, with the ffmpeg program and the file's own audio."""

    record = FeatureRecord(
        name="syncnet_replicate",
        version=4,
        title="SyncNet distances through the files that LatentSync's script writes",
        weights=(DETECTOR, NETWORK),
        options=REPLICATE,
        arrays={
            "faces": "(N,) int64: faces found in each JPEG frame",
            **TRACK_ARRAYS,
            "others_latentsync": f"(O, 4) float32: {OTHERS}",
            **{name: WINDOW_ARRAYS[name] for name in ("window_track", "own", *LIP_ARRAYS)},
            "has_own": "() bool: true",
        },
        programs=("ffmpeg",),
    )

    def __init__(self, weights: Mapping[str, WeightFile], device: str = "cpu") -> None:
        super().__init__(weights, device)
        self.record = self.resolved_record(weights)
        self._ffmpeg = find_ffmpeg()
        self._detector = open_detector(weights[DETECTOR], device, self.record.options.detector)
        self._network = open_syncnet(weights[NETWORK], device)

    @classmethod
    def resolved_record(cls, weights: Mapping[str, WeightFile] = NO_WEIGHTS) -> FeatureRecord:
        """Return the record with ffmpeg's version and build, and OpenCV's version."""
        import cv2

        found = find_ffmpeg()
        program = {"version": found.version, "build": found.build} if found else None
        options = replace(cls.record.options, ffmpeg=program, opencv=cv2.__version__)
        return replace(cls.record, options=options)

    def open(self, item: Item, upstream: Mapping[str, Any]) -> ReplicateSession:
        """Start on a video.

        Raises:
            FeatureUnavailableError: ``no_ffmpeg``.
        """
        if self._ffmpeg is None:
            raise FeatureUnavailableError("no_ffmpeg", "the program ffmpeg is not installed")
        return ReplicateSession(self._detector, self._network, self._ffmpeg, item, self.record.options)


FEATURES = (ReplicateExtractor,)
METRICS = family(
    "replicate",
    "through files",
    "Here with the file's own audio, through ffmpeg's MP4, JPEG and AAC files as LatentSync's script does.",
    choice=TrackChoice(audio="own"),
    features=("syncnet_replicate",),
    people_only=True,
    ignores_own_audio=False,
    blind_to="Whose face and whose voice it is, and what the speech says: only whether lips and the "
    "file's own audio fit.",
    citation="bytedance/LatentSync, eval/eval_sync_conf.py and eval/syncnet_detect.py",
    missing_policy="as the script: a video without a track or without audio is left out; no_ffmpeg without ffmpeg",
    definition=definition_beside(__file__, "replicate.md"),
    notes="To reproduce a published number, with the video's own audio as the script has it; never rank on it. "
    "Depends on the ffmpeg program, whose version is in the feature's options. The script prints two decimals.",
)
