"""The phases of a ranking: the rule of each, the order that it made, how certain that is, and which runs are tied."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from evalkit.leaderboard.scoring_rules import ScoringPlan
from evalkit.leaderboard.table import Row

PhaseName = Literal["ranking", "shortlist", "final"]


@dataclass(frozen=True)
class RankUncertainty:
    """How certain the order of a phase is, and how that was found.

    Args:
        confidence: probability that no two runs are separated wrongly, 0..1.
        draws, lost, seed: of the bootstrap.
        groups: neighbouring runs whose order the data cannot tell; each at least two, best first. They may overlap.
        tiers: the order in levels: every run of a level is significantly better than all of the levels below.
        held_fixed: columns that counted as certain.
        why_fixed: each of them -> why: ``no interval``, ``one video`` or ``one rater`` of a team.
    """

    confidence: float
    draws: int
    lost: int
    seed: int
    groups: tuple[tuple[str, ...], ...]
    tiers: tuple[tuple[str, ...], ...]
    held_fixed: tuple[str, ...] = ()
    why_fixed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RankingPhase:
    """One phase of a ranking.

    Args:
        name: ``ranking`` where there is one phase; otherwise ``shortlist`` (the objective phase) and ``final``.
        plan: the rule, on the columns that were not refused.
        order: labels of the runs that the phase ordered, best first.
        uncertainty: ``None`` with the reason in ``no_uncertainty``.
        no_uncertainty: why there is none, as one sentence.
    """

    name: PhaseName
    plan: ScoringPlan
    order: tuple[str, ...] = ()
    uncertainty: RankUncertainty | None = None
    no_uncertainty: str | None = None


@dataclass(frozen=True)
class TieGroup:
    """Neighbouring runs of the ranking that are statistically tied in ``phase``, as labels, best first."""

    phase: PhaseName
    labels: tuple[str, ...]


def find_tie_groups(phases: Sequence[RankingPhase], rows: Iterable[Row]) -> tuple[TieGroup, ...]:
    """Return the tie groups of the ranking as it stands, those of the final phase first.

    A final phase with results orders the finalists, so that the shortlist's groups are those of the other runs alone.
    """
    decided = {row.label for row in rows if row.finalist} if len(phases) > 1 and phases[1].order else set()
    found = []
    for phase in reversed(phases):
        for group in phase.uncertainty.groups if phase.uncertainty is not None else ():
            labels = tuple(label for label in group if phase.name != "shortlist" or label not in decided)
            if len(labels) > 1:
                found.append(TieGroup(phase.name, labels))
    return tuple(found)
