"""Controls: videos with one known fault, to show which metric sees it. At 0 each is its base unchanged.

The base is the reference video, or another baseline where a test set has no reference videos (``base=warp``).
"""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from evalkit.reference_models.generators.base import (
    Clip,
    Field,
    GenerationError,
    Generator,
    GeneratorRecord,
    Option,
    Picture,
    Request,
)
from evalkit.reference_models.generators.pictures import reordered
from evalkit.reference_models.generators.simple import Still, Truth
from evalkit.reference_models.generators.warp import Warp

BASES: Mapping[str, type[Generator]] = {"truth": Truth, "warp": Warp, "still": Still}
BASE = Option("base", "truth", "what the fault is put into", choices=tuple(BASES))
SHIFT_RATE = 25  # frames a second that `late` counts in


class Control(Generator):
    """A base and what is done to its clip."""

    def __init__(self, options: Mapping[str, Any] | None = None, backbones: str = "published") -> None:
        super().__init__(options, backbones)
        self.base = BASES[str(self.options["base"])](backbones=backbones)

    @property
    def needs(self) -> frozenset[Field]:
        """What the base needs."""
        return self.base.needs

    def generate(self, request: Request) -> Clip:
        """Return the base's clip with the fault."""
        clip = self.base.generate(request)
        if not isinstance(clip, Clip):
            raise GenerationError("A control needs frames, not a finished file.")
        return self.change(clip, request)

    @abstractmethod
    def change(self, clip: Clip, request: Request) -> Clip:
        """Return ``clip`` with the fault."""


def _record(name: str, title: str, *options: Option) -> GeneratorRecord:
    return GeneratorRecord(name, title, frozenset({"reference_video"}), control=True, options=(*options, BASE))


class Late(Control):
    """Sound later than the lips.

    The file's sound stays the official speech and the pictures move instead: metrics of lip sync compare the pictures
    with the test set's speech, not with the file's sound track, and would not see a sound track that moved.
    """

    record = _record(
        "late",
        "sound k frames later than the lips; the pictures move, the sound stays the speech",
        Option("frames", 6, "25ths of a second that the sound is late; negative: early", -50, 50),
    )

    def change(self, clip: Clip, request: Request) -> Clip:
        """Show at time t what belongs to t + frames/25; the first or last frame fills the gap."""
        steps = round(int(self.options["frames"]) * float(clip.fps) / SHIFT_RATE)
        return replace(clip, frames=shifted(clip.frames, steps))


def shifted(frames: Iterable[Picture], steps: int) -> Iterator[Picture]:
    """Yield as many frames as come in, ``out[i] = in[clamp(i + steps)]``."""
    if steps < 0:
        return _delayed(frames, -steps)
    return _advanced(frames, steps)


def _advanced(frames: Iterable[Picture], steps: int) -> Iterator[Picture]:
    last: Picture | None = None
    left = 0
    for index, frame in enumerate(frames):
        last = frame
        left = min(index + 1, steps)
        if index >= steps:
            yield frame
    for _ in range(left):
        if last is not None:
            yield last


def _delayed(frames: Iterable[Picture], steps: int) -> Iterator[Picture]:
    waiting: deque[Picture] = deque()
    for frame in frames:
        waiting.append(frame)
        yield waiting[0] if len(waiting) <= steps else waiting.popleft()


class Swap(Control):
    """The pictures of another person, with the sample's own speech."""

    record = _record(
        "swap",
        "the pictures of another person with the sample's own speech",
        Option("people", 1, "how many people further in the test set; 0: the sample's own", 0, 1000),
    )

    def generate(self, request: Request) -> Clip:
        """Return the other person's clip; a reference video runs forth and back until the speech ends."""
        steps = int(self.options["people"])
        if steps == 0:
            return super().generate(request)
        other = request.after(steps)
        if not isinstance(self.base, Truth):
            return super().generate(replace(request, reference_images=other.reference_images))
        own, theirs = super().generate(request), super().generate(other)
        seconds = _count(own) / float(own.fps)
        count = max(1, round(seconds * float(theirs.fps)))
        return Clip(_forth_and_back(theirs, count), theirs.fps, own.sound, own.rate, count)

    def change(self, clip: Clip, request: Request) -> Clip:
        """Leave the sample's own clip as it is."""
        return clip


def _count(clip: Clip) -> int:
    if clip.count is None:
        raise GenerationError("A control needs a known number of frames.")
    return clip.count


def _forth_and_back(clip: Clip, count: int) -> Iterator[Picture]:
    """Yield ``count`` frames: those of the clip, and where it is too short it runs back and forth."""
    have = _count(clip)
    if count <= have:
        return (frame for frame, _ in zip(clip.frames, range(count), strict=False))
    period = max(1, 2 * have - 2)
    phase = np.arange(count) % period
    return reordered(clip.frames, np.where(phase < have, phase, period - phase))


class Blur(Control):
    """Gaussian blur."""

    record = _record("blur", "every frame blurred", Option("sigma", 2.0, "of the Gaussian, in pixels", 0, 50))

    def change(self, clip: Clip, request: Request) -> Clip:
        """Blur every frame."""
        sigma = float(self.options["sigma"])
        return clip if sigma == 0 else replace(clip, frames=map(_blurred(sigma), clip.frames))


def _blurred(sigma: float) -> Callable[[Picture], Picture]:
    return lambda frame: np.asarray(cv2.GaussianBlur(frame, (0, 0), sigma), dtype=np.uint8)


class Frozen(Control):
    """The picture stands still."""

    record = _record(
        "frozen",
        "one frame held: the first one for the whole clip",
        Option("share", 1.0, "of the clip, at its end, in which the picture stands", 0, 1),
    )

    def change(self, clip: Clip, request: Request) -> Clip:
        """Hold the frame at which the standing part begins."""
        start = round((1 - float(self.options["share"])) * _count(clip))
        return replace(clip, frames=_held(clip.frames, start))


def _held(frames: Iterable[Picture], start: int) -> Iterator[Picture]:
    held: Picture | None = None
    for index, frame in enumerate(frames):
        if index <= start:
            held = frame
        yield frame if held is None else held


class Jitter(Control):
    """Every frame moved by a random amount."""

    record = _record(
        "jitter",
        "every frame moved at random; the border is mirrored",
        Option("sigma", 2.0, "of the shift in both directions, in pixels", 0, 50),
    )

    def change(self, clip: Clip, request: Request) -> Clip:
        """Move each frame by a shift of its own."""
        sigma = float(self.options["sigma"])
        if sigma == 0:
            return clip
        rng = np.random.default_rng(request.seed)
        return replace(clip, frames=(_moved(frame, rng.normal(0, sigma, 2)) for frame in clip.frames))


def _moved(frame: Picture, shift: NDArray[np.float64]) -> Picture:
    matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]]])
    size = (frame.shape[1], frame.shape[0])
    moved = cv2.warpAffine(frame, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(moved, dtype=np.uint8)


class Mute(Control):
    """No sound."""

    record = _record(
        "mute",
        "silence in place of the speech",
        Option("amount", 1.0, "how much of the loudness is taken away", 0, 1),
        Option("track", "silent", "a silent sound track, or none at all", choices=("silent", "none")),
    )

    def change(self, clip: Clip, request: Request) -> Clip:
        """Scale the sound down, or drop it."""
        amount = float(self.options["amount"])
        if amount == 0 or clip.sound is None:
            return clip
        if self.options["track"] == "none":
            return replace(clip, sound=None)
        return replace(clip, sound=(clip.sound * np.float32(1 - amount)).astype(np.float32))


class Shuffle(Control):
    """Frames in random order."""

    record = _record(
        "shuffle",
        "the frames in random order",
        Option("share", 1.0, "of the frames that change places", 0, 1),
    )

    def change(self, clip: Clip, request: Request) -> Clip:
        """Let the chosen frames change places among themselves."""
        count = _count(clip)
        rng = np.random.default_rng(request.seed)
        chosen = np.sort(rng.permutation(count)[: round(float(self.options["share"]) * count)])
        if len(chosen) < 2:
            return clip
        order = np.arange(count)
        order[chosen] = rng.permutation(chosen)
        return replace(clip, frames=reordered(clip.frames, order))


GENERATORS: tuple[type[Generator], ...] = (Late, Swap, Blur, Frozen, Jitter, Mute, Shuffle)
