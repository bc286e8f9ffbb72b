"""A comparison of scorecards: the same numbers for the page and for ``--json``.

Nothing is ranked: the best of a column is marked, columns are never added up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from evalkit.errors import UsageError, did_you_mean
from evalkit.metrics.base import metric_registry, resolve_metric
from evalkit.reports.comparison.checks import check_comparable
from evalkit.reports.comparison.inputs import ComparedEntry, UnscoredSubmission
from evalkit.reports.page import by_role
from evalkit.reports.tables import GroupRow, GroupTable, group_tables, missing_reason, missing_reasons, video_metrics
from evalkit.scoring.scorecard import MetricScore

SCHEMA = 1
NOT_REQUESTED = "not_requested"


@dataclass(frozen=True)
class MetricColumn:
    """A metric: its id, its score in an entry that has it, whether it is a per-video metric, and the best entries.

    ``best`` counts only entries of the largest coverage, and is empty where they are fewer than two or all equal.
    """

    id: str
    score: MetricScore
    per_video: bool
    best: frozenset[str]

    @property
    def title(self) -> str:
        """Its usual name."""
        return self.score.title or self.id

    @property
    def better(self) -> str | None:
        """``higher``, ``lower``, or ``None`` for a diagnostic."""
        return {True: "higher", False: "lower", None: None}[self.score.higher_is_better]


@dataclass(frozen=True)
class MetricCell:
    """One entry's number: the score, ``None`` when it was not requested, and why videos are missing from it."""

    score: MetricScore | None
    gaps: tuple[tuple[str, int], ...] = ()

    @property
    def reason(self) -> str | None:
        """Why there is no value."""
        if self.score is None:
            return NOT_REQUESTED
        return None if self.score.value is not None else self.score.reason or "unknown"


@dataclass(frozen=True)
class EntryGroupMeans:
    """One entry's means by group; ``worst`` is a group, ``gap`` the distance from the best mean to the worst."""

    means: tuple[tuple[float | None, int], ...]
    worst: str | None
    gap: float | None


@dataclass(frozen=True)
class GroupBreakdown:
    """A metric's means by the values of the group ``name``; a line per entry, in the page's order."""

    name: str
    values: tuple[str, ...]
    lines: tuple[EntryGroupMeans, ...]


@dataclass(frozen=True)
class ScorecardComparison:
    """Scorecards that can be compared.

    Args:
        entries: the scored submissions, in the order given.
        unscored: the others.
        columns: every metric of any entry, ranked ones first.
        chosen: the per-video metric that is shown first, also below the frames; ``None`` without any.
    """

    entries: tuple[ComparedEntry, ...]
    unscored: tuple[UnscoredSubmission, ...]
    columns: tuple[MetricColumn, ...]
    chosen: MetricColumn | None

    @property
    def samples(self) -> tuple[str, ...]:
        """The test set's samples, in its order."""
        return tuple(video.sample for video in self.entries[0].card.videos)

    @property
    def comparable_with_published(self) -> bool:
        """Whether the numbers were made with the networks that papers use."""
        return self.entries[0].card.backbones == "published"

    def cell(self, entry: ComparedEntry, column: MetricColumn) -> MetricCell:
        """Return what ``entry`` has under ``column``."""
        score = entry.card.metrics.get(column.id)
        return MetricCell(score, tuple(missing_reasons(entry.card, column.id)) if score is not None else ())

    def values(self, column: MetricColumn) -> list[tuple[tuple[float | None, str | None], ...]]:
        """Return per sample, for each entry, the value or the reason why there is none."""
        rows: list[tuple[tuple[float | None, str | None], ...]] = []
        for videos in zip(*(entry.card.videos for entry in self.entries), strict=True):
            rows.append(
                tuple(
                    (value, None)
                    if (value := video.values.get(column.id)) is not None
                    else (None, missing_reason(video, column.id) if column.id in video.values else NOT_REQUESTED)
                    for video in videos
                )
            )
        return rows

    def breakdowns(self, column: MetricColumn) -> list[GroupBreakdown]:
        """Return the metric's means by group, a table per group name."""
        tables = self._group_tables
        places = [{name: at for at, name in enumerate(video_metrics(entry.card))} for entry in self.entries]
        found = []
        for name in sorted({name for table in tables for name in table}):
            rows: list[dict[str, GroupRow]] = [
                {row.value: row for row in table[name].rows} if name in table else {} for table in tables
            ]
            values = tuple(dict.fromkeys(value for row in rows for value in row))
            lines = []
            for row, place in zip(rows, places, strict=True):
                at = place.get(column.id)
                means = [row[v].means[at] if v in row and at is not None else (None, 0) for v in values]
                lines.append(_line(values, means, column.score.higher_is_better))
            found.append(GroupBreakdown(name, values, tuple(lines)))
        return found

    @cached_property
    def _group_tables(self) -> list[dict[str, GroupTable]]:
        return [{table.name: table for table in group_tables(entry.card)} for entry in self.entries]

    def most_different_samples(self, count: int) -> list[int]:
        """Return the positions of the samples on which the entries differ most in the chosen metric, the largest
        difference first.

        Without a per-video metric these are the first samples.
        """
        if self.chosen is None:
            return list(range(min(count, len(self.samples))))
        spread = []
        for at, row in enumerate(self.values(self.chosen)):
            known = [value for value, _ in row if value is not None]
            spread.append((-(max(known) - min(known)) if len(known) > 1 else 0.0, at))
        return [at for _, at in sorted(spread)[:count]]

    def to_json(self) -> dict[str, Any]:
        """Return the numbers of the page (schema 1)."""
        card = self.entries[0].card
        testset = card.provenance.get("testset")
        digest = testset.get("sha256") if isinstance(testset, dict) else None
        return {
            "schema": SCHEMA,
            "ok": True,
            "challenge": {"id": card.challenge.id, "sha256": card.challenge.sha256, "title": card.challenge.title},
            "testset": {"sha256": digest, "samples": len(self.samples)},
            "backbones": card.backbones,
            "comparable_with_published": self.comparable_with_published,
            "metrics": {column.id: self._column_json(column) for column in self.columns},
            "entries": [self._entry_json(entry) for entry in self.entries],
            "unscored": [
                {"name": report.name, "state": report.state, "files": report.files, "findings": list(report.findings)}
                for report in self.unscored
            ],
            "videos": self._videos_json(),
        }

    def _column_json(self, column: MetricColumn) -> dict[str, Any]:
        score = column.score
        groups: dict[str, Any] = {}
        for breakdown in self.breakdowns(column) if column.per_video else []:
            groups[breakdown.name] = {
                entry.name: {
                    "means": {v: {"mean": m, "n": n} for v, (m, n) in zip(breakdown.values, line.means, strict=True)},
                    "worst": line.worst,
                    "gap": line.gap,
                }
                for entry, line in zip(self.entries, breakdown.lines, strict=True)
            }
        return {
            "title": column.title,
            "unit": score.unit,
            "higher_is_better": score.higher_is_better,
            "role": score.role,
            "protocol": score.protocol,
            "best": [entry.name for entry in self.entries if entry.name in column.best],
            "groups": groups,
        }

    def _entry_json(self, entry: ComparedEntry) -> dict[str, Any]:
        values = {}
        for column in self.columns:
            cell = self.cell(entry, column)
            score = cell.score
            values[column.id] = {
                "value": score.value if score else None,
                "ci95": score.ci95 if score else None,
                "n": score.n if score else 0,
                "coverage": score.coverage if score else 0.0,
                "not_applicable": score.not_applicable if score else 0,
                "reason": cell.reason,
                "missing": dict(cell.gaps),
            }
        submission = entry.card.submission
        return {
            "name": entry.name,
            "note": entry.note,
            "submission": {"name": submission.name, "sha256": submission.sha256},
            "scored_videos": entry.card.scored_videos,
            "values": values,
        }

    def _videos_json(self) -> list[dict[str, Any]]:
        tables = {column.id: self.values(column) for column in self.columns if column.per_video}
        return [
            {
                "sample": sample,
                "values": {
                    name: {entry.name: row[at][i][0] for i, entry in enumerate(self.entries)}
                    for name, row in tables.items()
                },
            }
            for at, sample in enumerate(self.samples)
        ]


def make_comparison(
    entries: Sequence[ComparedEntry], unscored: Sequence[UnscoredSubmission] = (), *, metric: str | None = None
) -> ScorecardComparison:
    """Return the comparison of ``entries``.

    Args:
        entries: scorecards of one challenge, test set and set of backbones, made by the same definitions.
        unscored: submissions without a scorecard.
        metric: id or alias of the per-video metric to show first; by default the first ranked one.

    Raises:
        InputError: when the scorecards can't be compared.
        UsageError: when ``metric`` is not a per-video metric of any entry.
    """
    check_comparable(entries, unscored)
    columns = _columns(entries)
    return ScorecardComparison(tuple(entries), tuple(unscored), tuple(columns), _chosen(columns, metric))


def _columns(entries: Sequence[ComparedEntry]) -> list[MetricColumn]:
    scores: dict[str, MetricScore] = {}
    per_video: set[str] = set()
    for entry in entries:
        per_video |= {name for video in entry.card.videos for name, value in video.values.items() if value is not None}
        for name, score in entry.card.metrics.items():
            # The definition comes from an entry that has a value.
            if name not in scores or (scores[name].value is None and score.value is not None):
                scores[name] = score
    return [
        MetricColumn(name, scores[name], name in per_video, best_entries(entries, name, scores[name].higher_is_better))
        for _, _, names in by_role(scores, lambda name: scores[name].role)
        for name in names
    ]


def best_entries(entries: Sequence[ComparedEntry], metric: str, higher: bool | None) -> frozenset[str]:
    """Return the names of the best entries among those of the largest coverage; none if all of them are equal."""
    known = [
        (entry.name, score.value, score.coverage)
        for entry in entries
        if (score := entry.card.metrics.get(metric)) is not None and score.value is not None
    ]
    if higher is None or not known:
        return frozenset()
    largest = max(coverage for _, _, coverage in known)
    full = {name: value for name, value, coverage in known if coverage == largest}
    best = (max if higher else min)(full.values())
    winners = frozenset(name for name, value in full.items() if value == best)
    return winners if len(winners) < len(full) else frozenset()


def _chosen(columns: Sequence[MetricColumn], metric: str | None) -> MetricColumn | None:
    shown = [column for column in columns if column.per_video]
    if metric is None:
        return shown[0] if shown else None
    named = {column.id: column for column in shown}
    if metric not in named and metric not in {column.id for column in columns}:
        metric = resolve_metric(metric, metric_registry())
    if metric not in named:
        raise UsageError(
            f"No entry has per-video values of '{metric}'.{did_you_mean(metric, named)}",
            expected=f"one of {', '.join(named)}" if named else None,
        )
    return named[metric]


def _line(values: Sequence[str], means: Sequence[tuple[float | None, int]], higher: bool | None) -> EntryGroupMeans:
    known = {value: mean for value, (mean, _) in zip(values, means, strict=True) if mean is not None}
    if len(known) < 2:
        return EntryGroupMeans(tuple(means), None, None)
    gap = max(known.values()) - min(known.values())
    if higher is None or gap == 0:
        return EntryGroupMeans(tuple(means), None, gap)
    return EntryGroupMeans(tuple(means), (min if higher else max)(known, key=lambda value: known[value]), gap)
