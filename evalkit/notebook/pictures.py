"""Small drawings as inline SVG: what they show is also said in words, as their label.

Colours are seen on white and on dark paper, and told apart by people who don't see red and green (Okabe and Ito 2008);
lines take the colour of the text around them. Only numbers and words that are escaped here get into the markup.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup, escape

from evalkit.text import escape_for_display

BLUE, ORANGE, RED, GREY = "#3b86c4", "#c77700", "#d55e00", "#808890"
TONES = {"ok": BLUE, "warning": ORANGE, "error": RED, "missing": GREY}
WIDTH, HEIGHT = 120, 20
BINS = 24
FEW = 12  # values that are drawn as points


def spread(values: Sequence[float], mean: float | None, label: str) -> Markup:
    """Return how values are distributed: points where they are few, else a histogram; a line marks the mean.

    Args:
        values: finite numbers, at least one.
        mean: where the line goes; ``None`` for no line. Outside of the values it is left out.
        label: what the drawing says, in words.
    """
    low, high = min(values), max(values)
    scale = high - low
    flat = not (math.isfinite(scale) and scale > 1e-12 * max(abs(low), abs(high)))

    def place(value: float) -> float:
        return WIDTH / 2 if flat else 4 + (WIDTH - 8) * (value - low) / scale

    if len(values) <= FEW or flat:
        shown = values[:1] if flat else values
        marks = "".join(
            f'<circle cx="{_number(place(value))}" cy="{HEIGHT / 2:g}" r="3" fill="{BLUE}" fill-opacity=".7"/>'
            for value in shown
        )
    else:
        counts, _ = np.histogram(np.asarray(values, dtype=np.float64), bins=BINS, range=(low, high))
        step = (WIDTH - 8) / BINS
        tallest = max(int(counts.max()), 1)
        bars = [(at, max(1.0, (HEIGHT - 2) * int(number) / tallest)) for at, number in enumerate(counts) if number]
        marks = "".join(
            f'<rect x="{_number(4 + at * step)}" y="{_number(HEIGHT - 1 - tall)}" width="{_number(step - 0.6)}" '
            f'height="{_number(tall)}" fill="{BLUE}"/>'
            for at, tall in bars
        )
    if mean is not None and math.isfinite(mean) and low <= mean <= high:
        at = _number(place(mean))
        marks += f'<line x1="{at}" x2="{at}" y1="0" y2="{HEIGHT}" stroke="currentColor" stroke-width="1.5"/>'
    return _picture(marks, label)


def interval(low: float, high: float, at: float, *, axis: tuple[float, float], label: str) -> Markup:
    """Return an interval and a value in it, on an axis.

    Args:
        low, high: ends of the interval.
        at: the value.
        axis: its first and last value; what lies outside is drawn at the end.
        label: what the drawing says, in words.
    """

    first, last = axis

    def place(value: float) -> float:
        share = (value - first) / (last - first) if last > first else 0.5
        return 6 + (WIDTH - 12) * min(max(share, 0.0), 1.0)

    start, end, middle = place(low), place(high), place(at)
    marks = (
        f'<line x1="6" x2="{WIDTH - 6}" y1="10" y2="10" stroke="currentColor" stroke-opacity=".3"/>'
        f'<line x1="{_number(start)}" x2="{_number(end)}" y1="10" y2="10" stroke="{BLUE}" stroke-width="6" '
        'stroke-linecap="round" stroke-opacity=".6"/>'
        f'<circle cx="{_number(middle)}" cy="10" r="4" fill="currentColor"/>'
    )
    return _picture(marks, label)


def parts(counts: Sequence[tuple[str, int]], label: str) -> Markup:
    """Return a bar divided in the shares of ``counts``, as (tone of `TONES`, number)."""
    total = sum(number for _, number in counts)
    marks, start = "", 0.0
    for tone, number in counts if total else ():
        wide = WIDTH * number / total
        marks += (
            f'<rect x="{_number(start)}" y="5" width="{_number(max(wide - 1, 0.5))}" height="10" fill="{TONES[tone]}"/>'
            if number
            else ""
        )
        start += wide
    return _picture(marks, label)


def _picture(marks: str, label: str) -> Markup:
    """Return the drawing with its words; ``marks`` hold numbers and colours of this module alone."""
    words = escape(escape_for_display(label, 300))
    return Markup(  # noqa: S704 - the marks are digits, and the label is escaped
        f'<svg role="img" aria-label="{words}" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}">'
        f"{marks}</svg>"
    )


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
