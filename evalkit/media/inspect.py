"""Read one file from its first packet to its last, once: facts for the validators, frames for the extractors.

The pass is the only place where a submitted video is decoded. Whoever needs pictures registers a `FrameSink`; frames
that nobody asked for are decoded (they must be: the next frames refer to them) but never converted to RGB.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import av
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from evalkit.errors import MediaError
from evalkit.media.container import MAX_PIXELS, open_media
from evalkit.media.facts import AudioFacts, MediaFacts, VideoFacts

STILL_GREY_LEVELS = 0.3
BLACK_LUMA = 20.0
Picture = NDArray[np.uint8]
Times = NDArray[np.float64]


class FrameSink(Protocol):
    """Something that wants frames of a video."""

    def plan(self, times: Times) -> NDArray[np.bool_]:
        """Say which frames to send: a mask as long as ``times`` (seconds). A second call starts all over."""

    def frame(self, index: int, time: float, rgb: Picture) -> None:
        """Take frame ``index``: (H, W, 3) uint8 RGB in display orientation. The array must not be kept or changed."""


@dataclass
class Limits:
    """When to stop reading a file that never ends."""

    max_frames: int = 200_000


@dataclass
class Inspection:
    """The facts, the display time of every decoded frame, and how it went.

    Args:
        complete: whether the sinks were sent every frame they planned.
        passes: how often the file was decoded: once, twice when its index was wrong, 0 when it could not be opened.
    """

    facts: MediaFacts
    times: Times
    complete: bool
    passes: int = 1


def inspect_media(path: Path, sinks: Sequence[FrameSink] = (), limits: Limits | None = None) -> Inspection:
    """Read ``path`` to the end; never raises for what is in the file.

    The sinks plan on the time stamps of the packets. Should the decoder deliver another number of frames than the
    container promised, the sinks plan again on what was really there and the file is read a second time.
    """
    limits = limits or Limits()
    size = path.stat().st_size
    try:
        planned = scan_times(path, limits)
        inspection = _read(path, size, sinks, planned, limits)
        if sinks and len(inspection.times) != len(planned) and len(inspection.times):
            inspection = _read(path, size, sinks, inspection.times, limits)
            inspection.passes = 2
    except MediaError as error:
        return Inspection(_unreadable(size, error), np.empty(0), complete=False, passes=0)
    return inspection


def scan_times(path: Path, limits: Limits) -> Times:
    """Return the display times (seconds, sorted) that the packets of the first video stream announce; no decoding."""
    stamps: list[float] = []
    with open_media(path) as container:
        if not container.streams.video:
            return np.empty(0)
        stream = container.streams.video[0]
        base = float(stream.time_base or 0)
        try:
            for packet in container.demux(stream):
                if packet.size and not packet.is_discard and len(stamps) < limits.max_frames:
                    stamps.append(packet.pts * base if packet.pts is not None else float("nan"))
        except (av.error.FFmpegError, OSError, ValueError):
            pass  # the decoding pass meets the same fault and reports it
    times = np.array(stamps)
    if np.isnan(times).any():
        rate = _nominal_rate(stream)
        times = np.arange(len(times)) / rate
    return np.sort(times)


def _nominal_rate(stream: Any) -> float:
    rate = stream.average_rate or stream.base_rate
    return float(rate) if rate else 25.0


def _unreadable(size: int, error: MediaError) -> MediaFacts:
    return MediaFacts(
        size_bytes=size,
        container=None,
        brand=None,
        video_streams=0,
        audio_streams=0,
        other_streams=(),
        video=None,
        audio=None,
        open_error="the file is empty" if size == 0 else (error.found or error.what),
    )


def _read(path: Path, size: int, sinks: Sequence[FrameSink], planned: Times, limits: Limits) -> Inspection:
    masks = [sink.plan(planned) for sink in sinks]
    with open_media(path) as container:
        videos, audios = container.streams.video, container.streams.audio
        pictures = _VideoReader(videos[0], sinks, masks, limits) if videos else None
        sound = _AudioReader(audios[0]) if audios else None
        streams = [reader.stream for reader in (pictures, sound) if reader is not None and reader.decodable]
        if streams:
            try:
                for packet in container.demux(streams):
                    reader = pictures if pictures and packet.stream.index == pictures.stream.index else sound
                    if reader is not None:
                        reader.packet(packet)
                    if pictures is not None and pictures.stopped_early:
                        break
            except (av.error.FFmpegError, OSError) as error:
                if pictures is not None:
                    pictures.fault(str(error))
        facts = MediaFacts(
            size_bytes=size,
            container=container.format.name,
            brand=container.metadata.get("major_brand"),
            video_streams=len(videos),
            audio_streams=len(audios),
            other_streams=tuple(s.type for s in container.streams if s.type not in {"video", "audio"}),
            video=pictures.facts() if pictures else None,
            audio=sound.facts() if sound else None,
            open_error=None,
        )
    times = np.array(pictures.times) if pictures else np.empty(0)
    complete = pictures is not None and len(times) == len(planned) and not pictures.stopped_early
    return Inspection(facts, times, complete)


@dataclass
class _Reader:
    stream: Any
    errors: int = 0
    first_error: str | None = None
    decodable: bool = True

    def __post_init__(self) -> None:
        if self.stream.codec_context is None:
            self.decodable = False
            self.fault("no decoder for this codec")

    def fault(self, message: str) -> None:
        self.errors += 1
        self.first_error = self.first_error or message

    def codec(self) -> str:
        context = self.stream.codec_context
        return str(context.codec.canonical_name) if context is not None else "unknown"


class _VideoReader(_Reader):
    """Counts, times and compares every frame, and hands the wanted ones to the sinks as RGB."""

    def __init__(
        self, stream: Any, sinks: Sequence[FrameSink], masks: Sequence[NDArray[np.bool_]], limits: Limits
    ) -> None:
        super().__init__(stream)
        self.sinks = list(zip(sinks, masks, strict=True))
        self.limits = limits
        self.converter = RgbConverter()
        self.times: list[float] = []
        self.packets = self.corrupt = self.interlaced = self.backward = self.size_changes = 0
        self.rotation = 0
        self.still: list[bool] = []
        self.black = 0
        self.previous: Picture | None = None
        self.stopped_early = False
        context = stream.codec_context
        if context is not None:
            # One thread per process: the result must not depend on the number of cores.
            context.thread_count = 1
            if context.width * context.height > MAX_PIXELS:
                self.decodable = False
                self.fault(f"{context.width}x{context.height} pixels are too many to decode")

    def packet(self, packet: Any) -> None:
        if packet.size:
            self.packets += 1
        try:
            frames = packet.decode()
        except (av.error.FFmpegError, ValueError, MemoryError) as error:
            self.fault(str(getattr(error, "strerror", None) or error))
            return
        for frame in frames:
            if len(self.times) >= self.limits.max_frames:
                self.stopped_early = True
                return
            self._frame(frame)

    def _frame(self, frame: Any) -> None:
        index = len(self.times)
        time = float(frame.time) if frame.pts is not None else self._guess_time(index)
        if self.times and time <= self.times[-1]:
            self.backward += 1
        self.times.append(time)
        self.corrupt += bool(frame.is_corrupt)
        self.interlaced += bool(frame.interlaced_frame)
        self.rotation = self.rotation or int(frame.rotation)
        self._compare(luma(frame))
        rgb: Picture | None = None
        for sink, mask in self.sinks:
            if index < len(mask) and mask[index]:
                rgb = self.converter.rgb(frame) if rgb is None else rgb
                sink.frame(index, time, rgb)

    def _guess_time(self, index: int) -> float:
        return index / _nominal_rate(self.stream)

    def _compare(self, grey: Picture) -> None:
        self.black += float(cv2.mean(grey)[0]) < BLACK_LUMA
        if self.previous is not None:
            if self.previous.shape != grey.shape:
                self.size_changes += 1
                self.still.append(False)
            else:
                difference = cv2.norm(grey, self.previous, cv2.NORM_L1) / grey.size
                self.still.append(difference < STILL_GREY_LEVELS)
        self.previous = grey

    def facts(self) -> VideoFacts:
        context = self.stream.codec_context
        aspect = self.stream.sample_aspect_ratio
        times = np.array(self.times)
        steps = np.diff(times)
        typical = float(np.median(steps)) if len(steps) else 0.0
        irregular = np.abs(steps - typical) > 0.1 * typical
        count = len(times)
        length = float(times[-1] - times[0] + typical) if count else 0.0
        return VideoFacts(
            codec=self.codec(),
            profile=str(self.stream.profile) if context is not None and self.stream.profile else None,
            pixel_format=context.pix_fmt if context is not None else None,
            width=context.width if context is not None else 0,
            height=context.height if context is not None else 0,
            sample_aspect_ratio=f"{aspect.numerator}:{aspect.denominator}" if aspect else "1:1",
            rotation=self.rotation,
            interlaced_frames=self.interlaced,
            header_frames=int(self.stream.frames),
            packets=self.packets,
            frames=count,
            decode_errors=self.errors,
            corrupt_frames=self.corrupt,
            first_error=self.first_error,
            fps=1.0 / typical if typical > 0 else None,
            start_seconds=float(times[0]) if count else 0.0,
            duration_seconds=length,
            irregular_share=float(irregular.mean()) if len(steps) else 0.0,
            backward_steps=self.backward,
            size_changes=self.size_changes,
            duplicate_share=float(np.mean(self.still)) if self.still else 0.0,
            longest_still_seconds=_longest_run(self.still) * typical,
            black_share=self.black / count if count else 0.0,
            stopped_early=self.stopped_early,
        )


@dataclass
class _AudioReader(_Reader):
    """Counts the samples and measures how loud they are."""

    samples: int = 0
    energy: float = 0.0
    values: int = 0
    peak: float = 0.0
    start: float | None = None
    resampler: Any = field(default=None, repr=False)

    def packet(self, packet: Any) -> None:
        try:
            frames = packet.decode()
            for frame in frames:
                self._frame(frame)
        except (av.error.FFmpegError, ValueError, MemoryError) as error:
            self.fault(str(getattr(error, "strerror", None) or error))

    def _frame(self, frame: Any) -> None:
        if self.start is None:
            self.start = float(frame.time) if frame.pts is not None else 0.0
        self.samples += int(frame.samples)
        if self.resampler is None:
            self.resampler = av.AudioResampler(format="fltp")
        for part in self.resampler.resample(frame):
            wave = np.nan_to_num(part.to_ndarray().astype(np.float64))
            self.energy += float(np.square(wave).sum())
            self.values += wave.size
            self.peak = max(self.peak, float(np.abs(wave).max(initial=0.0)))

    def facts(self) -> AudioFacts:
        context = self.stream.codec_context
        rate = int(context.sample_rate) if context is not None else 0
        mean_square = self.energy / self.values if self.values else 0.0
        return AudioFacts(
            codec=self.codec(),
            sample_rate=rate,
            channels=int(context.channels) if context is not None else 0,
            start_seconds=self.start or 0.0,
            duration_seconds=self.samples / rate if rate else 0.0,
            rms_dbfs=float(10 * np.log10(mean_square)) if mean_square > 0 else None,
            peak=self.peak,
            decode_errors=self.errors,
        )


class RgbConverter:
    """Turns decoded frames into RGB; one scaler is kept for the whole video."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def rgb(self, frame: Any) -> Picture:
        """Return (H, W, 3) uint8 RGB, turned as the rotation metadata says."""
        picture = np.asarray(self._reformatter.reformat(frame, format="rgb24").to_ndarray(), dtype=np.uint8)
        turns = (int(frame.rotation) // 90) % 4
        return np.ascontiguousarray(np.rot90(picture, turns)) if turns else picture


def luma(frame: Any) -> Picture:
    """Return the (H, W) uint8 luma plane of a decoded frame (a grey conversion for formats without one)."""
    if frame.format.name not in {"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "nv12", "gray"}:
        frame = frame.reformat(format="gray")
    plane = frame.planes[0]
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    return rows[: frame.height, : frame.width].copy()


def _longest_run(flags: Sequence[bool]) -> int:
    best = run = 0
    for flag in flags:
        run = run + 1 if flag else 0
        best = max(best, run)
    return best
