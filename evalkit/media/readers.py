"""Decode the streams of one file and measure them; the frames that someone wants go out as RGB."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from evalkit.media.audio import MixEnergy, channels_of
from evalkit.media.colour import Picture, RgbConverter, display_matrix, is_mirrored, luma
from evalkit.media.container import DECODER_ERRORS, MAX_PIXELS, check_memory, reason
from evalkit.media.decoder_log import DecoderLog
from evalkit.media.facts import AudioFacts, VideoFacts
from evalkit.media.limits import Proof, ReadLimits
from evalkit.media.sampling import Times

STILL_GREY_LEVELS = 0.3
BLACK_LUMA = 20.0
LOUDEST = 1e6  # of full scale; damaged float audio may contain any value
# Names of the tags that the rules report, by code point (ITU-T H.273).
PRIMARIES = {1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "film", 9: "bt2020",
             10: "smpte428", 11: "smpte431", 12: "smpte432", 22: "ebu3213"}  # fmt: skip
TRANSFERS = {1: "bt709", 4: "gamma22", 5: "gamma28", 6: "smpte170m", 7: "smpte240m", 8: "linear", 13: "srgb",
             14: "bt2020-10", 15: "bt2020-12", 16: "smpte2084", 17: "smpte428", 18: "arib-std-b67"}  # fmt: skip
MATRICES = {1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 9: "bt2020nc", 10: "bt2020c"}
_MOST_SHAPES = 16
# Without an edit list FFmpeg's muxer extends the first audio packet by the delay of the video.
_FIRST_LONGER_SECONDS = 0.1
_PACKETS_PER_FRAME = 2  # of interlaced video, where each field may have its own
_JUMP_SECONDS = 0.01  # between a time stamp and the end of the frame before; rounding accounts for a millisecond


class FrameSink(Protocol):
    """A consumer of frames of a video."""

    def plan(self, times: Times) -> NDArray[np.bool_]:
        """Return which frames to send: a mask as long as ``times`` (seconds). A second call starts again."""

    def frame(self, index: int, time: float, rgb: Picture) -> None:
        """Take frame ``index``: (H, W, 3) uint8 RGB in display orientation. The array must not be kept or changed."""


@dataclass
class Reader:
    """One stream. Decoder errors are counted, never raised; only `MemoryError` is, which is no fault of the file."""

    stream: Any
    decoder_log: DecoderLog
    errors: int = 0
    packets: int = 0
    first_error: str | None = None
    decodable: bool = True
    ended: bool = False  # wants no more packets

    def __post_init__(self) -> None:
        if self.stream.codec_context is None:
            self.decodable = False
            self.fault("no decoder for this codec")

    def fault(self, message: str) -> None:
        """Count one error and keep the first message."""
        self.errors += 1
        self.first_error = self.first_error or message

    def decode(self, packet: Any) -> Sequence[Any]:
        """Return the packet's frames; none when the decoder refuses it."""
        if not self.decodable:
            return ()
        try:
            with self.decoder_log.capture():
                return list(packet.decode())
        except DECODER_ERRORS as error:
            check_memory(error)
            self.fault(reason(error))
            return ()

    def codec(self) -> str:
        """Return the codec's name."""
        context = self.stream.codec_context
        return str(context.codec.canonical_name) if context is not None else "unknown"

    def announced(self) -> int:
        """Return how many packets the header announces.

        An MP4's edit list may leave out the start or the end of what is stored; FFmpeg removes those packets from its
        index, so its length is the number to expect.
        """
        announced, index = int(self.stream.frames), self.stream.index_entries
        if announced and index is not None and len(index) and "mp4" in self.stream.container.format.name:
            return min(announced, len(index))
        return announced


class VideoReader(Reader):
    """Counts, times and compares every frame, and passes the wanted ones to the sinks as RGB.

    Decoding ends with the first frame that breaks a limit; ``planned`` has the times of those after it.
    """

    def __init__(
        self,
        stream: Any,
        decoder_log: DecoderLog,
        sinks: Sequence[FrameSink],
        masks: Sequence[NDArray[np.bool_]],
        *,
        planned: Times,
        limits: ReadLimits,
    ) -> None:
        super().__init__(stream, decoder_log)
        self.planned = planned
        self.proof: Proof | None = None
        self.proven_size: tuple[int, int] | None = None
        self.sinks = list(zip(sinks, masks, strict=True))
        self.limits = limits
        self.converter = RgbConverter()
        self.times: list[float] = []
        self.corrupt = self.interlaced = self.backward = self.size_changes = self.undelivered = 0
        self.rotation = 0
        self.mirrored = False
        self.formats: dict[str, None] = {}
        self.primaries: dict[str, None] = {}
        self.transfers: dict[str, None] = {}
        self.matrix: str | None = None
        self.shapes: dict[str, None] = {}
        self.still: list[bool] = []
        self.black = 0
        self.previous: Picture | None = None
        context = stream.codec_context
        if context is not None:
            # One thread: the result must not depend on the number of cores.
            context.thread_count = 1
            context.options = {"max_pixels": str(MAX_PIXELS)}  # the frame size may grow within the stream
            if context.width * context.height > MAX_PIXELS:
                self.decodable = False
                self.fault(f"{context.width}x{context.height} pixels are too many to decode")

    def packet(self, packet: Any) -> None:
        """Take the next packet of the stream."""
        if packet.size:
            self.packets += 1
        if self.packets > _PACKETS_PER_FRAME * self.limits.frames:  # most of them without a frame
            self._end("count")
            return
        for frame in self.decode(packet):
            self._next(frame)
            if self.ended:
                return

    def _next(self, frame: Any) -> None:
        """Take a frame, unless the frames before it are as many as are decoded."""
        limits, count = self.limits, len(self.times)
        if count >= min(max(limits.decoded_frames, limits.always_decoded), limits.frames):
            self._end("count")
            return
        time = float(frame.time) if frame.pts is not None else self._guess_time()
        if count >= limits.always_decoded:
            if limits.refuses_size(frame.width, frame.height):
                self.proven_size = frame.width, frame.height
                self._end("size")
            elif self._is_too_late(time):
                self._end("length")
        self._frame(frame, time)

    def _end(self, proof: Proof) -> None:
        self.ended, self.proof = True, proof

    def _is_too_late(self, time: float) -> bool:
        """Return whether the video is too long by this frame: not where a fault may be to blame for its time."""
        faults = self.errors or self.corrupt or self.backward
        return bool(self.times) and time - self.times[0] > self.limits.seconds and not faults

    def _frame(self, frame: Any, time: float) -> None:
        index = len(self.times)
        if self.times and time <= self.times[-1]:
            self.backward += 1
        self.times.append(time)
        self.corrupt += bool(frame.is_corrupt)
        self.interlaced += bool(frame.interlaced_frame)
        self.formats[frame.format.name] = None
        self._colours(frame)
        self.rotation = self.rotation or _degrees(frame.rotation)
        self.mirrored = self.mirrored or is_mirrored(display_matrix(frame))
        # The file is refused if this frame is the proof: no extractor works on it.
        wanted = [] if self.ended else [sink for sink, mask in self.sinks if index < len(mask) and mask[index]]
        rgb: Picture | None = None
        try:
            self._compare(luma(frame))
            rgb = self.converter.rgb(frame) if wanted else None
        except DECODER_ERRORS as error:
            check_memory(error)
            self.fault(f"a {frame.format.name} frame can't be converted: {reason(error)}")
            self.undelivered += bool(wanted)
        if rgb is not None:
            for sink in wanted:
                sink.frame(index, time, rgb)

    def _colours(self, frame: Any) -> None:
        for known, seen, tag in (
            (PRIMARIES, self.primaries, frame.color_primaries),
            (TRANSFERS, self.transfers, frame.color_trc),
        ):
            name = known.get(int(tag or 0))
            if name is not None:
                seen[name] = None
        self.matrix = self.matrix or MATRICES.get(int(frame.colorspace or 0))
        # PyAV does not expose it on the frame; the decoder has the value of its latest frames.
        shape = self.stream.codec_context.sample_aspect_ratio
        if shape:
            self.shapes[f"{shape.numerator}:{shape.denominator}"] = None

    def _guess_time(self) -> float:
        return self.times[-1] + 1 / nominal_rate(self.stream) if self.times else 0.0

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

    def facts(self, listed: int = 0) -> VideoFacts:
        """Return the facts after the last packet; ``listed`` is added to the packets that the header announces."""
        context = self.stream.codec_context
        aspect = self.stream.sample_aspect_ratio
        stopped = self.ended and max(len(self.planned), self.packets) > self.limits.frames
        others = self.planned[len(self.times) : self.limits.frames] if self.ended else self.planned[:0]
        width, height = self.proven_size or ((context.width, context.height) if context is not None else (0, 0))
        times = np.concatenate((self.times, others))
        steps = np.diff(times)
        typical = float(np.median(steps)) if len(steps) else 0.0
        irregular = np.abs(steps - typical) > 0.1 * typical
        count = len(times)
        length = float(times[-1] - times[0] + typical) if count else 0.0
        return VideoFacts(
            codec=self.codec(),
            profile=str(self.stream.profile) if context is not None and self.stream.profile else None,
            pixel_format=context.pix_fmt if context is not None else None,
            width=width,
            height=height,
            sample_aspect_ratio=f"{aspect.numerator}:{aspect.denominator}" if aspect else "1:1",
            rotation=self.rotation,
            mirrored=self.mirrored,
            interlaced_frames=self.interlaced,
            header_frames=self.announced() + listed - self._empty_chunks(),
            packets=max(self.packets, len(self.planned)) if self.ended else self.packets,
            frames=count,
            decode_errors=self.errors,
            corrupt_frames=self.corrupt,
            first_error=self.first_error,
            fps=round(1.0 / typical, 6) if typical > 0 else None,
            start_seconds=float(times[0]) if count else 0.0,
            duration_seconds=length,
            irregular_share=float(irregular.mean()) if len(steps) else 0.0,
            backward_steps=self.backward,
            size_changes=self.size_changes,
            duplicate_share=float(np.mean(self.still)) if self.still else 0.0,
            longest_still_seconds=longest_run(self.still) * typical,
            black_share=self.black / len(self.times) if self.times else 0.0,
            stopped_early=stopped,
            undecoded_frames=len(others),
            proof=self.proof,
            stream_id=int(self.stream.id),
            pixel_formats=tuple(self.formats),
            primaries=next(iter(self.primaries), None),
            transfer=next(iter(self.transfers), None),
            matrix=self.matrix,
            transfers=tuple(self.transfers),
            all_primaries=tuple(self.primaries),
            pixel_shapes=tuple(self.shapes)[:_MOST_SHAPES],
        )

    def _empty_chunks(self) -> int:
        """Return how many frames an AVI announces that only repeat the one before: they have a time and no data."""
        rate = self.stream.average_rate
        if self.stream.container.format.name != "avi" or not rate or not self.times:
            return 0
        last = round(max(self.times) * float(rate)) + 1
        return max(0, min(last, self.announced()) - self.packets)


@dataclass
class AudioReader(Reader):
    """Counts the samples, checks their time stamps and measures their level."""

    limits: ReadLimits = field(default_factory=ReadLimits)
    samples: int = 0
    energy: float = 0.0
    mix: MixEnergy = field(default_factory=MixEnergy, repr=False)
    values: int = 0
    peak: float = 0.0
    start: float | None = None
    seconds: float = 0.0
    form: tuple[int, int] | None = None
    changes: int = 0
    frames: int = 0
    first_longer: float = 0.0
    error: float = 0.0
    worst: float = 0.0
    jumps: int = 0
    end: float | None = None
    not_finite: int = 0
    resampler: Any = field(default=None, repr=False)

    def packet(self, packet: Any) -> None:
        """Take the next packet of the stream."""
        self.packets += bool(packet.size)
        self.ended |= self.packets > self.limits.audio_packets or self.seconds > self.limits.audio_seconds
        if self.ended:
            return
        try:
            for frame in self.decode(packet):
                self._frame(frame)
        except DECODER_ERRORS as error:
            check_memory(error)
            self.fault(reason(error))

    def _frame(self, frame: Any) -> None:
        if self.start is None:
            self.start = float(frame.time) if frame.pts is not None else 0.0
        self._time(frame)
        self.samples += int(frame.samples)
        form = int(frame.sample_rate), len(frame.layout.channels)
        if form != self.form:
            self.changes += self.form is not None
            self.form, self.resampler = form, av.AudioResampler(format="flt")
        self.seconds += frame.samples / form[0] if form[0] else 0.0
        for part in self.resampler.resample(frame):
            values = channels_of(part).astype(np.float64)
            self.not_finite += values.size - int(np.isfinite(values).sum())
            wave = np.nan_to_num(values, posinf=LOUDEST, neginf=-LOUDEST)
            wave = np.clip(wave, -LOUDEST, LOUDEST)
            self.energy += float(np.square(wave).sum())
            self.mix.add(wave)
            self.values += wave.size
            self.peak = max(self.peak, float(np.abs(wave).max(initial=0.0)))

    def _time(self, frame: Any) -> None:
        """Compare the frame's time with where the samples before it end; players follow the time."""
        if frame.pts is None or self.start is None:
            return
        error = float(frame.time) - self.start - self.seconds
        self.frames += 1
        if self.frames == 2 and 0 < error <= _FIRST_LONGER_SECONDS:
            self.first_longer = error
        error -= self.first_longer
        self.jumps += abs(error - self.error) > _JUMP_SECONDS
        self.error = error
        self.worst = max(self.worst, error, key=abs)
        self.end = float(frame.time) + (frame.samples / frame.sample_rate if frame.sample_rate else 0.0)

    def facts(self, listed: int = 0) -> AudioFacts:
        """Return the facts after the last packet; ``listed`` is added to the packets that the header announces."""
        context = self.stream.codec_context
        rate = int(context.sample_rate) if context is not None else 0
        mean_square = self.energy / self.values if self.values else 0.0
        return AudioFacts(
            codec=self.codec(),
            sample_rate=rate,
            channels=int(context.channels) if context is not None else 0,
            start_seconds=self.start or 0.0,
            duration_seconds=self.seconds if self.changes else (self.samples / rate if rate else 0.0),
            rms_dbfs=float(10 * np.log10(mean_square)) if mean_square > 0 else None,
            mix_energy=self.mix.share,
            peak=self.peak,
            decode_errors=self.errors,
            stream_id=int(self.stream.id),
            format_changes=self.changes,
            stopped_early=self.ended,
            time_error_seconds=self.worst,
            time_jumps=self.jumps,
            end_seconds=self.end,
            missing_packets=0 if self.ended else self._missing(listed),
        )

    def _missing(self, listed: int) -> int:
        # PCM is stored in chunks, not in one packet per sample.
        return max(0, self.announced() + listed - self.packets) if self.codec() in {"aac", "mp3"} else 0


def _degrees(rotation: float) -> int:
    """Return a valid rotation in whole degrees, else 0: a matrix of zeros has none."""
    return int(rotation) if abs(rotation) <= 360 else 0


def nominal_rate(stream: Any) -> float:
    """Return the frame rate that the header announces; 25 when it announces none."""
    rate = stream.average_rate or stream.base_rate
    return float(rate) if rate else 25.0


def longest_run(flags: Sequence[bool]) -> int:
    """Return the length of the longest run of true values."""
    best = run = 0
    for flag in flags:
        run = run + 1 if flag else 0
        best = max(best, run)
    return best
