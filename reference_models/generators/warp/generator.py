"""``warp``: animates a reference image: the mouth follows the speech, the eyes blink, the head sways a little."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from evalkit.media.audio import read_audio
from evalkit.reference_models.generators.base import (
    GeneratedClip,
    GenerationRequest,
    Generator,
    GeneratorOption,
    GeneratorRecord,
    RgbImage,
)
from evalkit.reference_models.generators.inputs import read_speech, reference_image
from evalkit.reference_models.generators.warp.eye_warp import EyeWarp
from evalkit.reference_models.generators.warp.face_parts import face_finders, find_face
from evalkit.reference_models.generators.warp.head_motion import HeadSway, blinks, sway
from evalkit.reference_models.generators.warp.mouth_shape import measure_mouth
from evalkit.reference_models.generators.warp.mouth_warp import MouthWarp
from evalkit.reference_models.generators.warp.speech import RATE, MouthMotion, mouth_motion


class WarpedFace(Generator):
    """Warps the reference face to the speech."""

    record = GeneratorRecord(
        "warp",
        "the reference face warped to the speech: mouth, blinks, a little sway",
        frozenset({"reference_images"}),
        options=(
            GeneratorOption("mouth", 1.0, "how far the mouth opens, relative to the default", 0, 2),
            GeneratorOption("sway", 1.0, "how much the head moves, relative to the default", 0, 3),
            GeneratorOption("blinks", 1, "1: blink, 0: don't blink", 0, 1),
        ),
    )

    def __init__(self, options: Mapping[str, Any] | None = None, backbones: str = "published") -> None:
        super().__init__(options, backbones)
        self._finders = face_finders(backbones)

    def generate(self, request: GenerationRequest) -> GeneratedClip:
        """Return the talking face.

        Raises:
            GenerationError: no face is found in the reference image.
            MediaError: image or speech can't be read.
        """
        target = request.target
        image = reference_image(request)
        speech = read_audio(request.audio, RATE) if request.audio else None
        motion = mouth_motion(speech, target.frames, float(target.fps))
        frames = self._frames(image, motion, request)
        return GeneratedClip(frames, target.fps, read_speech(request, target.seconds), target.audio_rate, target.frames)

    def _frames(self, image: RgbImage, lips: MouthMotion, request: GenerationRequest) -> Iterator[RgbImage]:
        parts = find_face(image, self._finders)
        mouth = MouthWarp(image, measure_mouth(image, parts))
        eyes = [EyeWarp(image, parts, which) for which in (0, 1)]
        head = HeadSway(image, parts)
        rng = np.random.default_rng(request.seed)
        frames, fps = request.target.frames, float(request.target.fps)
        can_blink = all(eye.is_open for eye in eyes)  # closing one eye alone would be a wink
        lids = blinks(rng, frames, fps) * (int(self.options["blinks"]) if can_blink else 0)
        motion = sway(rng, frames, fps, lips.opening) * float(self.options["sway"])
        scale = float(self.options["mouth"])
        for index in range(frames):
            frame = mouth.with_opening(lips.opening[index] * scale, lips.width[index] * scale)
            for eye in eyes:
                eye.close(frame, float(lids[index]))
            yield head.with_motion(frame, motion[index])


GENERATORS: tuple[type[Generator], ...] = (WarpedFace,)
