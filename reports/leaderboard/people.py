"""Metrics against people as matrices, metric by dimension, each cell with the scatter plot behind it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from evalkit.board.model import Snapshot
from evalkit.leaderboard.model import ALL_DIMENSIONS, Leaderboard, Points
from evalkit.leaderboard.table import Column
from evalkit.reports.audience import Audience, leaderboard_for
from evalkit.reports.leaderboard.plots import POINTS_DRAWN, Scatter, make_scatter
from evalkit.reports.leaderboard.ranked_table import better, column_title
from evalkit.statistics.correlation import Coefficient
from evalkit.text import count, csv_cell

TOTAL_POINTS = 12_000  # drawn on one page, over all plots
FEWEST_DRAWN = 60  # of a plot, where there are many plots
SHADES = 5  # of either sign


@dataclass(frozen=True)
class MatrixCell:
    """The agreement of a metric with people in one dimension.

    Args:
        points: what it is about; ``None`` where nothing has values of both.
        anchor: id of the plot.
        shade: ``a1`` to ``a5`` for agreement, ``b1`` to ``b5`` for disagreement; empty without a number.
        value: the rank correlation; ``None`` with a ``reason``.
        interval: its 95 % interval, or that there is none.
        n: points, and samples where they are fewer.
        words: all coefficients, for hovering.
        reason: why there is no number.
    """

    points: Points | None
    anchor: str = ""
    shade: str = ""
    value: str | None = None
    interval: str = ""
    n: str = ""
    words: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Matrix:
    """Metric by dimension, over videos or over teams: titles of the dimensions, and a row of cells per metric id."""

    over: str
    dimensions: tuple[str, ...]
    rows: tuple[tuple[str, tuple[MatrixCell, ...]], ...]


@dataclass(frozen=True)
class People:
    """The section: matrices, and per metric id its plots with the name of the dimension and what a point is."""

    matrices: tuple[Matrix, ...]
    plots: tuple[tuple[str, tuple[tuple[Scatter, str, str], ...]], ...]
    one_scale: bool


def people_section(leaderboard: Leaderboard, columns: Sequence[Column], looks: Mapping[str, int]) -> People | None:
    """Return the section; ``None`` where no metric has a value beside a rating.

    Args:
        leaderboard: whose.
        columns: in the order of the ranked table.
        looks: label -> colour and shape.
    """
    kinds = {"videos": (*leaderboard.points, *leaderboard.overall_points), "teams": leaderboard.team_points}
    everything = [one for found in kinds.values() for one in found]
    if not everything:
        return None
    place = {column.id: at for at, column in enumerate(columns)} | {ALL_DIMENSIONS: len(columns)}
    metrics = sorted({one.metric for one in everything}, key=lambda name: (place.get(name, len(place)), name))
    known = {column.id: column for column in columns}
    most = max(FEWEST_DRAWN, min(POINTS_DRAWN, TOTAL_POINTS // len(everything)))
    matrices, plots = [], {metric: list[tuple[Scatter, str, str]]() for metric in metrics}
    for over, found in kinds.items():
        names = sorted({one.dimension for one in found}, key=lambda name: (place.get(name, len(place)), name))
        by_key = {(one.metric, one.dimension): one for one in found}
        rows = []
        for row, metric in enumerate(metrics):
            cells = []
            for at, name in enumerate(names):
                points = by_key.get((metric, name))
                anchor = f"plot-{over}-{row}-{at}"
                whole_set = over == "videos" and metric in known and known[metric].aggregate is None
                cells.append(_cell(points, anchor, over, whole_set=whole_set))
                if points is not None:
                    drawn = make_scatter(points, looks, most=most, anchor=anchor)
                    plots[metric].append((drawn, dimension_title(name, known), over))
            rows.append((metric, tuple(cells)))
        if found:
            matrices.append(Matrix(over, tuple(dimension_title(name, known) for name in names), tuple(rows)))
    scales = {one.range for one in columns if one.kind == "dimension"}
    return People(tuple(matrices), tuple((name, tuple(made)) for name, made in plots.items()), len(scales) < 2)


def dimension_title(name: str, known: Mapping[str, Column]) -> str:
    """Return what a dimension is called."""
    if name == ALL_DIMENSIONS:
        return "All dimensions"
    return column_title(known[name]) if name in known else name


def reason_words(reason: str | None) -> str:
    """Return a reason of a missing coefficient in words."""
    few = (reason or "").removeprefix("fewer_than_")
    if few != reason and few.isdecimal():
        return f"too few to say, fewer than {few}"
    return (reason or "unknown").replace("_", " ")


def rounded(value: float) -> str:
    """Return a coefficient with two digits; never minus zero."""
    text = f"{value:.2f}"
    return "0.00" if text == "-0.00" else text


def agreement_csv(snapshot: Snapshot, leaderboard: Leaderboard, audience: Audience = "public") -> str:
    """Return the agreement of metrics with people as CSV: a line per metric, dimension and kind of point.

    ``dimension`` is ``*`` for the mean over all dimensions, ``over`` is ``videos`` or ``teams``. Numbers have all their
    digits; an empty cell is a gap, with its reason in ``reason``.
    """
    _, leaderboard = leaderboard_for(audience, snapshot, leaderboard)
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    names = ("srcc", "plcc", "krcc")
    numbers = [part for name in names for part in (name, f"{name}.lo", f"{name}.hi")]
    writer.writerow(["metric", "better", "dimension", "over", "n", "clusters", *numbers, "reason"])
    known = {column.id: column for column in leaderboard.columns}
    kinds = {"videos": (*leaderboard.points, *leaderboard.overall_points), "teams": leaderboard.team_points}
    for over, found in kinds.items():
        for one in found:
            side = better(known[one.metric]) if one.metric in known else ""
            coefficients: list[Coefficient] = [getattr(one.agreement, name) for name in names]
            line = [csv_cell(one.metric), side, csv_cell(one.dimension), over, one.agreement.n, one.agreement.clusters]
            line += [text for each in coefficients for text in _digits(each)]
            writer.writerow([*line, csv_cell(coefficients[0].reason or "")])
    return stream.getvalue()


def _digits(one: Coefficient) -> Iterable[str]:
    ends = one.ci or (None, None)
    return ["" if number is None else repr(float(number)) for number in (one.value, *ends)]


def _cell(points: Points | None, anchor: str, over: str, *, whole_set: bool) -> MatrixCell:
    if points is None and whole_set:
        return MatrixCell(None, reason="one number for all videos")
    if points is None:
        return MatrixCell(None, reason=f"no {over.removesuffix('s')} has both values")
    found = points.agreement
    n = f"n {found.n}" + (f", {count(found.clusters, 'sample')}" if points.samples and found.clusters < found.n else "")
    value = found.srcc.value
    if value is None:
        return MatrixCell(points, anchor, n=n, reason=reason_words(found.srcc.reason))
    words = "; ".join(
        f"{name} {one.value:.3f}" + (f", 95 % interval {one.ci[0]:.3f} to {one.ci[1]:.3f}" if one.ci else "")
        for name, one in (("SRCC", found.srcc), ("PLCC", found.plcc), ("KRCC", found.krcc))
        if one.value is not None
    )
    interval = f"{rounded(found.srcc.ci[0])} to {rounded(found.srcc.ci[1])}" if found.srcc.ci else "no interval"
    shade = f"{'a' if value >= 0 else 'b'}{min(SHADES, 1 + int(abs(value) * SHADES))}"
    return MatrixCell(points, anchor, shade, rounded(value), interval, n, f"{words}; {n}")
