"""Read an image as a video of one frame: for features of folders of images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from evalkit.errors import MediaError
from evalkit.media.facts import MediaFacts, VideoFacts
from evalkit.media.inspect import Inspection
from evalkit.media.readers import BLACK_LUMA, FrameSink
from evalkit.media.stills import read_still

CONTAINER = "image"  # in the facts, where a video has FFmpeg's name of its container
STILL_TIMES: NDArray[np.float64] = np.zeros(1)


def iter_still(path: Path) -> Iterator[NDArray[np.uint8]]:
    """Yield the image (H, W, 3) uint8 RGB, as `evalkit.media.stills.read_still` reads it.

    Raises:
        MediaError: when it can't be read.
    """
    yield read_still(path)


def inspect_still(path: Path, sinks: Sequence[FrameSink] = ()) -> Inspection:
    """Give the image to the sinks that want a frame at time 0; never raises because of the file's contents."""
    size = path.stat().st_size
    try:
        picture = read_still(path)
    except MediaError as error:
        return Inspection(_facts(size, None, error.found or error.what), np.empty(0), complete=False, passes=0)
    for sink in sinks:
        if sink.plan(STILL_TIMES)[0]:
            sink.frame(0, 0.0, picture)
    return Inspection(_facts(size, _video(picture), None), STILL_TIMES.copy(), complete=True)


def _facts(size: int, video: VideoFacts | None, error: str | None) -> MediaFacts:
    return MediaFacts(
        size_bytes=size,
        container=CONTAINER if video is not None else None,
        brand=None,
        video_streams=int(video is not None),
        audio_streams=0,
        other_streams=(),
        video=video,
        audio=None,
        open_error=error,
    )


def _video(picture: NDArray[np.uint8]) -> VideoFacts:
    height, width = picture.shape[:2]
    return VideoFacts(
        codec=CONTAINER,
        profile=None,
        pixel_format="rgb24",
        width=width,
        height=height,
        sample_aspect_ratio="1:1",
        rotation=0,
        interlaced_frames=0,
        header_frames=1,
        packets=1,
        frames=1,
        decode_errors=0,
        corrupt_frames=0,
        first_error=None,
        fps=None,
        start_seconds=0.0,
        duration_seconds=0.0,
        irregular_share=0.0,
        backward_steps=0,
        size_changes=0,
        duplicate_share=0.0,
        longest_still_seconds=0.0,
        black_share=float(cv2.mean(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY))[0] < BLACK_LUMA),
        stopped_early=False,
    )
