"""Features declared by one function: per frame, per step to the next frame, per clip, per pair with a reference, or
per file that is no video.

The decorators make an `Extractor` of a function. What needs more (tracks, batches through a network while the video is
decoded, another feature's live session) subclasses `Extractor` and `Session` itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from evalkit.media.sampling import AllFrames, Sampling
from evalkit.metrics.features.base import (
    Arrays,
    Extractor,
    FeatureOptions,
    FeatureRecord,
    FeatureUnavailableError,
    Input,
    Item,
    PairCoverage,
    PairSession,
    Picture,
    Session,
    Times,
    WeightFile,
    frame_mask,
)

Function = Callable[..., Mapping[str, Any]]
Load = Callable[[Mapping[str, WeightFile], str], Any]


@dataclass(frozen=True)
class SamplingOptions(FeatureOptions):
    """Options of a feature of sampled frames: which frames, and what a subclass adds."""

    sampling: Sampling = field(default_factory=AllFrames)


@dataclass(frozen=True)
class Clip:
    """The sampled frames of one video.

    Args:
        frames: (H, W, 3) uint8 RGB each, in the order of the sampling, repeats included.
        indices: (K,) int64 frame numbers.
        times: (K,) float64 display times in seconds.
        item: the sample: its speech, text and references. The record's ``inputs`` must name those that are read.
    """

    frames: Sequence[Picture]
    indices: NDArray[np.int64]
    times: Times
    item: Item


class _Declared(Extractor):
    """Calls the declared function with the options and, when ``load`` is given, with the loaded model."""

    function: ClassVar[Function]
    load: ClassVar[Load | None]

    def __init__(self, weights: Mapping[str, WeightFile], device: str = "cpu") -> None:
        super().__init__(weights, device)
        load = type(self).load
        self._context = (self.record.options,) if load is None else (self.record.options, load(weights, device))

    def call(self, *data: Any) -> dict[str, NDArray[Any]]:
        """Return the function's arrays for one frame, clip or pair."""
        made = {name: np.asarray(value) for name, value in type(self).function(*data, *self._context).items()}
        missing = set(self.record.arrays) - set(made) - {"frame_index", "seconds", "compared"}
        if missing or set(made) - set(self.record.arrays):
            declared, found = sorted(self.record.arrays), sorted(made)
            raise ValueError(f"the feature '{self.record.name}' declares {declared}, its function gave {found}")
        return made


class _FrameExtractor(_Declared):
    def open(self, item: Item, upstream: Mapping[str, Any]) -> Session:
        return _FrameSession(self)


class _FrameSession(Session):
    """Calls the function while the video is decoded; keeps a row per frame."""

    def __init__(self, extractor: _FrameExtractor) -> None:
        self._extractor = extractor
        self._rows: list[tuple[int, dict[str, NDArray[Any]]]] = []

    def plan(self, times: Times) -> NDArray[np.bool_]:
        self._rows = []
        return frame_mask(self._extractor.record.options.sampling.select(times), len(times))

    def frame(self, index: int, time: float, rgb: Picture) -> None:
        self._rows.append((index, self._extractor.call(rgb)))

    def finish(self) -> Arrays:
        if not self._rows:
            raise FeatureUnavailableError("no_frame", "the video has no frame")
        stacked = {name: np.stack([row[name] for _, row in self._rows]) for name in self._rows[0][1]}
        return {"frame_index": np.array([index for index, _ in self._rows], dtype=np.int64), **stacked}


class _StepExtractor(_Declared):
    def open(self, item: Item, upstream: Mapping[str, Any]) -> Session:
        return _StepSession(self)


class _StepSession(Session):
    """Calls the function for each two neighbours among the sampled frames; keeps the last frame and a row per step."""

    def __init__(self, extractor: _StepExtractor) -> None:
        self._extractor = extractor
        self._reset()

    def _reset(self) -> None:
        self._last: tuple[float, Picture] | None = None
        self._seconds: list[float] = []
        self._rows: list[dict[str, NDArray[Any]]] = []

    def plan(self, times: Times) -> NDArray[np.bool_]:
        self._reset()
        return frame_mask(self._extractor.record.options.sampling.select(times), len(times))

    def frame(self, index: int, time: float, rgb: Picture) -> None:
        current = rgb.copy()
        if self._last is not None:
            before, previous = self._last
            if previous.shape != current.shape:
                raise FeatureUnavailableError("size_changes", f"frame {index} has another size than the one before")
            self._rows.append(self._extractor.call(previous, current))
            self._seconds.append(time - before)
        self._last = (time, current)

    def finish(self) -> Arrays:
        if self._last is None:
            raise FeatureUnavailableError("no_frame", "the video has no frame")
        if not self._rows:
            raise FeatureUnavailableError("too_few_frames", "a step takes two frames")
        stacked = {name: np.stack([row[name] for row in self._rows]) for name in self._rows[0]}
        return {"seconds": np.array(self._seconds), **stacked}


class _ClipExtractor(_Declared):
    def open(self, item: Item, upstream: Mapping[str, Any]) -> Session:
        return _ClipSession(self, item)


class _ClipSession(Session):
    """Keeps the sampled frames; calls the function at the end."""

    def __init__(self, extractor: _ClipExtractor, item: Item) -> None:
        self._extractor, self._item = extractor, item

    def plan(self, times: Times) -> NDArray[np.bool_]:
        self._indices = self._extractor.record.options.sampling.select(times)
        self._times = times[self._indices]
        self._frames: dict[int, Picture] = {}
        return frame_mask(self._indices, len(times))

    def frame(self, index: int, time: float, rgb: Picture) -> None:
        self._frames[index] = rgb.copy()

    def finish(self) -> Arrays:
        if not self._frames:
            raise FeatureUnavailableError("no_frame", "the video has no frame")
        if len(self._frames) < len(set(self._indices.tolist())):
            raise FeatureUnavailableError("frames_missing", "some of the sampled frames can't be decoded")
        frames = [self._frames[int(index)] for index in self._indices]
        return self._extractor.call(Clip(frames, self._indices, self._times, self._item))


class _FileExtractor(_Declared):
    def open(self, item: Item, upstream: Mapping[str, Any]) -> Session:
        return _FileSession(self, item)


class _FileSession(Session):
    """Calls the function at the end, with the sample's files; it reads them itself."""

    def __init__(self, extractor: _FileExtractor, item: Item) -> None:
        self._extractor, self._item = extractor, item

    def finish(self) -> Arrays:
        return self._extractor.call(self._item)


class _PairExtractor(_Declared):
    def open(self, item: Item, upstream: Mapping[str, Any]) -> PairSession:
        if item.reference_video is None:
            raise FeatureUnavailableError("no_reference_video", "the sample has no reference video")
        return _PairRows(self)


class _PairRows(PairSession):
    """Calls the function for each pair; keeps a row per pair."""

    def __init__(self, extractor: _PairExtractor) -> None:
        self._extractor = extractor
        self._rows: list[dict[str, NDArray[Any]]] = []
        self._coverage = PairCoverage(0, 0, 0.0)

    def begin(self, coverage: PairCoverage) -> None:
        self._coverage = coverage

    def restart(self) -> None:
        self._rows = []

    def pair(self, index: int, candidate: Picture, reference: Picture) -> None:
        self._rows.append(self._extractor.call(candidate, reference))

    def finish(self) -> Arrays:
        if not self._rows:
            raise FeatureUnavailableError("no_common_frame", "the videos share no frame")
        whole = self._coverage
        compared = np.array([whole.pairs, whole.reference_frames, whole.extra_seconds])
        return {"compared": compared, **{name: np.stack([row[name] for row in self._rows]) for name in self._rows[0]}}


def frame_feature(*, load: Load | None = None, **fields: Any) -> Callable[[Function], type[Extractor]]:
    """Declare a feature by ``function(rgb, options[, model])``, called once for each frame that is sampled.

    The function takes a frame (H, W, 3) uint8 RGB, which it must not change, and returns a number or an array for each
    name in ``arrays``. The feature's arrays are these, stacked over the frames in order of time, and ``frame_index``.

    Args:
        load: makes the model from the weight files and the device, once per worker process.
        fields: of the `FeatureRecord`: ``name``, ``version``, ``title``, ``arrays``, ``weights``, and ``options``, a
            dataclass derived from `SamplingOptions`, hashed into the cache key and given to the function.
    """
    fields["arrays"] = {"frame_index": "(K,) int64: number of each sampled frame", **fields["arrays"]}
    return _declaring(_FrameExtractor, FeatureRecord(**fields), load)


def step_feature(*, load: Load | None = None, **fields: Any) -> Callable[[Function], type[Extractor]]:
    """Declare a feature by ``function(previous, current, options[, model])``, called for each two neighbours.

    Neighbours are among the frames that are sampled, each taken once, however often the sampling repeats it. Both are
    (H, W, 3) uint8 RGB of the same size. The feature's arrays are what the function returns, stacked over the steps,
    and ``seconds``, the time between the two. The arguments are those of `frame_feature`.
    """
    fields["arrays"] = {"seconds": "(K,) float64: time from each sampled frame to the next one", **fields["arrays"]}
    return _declaring(_StepExtractor, FeatureRecord(**fields), load)


def clip_feature(*, load: Load | None = None, **fields: Any) -> Callable[[Function], type[Extractor]]:
    """Declare a feature by ``function(clip, options[, model])``, called once per video with its sampled frames.

    All sampled frames are in memory at once: sample few, or use `frame_feature`. The function takes a `Clip` and
    returns an array for each name in ``arrays``. The arguments are those of `frame_feature`, and ``inputs``.
    """
    return _declaring(_ClipExtractor, FeatureRecord(**fields), load)


def file_feature(*, load: Load | None = None, **fields: Any) -> Callable[[Function], type[Extractor]]:
    """Declare a feature by ``function(item, options[, model])``, called once per submitted file, which it reads itself.

    For submissions that are no videos: ``item.video`` is the path of the audio file or of the motion coefficients, to
    be read with `evalkit.media.audio.read_audio` or `evalkit.metrics.features.coefficients.read_motion`. The function
    is called in a confined worker, and only for a file that keeps the challenge's rules. It raises
    `FeatureUnavailableError` where the sample lacks what it needs. The arguments are those of `frame_feature`,
    ``inputs``, and ``reads``: the kinds of submission whose files it can read.
    """
    return _declaring(_FileExtractor, FeatureRecord(**fields), load)


def pair_feature(*, load: Load | None = None, **fields: Any) -> Callable[[Function], type[Extractor]]:
    """Declare a feature by ``function(candidate, reference, options[, model])``, called for each reference frame.

    The candidate is the frame shown at the same time; sizes may differ. Both are (H, W, 3) uint8 RGB. The feature's
    arrays are what the function returns, stacked over the pairs, and ``compared``: how much of both videos the pairs
    cover (`PairCoverage`). The arguments are those of `frame_feature`; the options need no sampling.
    """
    fields["arrays"] = {"compared": "(3,) float64: pairs, reference frames, extra seconds", **fields["arrays"]}
    inputs: frozenset[Input] = frozenset({"video", "reference_video"})
    return _declaring(_PairExtractor, FeatureRecord(inputs=inputs, **fields), load)


def _declaring(
    base: type[_Declared], record: FeatureRecord, load: Load | None
) -> Callable[[Function], type[Extractor]]:
    def declare(function: Function) -> type[Extractor]:
        contents = {
            "__doc__": function.__doc__,
            "__module__": function.__module__,
            "record": record,
            "function": staticmethod(function),
            "load": staticmethod(load) if load else None,
        }
        return type(function.__name__, (base,), contents)

    return declare
