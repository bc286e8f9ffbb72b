"""How a metric is distributed over the videos of one run, or of several side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from evalkit.errors import InputError, UsageError
from evalkit.metrics.base import is_not_applicable
from evalkit.plot.axes import GREY, axes_or_new, axis_words, finish, look, plain
from evalkit.plot.metrics import about_score, id_in, same_metric
from evalkit.scoring.scorecard import Scorecard
from evalkit.text import format_value

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_RUNS = 12
SPREAD = 0.28  # half of the width over which the points of a run are scattered


def distributions(
    runs: Scorecard | Mapping[str, Scorecard] | Sequence[Scorecard], metric: str, *, ax: Axes | None = None
) -> Axes:
    """Draw the values of each video as a point, with a box of the quartiles, a column per run.

    The box reaches from the lower to the upper quartile with a line at the median, the diamond is the run's value on
    the scorecard. Videos without a value are crosses below the points, with their number.

    Args:
        runs: a scorecard, several, or several by name; at most 12, of the same protocol and backbones.
        metric: id or short name of a metric with values of single videos.
        ax: where to draw; a new figure by default.

    Returns:
        The axes. Per run, in the order given, ``ax.collections`` has the points.

    Raises:
        UsageError: when no run has the metric, it is a number of the whole set, or there are too many runs.
        InputError: when the runs are not comparable, or no video has a value.
        MachineError: when matplotlib is not installed.
    """
    named = _named(runs)
    name = id_in((one for _, card in named for video in card.videos for one in video.values), metric)
    about = about_score(name, same_metric(named, name))
    columns = [_values(card, name) for _, card in named]
    if not any(values for values, _ in columns):
        raise InputError(f"No video has a value of {name}.", fix="The reasons are in card.to_pandas('long').")
    ax = axes_or_new(ax, (max(6.4, 1.5 * len(named)), 4.2))
    low = min(min(values) for values, _ in columns if values)
    high = max(max(values) for values, _ in columns if values)
    below = low - 0.1 * ((high - low) or abs(low) or 1.0)
    for at, ((_, card), (values, missing)) in enumerate(zip(named, columns, strict=True)):
        colour, shape = look(at)
        places = at + _scattered(len(values))
        ax.scatter(places, values, s=14, color=colour, marker=shape, alpha=0.55, linewidths=0, zorder=2)
        if values:
            quartiles = [float(one) for one in np.quantile(values, (0.25, 0.5, 0.75))]
            _box(ax, at, quartiles, colour)
        score = card.metrics[name].value if name in card.metrics else None
        if score is not None and below <= score <= high:
            ax.plot([at], [score], marker="D", markersize=7, color="white", markeredgecolor="black", zorder=4)
        if missing:
            ax.plot(
                at + _scattered(min(missing, 40)), np.full(min(missing, 40), below), linestyle="none", marker="x",
                markersize=5, color=GREY, zorder=2,
            )  # fmt: skip
    labels = []
    for (label, _), (values, missing) in zip(named, columns, strict=True):
        words = f"{plain(label, 24)}\nn = {len(values)}"
        labels.append(words + (f"\n\u00d7 {missing} without a value" if missing else ""))
    ax.set_xticks(range(len(named)), labels)
    ax.set_xlim(-0.6, len(named) - 0.4)
    ax.set_ylabel(axis_words(about.title, about.unit, about.higher_is_better))
    finish(ax)
    ax.grid(visible=False, axis="x")
    return ax


def _named(runs: Scorecard | Mapping[str, Scorecard] | Sequence[Scorecard]) -> list[tuple[str, Scorecard]]:
    if isinstance(runs, Scorecard):
        runs = [runs]
    named = list(runs.items()) if isinstance(runs, Mapping) else [(card.submission.name, card) for card in _cards(runs)]
    wrong = [type(card).__name__ for _, card in named if not isinstance(card, Scorecard)]
    if wrong:
        raise UsageError("The runs must be scorecards.", found=wrong[0], fix="Load one with evalkit.Scorecard.load.")
    if not 1 <= len(named) <= MOST_RUNS:
        raise UsageError("There is no place for so many runs.", found=str(len(named)), expected=f"1 to {MOST_RUNS}")
    return named


def _cards(runs: Sequence[Scorecard]) -> list[Scorecard]:
    wrong = [type(card).__name__ for card in runs if not isinstance(card, Scorecard)]
    if wrong:
        raise UsageError("The runs must be scorecards.", found=wrong[0], fix="Load one with evalkit.Scorecard.load.")
    return list(runs)


def _values(card: Scorecard, name: str) -> tuple[list[float], int]:
    """Return the values, and how many videos that are asked have none."""
    asked = [(video.values[name], video.reasons.get(name)) for video in card.videos if name in video.values]
    values = [value for value, _ in asked if value is not None and math.isfinite(value)]
    missing = sum(value is None and not is_not_applicable(reason) for value, reason in asked)
    return values, missing


def _scattered(number: int) -> np.ndarray:
    """Return offsets that spread ``number`` points evenly and look unordered; the same for the same number."""
    golden = (math.sqrt(5) - 1) / 2
    return SPREAD * (2 * ((np.arange(number) * golden + 0.5) % 1) - 1)


def _box(ax: Axes, at: int, quartiles: Sequence[float], colour: str) -> None:
    from matplotlib.patches import Rectangle

    low, median, high = quartiles
    half = SPREAD + 0.06
    ax.add_patch(
        Rectangle((at - half, low), 2 * half, high - low, fill=False, edgecolor=colour, linewidth=1.2, zorder=3)
    )
    ax.plot([at - half, at + half], [median, median], color=colour, linewidth=2.2, zorder=3)
    ax.annotate(
        format_value(median), (at + half, median), xytext=(3, 0), textcoords="offset points", va="center", fontsize=8
    )
