"""The columns of a leaderboard: what the challenge declares, with what the scorecards say about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from evalkit.challenges.model import Challenge, MetricEntry
from evalkit.errors import PluginError
from evalkit.leaderboard.model import ColumnInfo
from evalkit.leaderboard.ranking import Ranking
from evalkit.leaderboard.runs import Entrant, Runs
from evalkit.leaderboard.scoring_rules import Plan
from evalkit.leaderboard.table import PAIRS, Reason
from evalkit.metrics.base import MetricRecord, metric_registry
from evalkit.scoring.scorecard import MetricScore
from evalkit.text import escape_for_display

GROUPS = ("objective", "subjective", "speed", "diagnostic")


@dataclass(frozen=True)
class Columns:
    """Columns, and the challenge that they are ranked by.

    Args:
        infos: in the order in which they are shown.
        challenge: the board's, without the metrics that are refused: they neither rank nor break ties.
        directions: metric id -> better side, where a scorecard or the installed metric says it.
    """

    infos: tuple[ColumnInfo, ...]
    challenge: Challenge
    directions: Mapping[str, bool | None]

    def higher_is_better(self) -> dict[str, bool | None]:
        """Return column id -> its better side."""
        return {info.id: info.higher_is_better for info in self.infos}


def read_columns(challenge: Challenge, field: Runs) -> Columns:
    """Return the columns of ``challenge``: by group, those that rank first, in the order of the challenge.

    A metric whose scorecards of competing runs disagree in what it means (protocol, unit, better side) is refused: it
    ranks nobody.
    """
    infos = [_metric(entry, field) for entry in challenge.metrics] + _people(challenge)
    refused = {info.id for info in infos if info.refused}
    order = {group: at for at, group in enumerate(GROUPS)}
    shown = sorted(infos, key=lambda info: (order[info.group], not info.ranks))
    directions = {info.id: info.higher_is_better for info in infos if info.kind == "metric"}
    return Columns(tuple(shown), _without(challenge, refused), directions)


def ranked_columns(
    columns: Columns,
    ranking: Ranking | None,
    plans: Sequence[Plan],
    *,
    units: Mapping[str, str],
    told: Mapping[str, Sequence[str]],
) -> tuple[ColumnInfo, ...]:
    """Return the columns with their shares of the score, what the ranking refused, and more ``units`` and notes.

    In a two-phase ranking a share is that of the phase which the column belongs to; a note says which.
    """
    shares: dict[str, float] = {}
    notes: dict[str, str] = {}
    for number, plan in enumerate(plans):
        total = float(plan.weights.sum())
        for column, weight in zip(plan.columns, plan.weights, strict=True):
            shares[column.id] = float(weight) / total
            if len(plans) > 1:
                notes[column.id] = ("Makes the shortlist.", "Orders the finalists.")[number]
    refused = ranking.refused if ranking is not None else {}
    return tuple(
        replace(
            info,
            share=shares.get(info.id, 0.0),
            refused=info.refused or refused.get(info.id),
            unit=units.get(info.id, info.unit),
            notes=(*info.notes, *([notes[info.id]] if info.id in notes else []), *told.get(info.id, ())),
        )
        for info in columns.infos
    )


def _metric(entry: MetricEntry, field: Runs) -> ColumnInfo:
    everyone = [(one, score) for one in field.entrants if (score := one.score(entry.id)) is not None]
    scored = [(one, score) for one, score in everyone if score.value is not None]
    competing = [(one, score) for one, score in scored if one.competes]
    first = next((score for _, score in [*competing, *scored, *everyone]), None)
    record = None if first is not None else _record(entry.id)
    ranks = entry.rank and entry.group != "diagnostic"
    why = _disagreement(entry.id, competing)
    refused = Reason("protocol", why) if why is not None and ranks else None
    known = first.higher_is_better if first else record.higher_is_better if record else None
    up = known if entry.direction is None else entry.direction == "higher"
    notes = [why] if why is not None and not ranks else []
    if known is not None and up is not known:
        meant = "higher" if known else "lower"
        notes.append(f"The challenge takes {entry.direction} values for better, the metric's definition {meant} ones.")
    if why is None and (other := _disagreement(entry.id, scored)) is not None:
        notes.append(f"Not among the runs that compete: {other}")
    return ColumnInfo(
        id=entry.id,
        title=(first.title if first else record.title if record else "") or entry.id,
        published_as=entry.published_as,
        kind="metric",
        group=entry.group,
        higher_is_better=up,
        unit=first.unit if first else record.unit if record else "",
        weight=entry.weight if ranks else 0.0,
        ranks=ranks,
        refused=refused,
        range=entry.range,
        protocol=None if why else first.protocol if first else record.protocol if record else None,
        notes=tuple(notes),
    )


def _people(challenge: Challenge) -> list[ColumnInfo]:
    rules = challenge.ratings
    if rules.method == "none":
        return []
    pairs = rules.method == "pairs"
    infos = [
        ColumnInfo(
            id=dimension.id,
            title=dimension.title,
            published_as=None,
            kind="dimension",
            group="subjective",
            higher_is_better=True,
            weight=dimension.weight,
            ranks=True,
            range=None if pairs else (float(dimension.scale[0]), float(dimension.scale[1])),
        )
        for dimension in rules.dimensions
    ]
    if pairs and not infos:
        infos.append(
            ColumnInfo(
                id=PAIRS,
                title="Share of points",
                published_as=None,
                kind="pairs",
                group="subjective",
                higher_is_better=True,
                weight=1.0,
                ranks=True,
                range=(0.0, 1.0),
            )
        )
    return infos


def _disagreement(metric: str, scored: Sequence[tuple[Entrant, MetricScore]]) -> str | None:
    """Return in what the scorecards don't mean the same by ``metric``, as a sentence."""
    kinds: dict[tuple[object, ...], str] = {}
    for one, score in scored:
        told = f"protocol {score.protocol}"
        told += {True: ", higher is better", False: ", lower is better", None: ", no better side"}[
            score.higher_is_better
        ]
        told += f", {escape_for_display(score.unit, limit=40)}" if score.unit else ""
        kinds.setdefault((score.protocol, score.unit, score.higher_is_better), f"{told} ({one.label})")
    if len(kinds) < 2:
        return None
    return f"{metric} does not mean the same in all scorecards: {', '.join(kinds.values())}. Score all runs anew."


def _record(metric: str) -> MetricRecord | None:
    """Return the installed metric's record: all that is known of a number that nobody has yet."""
    try:
        found = metric_registry().get(metric)
    except PluginError:
        return None
    return found.record if found is not None else None


def _without(challenge: Challenge, refused: set[str]) -> Challenge:
    if not refused:
        return challenge
    metrics = tuple(
        entry.model_copy(update={"rank": False}) if entry.id in refused else entry for entry in challenge.metrics
    )
    rules = challenge.ranking_rules
    breaks = tuple(name for name in rules.tie_breaks if name not in refused)
    return challenge.model_copy(
        update={"metrics": metrics, "ranking_rules": rules.model_copy(update={"tie_breaks": breaks})}
    )
