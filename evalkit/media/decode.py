"""Iterate over the frames of a trusted video (a reference, a test clip)."""

from __future__ import annotations

from collections.abc import Iterator

from evalkit.errors import MediaError
from evalkit.media.colour import Picture, RgbConverter
from evalkit.media.container import DECODER_ERRORS, check_memory, first_video, open_media, reason
from evalkit.media.held import HeldVideo, VideoSource


def iter_frames(path: VideoSource) -> Iterator[Picture]:
    """Yield every frame of the first video stream as (H, W, 3) uint8 RGB in display orientation.

    Of a video in memory these are its frames.

    Raises:
        MediaError: when there is no video stream, or the data is damaged.
    """
    if isinstance(path, HeldVideo):
        yield from path.frames
        return
    with open_media(path) as container:
        stream = first_video(container)
        if stream is None:
            raise MediaError(f"{path} has no video stream.")
        stream.codec_context.thread_count = 1
        converter = RgbConverter()
        try:
            for frame in container.decode(stream):
                yield converter.rgb(frame)
        except DECODER_ERRORS as error:
            check_memory(error)
            raise MediaError(f"{path} can't be decoded to its end.", found=reason(error)) from None
