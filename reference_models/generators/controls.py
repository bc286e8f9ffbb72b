"""Controls: videos with one known fault, to show which metric detects it. With strength 0 each equals its base.

The base is the reference video, or another baseline for a test set without reference videos (``base=warp``).
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
    GeneratedClip,
    GenerationError,
    GenerationRequest,
    Generator,
    GeneratorOption,
    GeneratorRecord,
    RgbImage,
    SampleField,
)
from evalkit.reference_models.generators.inputs import reorder_frames
from evalkit.reference_models.generators.truth import ReferenceCopy, StillImage
from evalkit.reference_models.generators.warp.generator import WarpedFace

BASE_GENERATORS: Mapping[str, type[Generator]] = {"truth": ReferenceCopy, "warp": WarpedFace, "still": StillImage}
BASE_OPTION = GeneratorOption("base", "truth", "what the fault is applied to", choices=tuple(BASE_GENERATORS))
SHIFT_RATE = 25  # frames per second in which `late` counts


class ControlGenerator(Generator):
    """A base generator and the fault that is applied to its clip."""

    def __init__(self, options: Mapping[str, Any] | None = None, backbones: str = "published") -> None:
        super().__init__(options, backbones)
        self.base = self.make_base(str(self.options["base"]))

    def make_base(self, name: str) -> Generator:
        """Return the generator that the option ``base`` names."""
        return BASE_GENERATORS[name](backbones=self.backbones)

    @property
    def needs(self) -> frozenset[SampleField]:
        """The inputs that the base needs."""
        return self.base.needs

    def generate(self, request: GenerationRequest) -> GeneratedClip:
        """Return the base's clip with the fault."""
        clip = self.base.generate(request)
        if not isinstance(clip, GeneratedClip):
            raise GenerationError("A control needs a base that returns frames, not a file.")
        return self.change(clip, request)

    @abstractmethod
    def change(self, clip: GeneratedClip, request: GenerationRequest) -> GeneratedClip:
        """Return ``clip`` with the fault."""


def _record(name: str, title: str, *options: GeneratorOption) -> GeneratorRecord:
    return GeneratorRecord(name, title, frozenset({"reference_video"}), control=True, options=(*options, BASE_OPTION))


class LateAudio(ControlGenerator):
    """Audio later than the video.

    The file's audio stays the official speech and the frames are shifted instead: lip-sync metrics compare the frames
    with the test set's speech, not with the file's audio, and would not detect shifted audio.
    """

    record = _record(
        "late",
        "audio k frames later than the video; the frames are shifted, the audio stays the speech",
        GeneratorOption("frames", 6, "how late the audio is, in 25ths of a second; negative: early", -50, 50),
    )

    def change(self, clip: GeneratedClip, request: GenerationRequest) -> GeneratedClip:
        """Show the frame of time t + frames/25 at time t; the first or last frame fills the gap."""
        steps = round(int(self.options["frames"]) * float(clip.fps) / SHIFT_RATE)
        return replace(clip, frames=shift_frames(clip.frames, steps))


def shift_frames(frames: Iterable[RgbImage], steps: int) -> Iterator[RgbImage]:
    """Yield the same number of frames, ``out[i] = in[clamp(i + steps)]``."""
    if steps < 0:
        return _delayed(frames, -steps)
    return _advanced(frames, steps)


def _advanced(frames: Iterable[RgbImage], steps: int) -> Iterator[RgbImage]:
    last: RgbImage | None = None
    left = 0
    for index, frame in enumerate(frames):
        last = frame
        left = min(index + 1, steps)
        if index >= steps:
            yield frame
    for _ in range(left):
        if last is not None:
            yield last


def _delayed(frames: Iterable[RgbImage], steps: int) -> Iterator[RgbImage]:
    waiting: deque[RgbImage] = deque()
    for frame in frames:
        waiting.append(frame)
        yield waiting[0] if len(waiting) <= steps else waiting.popleft()


class SwappedPerson(ControlGenerator):
    """Frames of another person with the sample's own speech."""

    record = _record(
        "swap",
        "frames of another person with the sample's own speech",
        GeneratorOption("people", 1, "how many people further in the test set; 0: the same person", 0, 1000),
    )

    def generate(self, request: GenerationRequest) -> GeneratedClip:
        """Return the other person's clip; a reference video that is too short is played forwards and backwards."""
        steps = int(self.options["people"])
        if steps == 0:
            return super().generate(request)
        other = request.after(steps)
        if not isinstance(self.base, ReferenceCopy):
            return super().generate(replace(request, reference_images=other.reference_images))
        own, theirs = super().generate(request), super().generate(other)
        seconds = frame_count(own) / float(own.fps)
        count = max(1, round(seconds * float(theirs.fps)))
        return GeneratedClip(_forwards_and_backwards(theirs, count), theirs.fps, own.audio, own.rate, count)

    def change(self, clip: GeneratedClip, request: GenerationRequest) -> GeneratedClip:
        """Return the sample's own clip unchanged."""
        return clip


def frame_count(clip: GeneratedClip) -> int:
    """Return the number of frames of a clip that knows it.

    Raises:
        GenerationError: it does not.
    """
    if clip.count is None:
        raise GenerationError("A control needs a base whose number of frames is known.")
    return clip.count


def _forwards_and_backwards(clip: GeneratedClip, count: int) -> Iterator[RgbImage]:
    """Yield ``count`` frames; a clip that is too short is played forwards and backwards."""
    available = frame_count(clip)
    if count <= available:
        return (frame for frame, _ in zip(clip.frames, range(count), strict=False))
    period = max(1, 2 * available - 2)
    phase = np.arange(count) % period
    return reorder_frames(clip.frames, np.where(phase < available, phase, period - phase))


class BlurredFrames(ControlGenerator):
    """Gaussian blur."""

    record = _record("blur", "every frame blurred", GeneratorOption("sigma", 2.0, "of the Gaussian, in pixels", 0, 50))

    def change(self, clip: GeneratedClip, request: GenerationRequest) -> GeneratedClip:
        """Blur every frame."""
        sigma = float(self.options["sigma"])
        return clip if sigma == 0 else replace(clip, frames=map(_blurred(sigma), clip.frames))


def _blurred(sigma: float) -> Callable[[RgbImage], RgbImage]:
    return lambda frame: np.asarray(cv2.GaussianBlur(frame, (0, 0), sigma), dtype=np.uint8)


class FrozenFrames(ControlGenerator):
    """One frame is held."""

    record = _record(
        "frozen",
        "one frame held: the first one for the whole clip",
        GeneratorOption("share", 1.0, "of the clip, at its end, in which the frame is held", 0, 1),
    )

    def change(self, clip: GeneratedClip, request: GenerationRequest) -> GeneratedClip:
        """Hold the first frame of the frozen part."""
        start = round((1 - float(self.options["share"])) * frame_count(clip))
        return replace(clip, frames=hold_from(clip.frames, start))


def hold_from(frames: Iterable[RgbImage], start: int) -> Iterator[RgbImage]:
    """Yield the frames up to number ``start``, then that one again and again."""
    held: RgbImage | None = None
    for index, frame in enumerate(frames):
        if index <= start:
            held = frame
        yield frame if held is None else held


class JitteredFrames(ControlGenerator):
    """Every frame shifted by a random amount."""

    record = _record(
        "jitter",
        "every frame shifted at random; the border is mirrored",
        GeneratorOption("sigma", 2.0, "of the shift in both directions, in pixels", 0, 50),
    )

    def change(self, clip: GeneratedClip, request: GenerationRequest) -> GeneratedClip:
        """Shift each frame by its own random amount."""
        sigma = float(self.options["sigma"])
        if sigma == 0:
            return clip
        rng = np.random.default_rng(request.seed)
        return replace(clip, frames=(_shifted_frame(frame, rng.normal(0, sigma, 2)) for frame in clip.frames))


def _shifted_frame(frame: RgbImage, shift: NDArray[np.float64]) -> RgbImage:
    matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]]])
    size = (frame.shape[1], frame.shape[0])
    shifted = cv2.warpAffine(frame, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(shifted, dtype=np.uint8)


class MutedAudio(ControlGenerator):
    """Silence instead of the speech."""

    record = _record(
        "mute",
        "silence instead of the speech",
        GeneratorOption("amount", 1.0, "share of the amplitude that is removed", 0, 1),
        GeneratorOption("track", "silent", "a silent audio stream, or none at all", choices=("silent", "none")),
    )

    def change(self, clip: GeneratedClip, request: GenerationRequest) -> GeneratedClip:
        """Scale the audio down, or remove it."""
        amount = float(self.options["amount"])
        if amount == 0 or clip.audio is None:
            return clip
        if self.options["track"] == "none":
            return replace(clip, audio=None)
        return replace(clip, audio=(clip.audio * np.float32(1 - amount)).astype(np.float32))


class ShuffledFrames(ControlGenerator):
    """Frames in random order."""

    record = _record(
        "shuffle",
        "the frames in random order",
        GeneratorOption("share", 1.0, "of the frames that are permuted", 0, 1),
    )

    def change(self, clip: GeneratedClip, request: GenerationRequest) -> GeneratedClip:
        """Permute the chosen frames."""
        count = frame_count(clip)
        rng = np.random.default_rng(request.seed)
        chosen = np.sort(rng.permutation(count)[: round(float(self.options["share"]) * count)])
        if len(chosen) < 2:
            return clip
        order = np.arange(count)
        order[chosen] = rng.permutation(chosen)
        return replace(clip, frames=reorder_frames(clip.frames, order))


class ReversedFrames(ControlGenerator):
    """Played backwards: what should happen first happens last."""

    record = _record(
        "reversed",
        "the frames in reverse order",
        GeneratorOption("share", 1.0, "of the clip, at its end, that is played backwards", 0, 1),
    )

    def change(self, clip: GeneratedClip, request: GenerationRequest) -> GeneratedClip:
        """Play the end backwards."""
        count = frame_count(clip)
        start = count - round(float(self.options["share"]) * count)
        if count - start < 2:
            return clip
        order = np.concatenate([np.arange(start), np.arange(start, count)[::-1]])
        return replace(clip, frames=reorder_frames(clip.frames, order))


class ShiftedFrames(ControlGenerator):
    """Everything too late. Each frame is still shown once, unlike with `late`, whose gap a held frame fills."""

    record = _record(
        "shifted",
        "the frames some seconds too late, in a circle: the end comes first",
        GeneratorOption("seconds", 1.0, "how late; negative: early", -600.0, 600.0),
    )

    def change(self, clip: GeneratedClip, request: GenerationRequest) -> GeneratedClip:
        """Show at time t the frame of t - seconds."""
        count = frame_count(clip)
        steps = round(float(self.options["seconds"]) * float(clip.fps)) % count if count else 0
        return (
            clip if steps == 0 else replace(clip, frames=reorder_frames(clip.frames, np.roll(np.arange(count), steps)))
        )


GENERATORS: tuple[type[Generator], ...] = (
    LateAudio,
    SwappedPerson,
    BlurredFrames,
    FrozenFrames,
    JitteredFrames,
    MutedAudio,
    ShuffledFrames,
    ReversedFrames,
    ShiftedFrames,
)
