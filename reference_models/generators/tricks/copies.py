"""Tricks that hide a copy by its geometry or its encoding: encoded, mirrored, cropped, moved, turned, wobbling."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from evalkit.media.decode import iter_frames
from evalkit.media.encode import write_video
from evalkit.reference_models.generators.base import (
    GeneratedClip,
    GenerationRequest,
    Generator,
    GeneratorOption,
    RgbImage,
)
from evalkit.reference_models.generators.tricks.base import TrickGenerator, changed, trick_record
from evalkit.reference_models.generators.tricks.geometry import turned, warped


class EncodedCopy(TrickGenerator):
    """The base through a lossy encoder, before the submission's own."""

    record = trick_record(
        "encoded-copy",
        "the video through a lossy encoder once more",
        GeneratorOption("crf", 35, "constant rate factor of H.264; 0: not encoded once more", 0, 51),
    )

    def change(self, clip: GeneratedClip, request: GenerationRequest) -> GeneratedClip:
        """Encode the frames, and decode them."""
        crf = int(self.options["crf"])
        return clip if crf == 0 else replace(clip, frames=_through_encoder(clip, crf))


def _through_encoder(clip: GeneratedClip, crf: int) -> Iterator[RgbImage]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "copy.mp4"
        even = (frame[: frame.shape[0] // 2 * 2, : frame.shape[1] // 2 * 2] for frame in clip.frames)
        write_video(path, even, Fraction(clip.fps).limit_denominator(1001), crf=crf)
        yield from iter_frames(path)


class FlippedCopy(TrickGenerator):
    """Mirrored, or upside down."""

    record = trick_record(
        "flipped-copy",
        "the video mirrored, or upside down",
        GeneratorOption(
            "axis",
            "left-right",
            "what is exchanged; both: turned by 180 degrees",
            choices=("left-right", "top-bottom", "both"),
        ),
    )

    def change(self, clip: GeneratedClip, request: GenerationRequest) -> GeneratedClip:
        """Flip every frame."""
        axis = self.options["axis"]
        rows = slice(None, None, 1 if axis == "left-right" else -1)
        columns = slice(None, None, 1 if axis == "top-bottom" else -1)
        return changed(clip, lambda frame, time: np.ascontiguousarray(frame[rows, columns]))


class CroppedCopy(TrickGenerator):
    """The middle of every frame, enlarged to the old size."""

    record = trick_record(
        "cropped-copy",
        "the middle of the video, enlarged to its size",
        GeneratorOption("share", 0.06, "of width and height that is cut off", 0, 0.8),
    )

    def change(self, clip: GeneratedClip, request: GenerationRequest) -> GeneratedClip:
        """Crop and scale every frame."""
        scale = 1 / (1 - float(self.options["share"]))
        return clip if scale == 1 else changed(clip, lambda frame, time: turned(frame, 0.0, scale))


class MovedCopy(TrickGenerator):
    """Everything to the side."""

    record = trick_record(
        "moved-copy",
        "the video moved to the side; the border is mirrored",
        GeneratorOption("share", 0.05, "of the width, and of the height, by which it is moved", -0.5, 0.5),
    )

    def change(self, clip: GeneratedClip, request: GenerationRequest) -> GeneratedClip:
        """Move every frame to the right and down."""
        share = float(self.options["share"])
        if share == 0:
            return clip

        def moved(frame: RgbImage, time: float) -> RgbImage:
            return warped(frame, [[1, 0, share * frame.shape[1]], [0, 1, share * frame.shape[0]]])

        return changed(clip, moved)


class TurnedCopy(TrickGenerator):
    """Turned by an angle."""

    record = trick_record(
        "turned-copy",
        "the video turned by an angle; the border is mirrored",
        GeneratorOption("degrees", 5.0, "by which it is turned anticlockwise", -180, 180),
    )

    def change(self, clip: GeneratedClip, request: GenerationRequest) -> GeneratedClip:
        """Turn every frame."""
        degrees = float(self.options["degrees"])
        return clip if degrees == 0 else changed(clip, lambda frame, time: turned(frame, degrees))


class WobblingCopy(TrickGenerator):
    """Turned to and fro."""

    record = trick_record(
        "wobbling-copy",
        "the video turned to and fro; the border is mirrored",
        GeneratorOption("degrees", 1.0, "by which it is turned at most", 0, 90),
        GeneratorOption("seconds", 1.0, "for once to and fro", 0.05, 60.0),
    )

    def change(self, clip: GeneratedClip, request: GenerationRequest) -> GeneratedClip:
        """Turn every frame by its own angle."""
        degrees, period = float(self.options["degrees"]), float(self.options["seconds"])
        if degrees == 0:
            return clip
        return changed(clip, lambda frame, time: turned(frame, degrees * float(np.sin(2 * np.pi * time / period))))


GENERATORS: tuple[type[Generator], ...] = (
    EncodedCopy,
    FlippedCopy,
    CroppedCopy,
    MovedCopy,
    TurnedCopy,
    WobblingCopy,
)
