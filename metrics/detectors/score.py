"""The score of each video, for reports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from evalkit.metrics.base import VideoValue, metric, unscored
from evalkit.metrics.detectors.videos import DETECTION


@metric(
    id="det.score",
    title="Detector score",
    features=(DETECTION,),
    citation="the submission itself",
    higher_is_better=None,
    role="diagnostic",
    aggregate="median",
    blind_to="Whether the score is right.",
    missing_policy="unscored where the detector gave none",
)
def score(detection: Mapping[str, NDArray[Any]]) -> VideoValue | float:
    """The score that the detector gave the video; higher means fake.

    Of a table with a row per frame: the score that the challenge's `detection.frames` makes of those of the frames.
    """
    state = str(detection["state"].item())
    return unscored(state) if state else float(detection["score"])


METRICS = (score,)
