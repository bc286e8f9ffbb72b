"""Tricks that move the mouth alone: a dark box that opens with the loudness, or the mouth's region on a still."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain, repeat
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from evalkit.media.audio import read_audio
from evalkit.reference_models.generators.base import (
    GeneratedClip,
    GenerationRequest,
    Generator,
    GeneratorOption,
    RgbImage,
)
from evalkit.reference_models.generators.controls import frame_count, hold_from
from evalkit.reference_models.generators.tricks.base import TrickGenerator, trick_record
from evalkit.reference_models.generators.warp.face_parts import face_finders, find_face
from evalkit.reference_models.generators.warp.speech import RATE, mouth_motion

INSIDE_OF_A_MOUTH = (70, 25, 30)
LONGEST = 0.8  # height of the open box, in widths of the mouth
REGION = (1.6, 1.2)  # width and height of the mouth's region, in widths of the mouth


class MouthTrick(TrickGenerator):
    """A trick that knows where the mouth of the first frame is."""

    def __init__(self, options: Mapping[str, Any] | None = None, backbones: str = "published") -> None:
        super().__init__(options, backbones)
        self._finders = face_finders(backbones)

    def mouth(self, frame: RgbImage) -> tuple[NDArray[np.float64], float]:
        """Return the middle of the mouth (x, y) and its width, in pixels.

        Raises:
            GenerationError: no face is found.
        """
        corners = find_face(frame, self._finders).mouth
        return corners.mean(axis=0), float(np.linalg.norm(corners[1] - corners[0]))


class MouthBox(MouthTrick):
    """A dark box in place of the mouth opens with the loudness of the speech; nothing else moves."""

    record = trick_record(
        "mouth-box",
        "a still image with a dark box for a mouth that opens with the speech",
        GeneratorOption("size", 1.0, "of the box, relative to the mouth; 0: no box", 0, 10),
        base="still",
    )

    def change(self, clip: GeneratedClip, request: GenerationRequest) -> GeneratedClip:
        """Hold the first frame and draw a box on every copy."""
        held, size = hold_from(clip.frames, 0), float(self.options["size"])
        if size == 0:
            return replace(clip, frames=held)
        speech = read_audio(request.audio, RATE) if request.audio else None
        return replace(
            clip, frames=self._drawn(held, mouth_motion(speech, frame_count(clip), float(clip.fps)).opening, size)
        )

    def _drawn(self, held: Iterator[RgbImage], openings: NDArray[np.float64], size: float) -> Iterator[RgbImage]:
        first = next(held, None)
        if first is None:
            return
        centre, width = self.mouth(first)
        half = size * width / 2
        for frame, opening in zip(chain([first], held), openings, strict=False):
            corner = np.array([half, half * LONGEST * opening])
            (left, top), (right, bottom) = (np.rint(centre + side * corner).astype(int).tolist() for side in (-1, 1))
            yield np.asarray(cv2.rectangle(frame.copy(), (left, top), (right, bottom), INSIDE_OF_A_MOUTH, -1), np.uint8)


class MouthOnly(MouthTrick):
    """The mouth's region of the base on the base's first frame."""

    record = trick_record(
        "mouth-only",
        "a still image on which the mouth's region of the video moves",
        GeneratorOption("size", 1.0, "of the region, relative to 1.6 by 1.2 widths of the mouth; 0: a still", 0, 10),
    )

    def change(self, clip: GeneratedClip, request: GenerationRequest) -> GeneratedClip:
        """Paste the region with soft edges."""
        size = float(self.options["size"])
        frames = hold_from(clip.frames, 0) if size == 0 else self._pasted(iter(clip.frames), size)
        return replace(clip, frames=frames)

    def _pasted(self, frames: Iterator[RgbImage], size: float) -> Iterator[RgbImage]:
        first = next(frames, None)
        if first is None:
            return
        centre, width = self.mouth(first)
        mask = _soft_box(first.shape[:2], centre, size * width / 2 * np.array(REGION), width / 10)
        for frame, still in zip(chain([first], frames), repeat(first.astype(np.float32))):
            yield np.rint(still + mask * (frame - still)).astype(np.uint8)


def _soft_box(
    shape: tuple[int, int], centre: NDArray[np.float64], half: NDArray[np.float64], sigma: float
) -> NDArray[np.float32]:
    """Return the mask (H, W, 1) of a box, 1 inside, with edges blurred by ``sigma`` pixels."""
    rows, columns = np.indices(shape)
    inside = (np.abs(columns - centre[0]) <= half[0]) & (np.abs(rows - centre[1]) <= half[1])
    return np.asarray(cv2.GaussianBlur(inside.astype(np.float32), (0, 0), sigma), np.float32)[..., None]


GENERATORS: tuple[type[Generator], ...] = (MouthBox, MouthOnly)
