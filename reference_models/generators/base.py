"""What a generator is: a record of what it needs, and a call that makes one sample's video.

Built-ins and third parties register alike: an entry point in the group ``evalkit.generators`` names a sequence of
subclasses of `Generator`.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import InputError, UsageError, did_you_mean
from evalkit.registry import GENERATORS, index_by_name, load_group
from evalkit.testsets.model import TimelineEvent

Picture = NDArray[np.uint8]
Value = int | float | str
Field = Literal["reference_images", "audio", "reference_video", "text"]


class GenerationError(InputError):
    """One sample can't be made; the run goes on with the next."""


@dataclass(frozen=True)
class Option:
    """One option of a generator. Its type is the type of its default.

    Args:
        name: as in ``--set name=value``.
        default: int, float or str.
        help: one line.
        low, high: range of a number, both ends included.
        choices: the words that are allowed, for a text.
    """

    name: str
    default: Value
    help: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()

    def parse(self, value: Any) -> Value:
        """Return ``value`` (a number, or a text from the command line) as the option's type.

        Raises:
            UsageError: when it is no such number, out of range, or not among the choices.
        """
        kind = type(self.default)
        if isinstance(value, bool) or (kind is int and isinstance(value, float) and not value.is_integer()):
            raise self._wrong(value)
        try:
            parsed = kind(value)
        except (TypeError, ValueError, OverflowError):
            raise self._wrong(value) from None
        if isinstance(parsed, str):
            if self.choices and parsed not in self.choices:
                raise self._wrong(value)
        elif not np.isfinite(parsed) or not self._low <= parsed <= self._high:
            raise self._wrong(value)
        return parsed

    @property
    def _low(self) -> float:
        return -np.inf if self.low is None else self.low

    @property
    def _high(self) -> float:
        return np.inf if self.high is None else self.high

    @property
    def range_text(self) -> str:
        """What values are allowed, in words."""
        if isinstance(self.default, str):
            return " or ".join(self.choices) if self.choices else "a text"
        word = "a whole number" if isinstance(self.default, int) else "a number"
        if self.low is None and self.high is None:
            return word
        return f"{word} from {self._low:g} to {self._high:g}"

    def _wrong(self, value: Any) -> UsageError:
        return UsageError(f"The option '{self.name}' can't be that.", found=repr(value), expected=self.range_text)


@dataclass(frozen=True)
class GeneratorRecord:
    """What is known of a generator without running it.

    Args:
        name: how the command line and reports call it.
        title: one line.
        needs: fields that a sample must have.
        control: whether it is made to be wrong in a known way (or perfect), to show what metrics see.
        options: what can be set.
    """

    name: str
    title: str
    needs: frozenset[Field] = frozenset()
    control: bool = False
    options: tuple[Option, ...] = ()

    def resolve(self, given: Mapping[str, Any]) -> dict[str, Value]:
        """Return every option's value: the given ones, and defaults for the rest.

        Raises:
            UsageError: for an unknown name or a value that does not fit.
        """
        known = {option.name: option for option in self.options}
        for name in given:
            if name not in known:
                raise UsageError(
                    f"The generator '{self.name}' has no option '{name}'.{did_you_mean(name, known)}",
                    expected=", ".join(known) or "no options",
                )
        return {name: option.parse(given.get(name, option.default)) for name, option in known.items()}


@dataclass(frozen=True)
class Target:
    """The video that is asked for.

    Args:
        fps: frames per second, for a generator that is free to choose.
        seconds: length: the speech's, else the reference video's, else the timeline's, else 4.
        frames: ``seconds * fps``, rounded, at least the challenge's least number.
        width, height: even, in pixels; the reference video's, else the first reference image's within 512.
        sound_rate: samples a second of the sound.
        sound_required: whether the challenge refuses a file without a sound track.
        least_fps, most_fps: the challenge's range.
    """

    fps: Fraction
    seconds: float
    frames: int
    width: int
    height: int
    sound_rate: int = 16_000
    sound_required: bool = False
    least_fps: float = 0.0
    most_fps: float = float("inf")


def _nobody(steps: int) -> Request:
    raise GenerationError("The sample stands alone: there is no other person.", found=f"{steps} people further")


@dataclass(frozen=True)
class Request:
    """One sample to generate.

    Args:
        sample: its id.
        seed: made of the run's seed and the id, so that the order of work changes nothing.
        target: what is asked for.
        output: a place for a finished MP4 file, for generators that write one themselves.
        reference_images: paths of the faces to keep.
        audio: path of the speech.
        text: caption or prompt.
        timeline: actions with their times.
        reference_video: path of the real video: the truth, which only controls should read.
        person: whom the sample shows, as far as the test set says.
        after: ``after(k)`` is the request of the k-th next other person in the test set.
    """

    sample: str
    seed: int
    target: Target
    output: Path
    reference_images: tuple[Path, ...] = ()
    audio: Path | None = None
    text: str | None = None
    timeline: tuple[TimelineEvent, ...] | None = None
    reference_video: Path | None = None
    person: str = ""
    after: Callable[[int], Request] = field(default=_nobody, compare=False, repr=False)


@dataclass(frozen=True)
class Clip:
    """A generated video.

    Args:
        frames: (H, W, 3) uint8 RGB, all of one size; made when they are asked for, so that the time to the first one
            can be measured.
        fps: frames per second.
        sound: (N,) float32 mono in -1..1, or ``None`` for no sound track.
        rate: of ``sound``, in Hz.
        count: how many frames there are, where that is known beforehand.
    """

    frames: Iterable[Picture]
    fps: float | Fraction
    sound: NDArray[np.float32] | None = None
    rate: int = 16_000
    count: int | None = None


class Generator(ABC):
    """Makes videos. One instance per worker process; load models in ``__init__``, which no timing counts.

    Args:
        options: checked against the record; defaults fill the rest.
        backbones: name or file of a set of weights, for generators that use networks.

    Raises:
        UsageError: an option is unknown or does not fit.
    """

    record: ClassVar[GeneratorRecord]

    def __init__(self, options: Mapping[str, Any] | None = None, backbones: str = "published") -> None:
        self.options = self.record.resolve(options or {})
        self.backbones = backbones

    @property
    def needs(self) -> frozenset[Field]:
        """Fields that a sample must have, with these options."""
        return self.record.needs

    @abstractmethod
    def generate(self, request: Request) -> Clip | Path:
        """Return the sample's video: frames, or the path of a finished MP4 file (``request.output``, say).

        Raises:
            GenerationError: this sample can't be made; the run goes on. Any other exception counts alike.
        """


def sample_seed(seed: int, sample: str) -> int:
    """Return 64 bits made of the run's seed and a sample's id."""
    return int.from_bytes(hashlib.sha256(f"{seed}\0{sample}".encode()).digest()[:8], "big")


def generator_registry() -> dict[str, type[Generator]]:
    """Return every registered generator by name.

    Raises:
        PluginError: naming both owners, when two have the same name.
    """
    return index_by_name(load_group(GENERATORS), lambda kind: str(kind.record.name), "generator")


def find_generator(name: str) -> type[Generator]:
    """Return the generator of that name.

    Raises:
        UsageError: with the nearest known name.
    """
    registry = generator_registry()
    if name not in registry:
        raise UsageError(
            f"There is no generator '{name}'.{did_you_mean(name, registry)}",
            expected=f"one of {', '.join(sorted(registry))}",
            fix="'evalkit baseline list' shows them.",
        )
    return registry[name]
