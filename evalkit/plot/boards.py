"""Plots of a leaderboard: how certain the ranks are, and how a metric agrees with people."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from evalkit.errors import InputError, UsageError
from evalkit.leaderboard.model import Leaderboard, Points
from evalkit.leaderboard.table import Column
from evalkit.plot.axes import GREY, axes_or_new, axis_words, finish, look, plain
from evalkit.plot.metrics import id_in
from evalkit.statistics.correlation import Coefficient

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_ROWS = 60
LEGEND = 7  # teams that are told apart; the others share a look


def rank_intervals(leaderboard: Leaderboard, *, ax: Axes | None = None) -> Axes:
    """Draw a line per run: its rank as a point, and the ranks that the data allow as a bar. The best is on top.

    Runs without a rank stand below with the first reason; runs beyond the first 60 are left out, which the axis says.

    Args:
        leaderboard: with rank intervals, or without (then points alone are drawn, and the axis says why).
        ax: where to draw; a new figure by default.

    Returns:
        The axes. ``ax.lines`` has the bars, then the points, from the best down.

    Raises:
        InputError: when there is no run.
        MachineError: when matplotlib is not installed.
    """
    rows = [row for row in leaderboard.rows if row.rank is not None]
    rows += [row for row in leaderboard.rows if row.rank is None and row.primary]
    if not rows:
        raise InputError("The leaderboard has no run.")
    shown = rows[:MOST_ROWS]
    ax = axes_or_new(ax, (6.4, 1.2 + 0.32 * len(shown)))
    ranked = [row for row in shown if row.rank is not None]
    colour = look(0)[0]
    for at, row in enumerate(ranked):
        if row.interval is not None:
            low, high = row.interval
            ax.plot(
                [low, high], [at, at], color=colour, alpha=0.35, linewidth=7, solid_capstyle="round", gid="interval"
            )
    last = max([1, *(max(row.rank or 0, *(row.interval or (0,))) for row in ranked)])
    for at, row in enumerate(ranked):
        ax.plot([row.rank or 0], [at], marker="o", markersize=6, color=colour, linestyle="none", gid="rank")
    for at, row in enumerate(shown[len(ranked) :], len(ranked)):
        why = row.reasons[0].sentence if row.reasons else "no reason given"
        ax.text(1, at, f"\u00d7 not ranked: {plain(why, 70)}", color=GREY, fontsize=8, va="center")
    ax.set_yticks(range(len(shown)), [plain(row.label) for row in shown])
    ax.set_ylim(len(shown) - 0.5, -0.5)
    ax.set_xlim(0.5, last + 0.5)
    step = max(1, (last + 11) // 12)
    ax.set_xticks(range(1, last + 1, step))
    ax.set_xlabel("\n".join(["rank, \u2190 lower is better", *_notes(leaderboard, len(rows) - len(shown))]))
    finish(ax)
    ax.grid(visible=False, axis="y")
    return ax


def _notes(leaderboard: Leaderboard, left_out: int) -> list[str]:
    found = leaderboard.uncertainty
    if found is None:
        notes = [f"no rank intervals: {plain(leaderboard.problem or leaderboard.no_uncertainty or 'unknown', 90)}"]
    else:
        notes = [f"bars: {100 * found.confidence:g} % rank intervals, for all runs together"]
    return notes + ([f"{left_out} more runs are not shown"] if left_out else [])


def metric_against_people(
    leaderboard: Leaderboard, metric: str, dimension: str | None = None, *, ax: Axes | None = None
) -> Axes:
    """Draw a metric against the opinion scores of the same videos, a point per run and sample that has both.

    The title says the rank correlation (Spearman) with its 95 % bootstrap interval; +1 is full agreement, whichever
    side of the metric is better. Values without a rating, which have no point, are counted on the axis.

    Args:
        leaderboard: of a board with ratings.
        metric: id or short name of a metric with values of single videos.
        dimension: id of the rated dimension; ``None`` when there is one alone.
        ax: where to draw; a new figure by default.

    Returns:
        The axes. ``ax.collections`` has the points of each of the first 7 teams, then those of the others.

    Raises:
        UsageError: when the board has no ratings of videos, or not of this metric and dimension.
        MachineError: when matplotlib is not installed.
    """
    points = _points(leaderboard, metric, dimension)
    columns = {column.id: column for column in leaderboard.columns}
    ax = axes_or_new(ax, (5.6, 4.4))
    teams = sorted(set(points.teams), key=_place(leaderboard))
    for at, team in enumerate([*teams[:LEGEND], None] if len(teams) > LEGEND else teams):
        named = set(teams[LEGEND:]) if team is None else {team}
        chosen = [one for one, owner in enumerate(points.teams) if owner in named]
        colour, shape = (GREY, ".") if team is None else look(at)
        label = f"{len(named)} others" if team is None else plain(team, 24)
        ax.scatter(
            [points.x[one] for one in chosen], [points.y[one] for one in chosen],
            s=22, color=colour, marker=shape, alpha=0.7, linewidths=0, label=label,
        )  # fmt: skip
    x, y = columns[points.metric], columns[points.dimension]
    without = sum(len(one.values) for one in leaderboard.distributions if one.column == points.metric) - len(points.x)
    words = axis_words(_title(x), x.unit, x.higher_is_better, across=True)
    ax.set_xlabel(words + (f"\n{without} values without a rating are not shown" if without > 0 else ""))
    ax.set_ylabel(axis_words(_title(y), y.unit, y.higher_is_better))
    ax.set_title(_agreement(points), fontsize=10)
    if len(teams) > 1:
        ax.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    finish(ax)
    return ax


def _points(leaderboard: Leaderboard, metric: str, dimension: str | None) -> Points:
    if not leaderboard.points:
        raise UsageError(
            "The leaderboard has no metric to hold against ratings.",
            expected="a board with ratings of single videos, and a metric with values of single videos",
        )
    name = id_in((one.metric for one in leaderboard.points), metric)
    found = {one.dimension: one for one in leaderboard.points if one.metric == name}
    if dimension is None and len(found) == 1:
        return next(iter(found.values()))
    if dimension not in found:
        what = "Several dimensions are rated." if dimension is None else f"There are no ratings of '{dimension}'."
        raise UsageError(what, expected=", ".join(found), fix="Name one of them as the dimension.")
    return found[dimension]


def _place(leaderboard: Leaderboard) -> Callable[[str], tuple[int, str]]:
    places = {row.label: at for at, row in enumerate(leaderboard.rows)}
    return lambda team: (places.get(team, len(places)), team)


def _title(column: Column) -> str:
    return column.published_as or column.title or column.id


def _agreement(points: Points) -> str:
    n = f"n = {len(points.x)}"
    return f"agreement with people: {_coefficient(points.agreement.srcc)}, {n}"


def _coefficient(found: Coefficient) -> str:
    if found.value is None:
        return f"no correlation ({plain(found.reason or 'unknown')})"
    ends = "" if found.ci is None else f" [{found.ci[0]:.2f}, {found.ci[1]:.2f}]"
    return f"SRCC {found.value:.2f}{ends}"
