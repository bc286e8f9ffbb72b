"""Positions in the leaderboard's scatter and box plots: numbers for the template, which draws them as SVG."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from evalkit.leaderboard.model import Distribution, Points
from evalkit.text import format_value

LOOKS = 8  # distinguishable colours, with as many shapes
POINTS_DRAWN = 400  # of one scatter
FEW = 12  # values that are drawn as points
OUTLIERS = 20  # drawn beyond a whisker
WIDTH, HEIGHT, LEFT, BOTTOM = 300, 210, 44, 34  # of a scatter and its margins, in SVG units
BOX_WIDTH = 240


@dataclass(frozen=True)
class Bar:
    """A span on an axis from 0 to 100, and a mark on it."""

    x: float
    width: float
    at: float


@dataclass(frozen=True)
class Tick:
    """A line of an axis and the number beside it."""

    at: float
    text: str


@dataclass(frozen=True)
class Scatter:
    """A metric against human ratings: ticks of both axes, and how many of all points are drawn.

    ``clouds`` are (look, path that draws the points, label) per team; ``anchor`` is the plot's id on the page.
    """

    points: Points
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    clouds: tuple[tuple[int, Markup, str], ...]
    drawn: int
    anchor: str = ""


@dataclass(frozen=True)
class Box:
    """One team's values of a column on a common axis, 0 to `BOX_WIDTH`.

    Args:
        team: whose.
        n: how many values.
        numbers: minimum, lower quartile, median, upper quartile, maximum.
        positions: lower whisker, lower quartile, median, upper quartile, upper whisker; empty for few values.
        dots: values drawn one by one: all of them when they are few, else those beyond the whiskers.
        hidden: dots that are left out.
    """

    team: str
    n: int
    numbers: tuple[float, float, float, float, float]
    positions: tuple[float, ...]
    dots: tuple[float, ...]
    hidden: int = 0


def bar_on_axis(x: float, width: float, at: float) -> Bar:
    """Return a bar with positions rounded to what a drawing shows."""
    return Bar(_two(x), _two(width), _two(at))


def make_scatter(points: Points, looks: Mapping[str, int], *, most: int = POINTS_DRAWN, anchor: str = "") -> Scatter:
    """Return the drawing of ``points``; of more than ``most`` every n-th, evenly over all teams and samples."""
    x_axis, y_axis = _ticks(points.x, WIDTH - LEFT - 8), _ticks(points.y, HEIGHT - BOTTOM - 8)
    step = max(1, math.ceil(len(points.x) / most))
    chosen = range(0, len(points.x), step)
    clouds: dict[str, list[str]] = {}
    for at in chosen:
        team = points.teams[at]
        x = LEFT + x_axis.position(points.x[at])
        y = HEIGHT - BOTTOM - y_axis.position(points.y[at])
        clouds.setdefault(team, []).append(_mark(looks.get(team, LOOKS), x, y))
    ordered = sorted(clouds, key=lambda team: (-looks.get(team, LOOKS), team))  # the best are drawn last, on top
    return Scatter(
        points,
        tuple(Tick(_two(LEFT + tick.at), tick.text) for tick in x_axis.ticks),
        tuple(Tick(_two(HEIGHT - BOTTOM - tick.at), tick.text) for tick in y_axis.ticks),
        tuple((looks.get(team, LOOKS), Markup("".join(clouds[team])), team) for team in ordered),  # noqa: S704
        len(chosen),
        anchor,
    )


def mark_path(look: int) -> Markup:
    """Return the mark of a look for a legend, in a box of 12 by 12."""
    return Markup(_mark(look, 6, 6))  # noqa: S704  (digits)


def make_boxes(given: Sequence[Distribution]) -> tuple[tuple[Tick, ...], tuple[Box, ...]]:
    """Return the common axis of a column's distributions and a box per team.

    Quartiles interpolate linearly; whiskers extend to the outermost values within 1.5 times the interquartile range
    (Tukey); values beyond are drawn as dots.
    """
    axis = _ticks([value for one in given for value in one.values], BOX_WIDTH - 12)
    return (
        tuple(Tick(_two(6 + tick.at), tick.text) for tick in axis.ticks),
        tuple(_box(one, axis) for one in given if one.values),
    )


def _box(one: Distribution, axis: _Axis) -> Box:
    values = one.values
    low, median, high = (float(q) for q in np.quantile(values, (0.25, 0.5, 0.75)))
    numbers = (values[0], low, median, high, values[-1])
    if len(values) <= FEW:
        return Box(one.team, len(values), numbers, (), tuple(_two(6 + axis.position(value)) for value in values))
    reach = 1.5 * (high - low)
    within = [value for value in values if low - reach <= value <= high + reach]
    beyond = [value for value in values if not low - reach <= value <= high + reach]
    positions = tuple(_two(6 + axis.position(value)) for value in (within[0], low, median, high, within[-1]))
    shown = beyond if len(beyond) <= OUTLIERS else beyond[: OUTLIERS // 2] + beyond[-OUTLIERS // 2 :]
    dots = tuple(_two(6 + axis.position(value)) for value in shown)
    return Box(one.team, len(values), numbers, positions, dots, len(beyond) - len(shown))


@dataclass(frozen=True)
class _Axis:
    low: float
    high: float
    length: float
    ticks: tuple[Tick, ...]

    def position(self, value: float) -> float:
        return self.length * ((value - self.low) / (self.high - self.low) if self.high > self.low else 0.5)


def _ticks(values: Iterable[float], length: float) -> _Axis:
    """Return an axis that holds ``values``, with ticks at round numbers."""
    known = list(values)
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    spread = high - low
    if not (math.isfinite(spread) and spread > 1e-12 * max(abs(low), abs(high))):
        return _Axis(low, low, length, (Tick(length / 2, format_value(low)),))
    power = 10.0 ** math.floor(math.log10(spread / 3))
    step = next(step * power for step in (1, 2, 2.5, 5, 10) if spread / (step * power) <= 4)
    digits = max(0, -math.floor(math.log10(step))) + (step / power == 2.5)
    edge = 0.03 * spread
    axis = _Axis(low - edge, high + edge, length, ())
    first, last = math.ceil(axis.low / step), math.floor(axis.high / step)
    return _Axis(
        axis.low,
        axis.high,
        length,
        tuple(Tick(axis.position(at * step), _tick_text(at * step, digits)) for at in range(first, last + 1)),
    )


def _tick_text(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if digits <= 4 and abs(value) < 1e6 else f"{value:.3g}"


def _mark(look: int, x: float, y: float) -> str:
    """Return the path of a mark: a shape per look, all of about one size."""
    x, y = round(x, 1), round(y, 1)
    shapes = (
        "m-3.2,0a3.2,3.2 0 1,0 6.4,0a3.2,3.2 0 1,0 -6.4,0",  # circle
        "m-2.9,-2.9h5.8v5.8h-5.8z",  # square
        "m0,-3.8l3.7,6.6h-7.4z",  # triangle
        "m0,-4l4,4l-4,4l-4,-4z",  # diamond
        "m0,3.8l3.7,-6.6h-7.4z",  # triangle upside down
        "m-1.2,-3.8h2.4v2.6h2.6v2.4h-2.6v2.6h-2.4v-2.6h-2.6v-2.4h2.6z",  # plus
        "m-3.6,-2.3l1.3,-1.3l2.3,2.3l2.3,-2.3l1.3,1.3l-2.3,2.3l2.3,2.3l-1.3,1.3l-2.3,-2.3l-2.3,2.3l-1.3,-1.3l2.3,-2.3z",
        "m-1.9,-3.4h3.8l1.9,3.4l-1.9,3.4h-3.8l-1.9,-3.4z",  # hexagon
        "m-2,0a2,2 0 1,0 4,0a2,2 0 1,0 -4,0",  # all others: a small circle
    )
    return f"M{x:g},{y:g}{shapes[min(look, LOOKS)]}"


def _two(number: float) -> float:
    return round(number, 2)
