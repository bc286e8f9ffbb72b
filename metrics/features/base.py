"""What a feature is: arrays that are expensive to compute, computed once per video and then cached.

An `Extractor` is built once per worker process. For every video it opens a `Session`, which is a
`evalkit.media.readers.FrameSink`: it selects frames, receives them as they are decoded, and at the end returns
named arrays. Sessions of different extractors share one decoding pass.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from evalkit.challenges.kinds import Kind
from evalkit.registry import FEATURES, index_by_name, load_group

if TYPE_CHECKING:  # listing features loads NumPy alone
    from evalkit.media.readers import FrameSink
    from evalkit.testsets.model import Sample, Speaker, TestSet

Arrays = dict[str, NDArray[Any]]
Picture = NDArray[np.uint8]
Times = NDArray[np.float64]
Side = Literal["generated", "reference"]
NOT_IMPORTED, IMPORT_MISSING, IMPORT_UNUSABLE = "not_imported", "import_missing", "import_unusable"
Input = Literal[
    "video", "reference_video", "reference_images", "audio", "text", "timeline",
    "motion", "partner_motion", "transcript", "rate", "speakers", "occluders",
]  # fmt: skip
VIDEOS: frozenset[Kind] = frozenset({"video"})


@dataclass(frozen=True)
class FeatureOptions:
    """What changes a feature's arrays besides its input files and weights.

    Every feature has a frozen dataclass of its own, derived from this one. The code of the feature takes its constants
    from the instance in its record, and the same instance is hashed into the cache key and written into the scorecard:
    a constant that is changed can't meet arrays that were made with the old one.
    """

    def as_dict(self) -> dict[str, Any]:
        """Return the options as plain data for JSON; a sampling policy is given by its id."""
        return {one.name: _plain(getattr(self, one.name)) for one in fields(self)}


def described(value: Any) -> Any:
    """Return a field of `FeatureOptions` that describes how the code works: it can't be set by an argument."""
    return field(default=value, init=False)


def _plain(value: Any) -> Any:
    if isinstance(value, FeatureOptions):
        return value.as_dict()
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(one) for one in value]
    if hasattr(value, "select") and hasattr(value, "id"):
        return value.id
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"an option is a number, a text, a sampling policy or a collection of these, found {value!r}")


@dataclass(frozen=True)
class ImportedFile:
    """A file that another program made of a sample's video: the organizer runs the program and gives a folder.

    Args:
        source: name of the program's folder on the command line, as in ``--features openface=DIR``.
        side: of which video: the generated one or the reference.
        suffix: ending of the file, with the dot; it is called ``SIDE/SAMPLE.SUFFIX`` in the folder.
    """

    source: str
    side: Side
    suffix: str

    def path(self, folder: Path, sample: str) -> Path:
        """Return where a sample's file is: the reference's may lie beside the folders of all teams, once."""
        return self.place(folder) / f"{sample}{self.suffix}"

    def place(self, folder: Path) -> Path:
        """Return the folder of one side; ``FOLDER/../reference`` where ``FOLDER`` has none of its own."""
        own = folder / self.side
        return folder.parent / self.side if self.side == "reference" and not own.is_dir() else own


@dataclass(frozen=True)
class FeatureRecord:
    """What identifies a feature's result.

    Args:
        name: as metrics and cache know it.
        version: raised by one whenever the arrays change for the same input.
        title: one line that describes the feature to users.
        inputs: the files whose content the result depends on; ``video`` is the submitted file, whatever its kind.
        reads: kinds of submission whose files it can read (`evalkit.challenges.kinds`); of no meaning for a feature
            that reads no submitted file.
        weights: roles in the backbones manifest whose files are needed, in the order of the constructor's mapping.
        optional_weights: roles that are used when the manifest has them.
        needs: names of other features whose session (or cached result) this one reads.
        options: a `FeatureOptions`: everything else that changes the result; part of the cache key and the scorecard.
        arrays: name of each returned array: its shape, dtype and unit.
        programs: names of programs that it starts; the sandbox ``full`` forbids them.
        imports: files of other programs that it reads.
    """

    name: str
    version: int
    title: str
    inputs: frozenset[Input] = frozenset({"video"})
    reads: frozenset[Kind] = VIDEOS
    weights: tuple[str, ...] = ()
    optional_weights: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    options: Any = field(default_factory=FeatureOptions)
    arrays: Mapping[str, str] = field(default_factory=dict)
    programs: tuple[str, ...] = ()
    imports: tuple[ImportedFile, ...] = ()


def frame_mask(indices: NDArray[np.int64], count: int) -> NDArray[np.bool_]:
    """Return the mask (count,) of the frames ``indices``, which may repeat."""
    mask = np.zeros(count, dtype=bool)
    mask[indices] = True
    return mask


class FeatureUnavailableError(Exception):
    """The item itself is the reason why the feature can't be computed; the reason is cached like a result.

    Args:
        reason: machine-readable, as in ``no_reference_images``.
        detail: one sentence for the user.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(reason, detail)


@dataclass(frozen=True)
class WeightFile:
    """A weights file whose digest was checked.

    Args:
        role: the key in the manifest.
        path: of the file.
        sha256: its digest.
        options: input convention and thresholds from the manifest; they change the result, so they are in cache keys.
        pinned: whether the manifest gives the digest; ``False`` when it was trusted on first use.
    """

    role: str
    path: Path
    sha256: str
    options: Mapping[str, Any] = field(default_factory=dict)
    pinned: bool = True

    @property
    def bundled(self) -> bool:
        """Whether it holds one of the small networks that evalkit trains itself (``format: bundled``)."""
        return self.options.get("format") == "bundled"

    @property
    def pin(self) -> str | None:
        """The pinned digest, without which no program is loaded; ``None`` when there is none."""
        return self.sha256 if self.pinned else None


NO_WEIGHTS: Mapping[str, WeightFile] = MappingProxyType({})


@dataclass(frozen=True)
class Voice:
    """One of several persons who speak in a video (`evalkit.testsets.model.Speaker`)."""

    name: str
    audio: Path
    box: tuple[float, float, float, float] | None = None
    image: Path | None = None

    @classmethod
    def of(cls, speaker: Speaker, testset: TestSet) -> Voice:
        """Return the speaker with the paths of their files."""
        image = testset.path(speaker.reference_image) if speaker.reference_image else None
        return cls(speaker.name, testset.path(speaker.audio), speaker.box, image)


@dataclass(frozen=True)
class Item:
    """One submitted file and the files of its sample.

    ``video`` is the submitted file, whatever its kind is: a video, an audio file, motion coefficients.

    In place of a path there may be what is in memory already (`evalkit.media.held`: `evalkit.arrays` gives it): the
    readers of `evalkit.media` take both, so pass them on, and open nothing yourself.

    ``timeline`` is (start, end, description) of each event, times in seconds. Features in ``unused`` are not computed:
    no metric reads them for this sample. With ``still`` the video and the reference video are images, each read as one
    frame (`evalkit.media.still_frame`). ``imported`` has the folder of each source of `ImportedFile` that was given.
    ``motion`` and ``partner_motion`` are the sample's reference coefficients,
    ``transcript`` the words of its speech, ``rate`` the frames in a second of motion, by the challenge, ``occluders``
    the video of masks of what covers the face.
    """

    sample: str
    video: Path
    reference_images: tuple[Path, ...] = ()
    reference_video: Path | None = None
    audio: Path | None = None
    text: str | None = None
    timeline: tuple[tuple[float, float, str], ...] = ()
    speakers: tuple[Voice, ...] = ()
    unused: frozenset[str] = frozenset()
    still: bool = False
    imported: tuple[tuple[str, Path], ...] = ()
    motion: Path | None = None
    partner_motion: Path | None = None
    transcript: str | None = None
    rate: float | None = None
    occluders: Path | None = None

    @classmethod
    def of(
        cls,
        sample: Sample,
        testset: TestSet,
        video: Any,
        *,
        unused: frozenset[str] = frozenset(),
        rate: float | None = None,
        imported: tuple[tuple[str, Path], ...] = (),
    ) -> Item:
        """Return the sample with the paths of its files; ``video`` is the submitted file, or what stands for it."""

        def path(name: str | None) -> Path | None:
            return testset.path(name) if name else None

        return cls(
            sample=sample.id,
            video=video,
            reference_images=tuple(testset.path(image) for image in sample.reference_images),
            reference_video=path(sample.reference_video),
            occluders=path(sample.occluders),
            audio=path(sample.audio),
            text=sample.text,
            timeline=tuple((event.start, event.end, event.description) for event in sample.timeline or ()),
            unused=unused,
            motion=path(sample.motion),
            partner_motion=path(sample.partner_motion),
            transcript=sample.transcript,
            speakers=tuple(Voice.of(speaker, testset) for speaker in sample.speakers),
            rate=rate,
            imported=imported,
        )

    def imported_file(self, wanted: ImportedFile) -> Path | None:
        """Return where the sample's file is, whether or not there is one; ``None`` when no folder was given for it."""
        folder = dict(self.imported).get(wanted.source)
        return wanted.path(folder, self.sample) if folder is not None else None


def no_frames(sinks: Iterable[FrameSink]) -> None:
    """Tell the sinks that the file has no frames, as an audio file has none."""
    for sink in sinks:
        sink.plan(np.empty(0))


class Session(ABC):
    """An extractor's work on one video. The base class selects no frames: override what is needed.

    Attributes:
        decodes: how often the session has read the video itself, besides the pass that all sessions share.
    """

    decodes: int = 0

    def plan(self, times: Times) -> NDArray[np.bool_]:
        """Return a mask of the wanted frames for the display ``times`` (N,) in seconds. May be called again."""
        return np.zeros(len(times), dtype=bool)

    def frame(self, index: int, time: float, rgb: Picture) -> None:  # noqa: B027 - wanting no frame is a valid choice
        """Take a wanted frame: (H, W, 3) uint8 RGB; don't keep or change it."""

    @abstractmethod
    def finish(self) -> Arrays:
        """Return the arrays after the last frame.

        Raises:
            FeatureUnavailableError: when there is nothing to return, with the reason.
        """


@dataclass(frozen=True)
class PairCoverage:
    """How much of both videos the pairs cover.

    Args:
        pairs: number of pairs.
        reference_frames: number of frames of the reference video.
        extra_seconds: length of the part of the video after the end of the reference, at least 0.
    """

    pairs: int
    reference_frames: int
    extra_seconds: float

    @classmethod
    def of(cls, compared: NDArray[np.float64]) -> PairCoverage:
        """Return the coverage that a declared pair feature stores as ``compared``: (3,) float64."""
        numbers = compared if compared.shape == (3,) and np.isfinite(compared).all() else np.zeros(3)
        return cls(int(numbers[0]), int(numbers[1]), float(numbers[2]))

    @property
    def share(self) -> float:
        """Share of the reference's frames that are compared, 0 without a frame."""
        return self.pairs / self.reference_frames if self.reference_frames > 0 else 0.0


class PairSession(ABC):
    """A session that receives each frame of the reference video with the video's frame shown at the same time."""

    def begin(self, coverage: PairCoverage) -> None:  # noqa: B027 - most sessions don't need it
        """Learn before the first pair how much of both videos will be compared."""

    @abstractmethod
    def restart(self) -> None:
        """Forget all pairs: they will come again from the first."""

    @abstractmethod
    def pair(self, index: int, candidate: Picture, reference: Picture) -> None:
        """Take the pair at reference frame ``index``; both (H, W, 3) uint8 RGB, sizes may differ."""

    @abstractmethod
    def finish(self) -> Arrays:
        """Return the arrays after the last pair."""


class Extractor(ABC):
    """Makes sessions. Built once per process, so networks are loaded once.

    Args:
        weights: role: checked file, for the roles of the record that the manifest has.
        device: ``cpu`` or ``cuda``.
    """

    record: FeatureRecord

    def __init__(self, weights: Mapping[str, WeightFile], device: str = "cpu") -> None:
        self.weights = weights
        self.device = device

    @classmethod
    def resolved_record(cls, weights: Mapping[str, WeightFile] = NO_WEIGHTS) -> FeatureRecord:
        """Return the record with the options that only the machine knows, as the version of a program.

        The record itself unless overridden. An extractor that overrides it sets its own ``record`` to the result, so
        that the cache key has them.

        Args:
            weights: as the constructor takes them, where the options depend on them.
        """
        return cls.record

    @abstractmethod
    def open(self, item: Item, upstream: Mapping[str, Any]) -> Session | PairSession:
        """Start on ``item``. ``upstream`` has, for each name in ``record.needs``, its live session or its `view`."""

    def view(self, arrays: Arrays) -> Any:
        """Return what a dependent session may ask, rebuilt from cached ``arrays``; the arrays unless overridden."""
        return arrays


def feature_registry() -> dict[str, type[Extractor]]:
    """Return every registered extractor class by the name of its feature."""
    return index_by_name(load_group(FEATURES), lambda kind: str(kind.record.name), "feature")


def in_order(names: Iterable[str], registry: Mapping[str, type[Extractor]]) -> list[str]:
    """Return ``names`` and everything they need, each after what it needs."""
    ordered: list[str] = []

    def visit(name: str, path: Sequence[str]) -> None:
        if name in path:
            raise ValueError(f"features need each other in a circle: {' -> '.join([*path, name])}")
        if name in ordered:
            return
        for needed in registry[name].record.needs:
            visit(needed, [*path, name])
        ordered.append(name)

    for name in sorted(set(names)):
        visit(name, [])
    return ordered
