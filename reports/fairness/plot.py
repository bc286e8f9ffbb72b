"""The groups' means with their intervals, drawn as plain SVG: a row per group and submission."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from evalkit.groups.model import GroupTable

WIDTH, LEFT, RIGHT, ROW, TOP, BOTTOM = 420, 8, 14, 16, 6, 20
LOOKS = 6  # colours of submissions, in turn
MOST_ROWS = 120
_LEAST = 1e-300  # a smaller span has no steps
NAME = 112  # width for the groups' names


@dataclass(frozen=True)
class PlotMark:
    """A mean with its interval, in pixels of the drawing.

    Args:
        x, y: of the mean.
        low, high: ends of the interval; equal to ``x`` without one.
        look: number of the submission's colour.
        small: whether the group is too small to be compared.
        title: the same in words.
    """

    x: float
    y: float
    low: float
    high: float
    look: int
    small: bool
    title: str


@dataclass(frozen=True)
class GroupPlot:
    """A drawing of `WIDTH` by ``height``.

    Args:
        height: in pixels.
        names: (y, name) of each group.
        ticks: (x, text) of the axis.
        marks: what is drawn.
        looks: (number, submission) of the colours.
    """

    height: int
    names: tuple[tuple[float, str], ...]
    ticks: tuple[tuple[float, str], ...]
    marks: tuple[PlotMark, ...]
    looks: tuple[tuple[int, str], ...]
    width: int = WIDTH
    left: int = LEFT + NAME


def make_plot(tables: Sequence[GroupTable], groups: Sequence[str]) -> GroupPlot | None:
    """Return the drawing of one measure by one attribute; ``None`` without a mean, or for too many rows.

    Args:
        tables: of the submissions.
        groups: in their order, from the top.
    """
    known = [
        (place, look, line)
        for look, table in enumerate(tables)
        for line in table.lines
        if line.mean is not None and line.value in groups
        for place in [groups.index(line.value)]
    ]
    if not known or len(groups) * len(tables) > MOST_ROWS:
        return None
    ends = [end for *_, line in known for end in (line.mean, line.low, line.high) if end is not None]
    low, high = min(ends), max(ends)
    steps = _steps(low, high)
    low, high = min(low, steps[0]), max(high, steps[-1])
    span = high - low or 1.0

    def x(value: float) -> float:
        return round(LEFT + NAME + (WIDTH - LEFT - RIGHT - NAME) * (value - low) / span, 1)

    each = len(tables) * ROW + 6
    marks = []
    for place, look, line in known:
        mean = float(line.mean or 0.0)
        words = f"{tables[look].entry}, {line.value}: {mean:.4g}"
        words += f" ({line.low:.4g} to {line.high:.4g})" if line.low is not None and line.high is not None else ""
        marks.append(
            PlotMark(
                x=x(mean),
                y=TOP + place * each + look * ROW + ROW / 2,
                low=x(line.low if line.low is not None else mean),
                high=x(line.high if line.high is not None else mean),
                look=look % LOOKS,
                small=line.too_few is not None,
                title=words + (f"; {line.too_few}" if line.too_few else ""),
            )
        )
    return GroupPlot(
        height=TOP + len(groups) * each + BOTTOM,
        names=tuple((TOP + place * each + len(tables) * ROW / 2 + 4, name) for place, name in enumerate(groups)),
        ticks=tuple((x(step), f"{step:g}") for step in steps),
        marks=tuple(marks),
        looks=tuple((look % LOOKS, table.entry) for look, table in enumerate(tables)),
    )


def _steps(low: float, high: float) -> list[float]:
    """Return three to six round numbers that enclose the values."""
    span = next((size for size in (high - low, abs(high)) if size > _LEAST), 1.0)
    power = 10.0 ** math.floor(math.log10(span / 4))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= span / 4)
    first, last = math.floor(low / step), math.ceil(high / step)
    last = last if last > first else first + 1
    return [round(number * step, 12) for number in range(first, last + 1)]
