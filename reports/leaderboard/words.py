"""The sentences of the leaderboard: who leads and how sure that is, which teams can't be told apart."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from evalkit.board.model import Snapshot
from evalkit.clock import ANYWHERE_ON_EARTH
from evalkit.leaderboard.model import Certainty, Leaderboard, Row
from evalkit.reports.page import count
from evalkit.reports.tables import format_share, format_value

NAMED = 5  # teams named in one sentence
CHANCES = 6  # places named for one team
LEAST = 0.005  # a probability below is not worth a word


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


def tie_groups(standings: Leaderboard) -> list[tuple[str, ...]]:
    """Return the groups that the table joins by brackets, as labels; behind the finalists, those of the shortlist."""
    groups = list(standings.certainty.groups) if standings.certainty else []
    if standings.shortlist:
        waiting = standings.provisional is not None and standings.provisional.code == "no_final_phase"
        final = set() if waiting else {row.label for row in standings.rows if row.finalist}
        rest = [tuple(label for label in group if label not in final) for group in standings.shortlist.groups]
        groups += [group for group in rest if len(group) > 1]
    return groups


def tied_with(groups: Sequence[Sequence[str]], label: str) -> list[str]:
    """Return the labels of those from which the data can't tell the run ``label``."""
    return list(dict.fromkeys(other for group in groups if label in group for other in group if other != label))


def named(row: Row, standings: Leaderboard) -> str:
    """Return what a table without a column of runs calls ``row``: the label if its team has several primary ones."""
    several = sum(other.team == row.team and other.primary for other in standings.rows) > 1
    return row.label if row.primary and several else row.team


def summary(snapshot: Snapshot, standings: Leaderboard) -> str:
    """Return one or two sentences: who leads, how sure, how many take part."""
    ranked = [row for row in standings.rows if row.rank is not None]
    teams = count(len(snapshot.teams), "team")
    if standings.problem:
        return f"Nobody is ranked. {teams} on the board."
    if not ranked:
        return f"Nobody is ranked yet. {teams} on the board, {count(len(snapshot.runs), 'run')}."
    with_run = {row.team for row in standings.rows}
    placed = {row.team for row in ranked}
    left_out = len(with_run - placed)
    idle = len({team.name for team in snapshot.teams} - with_run)
    size = f"{count(len(placed), 'team')} ranked"
    size += f" with {count(len(ranked), 'run')}" if len(ranked) > len(placed) else ""
    size += f", {left_out} not ranked" if left_out else ""
    size += (f", {idle} without a run" if idle else "") + "."
    return f"{_lead(standings, ranked)} {size}"


def _lead(standings: Leaderboard, ranked: Sequence[Row]) -> str:
    leaders = [row.label for row in ranked if row.rank == ranked[0].rank]
    groups = tie_groups(standings)
    doubtful = [label for label in tied_with(groups, leaders[0]) if label not in leaders]
    if len(ranked) == 1:
        return f"{ranked[0].team} is the only team ranked so far."
    if len(leaders) > 1:
        return f"{listed(leaders)} share the first place."
    if doubtful:
        return f"{leaders[0]} is first; the data can't tell {leaders[0]} from {listed(doubtful)}."
    if standings.certainty is None:
        why = f" ({standings.no_certainty})" if standings.no_certainty else ""
        return f"{leaders[0]} is first; how sure that is can't be said{why}."
    whom = "all other finalists" if standings.certainty.scope == "finalists" else "all others"
    share = percent(standings.certainty.confidence)
    fixed = standings.certainty.held_fixed
    given = f", taking {listed(_titles(standings, fixed))} as certain" if fixed else ""
    return f"{leaders[0]} is first, and the data tell {leaders[0]} from {whom} ({share} confidence{given})."


def _titles(standings: Leaderboard, ids: Sequence[str]) -> list[str]:
    """Return what the table calls the columns."""
    named = {column.id: column.published_as or column.title or column.id for column in standings.columns}
    return [named.get(name, name) for name in ids]


def chances(row: Row) -> str:
    """Return the probability of each place in words, the likely ones only."""
    likely = [(share, place) for place, share in enumerate(row.probability, start=1) if share >= LEAST]
    shown = sorted(sorted(likely, key=lambda one: (-one[0], one[1]))[:CHANCES], key=lambda one: one[1])
    words = ", ".join(f"place {place}: {format_share(share)}" for share, place in shown)
    return words + (f", {len(likely) - len(shown)} more places" if len(likely) > len(shown) else "")


def certainty_words(certainty: Certainty, lower_wins: bool) -> list[str]:
    """Return how rank intervals and tie groups were made, in plain sentences."""
    share = percent(certainty.confidence)
    whom = "the finalists" if certainty.scope == "finalists" else "all ranked teams"
    words = [
        f"The challenge was drawn again {certainty.draws:,} times (seed {certainty.seed}): each time with other videos "
        "and other raters, picked at random from those at hand, the same for every team. The probability of a place is "
        "the share of these draws in which a team took it.",
        "Two teams are told apart when the difference of their scores is larger than chance explains, for all pairs of "
        f"{whom} at once: with {share} confidence not one pair is told apart wrongly.",
        "A team's rank interval reaches from one more than the number of teams that are surely better to the place "
        f"before those that are surely worse. The intervals of {whom} hold together with {share} confidence.",
        "A bracket joins neighbours whose order the data can't tell. Brackets may overlap: the middle one of three can "
        "be like both others, which differ.",
        "The lowest score is the best." if lower_wins else "The highest score is the best.",
    ]
    if certainty.lost:
        words.append(f"{count(certainty.lost, 'draw')} gave no ranking and were left out.")
    if certainty.held_fixed:
        named = [
            f"{name} ({certainty.why_fixed[name]})" if name in certainty.why_fixed else name
            for name in certainty.held_fixed
        ]
        words.append(f"Taken as certain, because nothing says how far they move: {', '.join(named)}.")
    return words


def shown_score(row: Row) -> str:
    """Return the score as the table shows it."""
    return format_value(row.score)
