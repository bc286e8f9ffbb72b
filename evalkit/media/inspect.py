"""Read one file from its first packet to its last, once: facts for the validators, frames for the extractors.

The pass is the only place where a submitted video is decoded. Whoever needs pictures registers a `FrameSink`; frames
that nobody asked for are decoded (they must be: the next frames refer to them) but never converted to RGB.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer

from evalkit.errors import MediaError
from evalkit.media.colour import Picture, RgbConverter, luma
from evalkit.media.complaints import Complaints
from evalkit.media.container import first_video, is_cover, open_media, reason
from evalkit.media.facts import MediaFacts, Mp4Facts
from evalkit.media.readers import AudioReader, FrameSink, Limits, Reader, VideoReader, nominal_rate
from evalkit.media.sampling import Times
from evalkit.media.structure import read_structure

__all__ = [
    "FrameSink",
    "Inspection",
    "Limits",
    "Picture",
    "RgbConverter",
    "Times",
    "inspect_media",
    "luma",
    "scan_times",
]


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
        index = read_structure(path)
        planned = scan_times(path, limits)
        inspection = _read(path, index, sinks, planned, limits)
        if sinks and len(inspection.times) != len(planned) and len(inspection.times):
            # Sinks count on times that don't go back, whatever the file says.
            inspection = _read(path, index, sinks, np.maximum.accumulate(inspection.times), limits)
            inspection.passes = 2
    except MediaError as error:
        return Inspection(_unreadable(size, error), np.empty(0), complete=False, passes=0)
    return inspection


def scan_times(path: Path, limits: Limits) -> Times:
    """Return the display times (seconds, sorted) that the packets of the first video stream announce; no decoding.

    Raises:
        MediaError: when the file can't be opened.
    """
    stamps: list[float] = []
    with open_media(path) as container:
        stream = first_video(container)
        if stream is None:
            return np.empty(0)
        base = float(stream.time_base or 0)
        try:
            for packet in container.demux(stream):
                if packet.size and not packet.is_discard:
                    stamps.append(packet.pts * base if packet.pts is not None else float("nan"))
                    if len(stamps) >= limits.max_frames:
                        break
        except (av.error.FFmpegError, OSError, ValueError):
            pass  # the decoding pass meets the same fault and reports it
        rate = nominal_rate(stream)
    times = np.array(stamps)
    if np.isnan(times).any():
        times = np.arange(len(times)) / rate
    return np.sort(times)


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
    """Return how many packets the fragments of an MP4 list for the stream; FFmpeg counts them only as it reads."""
    track = index.track(kind, reader.stream.id) if index is not None else None
    return track.fragment_samples if track is not None else 0


def _packets(container: InputContainer, readers: Sequence[Reader], complaints: Complaints) -> Iterator[Any]:
    packets = container.demux([reader.stream for reader in readers])
    while True:
        with complaints.listening():
            packet = next(packets, None)
        if packet is None:
            return
        yield packet


def _read(path: Path, index: Mp4Facts | None, sinks: Sequence[FrameSink], planned: Times, limits: Limits) -> Inspection:
    masks = [sink.plan(planned) for sink in sinks]
    complaints = Complaints()
    with ExitStack() as stack:
        with complaints.listening():
            container = stack.enter_context(open_media(path))
        covers, audios = sum(map(is_cover, container.streams.video)), container.streams.audio
        video = first_video(container)
        pictures = VideoReader(video, complaints, sinks, masks, limits) if video is not None else None
        sound = AudioReader(audios[0], complaints) if audios else None
        readers = {reader.stream.index: reader for reader in (pictures, sound) if reader is not None}
        if readers:
            try:
                for packet in _packets(container, list(readers.values()), complaints):
                    readers[packet.stream.index].packet(packet)
                    if pictures is not None and pictures.stopped_early:
                        break
            except (av.error.FFmpegError, OSError, ValueError) as error:
                (pictures or readers[next(iter(readers))]).fault(reason(error))
        facts = MediaFacts(
            size_bytes=path.stat().st_size,
            container=container.format.name,
            brand=container.metadata.get("major_brand"),
            video_streams=len(container.streams.video) - covers,
            audio_streams=len(audios),
            other_streams=tuple(s.type for s in container.streams if s.type not in {"video", "audio"}),
            video=pictures.facts(_listed(index, "video", pictures)) if pictures else None,
            audio=sound.facts(_listed(index, "audio", sound)) if sound else None,
            open_error=None,
            cover_pictures=covers,
            mp4=index,
            complaints=tuple(complaints.words),
            complaint_count=complaints.count,
        )
    times = np.array(pictures.times) if pictures else np.empty(0)
    complete = (
        pictures is not None and len(times) == len(planned) and not pictures.stopped_early and not pictures.undelivered
    )
    return Inspection(facts, times, complete)
