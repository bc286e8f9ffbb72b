"""The comparison as one HTML file; see `evalkit.reports.page` for what holds of every page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from evalkit.reports.blind import cannot_see
from evalkit.reports.comparison.inputs import ComparedEntry
from evalkit.reports.comparison.model import GroupBreakdown, MetricColumn, ScorecardComparison
from evalkit.reports.filmstrips import make_strips
from evalkit.reports.page import by_role, render_page
from evalkit.reports.tables import NO_VALUE_EXPECTED, machine_of
from evalkit.text import count

Gaps = tuple[tuple[str, int], ...]  # reason, number of videos
Frames = Mapping[str, Mapping[str, Sequence[bytes]]]  # entry -> sample -> small JPEGs in time order

SHOWN_SAMPLES = 4
CELL_BUDGET = 60_000  # values of single videos in one page
GROUP_VALUES = 20  # columns of one group's table
FINDINGS = 100  # of one submission
SHADES = 6
PAPER_COLUMNS = 10  # metrics that fit beside each other on paper


def render_comparison(
    comparison: ScorecardComparison, frames: Frames | None = None, samples: Sequence[str] | None = None
) -> str:
    """Return the page; the same scorecards and frames give the same text.

    Args:
        comparison: what to show.
        frames: small JPEG images by entry and sample; without any, no filmstrips are shown.
        samples: whose frames; by default those on which the entries differ most.
    """
    card = comparison.entries[0].card
    picked = [(comparison.samples.index(sample), sample) for sample in shown_samples(comparison, samples)]
    picked = picked if frames else []
    detailed, left_out = _within_budget(comparison)
    return render_page(
        "comparison",
        filmstrips=make_strips(
            (f"{at}-{number}", (frames or {}).get(entry.name, {}).get(sample))
            for at, sample in picked
            for number, entry in enumerate(comparison.entries)
        ),
        kind=card.submission.kind,
        comparison=comparison,
        card=card,
        testset=_digest_of(card.provenance.get("testset")),
        summary=_summary(comparison),
        roles=by_role(comparison.columns, lambda column: column.score.role),
        cell=comparison.cell,
        gaps=_gaps(comparison),
        unseen=_unseen(comparison),
        details=[_detail(comparison, column) for column in detailed],
        left_out=left_out,
        group_values=GROUP_VALUES,
        shades=range(SHADES),
        paper_columns=PAPER_COLUMNS,
        findings_shown=FINDINGS,
        shown_frames=[(at, sample, _values_of(comparison, at)) for at, sample in picked],
        machines=[(entry.name, machine_of(entry.card)) for entry in comparison.entries],
    )


def _unseen(comparison: ScorecardComparison) -> list[tuple[list[str], str]]:
    """Return the titles of metrics, and what they can't see; metrics of which the same is said stand together."""
    titles: dict[str, list[str]] = {}
    for column in comparison.columns:
        titles.setdefault(cannot_see(column.id), []).append(column.title)
    return [(named, text) for text, named in titles.items() if text]


def shown_samples(comparison: ScorecardComparison, samples: Sequence[str] | None = None) -> list[str]:
    """Return the samples whose frames the page shows: those asked for, else those on which the entries differ most."""
    if samples:
        return list(dict.fromkeys(samples))
    return [comparison.samples[at] for at in comparison.most_different_samples(SHOWN_SAMPLES)]


def _digest_of(testset: object) -> str:
    """Return the test set's digest; an empty text where the scorecard doesn't record it."""
    return str(testset.get("sha256") or "") if isinstance(testset, dict) else ""


def _summary(comparison: ScorecardComparison) -> str:
    parts = [count(len(comparison.entries), "entry", "entries") + f" on {count(len(comparison.samples), 'sample')}"]
    partial = sum(entry.card.scored_videos < len(comparison.samples) for entry in comparison.entries)
    if partial:
        parts.append(f"{partial} with files that could not be scored")
    if comparison.unscored:
        parts.append(f"{count(len(comparison.unscored), 'more submission')} without a scorecard")
    return ", ".join(parts) + ". Nothing on this page is a ranking."


def _gaps(comparison: ScorecardComparison) -> list[tuple[str, list[tuple[list[str] | None, Gaps]]]]:
    """Return per incomplete entry why its videos lack values: metrics with equal reasons in one row, ``None`` for all.

    A number of the whole set that is missing says so in its cell.
    """
    shown = [column for column in comparison.columns if column.per_video]
    found = []
    for entry in comparison.entries:
        rows: dict[Gaps, list[str]] = {}
        for column in shown:
            gaps = comparison.cell(entry, column).gaps
            if gaps and gaps[0][0] != NO_VALUE_EXPECTED:  # such samples come last
                rows.setdefault(gaps, []).append(column.title)
        if rows:
            named = [(titles if len(titles) < len(shown) else None, gaps) for gaps, titles in rows.items()]
            found.append((entry.name, named))
    return found


def _within_budget(comparison: ScorecardComparison) -> tuple[list[MetricColumn], list[MetricColumn]]:
    """Return the metrics of single videos, the chosen one first, and those that would make the page too large."""
    chosen = comparison.chosen
    columns = sorted((c for c in comparison.columns if c.per_video), key=lambda column: column != chosen)
    cells = max(1, len(comparison.samples) * len(comparison.entries))
    fitting = max(1, CELL_BUDGET // cells)
    return columns[:fitting], columns[fitting:]


def _detail(comparison: ScorecardComparison, column: MetricColumn) -> dict[str, Any]:
    values = comparison.values(column)
    shade = _shading([value for row in values for value, _ in row if value is not None], column)
    return {
        "column": column,
        "breakdowns": [_cut(comparison, breakdown) for breakdown in comparison.breakdowns(column)],
        "rows": [
            (sample, [(value, reason, shade(value) if value is not None else None) for value, reason in row])
            for sample, row in zip(comparison.samples, values, strict=True)
        ],
    }


def _cut(
    comparison: ScorecardComparison, breakdown: GroupBreakdown
) -> tuple[GroupBreakdown, int, list[tuple[Any, ...]]]:
    """Return the breakdown, the number of its columns that are not shown, and its rows."""
    lines = [
        (entry.name, line.means[:GROUP_VALUES], line.worst, line.gap)
        for entry, line in zip(comparison.entries, breakdown.lines, strict=True)
    ]
    return breakdown, max(0, len(breakdown.values) - GROUP_VALUES), lines


def _shading(known: Sequence[float], column: MetricColumn) -> Callable[[float], int]:
    """Return the shade of a value, 0 to `SHADES` - 1: even steps from the 5th to the 95th percentile, better darker."""
    low, high = np.percentile(known, [5, 95]).tolist() if known else (0.0, 0.0)
    span = high - low

    def shade(value: float) -> int:
        share = min(max((value - low) / span, 0.0), 1.0) if span > 0 else 0.0
        if span > 0 and column.better == "lower":
            share = 1 - share
        return min(int(share * SHADES), SHADES - 1)

    return shade


def _values_of(comparison: ScorecardComparison, at: int) -> list[tuple[int, ComparedEntry, float | None, str | None]]:
    """Return for each entry its number, itself, and the chosen metric's value, or why there is none."""
    chosen = comparison.chosen
    row = comparison.values(chosen)[at] if chosen is not None else ((None, None),) * len(comparison.entries)
    return [(number, entry, *row[number]) for number, entry in enumerate(comparison.entries)]
