"""Puppets side by side in one picture who speak in turns and then all at once, each with a voice of their own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from evalkit.reference_models.puppet.drawing import RgbImage
from evalkit.reference_models.puppet.look import Look, make_look
from evalkit.reference_models.puppet.motion import performance
from evalkit.reference_models.puppet.phonemes import SpokenPhoneme, utterance
from evalkit.reference_models.puppet.renderer import PuppetRenderer
from evalkit.reference_models.puppet.voice import make_voice, synthesize

Binding = Literal["right", "swapped", "everybody"]
AT_ONCE = 0.45  # of the clip, at its end, in which all speak
PANEL = 0.75  # width of a puppet's part of the picture, as a share of the height


@dataclass(frozen=True)
class Dialogue:
    """A clip, determined by these numbers.

    Args:
        puppets: seeds of the persons, from left to right: the same number is the same person.
        take: seed of what is said and how heads move.
        seconds: length; a whole number of frames at 25 a second.
        size: height of the picture in pixels; a multiple of 8.
        binding: whose voice a mouth follows: ``right``, its own; ``swapped``, that of the next person; ``everybody``,
            every mouth follows whoever speaks (the first person, where all do).
    """

    puppets: tuple[int, ...]
    take: int
    seconds: float = 8.0
    size: int = 256
    binding: Binding = "right"

    @property
    def width(self) -> int:
        """Of the whole picture, in pixels."""
        return self._panel * len(self.puppets)

    @property
    def boxes(self) -> list[tuple[float, float, float, float]]:
        """x1, y1, x2, y2 of each person's part of the picture, as shares of its width and height."""
        count = len(self.puppets)
        return [(round(k / count, 6), 0.0, round((k + 1) / count, 6), 1.0) for k in range(count)]

    @property
    def looks(self) -> list[Look]:
        """The persons' appearances."""
        return [make_look(puppet) for puppet in self.puppets]

    @property
    def voices(self) -> list[NDArray[np.float32]]:
        """Each person's voice alone, (N,) float32 mono at 16 kHz, silent while only others speak."""
        return [
            synthesize(self._spoken(k), make_voice(puppet), self.take * 10 + k) for k, puppet in enumerate(self.puppets)
        ]

    def frames(self) -> Iterator[RgbImage]:
        """Yield the frames (size, width, 3) uint8 RGB."""
        poses, renderers = [], []
        for k, look in enumerate(self.looks):
            poses.append(performance(self.take * 10 + k, self._followed(k), self.seconds))
            renderers.append(PuppetRenderer(look, self.size))
        left = (self.size - self._panel) // 2
        for together in zip(*poses, strict=True):
            pictures = [renderer.render(pose) for renderer, pose in zip(renderers, together, strict=True)]
            yield np.concatenate([picture[:, left : left + self._panel] for picture in pictures], axis=1)

    @property
    def _panel(self) -> int:
        return round(self.size * PANEL)

    @property
    def turns(self) -> list[tuple[float, float]]:
        """Start and end of each person's turn; all speak from the end of the last one to the end of the clip."""
        each = self.seconds * (1 - AT_ONCE) / len(self.puppets)
        return [(k * each, (k + 1) * each) for k in range(len(self.puppets))]

    def _spoken(self, person: int) -> list[SpokenPhoneme]:
        """Return what a person says: in their turn, and at the end."""
        start, end = self.turns[person]
        own = utterance(self.take * 100 + person, end - start)
        last = self.turns[-1][1]
        together = utterance(self.take * 100 + 50 + person, self.seconds - last)
        return [*_quiet(0.0, start), *_from(own, start), *_quiet(end, last), *_from(together, last)]

    def _followed(self, person: int) -> list[SpokenPhoneme]:
        """Return what a person's mouth says."""
        count = len(self.puppets)
        if self.binding == "right":
            return self._spoken(person)
        if self.binding == "swapped":
            return self._spoken((person + 1) % count)
        last = self.turns[-1][1]
        heard: list[SpokenPhoneme] = []
        for k, (start, end) in enumerate(self.turns):
            heard += [part for part in self._spoken(k) if start <= part.start < end]
        return heard + [part for part in self._spoken(0) if part.start >= last]


def _from(spoken: list[SpokenPhoneme], start: float) -> list[SpokenPhoneme]:
    return [SpokenPhoneme(part.name, part.start + start, part.end + start, part.stress) for part in spoken]


def _quiet(start: float, end: float) -> list[SpokenPhoneme]:
    return [SpokenPhoneme("sil", start, end)] if end > start + 1e-9 else []
