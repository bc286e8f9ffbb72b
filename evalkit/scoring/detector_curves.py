"""What the pages draw of a detector: the ROC curve of every generator, and the reliability diagram."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from evalkit.metrics.base import VideoInputs
from evalkit.metrics.detectors.cells import cells_of
from evalkit.metrics.detectors.videos import read_videos
from evalkit.statistics.arrays import Vector
from evalkit.statistics.calibration import Forecasts
from evalkit.statistics.detection import ScoredVideos

POINTS = 200  # of a curve; a drawing shows no more
_DIGITS = 6


def curves_of(videos: Iterable[VideoInputs]) -> dict[str, Any]:
    """Return the curves as plain data for the scorecard; videos without a score are left out.

    ``roc`` is a list of curves: name, n_real, n_fake, and points [false alarms, hits] from (0, 0) to (1, 1).
    ``reliability`` is a list of bins: mean probability, share of fakes, number of videos; empty without probabilities.
    """
    table = read_videos(videos)
    used = np.flatnonzero(np.isfinite(table.scores))
    roc = []
    for cell in cells_of(table, used):
        if not cell.whole:
            continue
        curves = ScoredVideos(table.labels[cell.rows], table.scores[cell.rows]).curves()
        points = _thinned(curves.false_alarm_rates[0], curves.hit_rates[0])
        roc.append({"name": cell.name, "n_real": cell.reals, "n_fake": cell.fakes, "points": points})
    stated = np.isfinite(table.probabilities)
    reliability = []
    if stated.any():
        bins = Forecasts(table.labels[stated], table.probabilities[stated]).reliability()
        for count, chance, share in zip(bins.counts, bins.probability, bins.share, strict=True):
            reliability.append({"n": int(count), "probability": _short(chance), "share": _short(share)})
    return {"schema": 1, "roc": roc, "reliability": reliability}


def _thinned(x: Vector, y: Vector) -> list[list[float]]:
    """Return the points at which the curve turns, at most `POINTS`, both ends included."""
    turns = np.ones(len(x), dtype=bool)
    turns[1:-1] = (np.diff(x)[:-1] * np.diff(y)[1:]) != (np.diff(x)[1:] * np.diff(y)[:-1])
    kept = np.flatnonzero(turns)
    if len(kept) > POINTS:
        kept = kept[np.unique(np.round(np.linspace(0, len(kept) - 1, POINTS)).astype(np.int64))]
    return [[_short(x[at]), _short(y[at])] for at in kept]


def _short(value: float) -> float:
    return round(float(value), _DIGITS)
