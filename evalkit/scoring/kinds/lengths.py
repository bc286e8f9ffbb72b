"""The lengths of a test set's references, with which the lengths of submitted files are compared."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from evalkit.errors import MediaError
from evalkit.scoring.kinds.base import Measured
from evalkit.testsets.model import Sample, TestSet
from evalkit.validators.file import ExpectedLength


def length_of_sample(sample: Sample, testset: TestSet, measured: Measured) -> ExpectedLength | None:
    """Return how long the sample's speech is, or its reference video; ``None`` for a sample with neither.

    Raises:
        MediaError: when it can't be read.
    """
    name = sample.audio if sample.audio is not None else sample.reference_video
    if name is None:
        return None
    measure = _audio_length if sample.audio is not None else _video_length
    source = media_source(sample)
    (seconds,) = measured(testset.path(name), source, lambda path: (measure(path),))
    return ExpectedLength(seconds, source)


def size_of_reference(length: ExpectedLength, sample: Sample, testset: TestSet, measured: Measured) -> ExpectedLength:
    """Return ``length`` with the size of the reference video's frames, where there is one that can be read."""
    size: tuple[float, ...] = ()
    if sample.reference_video is not None:
        with suppress(MediaError, OSError):  # metrics of the reference video report that it can't be read
            size = measured(testset.path(sample.reference_video), "size", _video_size)
    return replace(length, size=(int(size[0]), int(size[1])) if size else None)


def media_source(sample: Sample) -> str:
    """Return what gives the length of the sample's video or audio file, in words."""
    return "speech" if sample.audio is not None else "reference video"


def _video_size(path: Path) -> tuple[float, ...]:
    """Return width and height of the first frame; nothing for a video without one."""
    from evalkit.media.decode import iter_frames

    frame = next(iter(iter_frames(path)), None)
    return () if frame is None else (frame.shape[1], frame.shape[0])


def _audio_length(path: Path) -> float:
    from evalkit.media.audio import audio_seconds

    return audio_seconds(path)


def _video_length(path: Path) -> float:
    from evalkit.media.inspect import scan_times
    from evalkit.media.sampling import frame_interval

    times = scan_times(path)
    if not len(times):
        raise MediaError("It has no video frames.")
    return float(times[-1] - times[0]) + frame_interval(times, default=0.04)
