"""Copy the streams of a video to a new MP4 that says nothing of who made it and with which program."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import av
from av.bitstream import BitStreamFilterContext

from evalkit.errors import MediaError
from evalkit.media.container import DECODER_ERRORS, check_memory, first_video, open_media, reason

# What browsers play, and the filter that removes the units in which encoders name themselves and their options: SEI of
# H.264 (6), metadata of AV1 (5). VP9 has none. HEVC is left out: most browsers play it on some machines only.
VIDEO_FILTERS = {
    "h264": "filter_units=remove_types=6",
    "av1": "filter_units=remove_types=5",
    "vp9": "null",
}
AUDIO_CODECS = ("aac", "mp3", "opus", "flac")
# FFmpeg, faac and LAME write their names into filling bytes of AAC and MP3.
_ENCODER = re.compile(rb"Lav[cf][0-9.]{5,20}|libfaac [0-9.]{3,10}|LAME[0-9.U]{3,40}")
# Some units are also in the table of contents, which no filter touches.
_IN_CONTENTS = re.compile(rb"x26[45][ -~]{4,}|Lav[cf][ -~]{4,}")
_MOST_CONTENTS = 64 << 20
_OPTIONS = {"movflags": "+faststart", "fflags": "+bitexact"}


def remux_video(source: Path, target: Path) -> None:
    """Write the first video and the first audio stream of ``source`` to the new MP4 ``target``.

    Packets are copied, not encoded again. Tags, chapters, names of handlers and other streams stay behind, and so do
    the units and filling bytes in which encoders name themselves. The table of contents comes first, so that a browser
    can start and seek at once.

    Raises:
        MediaError: when it can't be read, or has a codec that browsers don't play; no file is left then.
    """
    try:
        with open_media(source) as given:
            _copy(given, target)
    except DECODER_ERRORS as error:
        target.unlink(missing_ok=True)
        check_memory(error)
        raise MediaError("The video can't be copied to an MP4 without metadata.", found=reason(error)) from None
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _copy(given: Any, target: Path) -> None:
    video = first_video(given)
    if video is None:
        raise MediaError("There is no video in the file.")
    name = _codec(video)
    if name not in VIDEO_FILTERS:
        raise MediaError("Browsers don't play this video.", found=name, expected=", ".join(VIDEO_FILTERS))
    audio = next(iter(given.streams.audio), None)
    if audio is not None and _codec(audio) not in AUDIO_CODECS:
        raise MediaError("Browsers don't play this sound.", found=_codec(audio), expected=", ".join(AUDIO_CODECS))
    with av.open(str(target), "w", format="mp4", options=_OPTIONS) as made:
        streams = {
            stream.index: made.add_stream_from_template(stream, opaque=True) for stream in (video, audio) if stream
        }
        for stream in streams.values():
            stream.metadata.clear()
        cleaner = BitStreamFilterContext(VIDEO_FILTERS[name], video, streams[video.index])
        for packet in given.demux([stream for stream in (video, audio) if stream]):
            if packet.stream.index == video.index:
                _write(made, streams[video.index], cleaner.filter(packet if packet.size else None))
            elif packet.size:
                _write(made, streams[packet.stream.index], [_nameless(packet)])
    _clear_contents(target)


def _clear_contents(target: Path) -> None:
    """Write spaces over encoders' names in what comes before the packets; zeros would look like the start of a unit."""
    with target.open("r+b") as file:
        head = file.read(_MOST_CONTENTS)
        end = head.find(b"mdat")
        clean = _IN_CONTENTS.sub(lambda found: b" " * len(found.group()), head[:end])
        if end > 0 and clean != head[:end]:
            file.seek(0)
            file.write(clean)


def _write(made: Any, stream: Any, packets: list[Any]) -> None:
    for packet in packets:
        if packet.dts is None:  # Matroska does not say in which order frames are decoded
            raise MediaError("The file does not say when each frame is decoded.", fix="Give an MP4 file.")
        packet.stream = stream
        made.mux(packet)


def _nameless(packet: Any) -> Any:
    """Return the packet with zeros for the encoder's name: the bytes are filling that decoders skip."""
    data = bytes(packet)
    clean = _ENCODER.sub(lambda found: bytes(len(found.group())), data)
    if clean != data:
        packet.update(clean)
    return packet


def _codec(stream: Any) -> str:
    context = stream.codec_context
    return str(context.codec.canonical_name) if context is not None else "unknown"
