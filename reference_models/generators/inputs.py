"""Read the inputs of generators: reference videos at a constant frame rate, reference images, speech."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from evalkit.errors import MediaError
from evalkit.media.audio import NoAudioError, read_audio
from evalkit.media.decode import iter_frames
from evalkit.media.inspect import scan_times
from evalkit.media.sampling import AtRate, frame_interval
from evalkit.media.stills import read_still
from evalkit.reference_models.generators.base import GenerationError, GenerationRequest, RgbImage

_COMMON_RATES = tuple(Fraction(n) for n in (5, 8, 10, 12, 15, 16, 20, 24, 25, 30, 48, 50, 60)) + tuple(
    Fraction(n * 1000, 1001) for n in (24, 30, 60)
)


@dataclass(frozen=True)
class ReferenceVideo:
    """A video that is read at a constant frame rate.

    Args:
        path: the file.
        fps: frames per second of `frames`.
        order: (N,) indices of the file's frames, non-decreasing.
    """

    path: Path
    fps: Fraction
    order: NDArray[np.int64]

    def frames(self) -> Iterator[RgbImage]:
        """Yield the frames in order, some repeated or dropped if the file's rate is not `fps`."""
        return in_order(iter_frames(self.path), self.order, str(self.path))


def in_order(frames: Iterator[RgbImage], order: NDArray[np.int64], name: str) -> Iterator[RgbImage]:
    """Yield the frames of a video whose numbers are in ``order``, which does not decrease; the others are dropped.

    Raises:
        MediaError: the video called ``name`` ends before the last of them.
    """
    wanted = iter(order.tolist())
    index = next(wanted, None)
    for number, frame in enumerate(frames):
        while index == number:
            yield frame
            index = next(wanted, None)
        if index is None:
            return
    raise MediaError(f"{name} has fewer frames than it announces.")


def open_reference(path: Path, min_fps: float = 0.0, max_fps: float = float("inf")) -> ReferenceVideo:
    """Return a reference video at its own frame rate, or at the nearest allowed one.

    Raises:
        MediaError: there is no video frame.
    """
    times = scan_times(path)
    if not len(times):
        raise MediaError(f"{path} has no video frames.")
    fps, order = constant_rate(times, min_fps, max_fps)
    return ReferenceVideo(path, fps, order)


def constant_rate(
    times: NDArray[np.float64], min_fps: float = 0.0, max_fps: float = float("inf")
) -> tuple[Fraction, NDArray[np.int64]]:
    """Return the rate at which a video with frames at ``times`` is read, and the numbers of the frames shown then."""
    own = nearest_common_rate(1.0 / frame_interval(times, default=1 / 25))
    fps = min(
        max(own, Fraction(min_fps).limit_denominator(1001)), Fraction(min(max_fps, 1000.0)).limit_denominator(1001)
    )
    steps = np.diff(times)
    steady = len(steps) == 0 or bool(np.all(np.abs(steps - 1 / float(own)) < 0.5 / float(own)))
    if fps == own and steady:
        return fps, np.arange(len(times), dtype=np.int64)
    return fps, AtRate(float(fps)).select(times)


def nearest_common_rate(rate: float) -> Fraction:
    """Return the common frame rate within 0.1 % of ``rate``, else ``rate`` as a short fraction."""
    near = min(_COMMON_RATES, key=lambda common: abs(float(common) - rate))
    return near if abs(float(near) - rate) <= 1e-3 * rate else Fraction(rate).limit_denominator(1001)


def reference_image(request: GenerationRequest) -> RgbImage:
    """Return the first reference image at the target's size.

    An image of another aspect ratio is scaled until it covers the target, and cropped around its centre.

    Raises:
        GenerationError: the sample has none.
        MediaError: it can't be read.
    """
    if not request.reference_images:
        raise GenerationError("The sample has no reference image.")
    return scale_to_cover(read_still(request.reference_images[0]), request.target.width, request.target.height)


def scale_to_cover(image: RgbImage, width: int, height: int) -> RgbImage:
    """Return the image scaled until it covers (height, width), and cropped around its centre."""
    rows, columns = image.shape[:2]
    if (columns, rows) == (width, height):
        return image
    scale = max(width / columns, height / rows)
    size = (max(width, round(columns * scale)), max(height, round(rows * scale)))
    scaled = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    return np.ascontiguousarray(scaled[top : top + height, left : left + width])


def read_speech(request: GenerationRequest, seconds: float) -> NDArray[np.float32] | None:
    """Return the sample's speech at the target's sampling rate: (N,) float32 mono.

    Without speech, the reference video's audio; without that, silence of ``seconds`` if the challenge requires an audio
    stream, else ``None``.

    Raises:
        MediaError: the speech, or the video's audio, can't be read.
    """
    rate = request.target.audio_rate
    if request.audio is not None:
        return read_audio(request.audio, rate)
    if request.reference_video is not None:
        try:
            return read_audio(request.reference_video, rate)
        except NoAudioError:
            pass  # no audio stream: silence below, if the challenge requires one
    return np.zeros(round(seconds * rate), dtype=np.float32) if request.target.audio_required else None


def reorder_frames(frames: Iterable[RgbImage], order: Sequence[int] | NDArray[np.int64]) -> Iterator[RgbImage]:
    """Yield the frames in the given order; a temporary file holds them, so that memory does not grow with the clip."""
    source = iter(frames)
    first = next(source, None)
    if first is None:
        return
    with tempfile.TemporaryFile() as store:
        for frame in chain([first], source):
            store.write(np.ascontiguousarray(frame).tobytes())
        size = first.nbytes
        for index in order:
            store.seek(int(index) * size)
            yield np.frombuffer(store.read(size), dtype=np.uint8).reshape(first.shape)
