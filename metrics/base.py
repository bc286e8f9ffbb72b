"""What a metric is: cheap arithmetic over features, and a typed record that documents the number."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import UsageError, did_you_mean
from evalkit.registry import METRICS, index_by_name, load_group

Role = Literal["ranked", "secondary", "diagnostic"]
Aggregate = Literal["mean", "median"]

NOT_APPLICABLE = "not_applicable"  # the reason, or its first word: the sample is none that the metric is about
NO_PERSON = f"{NOT_APPLICABLE}:no_person"
OTHER_SETUP = f"{NOT_APPLICABLE}:other_setup"


@dataclass(frozen=True, kw_only=True)
class MetricRecord:
    """What a number means; docs, CLI help and report tooltips are made from it.

    Args:
        id: ``family.variant``.
        title: the name in a table's header.
        summary: one sentence: what is computed.
        higher_is_better: ``None`` for a diagnostic without a better side.
        unit: empty for a pure number.
        range: smallest and largest possible value, ``None`` where unbounded.
        features: names of the features that the arithmetic reads.
        protocol: raised by one whenever the number changes for the same input.
        citation: paper or file that defines it.
        role: ``ranked`` may decide a ranking, ``secondary`` explains, ``diagnostic`` describes.
        blind_to: what the number can't see, in a sentence: what may be wrong with a video that scores well.
        ignores_own_audio: whether it hears the test set's speech in place of the file's own audio.
        people_only: whether it is about people: it is not applicable to samples of animals and objects alone
            (`Sample.subjects`). They are neither scored nor missing: no value, and no part of the coverage.
        setups: of a challenge whose items have several videos, the setups that it is about (`Sample.setup`); it is not
            applicable to videos of other setups and to samples without one. Empty: it is about every video.
        missing_policy: what happens when a video has no face, no audio and the like.
        aggregate: how the submission's number follows from those of its videos (`evalkit.scoring.aggregate.combine`);
            a metric of the whole set computes its own.
        aliases: short names.
        notes: pitfalls.
        definition: the steps from files to number, in Markdown.
        options: constants of the metric's own arithmetic, by name.
        libraries: modules that the arithmetic imports when it is called. They are loaded before the first file of
            others is read.
    """

    id: str
    title: str
    summary: str
    higher_is_better: bool | None
    unit: str = ""
    range: tuple[float | None, float | None] = (None, None)
    features: tuple[str, ...]
    protocol: int = 1
    citation: str
    role: Role = "secondary"
    blind_to: str = ""
    ignores_own_audio: bool = False
    people_only: bool = False
    setups: tuple[str, ...] = ()
    missing_policy: str = "unscored"
    aggregate: Aggregate = "mean"
    aliases: tuple[str, ...] = ()
    notes: str = ""
    definition: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    libraries: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.aggregate not in get_args(Aggregate):
            known = ", ".join(get_args(Aggregate))
            raise ValueError(f"the aggregate of {self.id} must be one of {known}, found {self.aggregate!r}")


def definition_beside(module: str, name: str) -> str:
    """Return the Markdown file ``name`` beside the module whose ``__file__`` is given: a metric's definition."""
    return Path(module).with_name(name).read_text(encoding="utf-8").strip()


@dataclass(frozen=True)
class Event:
    """Something that happened to a video and that a reader should know."""

    kind: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class VideoValue:
    """A metric's value of one video, or the reason why there is none."""

    value: float | None
    reason: str | None = None
    events: tuple[Event, ...] = ()

    def __post_init__(self) -> None:
        if (self.value is None) == (self.reason is None):
            raise ValueError("a value of a video has either a value or a reason")
        if self.value is not None and not np.isfinite(self.value):
            raise ValueError(f"a value of a video is finite, found {self.value}; give a reason instead")


@dataclass(frozen=True)
class SetValue:
    """A metric's value of a whole set of videos.

    Args:
        value: the number, or ``None`` with a reason.
        n: how many videos it rests on.
        reason: machine-readable reason why there is none.
        ci95: its 95 % interval.
        details: what belongs to it by name: counts, deviations, the bias to be expected.
        notes: what a reader should know before comparing it.
    """

    value: float | None
    n: int
    reason: str | None = None
    ci95: tuple[float, float] | None = None
    details: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[Event, ...] = ()

    def __post_init__(self) -> None:
        if (self.value is None) == (self.reason is None):
            raise ValueError("a value of a set has either a value or a reason")
        if self.value is not None and not np.isfinite(self.value):
            raise ValueError(f"a value of a set is finite, found {self.value}; give a reason instead")


def is_not_applicable(reason: str | None) -> bool:
    """Whether a missing value is none that could have been: the third state beside scored and missing."""
    return reason is not None and reason.partition(":")[0] == NOT_APPLICABLE


def unscored(reason: str, detail: str = "") -> VideoValue:
    """Return why a video has no value."""
    return VideoValue(None, reason, (Event(reason, detail),) if detail else ())


@dataclass(frozen=True)
class FeatureData:
    """A feature of one video: its arrays, or the reason why it is missing."""

    arrays: Mapping[str, NDArray[Any]] | None
    reason: str | None = None
    detail: str = ""


@dataclass(frozen=True)
class VideoInputs:
    """What a metric may read about one video.

    ``item`` and ``setup`` say which of the videos of an item it is, where a test set asks for several (`Sample.setup`).
    """

    sample: str
    features: Mapping[str, FeatureData]
    groups: Mapping[str, str] = field(default_factory=dict)
    item: str = ""
    setup: str | None = None


class Metric(ABC):
    """A number per video; the submission's number is that of its scored videos by `MetricRecord.aggregate`."""

    record: MetricRecord

    def score_video(self, inputs: VideoInputs) -> VideoValue:
        """Return the video's value. A missing feature's reason becomes the reason here."""
        arrays: dict[str, Mapping[str, NDArray[Any]]] = {}
        for name in self.record.features:
            data = inputs.features[name]
            if data.arrays is None:
                return unscored(data.reason or "feature_missing", data.detail)
            arrays[name] = data.arrays
        return self.compute(arrays)

    @abstractmethod
    def compute(self, features: Mapping[str, Mapping[str, NDArray[Any]]]) -> VideoValue:
        """Return the video's value from the arrays of the record's features."""


class SetMetric(Metric):
    """A number of the whole set (a distance of distributions); ``compute`` may still give a value per video."""

    @abstractmethod
    def score_set(self, videos: Iterable[VideoInputs]) -> SetValue:
        """Return the set's value from all videos that could be read, in the order of the test set.

        The videos come one at a time; keeping them all keeps all their features in memory.
        """


class ArrayMetric(Metric):
    """A metric declared by a function over arrays; see `metric`."""

    def __init__(self, record: MetricRecord, function: Callable[..., VideoValue | float], options: Any = None) -> None:
        self.record = record if options is None else replace(record, options=asdict(options))
        self._function, self._options = function, options

    def compute(self, features: Mapping[str, Mapping[str, NDArray[Any]]]) -> VideoValue:
        """Return the function's value; a number that is not finite is unscored as ``not_finite``."""
        options = () if self._options is None else (self._options,)
        value = self._function(*(features[name] for name in self.record.features), *options)
        if isinstance(value, VideoValue):
            return value
        return VideoValue(float(value)) if np.isfinite(value) else unscored("not_finite")

    def variant(
        self, function: Callable[..., VideoValue | float] | None = None, *, options: Any = None, **changes: Any
    ) -> ArrayMetric:
        """Return a metric of the same family: by another function or options, with changed fields of the record."""
        return ArrayMetric(replace(self.record, **changes), function or self._function, options or self._options)


def metric(
    *,
    summary: str = "",
    definition: str = "",
    options: Any = None,
    **fields: Any,
) -> Callable[[Callable[..., VideoValue | float]], ArrayMetric]:
    """Declare a metric per video by a function: one argument for the arrays of each feature, then the options.

    The function returns a number, or a `VideoValue` to give events or a reason (`unscored`). It is not called for a
    video that lacks one of the features. Its docstring is the documentation: the first paragraph is the summary, the
    rest the definition in Markdown, unless they are given here.

    Args:
        options: a frozen dataclass of the metric's own constants, shown in its documentation. Arrays don't depend on
            them: they are not part of a cache key.

    The other arguments are those of `MetricRecord`.
    """

    def declare(function: Callable[..., VideoValue | float]) -> ArrayMetric:
        first, _, rest = inspect.cleandoc(function.__doc__ or "").partition("\n\n")
        record = MetricRecord(
            **fields, summary=summary or " ".join(first.split()), definition=definition or rest.strip()
        )
        return ArrayMetric(record, function, options)

    return declare


def metric_registry() -> dict[str, Metric]:
    """Return every registered metric by id.

    Raises:
        PluginError: naming both owners, when two have the same id, or the alias of one is a name of the other.
    """
    registered = load_group(METRICS)
    metrics: dict[str, Metric] = index_by_name(registered, lambda metric: str(metric.record.id), "metric")
    index_by_name(
        ((origin, name) for origin, metric in registered for name in {metric.record.id, *metric.record.aliases}),
        str,
        "metric name",
    )
    return metrics


def resolve_metric(name: str, registry: Mapping[str, Metric]) -> str:
    """Return the id that ``name`` (an id or an alias) stands for.

    Raises:
        UsageError: with the nearest known name.
    """
    if name in registry:
        return name
    aliases = {alias: metric.record.id for metric in registry.values() for alias in metric.record.aliases}
    if name in aliases:
        return aliases[name]
    raise UsageError(
        f"There is no metric '{name}'.{did_you_mean(name, [*registry, *aliases])}",
        fix="'evalkit metrics list' shows those that are installed.",
    )
