"""A metric over the steps of a training run."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from evalkit.errors import InputError
from evalkit.plot.axes import GREY, axes_or_new, axis_words, finish, look, plain
from evalkit.plot.logs import Point, series_of
from evalkit.plot.metrics import about_name, about_score, id_in, same_metric
from evalkit.scoring.scorecard import Scorecard

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def metric_over_steps(log: Any, metric: str, *, label: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw a metric against the step, with its 95 % interval as a band where there is one.

    A step without a value interrupts the line, and is a cross at the foot of the plot. Call it again with the same
    ``ax`` and another ``label`` to compare runs.

    Args:
        log: pairs of a step and a scorecard, ``[(1000, card), ...]``; or of a step and numbers by metric; or the path
            of a CSV with a column ``step`` and one per metric; or of JSON lines with ``step`` and the metrics.
        metric: id or short name.
        label: of the line, for the legend.
        ax: where to draw; a new figure by default.

    Returns:
        The axes. The last of ``ax.lines`` with the label has a NaN where a value is missing.

    Raises:
        InputError: when the log can't be read, scorecards in it are not comparable, or no step has a value.
        UsageError: when the log has no such metric.
        MachineError: when matplotlib is not installed.
    """
    if not isinstance(log, str) and hasattr(log, "__iter__"):
        log = list(log)
    series = series_of(log)
    name = id_in(series, metric)
    points = series[name]
    if all(point.value is None for point in points):
        reasons = sorted({point.reason or "unknown" for point in points})
        raise InputError(f"No step has a value of {name}.", found=", ".join(reasons[:4]))
    cards = (
        [(f"step {step:g}", card) for step, card in log if isinstance(card, Scorecard)] if isinstance(log, list) else []
    )
    about = about_score(name, same_metric(cards, name)) if cards else about_name(name)
    ax = axes_or_new(ax)
    at = sum(line.get_gid() == "series" for line in ax.lines)
    colour, shape = look(at)
    if not ax.get_xlabel():
        ax.set_xlabel("step")
    _draw(ax, points, colour, shape, None if label is None else plain(label))
    ax.set_ylabel(axis_words(about.title, about.unit, about.higher_is_better))
    if label is not None:
        ax.legend(frameon=False)
    finish(ax)
    return ax


def _draw(ax: Axes, points: list[Point], colour: str, shape: str, label: str | None) -> None:
    steps = [point.step for point in points]
    values = [math.nan if point.value is None else point.value for point in points]
    with_ends = [(point.step, *point.interval) for point in points if point.interval is not None]
    if with_ends:
        where, low, high = zip(*[_with_gaps(point) for point in points], strict=True)
        ax.fill_between(where, low, high, color=colour, alpha=0.18, linewidth=0, gid="interval")
    marker = shape if len(points) <= 60 else ""
    ax.plot(steps, values, color=colour, marker=marker, markersize=5, linewidth=1.6, label=label, gid="series")
    missing = [point.step for point in points if point.value is None]
    if missing:
        ax.plot(
            missing, [0.02] * len(missing), transform=ax.get_xaxis_transform(), linestyle="none", marker="x",
            markersize=7, color=colour if label else GREY, gid="missing",
        )  # fmt: skip
        ax.set_xlabel("step (\u00d7 no value)")


def _with_gaps(point: Point) -> tuple[float, float, float]:
    low, high = point.interval or (math.nan, math.nan)
    return point.step, low, high
