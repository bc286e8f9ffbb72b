"""Tricks in time: another speed, loops, and too few frames for the rate. Every clip keeps its number of frames."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from evalkit.reference_models.generators.base import GeneratedClip, GenerationRequest, Generator, GeneratorOption
from evalkit.reference_models.generators.controls import frame_count
from evalkit.reference_models.generators.inputs import reorder_frames
from evalkit.reference_models.generators.tricks.base import TrickGenerator, trick_record


class ReorderedFrames(TrickGenerator):
    """The base's frames in another order."""

    def change(self, clip: GeneratedClip, request: GenerationRequest) -> GeneratedClip:
        """Show the frames in the trick's order."""
        count = frame_count(clip)
        order = self.order(count, float(clip.fps))
        return (
            clip
            if np.array_equal(order, np.arange(count))
            else replace(clip, frames=reorder_frames(clip.frames, order))
        )

    @abstractmethod
    def order(self, count: int, fps: float) -> NDArray[np.int64]:
        """Return which of the base's frames each of ``count`` frames shows: (count,)."""


class OtherSpeed(ReorderedFrames):
    """Faster or slower; past its end, the video is played backwards."""

    record = trick_record(
        "other-speed",
        "the video faster or slower with frames left out or repeated; past its end it is played backwards",
        GeneratorOption("factor", 1.03, "of the speed; below 1: slower", 0.1, 10),
    )

    def order(self, count: int, fps: float) -> NDArray[np.int64]:
        """Return the nearest frame of each time."""
        factor = float(self.options["factor"])
        return there_and_back(np.rint(np.arange(count) * factor).astype(np.int64), count)


class LateCopy(ReorderedFrames):
    """Every frame late or early; the sound stays."""

    record = trick_record(
        "late-copy",
        "the video late or early, its sound as it was; the first or last frame fills the gap",
        GeneratorOption("seconds", 0.4, "by which the frames are late; negative: early", -60.0, 60.0),
    )

    def order(self, count: int, fps: float) -> NDArray[np.int64]:
        """Return the frame of some time before each, or of some time after."""
        late = round(float(self.options["seconds"]) * fps)
        return np.clip(np.arange(count) - late, 0, count - 1)


class LoopedVideo(ReorderedFrames):
    """The beginning again and again."""

    record = trick_record(
        "looped",
        "the beginning of the video again and again",
        GeneratorOption("seconds", 1.0, "that are repeated; 0: the whole video", 0.0, 600.0),
    )

    def order(self, count: int, fps: float) -> NDArray[np.int64]:
        """Return the frames of the beginning, in a circle."""
        return np.arange(count) % _first_frames(float(self.options["seconds"]), count, fps)


class Boomerang(ReorderedFrames):
    """The beginning forwards and backwards."""

    record = trick_record(
        "boomerang",
        "the beginning of the video forwards and backwards, again and again",
        GeneratorOption("seconds", 1.0, "that are repeated; 0: the whole video", 0.0, 600.0),
    )

    def order(self, count: int, fps: float) -> NDArray[np.int64]:
        """Return the frames of the beginning, there and back."""
        return there_and_back(np.arange(count), _first_frames(float(self.options["seconds"]), count, fps))


class RepeatedPart(ReorderedFrames):
    """A part before the middle of the video comes again."""

    record = trick_record(
        "repeated-part",
        "the part before the middle once more; what follows it is late",
        GeneratorOption("seconds", 1.0, "that come again; 0: none", 0.0, 600.0),
    )

    def order(self, count: int, fps: float) -> NDArray[np.int64]:
        """Return the frames up to the middle, the last of them again, and the others."""
        middle = count // 2
        again = min(middle, round(float(self.options["seconds"]) * fps))
        frames = np.arange(count)
        return np.concatenate([frames[:middle], frames[middle - again :]])[:count]


class PlayedBackwards(ReorderedFrames):
    """The video in reverse order, or its beginning."""

    record = trick_record(
        "played-backwards",
        "the video, or the beginning of it, played backwards",
        GeneratorOption("share", 1.0, "of the video, from its beginning, that is played backwards", 0, 1),
    )

    def order(self, count: int, fps: float) -> NDArray[np.int64]:
        """Return the frames of the beginning in reverse order, and the others."""
        frames, until = np.arange(count), round(float(self.options["share"]) * count)
        return np.concatenate([frames[:until][::-1], frames[until:]])


class RepeatedFrames(ReorderedFrames):
    """Each frame several times, so that the file has the rate that the challenge asks for."""

    record = trick_record(
        "repeated-frames",
        "one frame in n, shown n times, to reach the frame rate",
        GeneratorOption("times", 3, "that each frame is shown", 1, 100),
    )

    def order(self, count: int, fps: float) -> NDArray[np.int64]:
        """Return the last frame that is a multiple."""
        return np.arange(count) // int(self.options["times"]) * int(self.options["times"])


def there_and_back(order: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return the numbers of frames of a clip of ``count`` that is played forwards and backwards for ever."""
    phase = order % max(1, 2 * count - 2)
    return np.where(phase < count, phase, 2 * count - 2 - phase)


def _first_frames(seconds: float, count: int, fps: float) -> int:
    return min(count, max(1, round(seconds * fps))) if seconds else count


GENERATORS: tuple[type[Generator], ...] = (
    OtherSpeed,
    LateCopy,
    LoopedVideo,
    Boomerang,
    RepeatedPart,
    PlayedBackwards,
    RepeatedFrames,
)
