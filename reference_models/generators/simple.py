"""The two ends: the real video encoded again, and a picture that does not move."""

from __future__ import annotations

from itertools import repeat

from evalkit.reference_models.generators.base import Clip, GenerationError, Generator, GeneratorRecord, Request
from evalkit.reference_models.generators.pictures import open_reference, reference_picture, speech_of


class Truth(Generator):
    """The reference video, encoded again with the sample's speech: what a perfect generator would send."""

    record = GeneratorRecord(
        "truth", "the reference video encoded again: the upper end", frozenset({"reference_video"}), control=True
    )

    def generate(self, request: Request) -> Clip:
        """Return the reference video at its own frame rate (the nearest one that the challenge allows)."""
        if request.reference_video is None:
            raise GenerationError("The sample has no reference video.")
        target = request.target
        video = open_reference(request.reference_video, target.least_fps, target.most_fps)
        sound = speech_of(request, len(video.order) / float(video.fps))
        return Clip(video.frames(), video.fps, sound, target.sound_rate, len(video.order))


class Still(Generator):
    """The reference image for as long as the speech lasts."""

    record = GeneratorRecord(
        "still", "the reference image with the speech: nothing moves", frozenset({"reference_images"})
    )

    def generate(self, request: Request) -> Clip:
        """Return the image, repeated."""
        target = request.target
        picture = reference_picture(request)
        sound = speech_of(request, target.seconds)
        return Clip(repeat(picture, target.frames), target.fps, sound, target.sound_rate, target.frames)


GENERATORS: tuple[type[Generator], ...] = (Truth, Still)
