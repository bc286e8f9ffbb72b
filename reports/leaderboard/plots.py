"""Where everything lies in the leaderboard's drawings: numbers for the template, which draws them as SVG."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from evalkit.leaderboard.model import Distribution, Points
from evalkit.reports.tables import format_value

LOOKS = 8  # colours that can be told apart; with as many shapes
BRACKETS = 4  # brackets beside each other
TILES = 40  # steps of a heat strip
SHADES = 5
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
class Tile:
    """One step of a heat strip: where it lies (0 to 100), and its shade, 1 to `SHADES`."""

    x: float
    width: float
    shade: int


@dataclass(frozen=True)
class Tick:
    """A line of an axis and the number beside it."""

    at: float
    text: str


@dataclass(frozen=True)
class Cloud:
    """One team's points in a scatter: its look, the path that draws them, how many they are."""

    team: str
    look: int
    path: Markup
    count: int


@dataclass(frozen=True)
class Scatter:
    """A metric against people: ticks of both axes, a cloud per team, and how many of all points are drawn."""

    points: Points
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    clouds: tuple[Cloud, ...]
    drawn: int


@dataclass(frozen=True)
class Box:
    """One team's values of a column on a common axis, 0 to `BOX_WIDTH`.

    Args:
        team: whose.
        n: how many values.
        numbers: least, lower quartile, median, upper quartile, most.
        places: lower whisker, lower quartile, median, upper quartile, upper whisker; empty when the values are few.
        dots: values drawn one by one: all of few, else those beyond the whiskers.
        hidden: dots that are left out.
    """

    team: str
    n: int
    numbers: tuple[float, float, float, float, float]
    places: tuple[float, ...]
    dots: tuple[float, ...]
    hidden: int = 0


def rank_bar(interval: tuple[int, int], rank: int, teams: int) -> Bar:
    """Return where the ranks ``interval`` and ``rank`` lie on an axis on which every rank has an equal part."""
    step = 100 / max(teams, 1)
    low, high = interval
    return Bar(_two((low - 1) * step), _two((high - low + 1) * step), _two((rank - 0.5) * step))


def heat_tiles(probability: Sequence[float]) -> tuple[Tile, ...]:
    """Return the strip of the probabilities of place 1, 2, ...; ranks share a tile where they are many."""
    count = len(probability)
    per = max(1, math.ceil(count / TILES))
    tiles = []
    for start in range(0, count, per):
        share = math.fsum(probability[start : start + per])
        if share >= 0.005:
            shade = min(SHADES, 1 + int(share * SHADES))
            end = min(start + per, count)
            tiles.append(Tile(_two(100 * start / count), _two(100 * (end - start) / count), shade))
    return tuple(tiles)


def place_brackets(
    groups: Sequence[Sequence[str]], order: Sequence[str]
) -> tuple[dict[str, tuple[str, ...]], int, int]:
    """Return the brackets that join teams: team -> a mark per column of brackets, how many columns, and how many groups
    are left out.

    A mark is ``top``, ``mid``, ``end`` or an empty text. Groups that overlap are in different columns.

    Args:
        groups: teams that stand beside each other in ``order``.
        order: the ranked teams, best first.
    """
    place = {team: at for at, team in enumerate(order)}
    found = [[place[team] for team in group if team in place] for group in groups]
    spans = sorted((min(places), max(places)) for places in found if len(places) > 1)
    ends: list[int] = []
    laid: list[tuple[int, int, int]] = []
    for first, last in spans:
        free = next((column for column, end in enumerate(ends) if end < first), len(ends))
        if free == len(ends):
            ends.append(last)
        ends[free] = last
        laid.append((free, first, last))
    columns = min(len(ends), BRACKETS)
    marks = {team: [""] * columns for team in order}
    for column, first, last in laid:
        for step in range(first, last + 1) if column < columns else ():
            marks[order[step]][column] = "top" if step == first else "end" if step == last else "mid"
    return (
        {team: tuple(found) for team, found in marks.items()},
        columns,
        sum(column >= columns for column, _, _ in laid),
    )


def make_scatter(points: Points, looks: Mapping[str, int]) -> Scatter:
    """Return the drawing of ``points``; with too many, every so manyth of them, evenly over all teams and samples."""
    across, up = _ticks(points.x, WIDTH - LEFT - 8), _ticks(points.y, HEIGHT - BOTTOM - 8)
    step = max(1, math.ceil(len(points.x) / POINTS_DRAWN))
    chosen = range(0, len(points.x), step)
    clouds: dict[str, list[str]] = {}
    for at in chosen:
        team = points.teams[at]
        x = LEFT + across.place(points.x[at])
        y = HEIGHT - BOTTOM - up.place(points.y[at])
        clouds.setdefault(team, []).append(_mark(looks.get(team, LOOKS), x, y))
    ordered = sorted(clouds, key=lambda team: (-looks.get(team, LOOKS), team))  # the best are drawn last, on top
    return Scatter(
        points,
        tuple(Tick(_two(LEFT + tick.at), tick.text) for tick in across.ticks),
        tuple(Tick(_two(HEIGHT - BOTTOM - tick.at), tick.text) for tick in up.ticks),
        tuple(
            Cloud(team, looks.get(team, LOOKS), Markup("".join(clouds[team])), len(clouds[team]))  # noqa: S704  (digits)
            for team in ordered
        ),
        len(chosen),
    )


def mark_path(look: int) -> Markup:
    """Return the mark of a look for a legend, in a box of 12 by 12."""
    return Markup(_mark(look, 6, 6))  # noqa: S704  (digits)


def make_boxes(given: Sequence[Distribution]) -> tuple[tuple[Tick, ...], tuple[Box, ...]]:
    """Return the common axis of a column's distributions and a box per team.

    Quartiles interpolate linearly; whiskers reach the outermost values within one and a half times the distance of the
    quartiles (Tukey); what lies beyond is drawn by itself.
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
        return Box(one.team, len(values), numbers, (), tuple(_two(6 + axis.place(value)) for value in values))
    reach = 1.5 * (high - low)
    within = [value for value in values if low - reach <= value <= high + reach]
    beyond = [value for value in values if not low - reach <= value <= high + reach]
    places = tuple(_two(6 + axis.place(value)) for value in (within[0], low, median, high, within[-1]))
    shown = beyond if len(beyond) <= OUTLIERS else beyond[: OUTLIERS // 2] + beyond[-OUTLIERS // 2 :]
    dots = tuple(_two(6 + axis.place(value)) for value in shown)
    return Box(one.team, len(values), numbers, places, dots, len(beyond) - len(shown))


@dataclass(frozen=True)
class _Axis:
    low: float
    high: float
    length: float
    ticks: tuple[Tick, ...]

    def place(self, value: float) -> float:
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
        tuple(Tick(axis.place(at * step), _tick_text(at * step, digits)) for at in range(first, last + 1)),
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
