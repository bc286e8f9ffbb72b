"""Open an untrusted media file: local files only, known containers only, without log output."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import av.logging
import numpy as np
from av.container import InputContainer
from av.stream import Disposition

from evalkit.errors import MediaError
from evalkit.media.file_kind import describe_file

# Playlists (HLS, DASH, concat) are not allowed: they open other files.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,mpeg,mpegts,mpegvideo,ogg,asf,wav,mp3,aac,flac,gif,apng,"
    "jpeg_pipe,png_pipe,webp_pipe,bmp_pipe,h264,hevc,m4v,ivf,y4m,yuv4mpegpipe,swf,rm,dv"
)
MAX_PIXELS = 8192 * 8192
# What PyAV raises for damaged data; IndexError for a stream that turns up after the header, MemoryError for absurd
# claims, but also when memory is short: pass what you caught to `check_memory`.
DECODER_ERRORS = (av.error.FFmpegError, OSError, ValueError, OverflowError, IndexError, MemoryError)
_ROOM = 1 << 30  # bytes; no single allocation for an honest frame comes near it

av.logging.set_level(None)  # faults are reported as findings; FFmpeg's log would repeat them


@contextmanager
def open_media(path: Path) -> Iterator[InputContainer]:
    """Open ``path`` for reading.

    Raises:
        MediaError: when the file is not a known container, is damaged at its start, or can't be read; ``found``
            names the kind of file.
        MemoryError: when the limit on memory is reached.
    """
    options = {"protocol_whitelist": "file", "format_whitelist": FORMATS, "max_streams": "64"}
    try:
        container = av.open(f"file:{path}", options=options, metadata_errors="replace")
    except DECODER_ERRORS as error:
        check_memory(error)
        kind = describe_file(path)
        if kind is None:
            raise MediaError("The file can't be read.", found=reason(error)) from None
        raise MediaError("This is not a media file that can be opened.", found=kind, expected="an MP4 file") from None
    try:
        yield container
    finally:
        container.close()


def is_cover(stream: Any) -> bool:
    """Return whether the video stream is a cover image of the file, not a video."""
    return bool(stream.disposition & Disposition.attached_pic)


def first_video(container: InputContainer) -> Any | None:
    """Return the first video stream that is not a cover image; ``None`` when there is none."""
    return next((stream for stream in container.streams.video if not is_cover(stream)), None)


def check_memory(error: BaseException) -> None:
    """Raise ``error`` when it comes from a lack of memory: it says nothing about the file.

    FFmpeg reports the same error for a file that claims absurd sizes. The memory is not short when as much as no
    honest file needs at once can still be had; it is reserved only, not used.
    """
    if isinstance(error, MemoryError):
        try:
            np.empty(_ROOM, np.uint8)
        except MemoryError:
            raise error from None


def reason(error: BaseException) -> str:
    """Return FFmpeg's or the system's message for ``error``, without the path and number that ``str`` adds."""
    return str(getattr(error, "strerror", None) or error)
