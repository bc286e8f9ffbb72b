"""The share of a video that the lip-sync metrics use."""

from __future__ import annotations

import numpy as np

from evalkit.metrics.base import VideoValue, definition_beside, metric, unscored
from evalkit.metrics.sync.track_scores import Arrays, track_rows


@metric(
    id="sync.coverage",
    title="Sync coverage",
    higher_is_better=None,
    unit="share",
    range=(0.0, 1.0),
    features=("syncnet",),
    people_only=True,
    blind_to="Whether lips and speech fit.",
    citation="this project",
    role="diagnostic",
    missing_policy="no track is 0",
    definition=definition_beside(__file__, "track_coverage.md"),
)
def track_coverage(arrays: Arrays) -> VideoValue | float:
    """Share of the video's frames at 25/s that lie in a face track and so enter the sync metrics."""
    covered = np.zeros(len(arrays["faces"]), dtype=bool)
    for row in track_rows(arrays, "latentsync"):
        covered[arrays["track_first"][row] : arrays["track_last"][row] + 1] = True
    return float(covered.mean()) if len(covered) else unscored("no_frame")


METRICS = (track_coverage,)
