"""Groups of people on a board: who is of which group, and the report on all runs that compete."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalkit.groups.inputs import Entry, GroupedSamples, SampleValues, with_shares
from evalkit.groups.model import Measure
from evalkit.leaderboard.answers import RatedColumn
from evalkit.leaderboard.runs import Entrant, Runs
from evalkit.leaderboard.table import Column, RunKey
from evalkit.metrics.base import is_not_applicable
from evalkit.scoring.aggregate import follows_from_videos
from evalkit.scoring.scorecard import MetricScore

Said = tuple[tuple[str, str], ...] | str | None


@dataclass(frozen=True)
class BoardGroups:
    """Who is in which sample, and which runs say otherwise.

    Args:
        people: as most scorecards have it.
        contradicting: runs whose scorecards name other groups or people for a sample.
    """

    people: GroupedSamples
    contradicting: frozenset[RunKey]


def board_groups(runs: Runs) -> BoardGroups:
    """Return the groups of the board's samples.

    A scorecard that was handed in could say anything. So those of runs that the organizer scored decide where there are
    any, otherwise what most scorecards say of a sample; of equally many, the first. One with other groups costs itself
    only; one without groups or identities, such as one from before the test set had any, says nothing of them.
    """
    competing = runs.competing
    trusted = [one for one in competing if one.run.origin != "handed-in"] or list(competing)
    said: dict[str, tuple[Counter[Said], Counter[Said]]] = {}
    for one in trusted:
        for sample, parts in _said(one).items():
            for votes, part in zip(said.setdefault(sample, (Counter(), Counter())), parts, strict=True):
                votes.update([part] if part else [])
    settled = {sample: (_most(groups) or (), _most(persons)) for sample, (groups, persons) in said.items()}
    odd = {
        one.key
        for one in competing
        if any(
            now and sample in settled and now != known
            for sample, parts in _said(one).items()
            for now, known in zip(parts, settled.get(sample, parts), strict=True)
        )
    }
    names = sorted({name for groups, _ in settled.values() for name, _ in groups})
    samples = tuple(sample for sample in runs.samples if sample in settled)
    people = GroupedSamples(
        samples=samples,
        groups={
            name: {sample: dict(settled[sample][0])[name] for sample in samples if name in dict(settled[sample][0])}
            for name in names
        },
        identity={sample: settled[sample][1] or f"sample {sample}" for sample in samples},
        identities_known=any(person for _, person in settled.values()),
    )
    return BoardGroups(people, frozenset(odd))


def _most(votes: Counter[Said]) -> Any:
    return votes.most_common(1)[0][0] if votes else None


def _said(one: Entrant) -> dict[str, tuple[Said, Said]]:
    """Return sample -> its groups, and who is in it; empty where the scorecard says nothing."""
    return {video.sample: (tuple(sorted(video.groups.items())), video.identity) for video in one.run.card.videos}


def board_entries(
    columns: Sequence[Column], runs: Runs, rated: Mapping[str, RatedColumn], groups: BoardGroups
) -> list[Entry]:
    """Return the competing runs with their values per sample in ``columns``, opinion scores included.

    A run that contradicts the others about groups is left out. Comparisons in pairs are no numbers of single videos.
    """
    return [
        _entry(one, columns, rated) for one in runs.entrants if one.competes and one.key not in groups.contradicting
    ]


def _entry(one: Entrant, columns: Sequence[Column], rated: Mapping[str, RatedColumn]) -> Entry:
    measured, whole, details = [], {}, {}
    for column in columns:
        title = column.published_as or column.title or column.id
        if column.kind == "metric":
            score = one.score(column.id)
            if score is None:
                continue
            if score.aggregate is None or not follows_from_videos(one.run.card, column.id):
                whole[column.id], details[column.id] = title, dict(score.details)
                continue
            measured.append(_of_metric(one, column, score, title))
        elif column.kind == "dimension" and column.id in rated:
            found = sample_scores(one, rated[column.id])
            if found:
                unit = rated[column.id].unit
                measured.append(SampleValues(Measure(column.id, title, "dimension", True, unit), found))
            else:
                whole[column.id] = title
        elif column.kind == "pairs":
            whole[column.id] = title
    return with_shares(Entry(one.label, tuple(measured), whole, details), one.run.card.videos)


def sample_scores(one: Entrant, column: RatedColumn) -> dict[str, float]:
    """Return sample -> opinion score of a run's video in a dimension."""
    return {sample: score for (key, sample), score in column.items.items() if key == one.key}


def _of_metric(one: Entrant, column: Column, score: MetricScore, title: str) -> SampleValues:
    values, reasons = {}, {}
    for video in one.run.card.videos:
        value, reason = video.values.get(column.id), video.reasons.get(column.id)
        if value is not None:
            values[video.sample] = value
        elif not is_not_applicable(reason):
            reasons[video.sample] = reason or "not_scored"
    measure = Measure(column.id, title, "metric", column.higher_is_better, column.unit, score.aggregate or "mean")
    return SampleValues(measure, values, reasons)
