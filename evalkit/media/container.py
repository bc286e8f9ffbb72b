"""Open a media file that a stranger wrote: local files only, known containers only, quiet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import av.logging
from av.container import InputContainer
from av.stream import Disposition

from evalkit.errors import MediaError
from evalkit.media.sniff import describe_file

# The containers that the probe can name. Playlists (HLS, DASH, concat) are left out: they open other files.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,mpeg,mpegts,mpegvideo,ogg,asf,wav,mp3,aac,flac,gif,apng,"
    "jpeg_pipe,png_pipe,webp_pipe,bmp_pipe,h264,hevc,m4v,ivf,y4m,yuv4mpegpipe,swf,rm,dv"
)
MAX_PIXELS = 8192 * 8192

av.logging.set_level(None)  # every fault is reported as a finding; FFmpeg's own lines would only repeat it


@contextmanager
def open_media(path: Path) -> Iterator[InputContainer]:
    """Open ``path`` for reading.

    Raises:
        MediaError: when the file is no known container, is damaged at its head, or can't be read; ``found`` says
            what the file looks like.
    """
    options = {"protocol_whitelist": "file", "format_whitelist": FORMATS, "max_streams": "64"}
    try:
        container = av.open(f"file:{path}", options=options, metadata_errors="replace")
    except (av.error.FFmpegError, OSError, ValueError) as error:
        looks = describe_file(path)
        if looks is None:
            raise MediaError("The file can't be read.", found=reason(error)) from None
        raise MediaError("This is not a media file that can be opened.", found=looks, expected="an MP4 file") from None
    try:
        yield container
    finally:
        container.close()


def is_cover(stream: Any) -> bool:
    """Return whether the video stream is a picture that stands for the file, and no video."""
    return bool(stream.disposition & Disposition.attached_pic)


def first_video(container: InputContainer) -> Any | None:
    """Return the first video stream that is no cover picture; ``None`` when there is none."""
    return next((stream for stream in container.streams.video if not is_cover(stream)), None)


def reason(error: BaseException) -> str:
    """Return FFmpeg's or the system's words for ``error``, without the path and number that ``str`` adds."""
    return str(getattr(error, "strerror", None) or error)
