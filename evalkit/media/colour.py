"""From decoded frames to RGB and luma arrays, in display orientation.

RGB is FFmpeg's own default conversion, bit for bit what its command line and OpenCV give for 8-bit 4:2:0 (a test checks
this; 10 bits and 4:2:2 are converted differently between FFmpeg's versions): the published numbers were computed on
such frames. It repeats each chroma value over four pixels and is about 0.9 levels darker than exact arithmetic, at
most 3 on flat colours; a more exact path exists in FFmpeg, but frames one level apart from those of other tools would
change every number. The matrix (BT.601, BT.709, BT.2020) and the range (limited, full) are those of the stream's
tags; without tags BT.601 and limited range, as FFmpeg assumes.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from av.sidedata.sidedata import SideDataContainer
from av.sidedata.sidedata import Type as SideDataType
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from evalkit.errors import MediaError
from evalkit.media.container import DECODER_ERRORS, check_memory, open_media
from evalkit.media.facts import HDR_TRANSFERS

Picture = NDArray[np.uint8]
CONVERSION = Interpolation.BILINEAR
_HDR_NUMBERS = {16: "smpte2084", 18: "arib-std-b67"}  # ITU-T H.273
_LUMA_8 = re.compile(r"(yuv[ja]?4\d\dp|nv\d\d|gray)")
_LUMA_16 = re.compile(r"(yuva?4\d\dp|gray)(9|10|12|14|16)le")


def dynamic_range(path: Path) -> str | None:
    """Return ``HLG`` or ``PQ`` when the first frame of a video has high dynamic range, else ``None``.

    A file that can't be read has none: whoever reads its frames reports it.
    """
    try:
        with open_media(path) as container:
            frame = next(iter(container.decode(video=0)), None)
            name = _HDR_NUMBERS.get(int(frame.color_trc or 0)) if frame is not None else None
            return HDR_TRANSFERS[name] if name else None
    except (MediaError, *DECODER_ERRORS) as error:
        check_memory(error)
        return None


class RgbConverter:
    """Converts decoded frames to RGB; one scaler is kept for the whole video."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def rgb(self, frame: Any) -> Picture:
        """Return (H, W, 3) uint8 RGB, rotated and mirrored as the metadata states."""
        converted = self._reformatter.reformat(frame, format="rgb24", interpolation=CONVERSION, threads=1)
        return upright(np.asarray(converted.to_ndarray(), dtype=np.uint8), display_matrix(frame))


def display_matrix(frame: Any) -> tuple[int, int, int, int]:
    """Return (a, b, c, d) of the frame's display matrix: pixel (x, y) is shown at (a x + c y, b x + d y).

    Only axis-aligned matrices, in units of one; any other is replaced by the nearest of them.
    """
    # `frame.side_data` keeps its container in the frame, which the container refers to: no frame of a video would be
    # freed before the garbage collector runs, which for frames in 4K is too late.
    data = SideDataContainer(frame).get(SideDataType.DISPLAYMATRIX)  # type: ignore[call-arg]  # its stub lacks it
    if data is None:
        return 1, 0, 0, 1
    fields = np.frombuffer(bytes(data), dtype=np.int32)  # nine numbers in the machine's byte order, 16.16
    if len(fields) != 9:
        return 1, 0, 0, 1
    a, b, c, d = (int(fields[index]) for index in (0, 1, 3, 4))
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return (-1 if a < 0 else 1), 0, 0, (-1 if d < 0 else 1)
    return 0, (-1 if b < 0 else 1), (-1 if c < 0 else 1), 0


def is_mirrored(matrix: tuple[int, int, int, int]) -> bool:
    """Return whether the matrix mirrors the frame (in any direction)."""
    a, b, c, d = matrix
    return a * d - b * c < 0


def upright(picture: Picture, matrix: tuple[int, int, int, int]) -> Picture:
    """Return (H, W, ...) ``picture`` in display orientation."""
    a, b, c, d = matrix
    if a == d == 1:
        return picture
    across, down = (a, d) if a else (c, b)
    turned = picture if a else picture.swapaxes(0, 1)
    return np.ascontiguousarray(turned[::down, ::across])


def luma(frame: Any) -> Picture:
    """Return the (H, W) luma plane of a decoded frame in 8 bits, as stored: no change of range, no rotation.

    For formats without a luma plane (RGB, palettes) it is FFmpeg's grey conversion.
    """
    wide = _LUMA_16.fullmatch(frame.format.name)
    if wide is None and not _LUMA_8.fullmatch(frame.format.name):
        frame = frame.reformat(format="gray", interpolation=CONVERSION, threads=1)
    plane = frame.planes[0]
    if wide is None:
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
        return rows[: frame.height, : frame.width].copy()
    values = np.frombuffer(plane, "<u2").reshape(-1, plane.line_size // 2)[: frame.height, : frame.width]
    return (values >> (int(wide.group(2)) - 8)).astype(np.uint8)
