"""ROC and DET curves of a challenge of detectors: a pair of plots per generator, a curve per team."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from evalkit.leaderboard.model import DetectorCurve, Leaderboard
from evalkit.reports.detector_plots import LOOKS, Plot, det_plot, roc_plot
from evalkit.reports.leaderboard.ranked_table import RankedTable
from evalkit.scoring.stored_curves import Curve
from evalkit.text import natural_key

GENERATORS = 12  # on one page
TOTAL_POINTS = 30_000  # of all curves on one page
FEWEST_POINTS = 20  # of a curve


@dataclass(frozen=True)
class GeneratorCurves:
    """One generator: its name, how many real and fake videos are behind the curves, and the ROC and DET plots."""

    name: str
    sizes: tuple[str, ...]
    plots: tuple[Plot, Plot]


@dataclass(frozen=True)
class DetectorCurves:
    """The section.

    Args:
        generators: those that most teams have curves of.
        left_out: how many more there are.
        legend: look and label of the curves that have a colour of their own.
        plain: how many teams share a look.
    """

    generators: tuple[GeneratorCurves, ...]
    left_out: int
    legend: tuple[tuple[int, str], ...]
    plain: int


def detector_curves_section(leaderboard: Leaderboard, table: RankedTable) -> DetectorCurves | None:
    """Return the section; ``None`` where no run has curves."""
    if not leaderboard.curves:
        return None
    have = Counter(one.generator for one in leaderboard.curves)
    chosen = sorted(have, key=lambda name: (-have[name], natural_key(name)))[:GENERATORS]
    teams = table.sorted_names({one.team for one in leaderboard.curves})
    looks = {team: min(at, LOOKS) for at, team in enumerate(teams)}
    shown = [one for one in leaderboard.curves if one.generator in chosen]
    most = max(FEWEST_POINTS, TOTAL_POINTS // (2 * len(shown)))
    made = []
    for name in sorted(chosen, key=natural_key):
        curves = sorted((one for one in shown if one.generator == name), key=lambda one: teams.index(one.team))
        drawn = [
            Curve(name=one.team, n_real=one.n_real, n_fake=one.n_fake, points=thinned(one.points, most))
            for one in curves
        ]
        own = [looks[one.team] for one in curves]
        made.append(GeneratorCurves(name, _sizes(curves), (roc_plot(drawn, own), det_plot(drawn, own))))
    return DetectorCurves(
        tuple(made),
        len(have) - len(chosen),
        tuple((look, team) for team, look in looks.items() if look < LOOKS),
        sum(look == LOOKS for look in looks.values()),
    )


def thinned(points: Sequence[tuple[float, float]], most: int) -> tuple[tuple[float, float], ...]:
    """Return at most ``most`` of the points, evenly, with both ends."""
    if len(points) <= most:
        return tuple(points)
    return tuple(points[at * (len(points) - 1) // (most - 1)] for at in range(most))


def _sizes(curves: Sequence[DetectorCurve]) -> tuple[str, ...]:
    """Return the numbers of videos; where failures make them differ, each with how many teams have it."""
    found = Counter((one.n_fake, one.n_real) for one in curves)
    said = [f"{fakes} fakes against {reals} real videos" for fakes, reals in found]
    if len(said) == 1:
        return (said[0],)
    return tuple(f"{words} ({number} of the teams)" for words, number in zip(said, found.values(), strict=True))
