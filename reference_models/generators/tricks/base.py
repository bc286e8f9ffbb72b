"""Tricks: videos that were made to look good without a model. Each is a control with a size, for the detectors.

The size 0 (of a factor: 1) leaves the base as it is, so that a table of size against detected share starts at honest
videos. The base is the reference video, a baseline, or another team's submission.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from evalkit.reference_models.generators.base import (
    GeneratedClip,
    Generator,
    GeneratorOption,
    GeneratorRecord,
    RgbImage,
)
from evalkit.reference_models.generators.controls import BASE_GENERATORS, ControlGenerator
from evalkit.reference_models.generators.tricks.submitted import VIDEOS, SubmittedVideo

SUBMISSION = "submission"
BASES = (*BASE_GENERATORS, SUBMISSION)
Change = Callable[[RgbImage, float], RgbImage]  # (frame, its time in seconds) -> frame


def trick_record(name: str, title: str, *options: GeneratorOption, base: str = "truth") -> GeneratorRecord:
    """Return the record of a trick: its own options, ``base`` with this default, and ``videos``."""
    chosen = GeneratorOption("base", base, "what the trick is applied to", choices=BASES)
    needs = BASE_GENERATORS[base].record.needs
    return GeneratorRecord(name, title, needs, control=True, options=(*options, chosen, VIDEOS))


class TrickGenerator(ControlGenerator):
    """A base and what is done to its clip; the base may be another team's submission."""

    def make_base(self, name: str) -> Generator:
        """Return the generator that the option ``base`` names."""
        if name == SUBMISSION:
            return SubmittedVideo({"videos": self.options["videos"]}, self.backbones)
        return super().make_base(name)

    def code_files(self) -> Sequence[Path]:
        """Return the files on which the videos depend: those of the trick and of its base."""
        return (*super().code_files(), *self.base.code_files())


def changed(clip: GeneratedClip, change: Change) -> GeneratedClip:
    """Return the clip with every frame changed, as the frames are read."""

    def frames() -> Iterator[RgbImage]:
        for index, frame in enumerate(clip.frames):
            yield change(frame, index / float(clip.fps))

    return replace(clip, frames=frames())
