"""The sentences of the leaderboard: who leads and how certain that is, which teams are statistically tied."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from evalkit.board.model import Snapshot
from evalkit.clock import ANYWHERE_ON_EARTH
from evalkit.leaderboard.model import Leaderboard, RankingPhase
from evalkit.leaderboard.table import Row
from evalkit.reports.page import count
from evalkit.reports.tables import format_share

NAMED = 5  # teams named in one sentence
CHANCES = 6  # places named for one team
LEAST = 0.005  # a smaller probability is not shown


def utc(moment: datetime) -> str:
    """Return a moment as ``2026-03-06 11:59:59 UTC``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def aoe(moment: datetime) -> str:
    """Return the same as ``2026-03-05 23:59:59 AoE``; empty where the calendar has no such day."""
    try:
        return moment.astimezone(ANYWHERE_ON_EARTH).strftime("%Y-%m-%d %H:%M:%S AoE")
    except OverflowError:
        return ""


def listed(names: Sequence[str], most: int = NAMED) -> str:
    """Return ``alpha, beta and gamma``; beyond ``most`` the rest as a number."""
    shown = list(names[:most])
    if len(names) > most:
        shown.append(f"{len(names) - most} more")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}" if shown else ""


def percent(share: float) -> str:
    """Return a declared share: ``95 %``, ``12.5 %``; never rounded up to the whole nor down to nothing."""
    return format_share(share).replace(".0 %", " %")


def tie_lines(leaderboard: Leaderboard) -> list[str]:
    """Return a line per tie group: the labels, and the phase where there are two."""
    phases = {"ranking": "", "shortlist": " in the objective phase", "final": " in the final phase"}
    return [f"Statistically tied{phases[group.phase]}: {', '.join(group.labels)}." for group in leaderboard.tie_groups]


def named(row: Row, leaderboard: Leaderboard) -> str:
    """Return what a table without a column of runs calls ``row``: the label if its team has several primary ones."""
    several = sum(other.team == row.team and other.primary for other in leaderboard.rows) > 1
    return row.label if row.primary and several else row.team


def summary(snapshot: Snapshot, leaderboard: Leaderboard) -> str:
    """Return one or two sentences: who leads, how certain that is, how many take part."""
    ranked = [row for row in leaderboard.rows if row.rank is not None]
    teams = count(len(snapshot.teams), "team")
    if leaderboard.problem:
        return f"Nobody is ranked. {teams} on the board."
    if not ranked:
        return f"Nobody is ranked yet. {teams} on the board, {count(len(snapshot.runs), 'run')}."
    with_run = {row.team for row in leaderboard.rows}
    placed = {row.team for row in ranked}
    left_out = len(with_run - placed)
    idle = len({team.name for team in snapshot.teams} - with_run)
    size = f"{count(len(placed), 'team')} ranked"
    size += f" with {count(len(ranked), 'run')}" if len(ranked) > len(placed) else ""
    size += f", {left_out} not ranked" if left_out else ""
    size += (f", {idle} without a run" if idle else "") + "."
    return f"{_lead(leaderboard, ranked)} {size}"


def _lead(leaderboard: Leaderboard, ranked: Sequence[Row]) -> str:
    leaders = [row.label for row in ranked if row.rank == ranked[0].rank]
    tied = [label for label in leaderboard.tied_with(leaders[0]) if label not in leaders]
    if len(ranked) == 1:
        return f"{ranked[0].team} is the only team ranked so far."
    if len(leaders) > 1:
        return f"{listed(leaders)} share the first place."
    if tied:
        return f"{leaders[0]} is first, but statistically tied with {listed(tied)}."
    found = leaderboard.uncertainty
    if found is None:
        why = f" ({leaderboard.no_uncertainty})" if leaderboard.no_uncertainty else ""
        return f"{leaders[0]} is first; how certain that is can't be computed{why}."
    whom = "all other finalists" if leaderboard.phases[-1].name == "final" else "all others"
    given = f", taking {listed(_titles(leaderboard, tuple(found.held_fixed)))} as certain" if found.held_fixed else ""
    return f"{leaders[0]} is first, significantly better than {whom} ({percent(found.confidence)} confidence{given})."


def _titles(leaderboard: Leaderboard, ids: Sequence[str]) -> list[str]:
    """Return what the table calls the columns."""
    named = {column.id: column.published_as or column.title or column.id for column in leaderboard.columns}
    return [named.get(name, name) for name in ids]


def chances(row: Row) -> str:
    """Return the probability of each place in words, the likely ones only."""
    likely = [(share, place) for place, share in enumerate(row.probability, start=1) if share >= LEAST]
    shown = sorted(sorted(likely, key=lambda one: (-one[0], one[1]))[:CHANCES], key=lambda one: one[1])
    words = ", ".join(f"place {place}: {format_share(share)}" for share, place in shown)
    return words + (f", {len(likely) - len(shown)} more places" if len(likely) > len(shown) else "")


def uncertainty_words(phase: RankingPhase) -> list[str]:
    """Return how rank intervals and tie groups of a phase were made, in plain sentences."""
    found = phase.uncertainty
    if found is None:
        return []
    share = percent(found.confidence)
    whom = "the finalists" if phase.name == "final" else "all ranked teams"
    words = [
        f"Bootstrap: the videos and the raters were resampled {found.draws:,} times with replacement "
        f"(seed {found.seed}), the same ones for every team. The probability of a rank is the share of the draws "
        "in which a team took it.",
        "Two teams differ significantly when the difference of their scores is larger than chance explains, tested "
        f"for all pairs of {whom} at once: with {share} confidence not one pair is separated wrongly.",
        "A team's rank interval starts one rank after the teams that are significantly better, and ends one rank "
        f"before those that are significantly worse. The intervals of {whom} hold together with {share} confidence.",
        "A bracket joins neighbours that are statistically tied. Brackets may overlap: the middle one of three teams "
        "can be tied with both others, which differ.",
        "The lowest score is the best." if phase.plan.lower_wins else "The highest score is the best.",
    ]
    if found.lost:
        words.append(f"{count(found.lost, 'draw')} gave no ranking and were left out.")
    if found.held_fixed:
        named = [f"{name} ({why})" for name, why in found.held_fixed.items()]
        words.append(f"Taken as certain, because there is no estimate of their uncertainty: {', '.join(named)}.")
    return words
