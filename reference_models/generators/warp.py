"""``warp``: a reference image that talks: the mouth follows the speech, the eyes blink, the head sways a little."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from evalkit.media.audio import read_audio
from evalkit.reference_models.generators import speech
from evalkit.reference_models.generators.base import Clip, Generator, GeneratorRecord, Option, Picture, Request
from evalkit.reference_models.generators.eye_warp import EyeWarp
from evalkit.reference_models.generators.face_motion import HeadSway, blinks, sway
from evalkit.reference_models.generators.finders import find_face, finders
from evalkit.reference_models.generators.mouth import measure_mouth
from evalkit.reference_models.generators.mouth_warp import MouthWarp
from evalkit.reference_models.generators.pictures import reference_picture, speech_of


class Warp(Generator):
    """Warps the reference face to the speech."""

    record = GeneratorRecord(
        "warp",
        "the reference face warped to the speech: mouth, blinks, a little sway",
        frozenset({"reference_images"}),
        options=(
            Option("mouth", 1.0, "how far the mouth opens, times the usual", 0, 2),
            Option("sway", 1.0, "how much the head moves, times the usual", 0, 3),
            Option("blinks", 1, "1 to blink, 0 not to", 0, 1),
        ),
    )

    def __init__(self, options: Mapping[str, Any] | None = None, backbones: str = "published") -> None:
        super().__init__(options, backbones)
        self._finders = finders(backbones)

    def generate(self, request: Request) -> Clip:
        """Return the talking face.

        Raises:
            GenerationError: no face is found in the reference image.
            MediaError: image or speech can't be read.
        """
        target = request.target
        picture = reference_picture(request)
        heard = read_audio(request.audio, speech.RATE) if request.audio else None
        lips = speech.lips_of(heard, target.frames, float(target.fps))
        frames = self._frames(picture, lips, request)
        return Clip(frames, target.fps, speech_of(request, target.seconds), target.sound_rate, target.frames)

    def _frames(self, picture: Picture, lips: speech.Lips, request: Request) -> Iterator[Picture]:
        parts = find_face(picture, self._finders)
        mouth = MouthWarp(picture, measure_mouth(picture, parts))
        eyes = [EyeWarp(picture, parts, which) for which in (0, 1)]
        head = HeadSway(picture, parts)
        rng = np.random.default_rng(request.seed)
        frames, fps = request.target.frames, float(request.target.fps)
        can_blink = all(eye.is_open for eye in eyes)  # one alone would wink
        lids = blinks(rng, frames, fps) * (int(self.options["blinks"]) if can_blink else 0)
        motion = sway(rng, frames, fps, lips.opening) * float(self.options["sway"])
        scale = float(self.options["mouth"])
        for index in range(frames):
            frame = mouth.opened(lips.opening[index] * scale, lips.width[index] * scale)
            for eye in eyes:
                eye.shut(frame, float(lids[index]))
            yield head.moved(frame, motion[index])


GENERATORS: tuple[type[Generator], ...] = (Warp,)
