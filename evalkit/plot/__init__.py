"""Plots of scorecards, logs and leaderboards with matplotlib: ``pip install 'evalkit-video[plots]'``.

    import evalkit

    ax = evalkit.plot.distributions({"baseline": old, "ours": new}, "psnr")
    ax.figure.savefig("psnr.png")

Each function draws into ``ax``, or into a new figure, and returns the axes. Nothing outside of them changes: no setting
of matplotlib, no backend. Matplotlib is imported when a function is called.
"""

from __future__ import annotations

from evalkit.plot.boards import metric_against_people, rank_intervals
from evalkit.plot.detectors import detector_curves
from evalkit.plot.runs import distributions
from evalkit.plot.steps import metric_over_steps

__all__ = ["detector_curves", "distributions", "metric_against_people", "metric_over_steps", "rank_intervals"]
