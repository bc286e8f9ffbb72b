"""One clip of a puppet that speaks and moves: frames, audio and caption."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from evalkit.reference_models.puppet import captions
from evalkit.reference_models.puppet.drawing import RgbImage
from evalkit.reference_models.puppet.look import Look, make_look
from evalkit.reference_models.puppet.motion import ACTIONS, FPS, MOODS, Action, performance
from evalkit.reference_models.puppet.phonemes import SpokenPhoneme, utterance
from evalkit.reference_models.puppet.pose import Pose
from evalkit.reference_models.puppet.renderer import PuppetRenderer
from evalkit.reference_models.puppet.voice import make_voice, synthesize

# Seconds. A shorter pause than half a second belongs to an action (docs/definitions/timeline.md).
SHORTEST_ACTION, PAUSE = 0.8, 0.6


@dataclass(frozen=True)
class Scene:
    """A clip, determined by these numbers.

    Args:
        puppet: seed of appearance and voice: the same number is the same person.
        take: seed of what is said and how the head moves.
        seconds: length; a whole number of frames at 25 a second.
        size: of the square frames in pixels.
        mood: one of `motion.MOODS`.
        actions: requested actions, in time order.
    """

    puppet: int
    take: int
    seconds: float = 4.0
    size: int = 256
    mood: str = "neutral"
    actions: tuple[Action, ...] = ()

    @cached_property
    def look(self) -> Look:
        """Its appearance."""
        return make_look(self.puppet)

    @cached_property
    def spoken(self) -> list[SpokenPhoneme]:
        """The phonemes that it speaks."""
        return utterance(self.take, self.seconds)

    @cached_property
    def poses(self) -> list[Pose]:
        """A pose per frame at 25 frames/s."""
        return performance(self.take, self.spoken, self.seconds, self.mood, self.actions)

    @cached_property
    def audio(self) -> NDArray[np.float32]:
        """The voice: (N,) float32 mono at 16 kHz."""
        return synthesize(self.spoken, make_voice(self.puppet), self.take)

    @property
    def caption(self) -> str:
        """A description of the clip."""
        return captions.caption(self.look, self.mood, self.actions)

    def frames(self) -> Iterator[RgbImage]:
        """Yield the frames (size, size, 3) uint8 RGB."""
        renderer = PuppetRenderer(self.look, self.size)
        for pose in self.poses:
            yield renderer.render(pose)


def draw_scene(
    seed: int,
    number: int,
    take: int = 0,
    *,
    seconds: float = 4.0,
    size: int = 256,
    actions: int = 0,
    uneven: bool = False,
) -> Scene:
    """Return scene ``take`` of person ``number`` of the test set ``seed``, its mood and actions drawn at random.

    Args:
        seed: of the test set; other seeds have other people.
        number: of the person, below a million.
        take: of the person, below a thousand.
        seconds, size: as in `Scene`.
        actions: how many actions are requested, one after the other.
        uneven: whether they differ in length and leave pauses; by default they divide the clip evenly.
    """
    puppet = seed * 1_000_000 + number
    rng = np.random.Generator(np.random.PCG64([puppet, take, 0x5CE7E]))
    moods, names = list(MOODS), list(ACTIONS)
    mood = moods[int(rng.random() * len(moods))]
    asked = [names.pop(int(rng.random() * len(names))) for _ in range(actions)]
    if uneven:
        spans = _uneven_spans(rng, actions, seconds)
    else:
        spans = [(at * seconds / actions, (at + 1) * seconds / actions) for at in range(actions)]
    requested = [Action(round(start, 3), round(end, 3), name) for (start, end), name in zip(spans, asked, strict=True)]
    return Scene(puppet, puppet * 1000 + take, seconds, size, "neutral" if actions else mood, tuple(requested))


def _uneven_spans(rng: np.random.Generator, count: int, seconds: float) -> list[tuple[float, float]]:
    """Return start and end of ``count`` actions on whole frames, each of 0.8 s at least; of pauses 0.6 s.

    In each place, before, between and after the actions, there is a pause in three of ten cases, if there is time.
    """
    spare = seconds - count * SHORTEST_ACTION
    pauses = np.zeros(count + 1)
    for place in range(count + 1):
        if rng.random() < 0.3 and spare >= PAUSE:
            pauses[place] = PAUSE
            spare -= PAUSE
    weights = np.array([-np.log(1.0 - rng.random()) for _ in range(count)])  # every division is as likely
    lengths = SHORTEST_ACTION + spare * weights / weights.sum()
    starts = np.cumsum(pauses[:-1]) + np.concatenate([[0.0], np.cumsum(lengths)[:-1]])
    on_frames = [np.rint(times * FPS) / FPS for times in (starts, starts + lengths)]
    return list(zip(*(times.tolist() for times in on_frames), strict=True))
