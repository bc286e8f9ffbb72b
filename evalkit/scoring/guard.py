"""Runs the extractors of one video in isolation: an exception of one of them affects only its own feature."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import StorageError
from evalkit.media.held import VideoSource
from evalkit.media.readers import FrameSink
from evalkit.metrics.base import FeatureData
from evalkit.metrics.features.base import (
    FeatureRecord,
    FeatureUnavailableError,
    PairCoverage,
    PairSession,
    Picture,
    Session,
    Times,
)
from evalkit.metrics.features.declared_arrays import array_mismatch
from evalkit.scoring.pairing import PairedSink


class UpstreamFailedError(Exception):
    """A feature that this one needs failed; a later run may compute it, so nothing is cached."""


class Guard:
    """One extractor's session and its outcome.

    Args:
        start: opens a session.

    Attributes:
        session: ``None`` when it could not be opened.
        error: traceback, when the extractor failed.
        unavailable: what to cache, when the extractor reported that the video can't have the feature.
        seconds: time spent in the extractor.
    """

    def __init__(self, start: Callable[[], Session | PairSession]) -> None:
        self._start = start
        self.session: Session | PairSession | None = None
        self.error: str | None = None
        self.unavailable: FeatureData | None = None
        self.seconds = 0.0
        self.open()

    def open(self) -> None:
        """Open a new session in place of the current one."""
        self.error, self.unavailable = None, None
        self.session = None
        self.session = self.step(self._start)

    @property
    def paired(self) -> bool:
        """Whether the session takes pairs of frames."""
        return isinstance(self.session, PairSession)

    def step(self, action: Callable[[], Any]) -> Any:
        """Return what ``action`` returns; ``None`` when it fails, or when an earlier step did."""
        if self.error is not None or self.unavailable is not None:
            return None
        started = time.perf_counter()
        try:
            return action()
        except FeatureUnavailableError as reason:
            self.unavailable = FeatureData(None, reason.reason, reason.detail)
        except StorageError:
            raise
        except Exception:  # noqa: BLE001 - an extractor's bug must not cost the other features of this video
            self.error = traceback.format_exc(limit=-6)
        finally:
            self.seconds += time.perf_counter() - started
        return None

    @property
    def decodes(self) -> int:
        """How often the session read the video itself, besides the pass that all sessions share."""
        return self.session.decodes if isinstance(self.session, Session) else 0

    def live(self, name: str) -> Session | PairSession:
        """Return the session for a feature that needs this one.

        Raises:
            FeatureUnavailableError: the video can't have this feature.
            UpstreamFailedError: this one failed.
        """
        if self.unavailable is not None:
            raise FeatureUnavailableError(self.unavailable.reason or "feature_missing", self.unavailable.detail)
        if self.session is None:
            raise UpstreamFailedError(f"the feature '{name}', which this one needs, failed")
        return self.session

    def finish(self, needs: Mapping[str, FeatureData | None]) -> FeatureData | None:
        """Return what to cache, ``None`` after an error.

        Args:
            needs: results of the features whose sessions this one read; ``None`` for one that failed. What was read
                before the failure doesn't count: the result must be the same as with the cached feature.
        """
        for name, data in needs.items():
            if data is None:
                self.error = f"UpstreamFailedError: the feature '{name}', which this one needs, failed"
                return None
            if data.arrays is None:
                return data
        arrays = self.step(lambda: FeatureData(_checked(self.session)))
        return self.unavailable or arrays


def _checked(session: Session | PairSession | None) -> dict[str, NDArray[Any]]:
    if session is None:
        raise TypeError("the extractor's open() returned no session")
    return {name: np.asarray(array) for name, array in session.finish().items()}


class GuardedSession:
    """A frame sink for one session."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._planned = False

    def plan(self, times: Times) -> NDArray[np.bool_]:
        """Return the frames that the session selects; none after a failure."""
        if self._planned:  # the file's index was wrong: start again
            self._guard.open()
        self._planned = True
        session = self._guard.session
        nothing = np.zeros(len(times), dtype=bool)
        if not isinstance(session, Session):
            return nothing
        mask = self._guard.step(lambda: _mask(session.plan(times), len(times)))
        return nothing if mask is None else np.asarray(mask, dtype=bool)

    def frame(self, index: int, time: float, rgb: Picture) -> None:
        """Pass a frame to the session."""
        session = self._guard.session
        if isinstance(session, Session):
            self._guard.step(lambda: session.frame(index, time, rgb))


class GuardedPairs(PairSession):
    """A session that takes pairs of frames, for `evalkit.scoring.pairing.PairedSink`; `Guard.finish` ends it."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._started = False

    def restart(self) -> None:
        """Start again with a new session, because the file's index was wrong."""
        if self._started:
            self._guard.open()
        self._started = True

    def begin(self, coverage: PairCoverage) -> None:
        """Pass the coverage to the session."""
        session = self._guard.session
        if isinstance(session, PairSession):
            self._guard.step(lambda: session.begin(coverage))

    def pair(self, index: int, candidate: Picture, reference: Picture) -> None:
        """Pass a pair to the session."""
        session = self._guard.session
        if isinstance(session, PairSession):
            self._guard.step(lambda: session.pair(index, candidate, reference))

    def finish(self) -> dict[str, NDArray[Any]]:
        """Return nothing."""
        return {}


def frame_sinks(
    guards: Mapping[str, Guard], reference: VideoSource | None, *, still: bool = False
) -> tuple[list[FrameSink], PairedSink | None]:
    """Return what takes the frames of one video: a sink for each session, and one for all that take pairs.

    Args:
        guards: feature -> its guard.
        reference: of the video; an image with ``still``.
        still: whether both are images.
    """
    sinks: list[FrameSink] = [GuardedSession(guard) for guard in guards.values() if not guard.paired]
    pairs = [GuardedPairs(guard) for guard in guards.values() if guard.paired]
    if not pairs or reference is None:
        return sinks, None
    together = PairedSink(reference, pairs, still=still)
    return [*sinks, together], together


@dataclass(frozen=True)
class Finished:
    """The features of one video; ``errors`` has the traceback of those whose extractor failed."""

    data: dict[str, FeatureData]
    errors: dict[str, str]


def finish_guards(
    guards: Mapping[str, Guard], records: Mapping[str, FeatureRecord], together: PairedSink | None
) -> Finished:
    """End all sessions, in the order in which they were opened: each after those that it needs.

    Args:
        guards: feature -> its guard.
        records: feature -> its record, for all of ``guards``.
        together: what gave the pairs, if anything did.
    """
    data: dict[str, FeatureData] = {}
    errors: dict[str, str] = {}
    for name, guard in guards.items():
        if guard.paired and together is not None:
            guard.step(together.check)
        result = guard.finish({need: data.get(need) for need in records[name].needs if need in guards})
        if result is None:
            errors[name] = guard.error or ""
            continue
        problem = None if result.arrays is None else array_mismatch(records[name], result.arrays)
        if problem is None:
            data[name] = result
        else:
            errors[name] = f"ValueError: {problem}"
    return Finished(data, errors)


def _mask(mask: NDArray[np.bool_], frames: int) -> NDArray[np.bool_]:
    if mask.shape != (frames,) or mask.dtype != np.bool_:
        raise TypeError(f"plan() returns a mask of shape ({frames},), found {mask.dtype} {mask.shape}")
    return mask
