"""The feature ``binding_mouths``: how far the mouth of every person is open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.binding.faces import region
from evalkit.metrics.binding.features import BINDING, BindingSession
from evalkit.metrics.features.base import (
    Arrays,
    FeatureRecord,
    Item,
    Picture,
    Session,
    Times,
    frame_mask,
)
from evalkit.metrics.landmarks.features import (
    DETECTOR,
    ROLE,
    FinderOptions,
    LandmarkFinder,
    WithFinder,
)
from evalkit.metrics.sync.features import check_complete
from evalkit.metrics.sync.frame_store import FrameStore

_INNER = np.array([[61, 67], [62, 66], [63, 65]])
_EYES = (slice(36, 42), slice(42, 48))


class MouthSession(Session):
    """Waits for the persons' places, then finds landmarks in the frames that the other feature has kept."""

    def __init__(
        self, finder: LandmarkFinder, binding: BindingSession | Mapping[str, NDArray[Any]], item: Item
    ) -> None:
        self._finder, self._binding = finder, binding
        self._live = isinstance(binding, BindingSession)
        self._store = FrameStore(item.video)
        self._ticks: NDArray[np.int64] = np.empty(0, np.int64)
        self._seen: set[int] = set()

    def plan(self, times: Times) -> NDArray[np.bool_]:
        """Select 25 frames a second, unless the other feature has them."""
        if self._live:
            return np.zeros(len(times), dtype=bool)
        self._ticks = BINDING.sampling.select(times)
        return frame_mask(self._ticks, len(times))

    def frame(self, index: int, time: float, rgb: Picture) -> None:
        """Keep a frame."""
        self._seen.add(index)
        self._store.add(index, rgb)

    def finish(self) -> Arrays:
        """Return the openings.

        Raises:
            FeatureUnavailableError: ``no_frame``, ``frames_missing``.
        """
        if isinstance(self._binding, BindingSession):
            ticks, box = self._binding.ticks, self._binding.followed
        else:
            ticks, box = self._ticks, self._binding["box"]
            check_complete(ticks, self._seen)
        opening = np.full(box.shape[:2], np.nan, np.float32)
        places: dict[int, list[tuple[int, int]]] = {}
        for person, tick in np.argwhere((box != 0).any(axis=2)):
            places.setdefault(int(ticks[tick]), []).append((int(person), int(tick)))

        def take(index: int, rgb: Picture) -> None:
            for person, tick in places[index]:
                points, _ = self._finder.find(region(rgb, box[person, tick].astype(np.float64)))
                opening[person, tick] = mouth_opening(points)

        if isinstance(self._binding, BindingSession):
            self._binding.visit(places, take)
        else:
            try:
                self._store.visit(places, take)
            finally:
                self.decodes = self._store.decodes
        return {"opening": opening}


def mouth_opening(points: NDArray[np.float32]) -> float:
    """Return the mean height of the inner lips of 68 points (68, 2) by the distance of the eyes; NaN without a face."""
    right, left = (points[eye].mean(axis=0) for eye in _EYES)
    apart = float(np.linalg.norm(right - left))
    heights = np.linalg.norm(points[_INNER[:, 0]] - points[_INNER[:, 1]], axis=1)
    return float(heights.mean()) / apart if apart > 0 else float("nan")


class MouthExtractor(WithFinder):
    """Landmarks in the region around every person's followed face."""

    record = FeatureRecord(
        name="binding_mouths",
        version=1,
        title="how far the mouth of every person of a sample is open",
        inputs=frozenset({"video", "speakers", "reference_images"}),
        weights=(ROLE,),
        optional_weights=(DETECTOR,),
        needs=("binding",),
        options=FinderOptions(),
        arrays={
            "opening": "(P, N) float32: height of the inner lips by the distance of the eyes, NaN without landmarks",
        },
    )

    def open(self, item: Item, upstream: Mapping[str, Any]) -> MouthSession:
        """Start on a video.

        Raises:
            FeatureUnavailableError: ``no_dlib``.
        """
        return MouthSession(self.finder(), upstream["binding"], item)


FEATURES = (MouthExtractor,)
