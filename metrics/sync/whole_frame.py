"""Lip sync of whole frames, for videos that are face crops already: the feature ``syncnet_whole`` and its metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.media.sampling import AtRate, Sampling
from evalkit.metrics.base import definition_beside
from evalkit.metrics.features.base import (
    Arrays,
    Extractor,
    FeatureOptions,
    FeatureRecord,
    Item,
    Picture,
    Session,
    Times,
    WeightFile,
    described,
    frame_mask,
)
from evalkit.metrics.sync.distances import FRAME_RATE
from evalkit.metrics.sync.features import check_complete
from evalkit.metrics.sync.lip_sync import family
from evalkit.metrics.sync.networks import NETWORK, PRECISION, SyncNetwork, open_syncnet
from evalkit.metrics.sync.windows import WINDOW_ARRAYS, AudioOptions, Comparison, LipStream


@dataclass(frozen=True)
class WholeFrameOptions(FeatureOptions):
    """Options of ``syncnet_whole``."""

    sampling: Sampling = field(default_factory=lambda: AtRate(FRAME_RATE))
    audio: AudioOptions = field(default_factory=AudioOptions)
    frame: str = described("resized to 224, linear")
    size: int = 224
    precision: str = described(PRECISION)


class WholeFrameSession(Session):
    """Gives SyncNet every whole frame; only a few frames are in memory."""

    def __init__(self, network: SyncNetwork, item: Item, options: WholeFrameOptions) -> None:
        self._network, self._item, self._options = network, item, options
        self._ticks: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._seen: set[int] = set()

    def plan(self, times: Times) -> NDArray[np.bool_]:
        """Select the frames that `SyncSession` selects."""
        self._ticks = self._options.sampling.select(times)
        self._seen = set()
        self._comparison = Comparison(self._network, self._item, float(times[0]) if len(times) else 0.0)
        self._stream = LipStream(self._network, self._comparison.windows(0, len(self._ticks)))
        return frame_mask(self._ticks, len(times))

    def frame(self, index: int, time: float, rgb: Picture) -> None:
        """Make the frame 224 x 224, without regard to its proportions, and pass it on as often as it is shown."""
        import cv2

        self._seen.add(index)
        size = (self._options.size, self._options.size)
        small = np.asarray(cv2.resize(np.ascontiguousarray(rgb[:, :, ::-1]), size), dtype=np.uint8)
        for _ in range(int((self._ticks == index).sum())):
            self._stream.add(small)

    def finish(self) -> Arrays:
        """Return the distances.

        Raises:
            FeatureUnavailableError: ``no_frame``, ``frames_missing``.
        """
        check_complete(self._ticks, self._seen)
        span = (0, len(self._ticks))
        return {
            "faces": np.full(span[1], -1, dtype=np.int64),
            **self._comparison.distances([self._stream], [span]),
        }


class WholeFrameExtractor(Extractor):
    """Whole frames, for videos that are face crops already."""

    record = FeatureRecord(
        name="syncnet_whole",
        version=4,
        title="SyncNet distances of whole frames and audio at 31 shifts",
        inputs=frozenset({"video", "audio"}),
        weights=(NETWORK,),
        options=WholeFrameOptions(),
        arrays={"faces": "(N,) int64: -1 for each frame at 25 frames/s, as faces are not looked for", **WINDOW_ARRAYS},
    )

    def __init__(self, weights: Mapping[str, WeightFile], device: str = "cpu") -> None:
        super().__init__(weights, device)
        self._network = open_syncnet(weights[NETWORK], device)

    def open(self, item: Item, upstream: Mapping[str, Any]) -> WholeFrameSession:
        """Start on a video."""
        return WholeFrameSession(self._network, item, self.record.options)


FEATURES = (WholeFrameExtractor,)
METRICS = family(
    "wav2lip_lrs",
    "whole frame",
    "Here of whole frames resized to 224 x 224 in place of tracked faces.",
    features=("syncnet_whole",),
    people_only=True,
    blind_to="The file's own audio, which people hear: the test set's speech takes its place. Whose face it is.",
    ignores_own_audio=True,
    citation="Prajwal et al., A Lip Sync Expert Is All You Need, ACM MM 2020; Rudrabha/Wav2Lip, evaluation scripts",
    missing_policy="unscored",
    definition=definition_beside(__file__, "whole_frame.md"),
    notes="For videos that are face crops at 25 frames/s already.",
)
