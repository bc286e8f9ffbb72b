"""The sentences of the leaderboard: who leads, how certain that is, and how that was computed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from evalkit.board.model import Snapshot
from evalkit.leaderboard.model import Leaderboard, RankingPhase, UncheckedRun
from evalkit.leaderboard.table import Column, Row
from evalkit.reports.page import listed
from evalkit.reports.tables import format_share, format_short_share
from evalkit.text import count

PROBABILITIES = 6  # ranks named for one team
RULES_NAMED = 4
MIN_PROBABILITY = 0.005  # a smaller one is not shown


def summary(snapshot: Snapshot, leaderboard: Leaderboard) -> str:
    """Return one or two sentences: who leads, how certain that is, how many take part."""
    ranked = [row for row in leaderboard.rows if row.rank is not None]
    teams = count(len(snapshot.teams), "team")
    if leaderboard.problem:
        return f"Nobody is ranked. {teams} on the board."
    if leaderboard.rule == "none":
        runs = count(len(snapshot.runs), "run")
        return f"The challenge declares no ranking: the values stand by name. {teams} on the board, {runs}."
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
    confidence = format_short_share(found.confidence)
    return f"{leaders[0]} is first, significantly better than {whom} ({confidence} confidence{given})."


def _titles(leaderboard: Leaderboard, ids: Sequence[str]) -> list[str]:
    """Return what the table calls the columns."""
    named = {column.id: column.published_as or column.title or column.id for column in leaderboard.columns}
    return [named.get(name, name) for name in ids]


def excluded_lines(leaderboard: Leaderboard) -> list[str]:
    """Return which samples are excluded and why, a sentence for each; nothing when none is."""
    found = leaderboard.excluded_samples
    if not found:
        return []
    what = f"{count(len(found), 'sample is', 'samples are')} excluded"
    first = f"{what}: no score, coverage or rating of {'it' if len(found) == 1 else 'them'} counts."
    return [first, *(f"Excluded sample {one.sample}: {one.reason}" for one in found)]


def consequence_lines(leaderboard: Leaderboard) -> list[str]:
    """Return what findings about gaming do to which runs, a sentence for each; nothing when they do nothing."""
    done: dict[tuple[str, str, str], list[str]] = {}
    for one in leaderboard.consequences:
        if not one.overruled:
            done.setdefault((one.team, one.run, one.effect), []).append(one.sample)
    refused = {(team, run): set(samples) for (team, run, effect), samples in done.items() if effect == "refuse"}
    for key, samples in done.items():
        if key[2] == "zero":  # a video that is refused has no value to be made the worst
            done[key] = [sample for sample in samples if sample not in refused.get(key[:2], ())]
    does = {"zero": "with the worst value in each ranking metric", "refuse": "without a value"}
    return [
        f"{team}, run {run}: {count(len(set(samples)), 'video counts', 'videos count')} {does[effect]}, "
        "for findings about gaming."
        for (team, run, effect), samples in done.items()
        if samples
    ]


def unchecked_lines(runs: Iterable[UncheckedRun]) -> list[str]:
    """Return in which runs findings about gaming were not looked for, a sentence for each; nothing when in none."""
    lines = []
    for one in runs:
        parts = []
        if one.videos:
            parts.append(f"{count(one.videos, 'video was', 'videos were')} not examined")
        if one.rules:
            parts.append(f"{listed(one.rules, RULES_NAMED)} looked at no video")
        lines.append(f"{one.team}, run {one.run}: not checked for gaming by its scorecard: {'; '.join(parts)}.")
    return lines


def by_group_lines(leaderboard: Leaderboard, columns: Iterable[Column] | None = None) -> list[str]:
    """Return which of ``columns`` (all by default) hold no means over all videos, by a rule about groups of people."""
    says = {
        "worst-group": "the mean of the worst group of people, not that of all videos",
        "gap-penalty": "the value made worse by the gap between groups of people, not the mean of all videos",
    }
    named: dict[str, list[str]] = {}
    for column in leaderboard.columns if columns is None else columns:
        if column.by_group and column.refused is None:
            named.setdefault(column.by_group, []).append(column.id)
    return [f"{', '.join(_titles(leaderboard, ids))}: {says[rule]}." for rule, ids in named.items()]


def included_line(leaderboard: Leaderboard, *, only: Iterable[Column] | None = None) -> str:
    """Return which columns, or which of ``only``, still include excluded samples, and why; empty when none does."""
    columns = leaderboard.columns if only is None else only
    named = [column.id for column in columns if column.includes_excluded]
    if not named:
        return ""
    verb = "still includes" if len(named) == 1 else "still include"
    why = "a number of the whole set can't be computed again from the values of single videos"
    return f"{', '.join(_titles(leaderboard, named))} {verb} excluded samples: {why}."


def probability_words(row: Row) -> str:
    """Return the probability of each rank in words, the likely ones only."""
    likely = [(share, rank) for rank, share in enumerate(row.probability, start=1) if share >= MIN_PROBABILITY]
    shown = sorted(sorted(likely, key=lambda one: (-one[0], one[1]))[:PROBABILITIES], key=lambda one: one[1])
    words = ", ".join(f"rank {rank}: {format_share(share)}" for share, rank in shown)
    return words + (f", {len(likely) - len(shown)} more ranks" if len(likely) > len(shown) else "")


def uncertainty_words(phase: RankingPhase) -> list[str]:
    """Return how rank intervals and tie groups of a phase were made, in plain sentences."""
    found = phase.uncertainty
    if found is None:
        return []
    share = format_short_share(found.confidence)
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
