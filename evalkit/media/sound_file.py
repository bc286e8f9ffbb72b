"""Read an audio file to its end: what its header announces, and what is in it."""

from __future__ import annotations

from dataclasses import dataclass
from os import SEEK_CUR
from pathlib import Path
from typing import BinaryIO

import numpy as np

from evalkit.errors import MediaError
from evalkit.media.container import DECODER_ERRORS, check_memory, is_cover, open_media, reason
from evalkit.media.decoder_log import DecoderLog
from evalkit.media.facts import MediaFacts, SoundFacts
from evalkit.media.inspect import Inspection
from evalkit.media.limits import ReadLimits
from evalkit.media.readers import AudioReader

_NOT_DECODED = "container not allowed"  # in the facts: another challenge may allow it
UNKNOWN = (0, 0xFFFFFFFF)  # lengths that programs write which don't know it yet, because they write to a pipe
MOST_CHANNELS = 64
_CHUNKS = 1000  # that are looked at in a WAV file
_BLOCK = slice(12, 14)  # bytes per sample of all channels, in the format chunk
_TOTAL_BITS = 36  # of the number of samples, at the end of the first 18 bytes of FLAC's stream info


@dataclass(frozen=True)
class _Claim:
    samples: int | None = None
    claimed_bytes: int | None = None
    there_bytes: int | None = None
    hidden_bytes: int = 0


def inspect_sound(path: Path, limits: ReadLimits, containers: tuple[str, ...]) -> Inspection:
    """Read the first audio stream of ``path`` to its end; never raises because of the contents, but for `MemoryError`.

    Nothing is decoded of a container that is not allowed, and no picture of any.

    Args:
        path: of the file.
        limits: where decoding stops (``audio_packets``, ``audio_seconds``).
        containers: allowed ones, by FFmpeg's names.
    """
    try:
        fault = _header_fault(path)
        facts = _facts(path, open_error=fault) if fault is not None else _read(path, limits, containers)
    except MediaError as error:
        facts = _facts(path, open_error=error.found or error.what)
    return Inspection(facts, np.empty(0), complete=facts.open_error is None, passes=int(facts.open_error is None))


def _read(path: Path, limits: ReadLimits, containers: tuple[str, ...]) -> MediaFacts:
    log = DecoderLog()
    with log.capture():
        opened = open_media(path)
    with opened as container:
        streams, name = container.streams, container.format.name
        pictures = sum(not is_cover(one) for one in streams.video)
        reader = None
        if streams.audio and not set(name.split(",")).isdisjoint(containers):
            reader = AudioReader(streams.audio[0], log, limits=limits)
            try:
                for packet in container.demux(reader.stream):
                    reader.packet(packet)
                    if reader.ended:
                        break
            except DECODER_ERRORS as error:
                check_memory(error)
                reader.fault(reason(error))
        claim = _claim(path)
        return _facts(
            path,
            container=name,
            video_streams=pictures,
            audio_streams=len(streams.audio),
            audio=reader.facts() if reader is not None else None,
            cover_pictures=len(streams.video) - pictures,
            decoder_messages=tuple(log.messages),
            decoder_message_count=log.count,
            limits=_NOT_DECODED if reader is None else limits.text() if reader.ended else None,
            sound=SoundFacts(
                samples=reader.samples if reader is not None else 0,
                claimed_samples=claim.samples,
                claimed_bytes=claim.claimed_bytes,
                there_bytes=claim.there_bytes,
                hidden_bytes=claim.hidden_bytes,
                not_finite=reader.not_finite if reader is not None else 0,
            ),
        )


def _facts(path: Path, **known: object) -> MediaFacts:
    nothing = {
        "container": None, "brand": None, "video_streams": 0, "audio_streams": 0, "other_streams": (),
        "video": None, "audio": None, "open_error": None,
    }  # fmt: skip
    return MediaFacts.model_validate({"size_bytes": path.stat().st_size, **nothing, **known})


def _claim(path: Path) -> _Claim:
    """Return what the header says of the length; nothing where it is not one that is known here."""
    with path.open("rb") as stream:
        start = stream.read(12)
        if start[:4] == b"RIFF" and start[8:] == b"WAVE":
            return _riff_claim(stream, path.stat().st_size)
        if start[:4] == b"fLaC":
            return _flac_claim(start[4:] + stream.read(30))
    return _Claim()


def _header_fault(path: Path) -> str | None:
    """Return what a WAV file's format chunk says that no sound can have; decoders only say that they can't read it."""
    with path.open("rb") as stream:
        start = stream.read(12)
        if start[:4] != b"RIFF" or start[8:] != b"WAVE":
            return None
        for _ in range(_CHUNKS):
            head = stream.read(8)
            if len(head) < 8 or head[:4] == b"data":
                return None
            length = int.from_bytes(head[4:], "little")
            if head[:4] == b"fmt ":
                form = stream.read(8)
                channels, rate = int.from_bytes(form[2:4], "little"), int.from_bytes(form[4:8], "little")
                if len(form) == 8 and not rate:
                    return "a WAV file with a sample rate of 0 Hz in its header"
                if len(form) == 8 and not 1 <= channels <= MOST_CHANNELS:
                    return f"a WAV file with {channels:,} channels in its header; 1 to {MOST_CHANNELS} can be read"
                return None
            stream.seek(length + length % 2, SEEK_CUR)
    return None


def _flac_claim(blocks: bytes) -> _Claim:
    """Read the first metadata block of FLAC, which is its stream info (RFC 9639, section 8.2)."""
    if len(blocks) < 22 or blocks[0] & 0x7F:
        return _Claim()
    total = int.from_bytes(blocks[4:22], "big") & ((1 << _TOTAL_BITS) - 1)
    return _Claim(total or None)


def _riff_claim(stream: BinaryIO, size: int) -> _Claim:
    """Walk the chunks of a WAV file; ``stream`` is behind the first twelve bytes."""
    at, block = 12, 0
    for _ in range(_CHUNKS):
        stream.seek(at)
        head = stream.read(8)
        if len(head) < 8:
            return _Claim()
        length = int.from_bytes(head[4:], "little")
        if head[:4] == b"fmt ":
            block = int.from_bytes(stream.read(16)[_BLOCK], "little")
        elif head[:4] == b"data":
            there = size - at - 8
            if length in UNKNOWN:
                return _Claim(None, length, there)
            used = min(length, there)
            samples = length // block if block else None
            return _Claim(samples, length, used, _hidden(stream, at + 8 + length + length % 2, size))
        at += 8 + length + length % 2
    return _Claim()


def _hidden(stream: BinaryIO, at: int, size: int) -> int:
    """Return how many bytes follow the samples that are no chunk; other programs put their notes there in chunks."""
    for _ in range(_CHUNKS):
        if at >= size:
            return 0
        stream.seek(at)
        head = stream.read(8)
        length = int.from_bytes(head[4:], "little")
        if len(head) < 8 or not head[:4].isascii() or not head[:4].strip().isalnum() or at + 8 + length > size:
            return size - at
        at += 8 + length + length % 2
    return size - at
