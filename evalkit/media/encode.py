"""Write H.264/AAC MP4 files, the format that challenges ask for."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray

from evalkit.errors import StorageError
from evalkit.media.colour import Picture
from evalkit.media.container import reason

# Bicubic downsampling keeps more chroma detail than bilinear; see `colour` for the other flags.
TO_YUV = (
    Interpolation.BICUBIC
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.FULL_CHR_H_INP
    | Interpolation.ACCURATE_RND
    | Interpolation.BITEXACT
)


def write_video(
    path: Path,
    frames: Iterable[Picture],
    fps: float | Fraction,
    audio: NDArray[np.float32] | None = None,
    audio_rate: int = 16_000,
    *,
    crf: int = 18,
    preset: str = "medium",
) -> int:
    """Encode ``frames`` as H.264 (yuv420p, BT.601 limited range) with AAC audio; return the number of frames.

    The encoder runs on one thread and writes no creation time, so the same input gives the same bytes. The chroma
    location is the centre of its four pixels; the stream is tagged with it, the matrix and the range. An incomplete
    file is removed.

    Args:
        path: the MP4 file to write.
        frames: (H, W, 3) uint8 RGB with even H and W, all of one size.
        fps: frames per second.
        audio: (N,) float32 mono samples in -1..1, or ``None`` for a silent file without an audio stream.
        audio_rate: of ``audio``, in Hz.
        crf: quality, 0 (lossless) to 51.
        preset: x264's speed preset.

    Raises:
        ValueError: when there is no frame, or one of another shape.
        StorageError: when the file can't be written.
    """
    rate = Fraction(fps).limit_denominator(100_000)
    try:
        with av.open(
            str(path), "w", format="mp4", options={"movflags": "+faststart", "fflags": "+bitexact"}
        ) as container:
            writer = _Writer(container, rate, crf, preset, audio_rate if audio is not None else None)
            for frame in frames:
                writer.add_frame(frame)
            writer.check()
            if audio is not None:
                writer.add_audio(audio)
            writer.flush()
    except BaseException as error:
        if path.is_file():  # not /dev/full or a folder
            path.unlink()
        if isinstance(error, av.error.FFmpegError | OSError):
            raise StorageError(f"The video {path} can't be written.", found=reason(error)) from error
        raise
    return writer.count


class _Writer:
    """The encoder's state while a file is written."""

    def __init__(self, container: Any, rate: Fraction, crf: int, preset: str, audio_rate: int | None) -> None:
        self._container = container
        self._rate = rate
        self._options = {"crf": str(crf), "preset": preset, "threads": "1", "x264-params": "chromaloc=1"}
        self._reformatter = VideoReformatter()
        self._video: Any = None
        self._size: tuple[int, int] | None = None
        self._audio: Any = None
        self._audio_rate = audio_rate
        self.count = 0

    def add_frame(self, rgb: Picture) -> None:
        """Encode one frame."""
        if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
            raise ValueError(f"a frame is (H, W, 3) uint8, found {rgb.dtype} {rgb.shape}")
        height, width = rgb.shape[:2]
        if self._video is None:
            self._open(height, width)
        if (height, width) != self._size:
            raise ValueError(f"all frames have one size, found {(height, width)} after {self._size}")
        frame = self._reformatter.reformat(
            av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24"),
            format="yuv420p",
            interpolation=TO_YUV,
            dst_colorspace=Colorspace.ITU601,
            dst_color_range=ColorRange.MPEG,
            threads=1,
        )
        frame.pts = self.count
        frame.time_base = 1 / self._rate
        for packet in self._video.encode(frame):
            self._container.mux(packet)
        self.count += 1

    def _open(self, height: int, width: int) -> None:
        if height % 2 or width % 2:
            raise ValueError(f"yuv420p needs even sizes, found {width}x{height}")
        self._size = (height, width)
        self._video = self._container.add_stream("libx264", rate=self._rate, options=self._options)
        self._video.width, self._video.height, self._video.pix_fmt = width, height, "yuv420p"
        self._video.codec_context.colorspace = Colorspace.ITU601
        self._video.codec_context.color_range = ColorRange.MPEG
        if self._audio_rate is not None:
            self._audio = self._container.add_stream("aac", rate=self._audio_rate, layout="mono")

    def add_audio(self, samples: NDArray[np.float32]) -> None:
        """Encode the whole audio track."""
        wave = np.ascontiguousarray(np.clip(samples, -1.0, 1.0), dtype=np.float32)[None, :]
        size = 1024
        for start in range(0, wave.shape[1], size):
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(wave[:, start : start + size]), format="fltp", layout="mono"
            )
            frame.sample_rate = self._audio_rate or 1
            frame.pts = start
            frame.time_base = Fraction(1, self._audio_rate or 1)
            for packet in self._audio.encode(frame):
                self._container.mux(packet)

    def check(self) -> None:
        """Refuse a video without frames.

        Raises:
            ValueError: when no frame was encoded.
        """
        if self.count == 0:
            raise ValueError("a video needs at least one frame")

    def flush(self) -> None:
        """Write what the encoders still buffer."""
        for stream in (self._video, self._audio):
            if stream is not None:
                for packet in stream.encode(None):
                    self._container.mux(packet)
