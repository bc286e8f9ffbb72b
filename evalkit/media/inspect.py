"""Read one file from its first packet to its last, once: facts for the validators, frames for the extractors.

This is the only place where a submitted video is decoded. Code that needs frames registers a `FrameSink`; frames that
no sink wants are decoded (the next frames refer to them) but never converted to RGB.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from av.container import InputContainer

from evalkit.errors import MediaError
from evalkit.media.container import DECODER_ERRORS, check_memory, first_video, is_cover, open_media, reason
from evalkit.media.decoder_log import DecoderLog
from evalkit.media.facts import MediaFacts, Mp4Facts
from evalkit.media.held import HeldVideo, VideoSource
from evalkit.media.limits import MAX_FRAMES, ReadLimits
from evalkit.media.mp4.index import read_index
from evalkit.media.readers import AudioReader, FrameSink, Reader, VideoReader, nominal_rate
from evalkit.media.sampling import Times

_PACKETS_PER_FRAME = 2  # FFmpeg may mark some as hidden


@dataclass
class Inspection:
    """The facts, the display time of every decoded frame, and whether all frames were decoded.

    Args:
        times: of the decoded frames, seconds.
        complete: whether the sinks received every frame that they planned.
        passes: how often the file was decoded: 2 when its index was wrong, 0 when it could not be opened.
    """

    facts: MediaFacts
    times: Times
    complete: bool
    passes: int = 1


def inspect_media(path: VideoSource, sinks: Sequence[FrameSink] = (), limits: ReadLimits | None = None) -> Inspection:
    """Read ``path`` to the end; never raises because of the file's contents, but for `MemoryError`.

    Reading stops at ``limits``; by default only a video of more than 200,000 frames is not read to its end. Where a
    frame proves a rule broken, those after it are not decoded: their packets say how many they are, and when.

    The sinks plan on the time stamps of the packets. If the decoder delivers another number of frames than
    the container announces, the sinks plan again on the decoded frames and the file is read a second time.

    Of a video in memory all frames go to the sinks, without limits; nothing is known of a container or a stream.
    """
    if isinstance(path, HeldVideo):
        return _feed_held(path, sinks)
    limits = limits or ReadLimits()
    size = path.stat().st_size
    try:
        index = read_index(path)
        planned = scan_times(path, limits.frames + 1)  # one more tells whether there are more
        inspection = _read(path, index, sinks, planned, limits)
        ended = inspection.facts.limits is not None
        if sinks and not ended and len(inspection.times) != len(planned) and len(inspection.times):
            # Sinks rely on non-decreasing times, whatever the file states.
            inspection = _read(path, index, sinks, np.maximum.accumulate(inspection.times), limits)
            inspection.passes = 2
    except MediaError as error:
        return Inspection(_unreadable(size, error), np.empty(0), complete=False, passes=0)
    return inspection


def scan_times(path: VideoSource, max_frames: int = MAX_FRAMES) -> Times:
    """Return the display times (seconds, sorted) of the packets of the first video stream, without decoding.

    Raises:
        MediaError: when the file can't be opened.
    """
    if isinstance(path, HeldVideo):
        return path.times
    stamps: list[float] = []
    with open_media(path) as container:
        stream = first_video(container)
        if stream is None:
            return np.empty(0)
        base = float(stream.time_base or 0)
        try:
            for number, packet in enumerate(container.demux(stream)):
                if packet.size and not packet.is_discard:
                    stamps.append(packet.pts * base if packet.pts is not None else float("nan"))
                if len(stamps) >= max_frames or number > _PACKETS_PER_FRAME * max_frames:
                    break
        except DECODER_ERRORS as error:
            check_memory(error)  # the decoding pass raises any other error again, and reports it
        rate = nominal_rate(stream)
    times = np.array(stamps)
    if np.isnan(times).any():
        times = np.arange(len(times)) / rate
    return np.sort(times)


def _feed_held(video: HeldVideo, sinks: Sequence[FrameSink]) -> Inspection:
    masks = [sink.plan(video.times) for sink in sinks]
    for index, (rgb, time) in enumerate(zip(video.frames, video.times, strict=True)):
        for sink, mask in zip(sinks, masks, strict=True):
            if mask[index]:
                sink.frame(index, float(time), rgb)
    return Inspection(_no_container(), video.times, complete=True)


def _no_container() -> MediaFacts:
    return MediaFacts(
        size_bytes=0,
        container=None,
        brand=None,
        video_streams=1,
        audio_streams=0,
        other_streams=(),
        video=None,
        audio=None,
        open_error=None,
    )


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
        open_error=error.found or error.what,
    )


def _listed(index: Mp4Facts | None, kind: str, reader: Reader) -> int:
    """Return how many packets the fragments of an MP4 list for the stream; FFmpeg's header omits them."""
    track = index.track(kind, reader.stream.id) if index is not None else None
    return track.fragment_samples if track is not None else 0


def _feed(container: InputContainer, readers: Sequence[VideoReader | AudioReader], decoder_log: DecoderLog) -> None:
    """Give each reader the packets of its stream, in the order of the file, until it has ended."""
    waiting = {reader.stream.index: reader for reader in readers}
    while waiting:
        packets = container.demux([reader.stream for reader in waiting.values()])
        while True:
            with decoder_log.capture():
                packet = next(packets, None)
            if packet is None:
                return
            index = packet.stream.index
            waiting[index].packet(packet)
            if waiting[index].ended:
                del waiting[index]  # from here on, FFmpeg drops its packets
                break


def _read(
    path: Path, index: Mp4Facts | None, sinks: Sequence[FrameSink], planned: Times, limits: ReadLimits
) -> Inspection:
    masks = [sink.plan(planned) for sink in sinks]
    decoder_log = DecoderLog()
    with ExitStack() as stack:
        with decoder_log.capture():
            container = stack.enter_context(open_media(path))
        cover_count, audio_streams = sum(map(is_cover, container.streams.video)), container.streams.audio
        stream = first_video(container)
        video = (
            VideoReader(stream, decoder_log, sinks, masks, planned=planned, limits=limits)
            if stream is not None
            else None
        )
        audio = AudioReader(audio_streams[0], decoder_log, limits=limits) if audio_streams else None
        readers: list[VideoReader | AudioReader] = [reader for reader in (video, audio) if reader is not None]
        if readers:
            try:
                _feed(container, readers, decoder_log)
            except DECODER_ERRORS as error:
                check_memory(error)
                readers[0].fault(reason(error))
        facts = MediaFacts(
            size_bytes=path.stat().st_size,
            container=container.format.name,
            brand=container.metadata.get("major_brand"),
            video_streams=len(container.streams.video) - cover_count,
            audio_streams=len(audio_streams),
            other_streams=tuple(s.type for s in container.streams if s.type not in {"video", "audio"}),
            video=video.facts(_listed(index, "video", video)) if video else None,
            audio=audio.facts(_listed(index, "audio", audio)) if audio else None,
            open_error=None,
            cover_pictures=cover_count,
            mp4=index,
            decoder_messages=tuple(decoder_log.messages),
            decoder_message_count=decoder_log.count,
            limits=limits.text() if any(reader.ended for reader in readers) else None,
        )
    times = np.array(video.times) if video else np.empty(0)
    complete = video is not None and len(times) == len(planned) and not video.ended and not video.undelivered
    return Inspection(facts, times, complete)
