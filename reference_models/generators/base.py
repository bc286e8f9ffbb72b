"""A generator: a record of its options and inputs, and a call that generates the video of one sample.

A module that assigns ``GENERATORS``, a sequence of subclasses of `Generator`, registers them. docs/add-a-generator.md
shows a complete one.
"""

from __future__ import annotations

import hashlib
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import InputError, UsageError, did_you_mean
from evalkit.registry import GENERATORS, index_by_name, load_group
from evalkit.testsets.model import TimelineEvent

RgbImage = NDArray[np.uint8]  # (H, W, 3)
OptionValue = int | float | str
SampleField = Literal["reference_images", "audio", "reference_video", "text"]


class GenerationError(InputError):
    """One sample can't be generated; the run continues with the next."""


@dataclass(frozen=True)
class GeneratorOption:
    """One option of a generator. Its type is the type of its default.

    Args:
        name: as in ``--set name=value``.
        default: int, float or str.
        help: one line.
        low, high: range of a number, both ends included.
        choices: the allowed words, for text.
    """

    name: str
    default: OptionValue
    help: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()

    def parse(self, value: Any) -> OptionValue:
        """Return ``value`` (a number, or text from the command line) as the option's type.

        Raises:
            UsageError: the type is wrong, or the value is out of range or not among the choices.
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
        """The allowed values, in words."""
        if isinstance(self.default, str):
            return " or ".join(self.choices) if self.choices else "text"
        word = "a whole number" if isinstance(self.default, int) else "a number"
        if self.low is None and self.high is None:
            return word
        return f"{word} from {self._low:g} to {self._high:g}"

    def _wrong(self, value: Any) -> UsageError:
        return UsageError(f"The option '{self.name}' has a wrong value.", found=repr(value), expected=self.range_text)


@dataclass(frozen=True)
class GeneratorRecord:
    """Metadata of a generator, known without running it.

    Args:
        name: on the command line and in reports.
        title: one line.
        needs: inputs that a sample must have.
        control: whether its output has a known fault (or none at all), to show which metric detects it.
        options: what can be set.
    """

    name: str
    title: str
    needs: frozenset[SampleField] = frozenset()
    control: bool = False
    options: tuple[GeneratorOption, ...] = ()

    def resolve(self, given: Mapping[str, Any]) -> dict[str, OptionValue]:
        """Return every option's value: the given ones, and defaults for the rest.

        Raises:
            UsageError: for an unknown name or an invalid value.
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
class VideoTarget:
    """The requested video.

    Args:
        fps: frames per second, for a generator that can choose.
        seconds: length of the speech, else of the reference video, else of the timeline, else 4.
        frames: ``seconds * fps``, rounded, at least the challenge's minimum.
        width, height: even, in pixels; of the reference video, else of the first reference image, at most 512.
        audio_rate: sampling rate in Hz.
        audio_required: whether the challenge rejects a file without an audio stream.
        min_fps, max_fps: the challenge's range.
    """

    fps: Fraction
    seconds: float
    frames: int
    width: int
    height: int
    audio_rate: int = 16_000
    audio_required: bool = False
    min_fps: float = 0.0
    max_fps: float = float("inf")


def _no_other_person(steps: int) -> GenerationRequest:
    raise GenerationError("The test set shows no other person.", found=f"{steps} people further")


@dataclass(frozen=True)
class GenerationRequest:
    """One sample to generate.

    Args:
        sample: its id.
        seed: derived from the run's seed and the id, so that it doesn't depend on the order of samples.
        target: the requested video.
        output: path for a finished MP4 file, for generators that write one themselves.
        reference_images: paths of images of the person.
        audio: path of the speech.
        text: caption or prompt.
        timeline: actions with their times.
        reference_video: path of the real video, the ground truth; only controls should read it.
        person: who the sample shows, if the test set says it.
        after: ``after(k)`` returns the request of the k-th next other person in the test set.
    """

    sample: str
    seed: int
    target: VideoTarget
    output: Path
    reference_images: tuple[Path, ...] = ()
    audio: Path | None = None
    text: str | None = None
    timeline: tuple[TimelineEvent, ...] | None = None
    reference_video: Path | None = None
    person: str = ""
    after: Callable[[int], GenerationRequest] = field(default=_no_other_person, compare=False, repr=False)


@dataclass(frozen=True)
class GeneratedClip:
    """A generated video.

    Args:
        frames: (H, W, 3) uint8 RGB, all of one size; an iterator that generates them one by one lets the time to the
            first frame be measured.
        fps: frames per second.
        audio: (N,) float32 mono in -1..1, or ``None`` for no audio stream.
        rate: sampling rate of ``audio`` in Hz.
        count: number of frames, if known beforehand.
    """

    frames: Iterable[RgbImage]
    fps: float | Fraction
    audio: NDArray[np.float32] | None = None
    rate: int = 16_000
    count: int | None = None


class Generator(ABC):
    """Generates videos. One instance per worker process; ``__init__`` loads models and is not timed.

    Args:
        options: validated against the record; the others have their defaults.
        backbones: name or file of a set of weights, for generators that use networks.

    Raises:
        UsageError: an option is unknown or invalid.
    """

    record: ClassVar[GeneratorRecord]

    def __init__(self, options: Mapping[str, Any] | None = None, backbones: str = "published") -> None:
        self.options = self.record.resolve(options or {})
        self.backbones = backbones

    @property
    def needs(self) -> frozenset[SampleField]:
        """Inputs that a sample must have, with these options."""
        return self.record.needs

    def code_files(self) -> Sequence[Path]:
        """Return files whose change means other videos: clips of a run that was stopped are then made again.

        By default the module of the class.
        """
        file = getattr(sys.modules.get(type(self).__module__), "__file__", None)
        return (Path(file),) if file else ()

    @abstractmethod
    def generate(self, request: GenerationRequest) -> GeneratedClip | Path:
        """Return the sample's video: frames, or the path of a finished MP4 file (``request.output``, say).

        Raises:
            GenerationError: this sample can't be generated; the run continues, as after any other exception.
        """


def sample_seed(seed: int, sample: str) -> int:
    """Return a 64-bit seed derived from the run's seed and a sample's id."""
    return int.from_bytes(hashlib.sha256(f"{seed}\0{sample}".encode()).digest()[:8], "big")


def generator_registry() -> dict[str, type[Generator]]:
    """Return every registered generator by name.

    Raises:
        PluginError: two generators have the same name; the error names both packages.
    """
    return index_by_name(load_group(GENERATORS), lambda kind: str(kind.record.name), "generator")


def find_generator(name: str) -> type[Generator]:
    """Return the generator of that name.

    Raises:
        UsageError: there is none; the error suggests the nearest name.
    """
    registry = generator_registry()
    if name not in registry:
        raise UsageError(
            f"There is no generator '{name}'.{did_you_mean(name, registry)}",
            expected=f"one of {', '.join(sorted(registry))}",
            fix="'evalkit baseline list' shows them.",
        )
    return registry[name]
