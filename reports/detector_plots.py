"""The section about a detector: a table by generator, ROC and DET curves, reliability; positions for the template."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist
from typing import Any

from markupsafe import Markup

from evalkit.metrics.detectors.numbers import MACRO, OF
from evalkit.scoring.scorecard import Scorecard
from evalkit.scoring.stored_curves import Bin, Curve, read_curves

WIDTH, HEIGHT, LEFT, BOTTOM, EDGE = 300, 268, 52, 36, 8  # of a plot and its margins, in SVG units
LOOKS = 6  # curves with a look of their own
_FEWEST, _MOST = 0.001, 0.9  # rates at the ends of the axes of a DET plot
_DET_TICKS = (0.001, 0.01, 0.05, 0.2, 0.5, 0.8)
_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Tick:
    """A line across a plot, and the text at its end."""

    at: float
    text: str


@dataclass(frozen=True)
class Line:
    """A curve: its look (`LOOKS` for a plain one), the path, and what it is called."""

    look: int
    path: Markup
    name: str


@dataclass(frozen=True)
class Dot:
    """A bin of the reliability diagram."""

    x: float
    y: float
    r: float
    text: str


@dataclass(frozen=True)
class Plot:
    """One plot, ready to draw."""

    title: str
    x_title: str
    y_title: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    lines: tuple[Line, ...] = ()
    dots: tuple[Dot, ...] = ()
    chance: Markup | None = None


@dataclass(frozen=True)
class DetectorSection:
    """Everything about a detector on the page of its scorecard.

    Args:
        columns: id and title of each metric that has numbers by generator.
        rows: a generator, and its number in each column; ``None`` where it has none.
        sizes: generator -> real and fake videos of its curve.
        plots: ROC, DET and, with probabilities, reliability.
        legend: look and name of the curves that have one.
        plain: how many curves are drawn without a look of their own.
    """

    columns: tuple[tuple[str, str], ...]
    rows: tuple[tuple[str, tuple[float | None, ...]], ...]
    sizes: Mapping[str, tuple[int, int]]
    plots: tuple[Plot, ...]
    legend: tuple[tuple[int, str], ...]
    plain: int = 0


def detector_section(card: Scorecard) -> DetectorSection | None:
    """Return the section; ``None`` for a scorecard that is none of scores."""
    if card.submission.kind != "scores":
        return None
    curves = read_curves(card)
    columns, rows = _by_generator(card)
    if curves is None or not curves.roc:
        return DetectorSection(columns, rows, {}, (), ()) if rows else None
    looks = _looks(curves.roc)
    legend = tuple((looks[at], curve.name) for at, curve in enumerate(curves.roc) if looks[at] < LOOKS)
    plots = [roc_plot(curves.roc, looks), det_plot(curves.roc, looks)]
    if curves.reliability:
        plots.append(_reliability(curves.reliability))
    sizes = {curve.name: (curve.n_real, curve.n_fake) for curve in curves.roc}
    return DetectorSection(columns, rows, sizes, tuple(plots), legend, len(curves.roc) - len(legend))


def _by_generator(
    card: Scorecard,
) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, tuple[float | None, ...]], ...]]:
    shown = {
        name: {key.removeprefix(OF): value for key, value in score.details.items() if key.startswith(OF)}
        for name, score in card.metrics.items()
    }
    shown = {name: values for name, values in shown.items() if values}
    names = sorted({generator for values in shown.values() for generator in values})
    columns = tuple((name, (card.metrics[name].title or name).replace(MACRO, "")) for name in shown)
    return columns, tuple((one, tuple(values.get(one) for values in shown.values())) for one in names)


def _looks(curves: Sequence[Curve]) -> list[int]:
    """Return the look of each curve: with too many, of the one best and of the worst ones only."""
    if len(curves) <= LOOKS:
        return list(range(len(curves)))
    order = sorted(range(len(curves)), key=lambda at: _area(curves[at].points))
    chosen = [*order[: LOOKS // 2], order[-1]]
    return [chosen.index(at) if at in chosen else LOOKS for at in range(len(curves))]


def _area(points: Sequence[tuple[float, float]]) -> float:
    return sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairwise(points))


def roc_plot(curves: Sequence[Curve], looks: Sequence[int]) -> Plot:
    """Return the plot of fakes found by false alarms; ``looks`` are those of the curves, `LOOKS` for a plain one."""
    ticks = [(at, f"{at:g}") for at in _TICKS]
    return Plot(
        "ROC",
        "false alarms",
        "fakes found",
        tuple(Tick(_x(at), text) for at, text in ticks),
        tuple(Tick(_y(at), text) for at, text in ticks),
        _lines(((look, curve.name, curve.points) for look, curve in zip(looks, curves, strict=True))),
        chance=_path([(0.0, 0.0), (1.0, 1.0)]),
    )


def det_plot(curves: Sequence[Curve], looks: Sequence[int]) -> Plot:
    """Return the plot of fakes missed by false alarms, on axes of normal deviates."""
    ticks = [(_deviate(at), f"{100 * at:g} %") for at in _DET_TICKS]
    lines = (
        (look, curve.name, [(_deviate(alarm), _deviate(1.0 - hit)) for alarm, hit in curve.points])
        for look, curve in zip(looks, curves, strict=True)
    )
    return Plot(
        "DET",
        "false alarms",
        "fakes missed",
        tuple(Tick(_x(at), text) for at, text in ticks),
        tuple(Tick(_y(at), text) for at, text in ticks),
        _lines(lines),
        chance=_path([(_deviate(at), _deviate(1.0 - at)) for at in (1.0 - _MOST, 0.3, 0.5, 0.7, _MOST)]),
    )


def _reliability(bins: Sequence[Bin]) -> Plot:
    ticks = [(at, f"{at:g}") for at in _TICKS]
    most = max(one.n for one in bins)
    dots = tuple(
        Dot(
            _x(one.probability),
            _y(one.share),
            round(2.0 + 5.0 * (one.n / most) ** 0.5, 1),
            f"{one.n} videos: mean probability {one.probability:.3f}, share of fakes {one.share:.3f}",
        )
        for one in bins
    )
    line = _lines([(0, "all videos", [(one.probability, one.share) for one in bins])])
    return Plot(
        "Reliability",
        "stated probability",
        "share of fakes",
        tuple(Tick(_x(at), text) for at, text in ticks),
        tuple(Tick(_y(at), text) for at, text in ticks),
        line,
        dots,
        _path([(0.0, 0.0), (1.0, 1.0)]),
    )


def _deviate(rate: float) -> float:
    """Return the place of a rate on an axis of normal deviates, 0..1; rates beyond its ends lie on them."""
    normal = NormalDist()
    low, high = normal.inv_cdf(_FEWEST), normal.inv_cdf(_MOST)
    return (normal.inv_cdf(min(max(rate, _FEWEST), _MOST)) - low) / (high - low)


def _lines(given: Iterable[tuple[int, str, Sequence[tuple[float, float]]]]) -> tuple[Line, ...]:
    drawn = [Line(look, _path(points), name) for look, name, points in given]
    return tuple(sorted(drawn, key=lambda line: -line.look))  # those with a look lie on top


def _path(points: Sequence[tuple[float, float]]) -> Markup:
    placed = dict.fromkeys(f"{_x(x):g},{_y(y):g}" for x, y in points)
    return Markup("M" + "L".join(placed))  # noqa: S704  (digits)


def _x(share: float) -> float:
    return round(LEFT + share * (WIDTH - LEFT - EDGE), 1)


def _y(share: float) -> float:
    return round(HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - EDGE), 1)


def not_of_a_generator(details: Mapping[str, Any]) -> dict[str, Any]:
    """Return the details of a metric without those that the table by generator has."""
    return {name: value for name, value in details.items() if not name.startswith(OF)}
