"""ROC and DET curves of detectors: of the generators of one run, or of several runs at one generator."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import NormalDist
from typing import TYPE_CHECKING, Literal

from evalkit.errors import InputError, UsageError, did_you_mean
from evalkit.leaderboard.model import Leaderboard
from evalkit.plot.axes import GREY, axes_or_new, finish, look, plain
from evalkit.scoring.scorecard import Scorecard
from evalkit.scoring.stored_curves import read_curves

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURED = 7  # curves that are told apart; the others are grey
FEWEST, MOST = 0.001, 0.9  # rates at the ends of the axes of a DET plot
DET_TICKS = (0.001, 0.01, 0.05, 0.2, 0.5, 0.8)
Points = tuple[tuple[float, float], ...]


def detector_curves(
    runs: Scorecard | Mapping[str, Scorecard] | Leaderboard,
    generator: str | None = None,
    *,
    kind: Literal["roc", "det"] = "roc",
    ax: Axes | None = None,
) -> Axes:
    """Draw ROC or DET curves: fakes found, or missed, by false alarms.

    Of one scorecard a curve per generator; of several, or a leaderboard, a curve per run at one generator. The axes of
    a DET plot are normal deviates from 0.1 % to 90 %; rates beyond lie on its edges.

    Args:
        runs: a scorecard, several by name, or a leaderboard, of submissions of scores.
        generator: which one; ``None`` for all of one scorecard, or where there is one alone.
        kind: ``roc`` or ``det``.
        ax: where to draw; a new figure by default.

    Returns:
        The axes. ``ax.lines`` has the curves in the order given, then the line of guessing.

    Raises:
        UsageError: for an unknown generator or kind, or when several runs share more than one generator.
        InputError: when no run has curves.
        MachineError: when matplotlib is not installed.
    """
    if kind not in {"roc", "det"}:
        raise UsageError("There is no such plot of a detector.", found=repr(kind), expected="'roc' or 'det'")
    curves = _chosen(_curves(runs), generator, alone=isinstance(runs, Scorecard))
    ax = axes_or_new(ax, (5.4, 4.6))
    for at, (name, points) in enumerate(curves):
        colour = look(at)[0] if at < COLOURED else GREY
        style = ("-", "--", "-.")[at % 3] if at < COLOURED else "-"
        x = [_place(kind, alarm) for alarm, _ in points]
        y = [_place(kind, hit if kind == "roc" else 1.0 - hit) for _, hit in points]
        label = plain(name, 24) if at < COLOURED else f"{len(curves) - COLOURED} others" if at == COLOURED else None
        ax.plot(x, y, color=colour, linestyle=style, linewidth=1.5 if at < COLOURED else 0.8, label=label)
    guess = [0.0, 0.25, 0.5, 0.75, 1.0] if kind == "roc" else [1.0 - MOST, 0.3, 0.5, 0.7, MOST]
    ax.plot(
        [_place(kind, rate) for rate in guess],
        [_place(kind, rate if kind == "roc" else 1.0 - rate) for rate in guess],
        color=GREY, linestyle=":", linewidth=1.0, label="guessing",
    )  # fmt: skip
    ax.set_xlabel("false alarms")
    ax.set_ylabel("fakes found" if kind == "roc" else "fakes missed")
    if kind == "det":
        ticks, texts = [_place(kind, rate) for rate in DET_TICKS], [f"{100 * rate:g} %" for rate in DET_TICKS]
        ax.set_xticks(ticks, texts)
        ax.set_yticks(ticks, texts)
    ax.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    finish(ax)
    return ax


def _curves(runs: Scorecard | Mapping[str, Scorecard] | Leaderboard) -> list[tuple[str, str, Points]]:
    """Return (run, generator, points) of every curve."""
    if isinstance(runs, Leaderboard):
        return [(one.team, one.generator, one.points) for one in runs.curves]
    named = {runs.submission.name: runs} if isinstance(runs, Scorecard) else runs
    found = []
    for name, card in named.items():
        if not isinstance(card, Scorecard):
            raise UsageError("The runs must be scorecards.", found=type(card).__name__)
        held = read_curves(card)
        found += [(name, one.name, one.points) for one in held.roc] if held is not None else []
    return found


def _chosen(curves: list[tuple[str, str, Points]], generator: str | None, *, alone: bool) -> list[tuple[str, Points]]:
    known = list(dict.fromkeys(name for _, name, _ in curves))
    if not known:
        raise InputError(
            "There are no curves to draw.",
            expected="scorecards of detectors, with fakes and real videos that are scored",
        )
    if generator is not None and generator not in known:
        raise UsageError(
            f"There is no generator '{plain(generator)}'.{did_you_mean(generator, known)}", expected=", ".join(known)
        )
    if alone and generator is None:
        return [(name, points) for _, name, points in curves]
    if generator is None and len(known) > 1:
        raise UsageError("The runs have curves of several generators.", expected=", ".join(known), fix="Name one.")
    return [(run, points) for run, name, points in curves if name == (generator or known[0])]


def _place(kind: str, rate: float) -> float:
    """Return where a rate is on an axis: itself, or its normal deviate."""
    return rate if kind == "roc" else NormalDist().inv_cdf(min(max(rate, FEWEST), MOST))
