"""Tricks with the reference image beside the video: in a corner, or as one frame in n."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import cv2

from evalkit.reference_models.generators.base import (
    GeneratedClip,
    GenerationRequest,
    Generator,
    GeneratorOption,
    RgbImage,
)
from evalkit.reference_models.generators.inputs import reference_image, scale_to_cover
from evalkit.reference_models.generators.tricks.base import TrickGenerator, changed, trick_record


class PastedCorner(TrickGenerator):
    """The reference image in the corner at the bottom right."""

    record = trick_record(
        "pasted-corner",
        "the video with the reference image in a corner",
        GeneratorOption("share", 0.25, "of width and height that the image has", 0, 1),
        base="warp",
    )

    def change(self, clip: GeneratedClip, request: GenerationRequest) -> GeneratedClip:
        """Paste the small image into every frame."""
        share = float(self.options["share"])
        if share == 0:
            return clip
        image = reference_image(request)

        def pasted(frame: RgbImage, time: float) -> RgbImage:
            height, width = (max(1, round(share * side)) for side in frame.shape[:2])
            made = frame.copy()
            made[-height:, -width:] = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
            return made

        return changed(clip, pasted)


class PastedFrames(TrickGenerator):
    """The reference image as one frame in n."""

    record = trick_record(
        "pasted-frames",
        "the video with the reference image as one frame in n",
        GeneratorOption("every", 10, "frames, one is the image; 0: none", 0, 1000),
        base="warp",
    )

    def change(self, clip: GeneratedClip, request: GenerationRequest) -> GeneratedClip:
        """Show the image instead of every n-th frame."""
        every = int(self.options["every"])
        if every == 0:
            return clip
        image = reference_image(request)

        def frames() -> Iterator[RgbImage]:
            for index, frame in enumerate(clip.frames):
                height, width = frame.shape[:2]
                yield scale_to_cover(image, width, height) if index % every == 0 else frame

        return replace(clip, frames=frames())


GENERATORS: tuple[type[Generator], ...] = (PastedCorner, PastedFrames)
