"""CLIP ViT-L/14 at 336 pixels: eight frames a second, and the events of the sample's timeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.media.sampling import AtRate, Sampling, frame_interval
from evalkit.metrics.clip.embeddings import (
    PRECISION,
    ClipImages,
    FrameOptions,
    ImageTextNetwork,
    open_network,
)
from evalkit.metrics.clip.prompts import VOCABULARY, ClipTextExtractor, ClipTextSession, Splitter
from evalkit.metrics.embeddings.frames import FrameSession, NetworkExtractor
from evalkit.metrics.features.base import (
    Arrays,
    FeatureOptions,
    FeatureRecord,
    FeatureUnavailableError,
    Item,
    Session,
    Times,
    described,
)

ROLE = "clip_vit_l14_336"
RATE = 8.0


@dataclass(frozen=True)
class TimelineFrameOptions(FrameOptions):
    """Which frames are embedded."""

    sampling: Sampling = field(default_factory=lambda: AtRate(RATE))


@dataclass(frozen=True)
class EventOptions(FeatureOptions):
    """How the events' texts are embedded."""

    form: str = described("the description as it is")
    context: int = described(77)
    precision: str = described(PRECISION)


class TimelineFrameSession(FrameSession):
    """Embeds the frames, and keeps when each is shown."""

    def plan(self, times: Times) -> NDArray[np.bool_]:
        """Select the frames of the sampling."""
        mask = super().plan(times)
        # A frame that two ticks show counts once.
        self._picked = np.unique(self._selection)
        first = times[0] if len(times) else 0.0
        last = frame_interval(times, default=1.0 / RATE)
        self._ends = np.append(times[1:], times[-1:] + last) - first
        self._begins = times - first
        return mask

    def finish(self) -> Arrays:
        """Return the vectors, the middle of each frame's display, and the video's length."""
        vectors = super().finish()["embedding"]
        middle = (self._begins + self._ends)[self._picked] / 2
        return {"embedding": vectors, "time": middle, "length": np.array(self._ends[-1])}


class TimelineFramesExtractor(NetworkExtractor):
    """Vectors of eight frames a second."""

    record = FeatureRecord(
        name="timeline_frames",
        version=1,
        title="CLIP ViT-L/14 (336 pixels) embeddings of 8 frames/s",
        weights=(ROLE,),
        options=TimelineFrameOptions(),
        arrays={
            "embedding": "(F, D) float32: one row per frame looked at, not normalised",
            "time": "(F,) float64: the middle of each frame's display, in seconds from the start",
            "length": "() float64: of the video, in seconds",
        },
    )
    open_network = staticmethod(open_network)

    def open(self, item: Item, upstream: Mapping[str, Any]) -> Session:
        """Start on a video."""
        options = self.record.options
        return TimelineFrameSession(ClipImages(self._network, options, ROLE), options.sampling, array="embedding")


class TimelineEventsSession(ClipTextSession):
    """Selects no frame: it reads the sample's timeline."""

    def __init__(
        self, network: ImageTextNetwork, tokenizer: Splitter, texts: list[str], name: str, times: NDArray[np.float64]
    ) -> None:
        super().__init__(network, tokenizer, texts, name)
        self._times = times

    def finish(self) -> Arrays:
        """Return the embeddings, and when each event was asked for."""
        return {**super().finish(), "time": self._times}


class TimelineEventsExtractor(ClipTextExtractor):
    """Embeddings of the events' descriptions, in the order of their starts; once per sample, not per team."""

    record = FeatureRecord(
        name="timeline_events",
        version=1,
        title="CLIP ViT-L/14 (336 pixels) embeddings of the events of the timeline",
        inputs=frozenset({"timeline"}),
        weights=(ROLE, VOCABULARY),
        options=EventOptions(),
        arrays={
            "embedding": "(E, D) float32: one row per event, not normalised",
            "tokens": "(E,) int64: tokens of each text, both end marks included; the network sees the first 77",
            "time": "(E, 2) float64: start and end of each event, in seconds",
        },
    )

    def open(self, item: Item, upstream: Mapping[str, Any]) -> TimelineEventsSession:
        """Start on a sample.

        Raises:
            FeatureUnavailableError: ``no_timeline``.
        """
        events = sorted(item.timeline, key=lambda event: (event[0], event[1]))
        if not events:
            raise FeatureUnavailableError("no_timeline", "the sample has no timeline")
        times = np.array([event[:2] for event in events], dtype=np.float64)
        texts = [str(event[2]) for event in events]
        return TimelineEventsSession(self._network, self._tokenizer, texts, ROLE, times)


FEATURES = (TimelineFramesExtractor, TimelineEventsExtractor)
