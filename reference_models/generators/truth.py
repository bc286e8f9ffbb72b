"""Upper and lower reference: the real video encoded again, and an image that does not move."""

from __future__ import annotations

from itertools import repeat

from evalkit.reference_models.generators.base import (
    GeneratedClip,
    GenerationError,
    GenerationRequest,
    Generator,
    GeneratorRecord,
)
from evalkit.reference_models.generators.inputs import open_reference, read_speech, reference_image


class ReferenceCopy(Generator):
    """The reference video, encoded again with the sample's speech: the result of a perfect generator."""

    record = GeneratorRecord(
        "truth", "the reference video encoded again: the upper bound", frozenset({"reference_video"}), control=True
    )

    def generate(self, request: GenerationRequest) -> GeneratedClip:
        """Return the reference video at its own frame rate (the nearest one that the challenge allows)."""
        if request.reference_video is None:
            raise GenerationError("The sample has no reference video.")
        target = request.target
        video = open_reference(request.reference_video, target.min_fps, target.max_fps)
        audio = read_speech(request, len(video.order) / float(video.fps))
        return GeneratedClip(video.frames(), video.fps, audio, target.audio_rate, len(video.order))


class StillImage(Generator):
    """The reference image for the duration of the speech."""

    record = GeneratorRecord(
        "still", "the reference image with the speech: nothing moves", frozenset({"reference_images"})
    )

    def generate(self, request: GenerationRequest) -> GeneratedClip:
        """Return the image, repeated."""
        target = request.target
        image = reference_image(request)
        audio = read_speech(request, target.seconds)
        return GeneratedClip(repeat(image, target.frames), target.fps, audio, target.audio_rate, target.frames)


GENERATORS: tuple[type[Generator], ...] = (ReferenceCopy, StillImage)
