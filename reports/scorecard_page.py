"""The scorecard as one HTML file; see `evalkit.reports.page` for what holds of every page."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from evalkit.groups import MIN_VIDEOS
from evalkit.groups.computing import compare_groups
from evalkit.groups.inputs import entry_of_card, grouped_samples
from evalkit.groups.model import FairnessReport
from evalkit.metrics.base import is_not_applicable
from evalkit.reports import detector_plots
from evalkit.reports.blind import cannot_see
from evalkit.reports.fairness.section import attribute_sections
from evalkit.reports.filmstrips import make_strips
from evalkit.reports.page import by_role, render_page
from evalkit.reports.tables import (
    BETTER,
    CELL_LIMIT,
    NO_VALUE_EXPECTED,
    extremes,
    findings_by_rule,
    flatten,
    group_tables,
    missing_reason,
    missing_reasons,
    video_metrics,
)
from evalkit.scoring.consequences import EFFECTS
from evalkit.scoring.scorecard import MetricScore, Scorecard, VideoScore
from evalkit.text import count, escape_for_display, format_value

FrameReader = Callable[[str], Sequence[bytes] | None]

RULE_DETAILS = 100  # findings listed under one rule
GROUP_VALUES = 50  # rows of one group's table
ATTRIBUTES = 40  # columns of the table of videos, and tables; a test set may have thousands
NOTES = 6  # events and findings named in one row
SHOWN_VIDEOS = 2000  # rows of the table of videos; with more of them browsers are slow, and the page has megabytes
VERDICTS = {"missing": "missing", "error": "invalid", "warning": "warning", "ok": "ok"}


def render_scorecard(card: Scorecard, frames_of: FrameReader) -> str:
    """Return the page; the same scorecard and frames give the same text.

    Args:
        card: what to show.
        frames_of: called once for each sample whose frames are shown; returns small JPEG images in time order, or
            ``None`` when there are none.
    """
    shown = video_metrics(card)
    ends = {name: extremes(card, name) for name in shown}
    ordered = [name for _, _, names in by_role(shown, lambda name: _role(card, name)) for name in names]
    picked = dict.fromkeys(index for name in ordered for end in ends[name] for index in end)
    rows, problems = _rows(card, shown, ends, picked)
    fairness, rules = _fairness(card), findings_by_rule(card)
    attributes = sorted({name for video in card.videos for name in video.groups})
    return render_page(
        "scorecard",
        filmstrips=make_strips((str(index), frames_of(card.videos[index].sample)) for index in picked),
        kind=card.submission.kind,
        card=card,
        cannot_see=cannot_see,
        detector=detector_plots.detector_section(card),
        details_of=detector_plots.not_of_a_generator,
        plot_size=(detector_plots.WIDTH, detector_plots.HEIGHT, detector_plots.LEFT, detector_plots.BOTTOM),
        summary=_summary(card),
        roles=[
            (title, words, [(name, score, _interval(score), missing_reasons(card, name)) for name, score in members])
            for title, words, members in by_role(card.metrics.items(), lambda one: one[1].role)
        ],
        rules=rules,
        has_consequences=any(entry["consequence"] in EFFECTS for _, _, entries in rules for entry in entries),
        rule_details=RULE_DETAILS,
        shown=[(name, _title(card, name), _better(card, name)) for name in shown],
        whole_set=[
            _title(card, name) for name, score in card.metrics.items() if name not in ends and score.value is not None
        ],
        ends=[
            (
                name,
                _title(card, name),
                _better(card, name),
                card.metrics.get(name),
                ends[name],
                missing_reasons(card, name),
            )
            for name in ordered
        ],
        rows=rows,
        problems=problems,
        group_names=attributes[:ATTRIBUTES],
        more_attributes=max(0, len(attributes) - ATTRIBUTES),
        groups=group_tables(card, attributes[:ATTRIBUTES]),
        fairness=fairness,
        fairness_sections_of=[] if fairness is None else attribute_sections(fairness),
        group_values=GROUP_VALUES,
        verdicts=VERDICTS,
        provenance=list(flatten(card.provenance)),
        timing=list(flatten(card.timing)),
    )


def _fairness(card: Scorecard) -> FairnessReport | None:
    """Return the report on the groups of people; ``None`` where no two groups of an attribute are large enough."""
    people = grouped_samples([card])
    if not people.groups or len(card.videos) < 2 * MIN_VIDEOS:
        return None
    report = compare_groups([entry_of_card(card.submission.name, card)], people)
    return report if report.distances or any(table.gap is not None for table in report.tables) else None


def _title(card: Scorecard, name: str) -> str:
    score = card.metrics.get(name)
    return score.title or name if score is not None else name


def _better(card: Scorecard, name: str) -> str | None:
    score = card.metrics.get(name)
    return BETTER[score.higher_is_better] if score is not None else None


def _role(card: Scorecard, name: str) -> str:
    score = card.metrics.get(name)
    return score.role if score is not None else "diagnostic"


def _summary(card: Scorecard) -> str:
    verdicts = Counter(video.verdict for video in card.videos)
    warned = f" ({verdicts['warning']} of them with warnings)" if verdicts["warning"] else ""
    about = [score for score in card.metrics.values() if not is_not_applicable(score.reason)]
    full = sum(score.value is not None and score.coverage >= 1 for score in about)
    return (
        f"{count(len(card.videos), 'sample')}: {card.scored_videos} scored{warned}, {verdicts['error']} invalid, "
        f"{verdicts['missing']} missing. {full} of {count(len(about), 'metric')} cover every sample"
        f"{' that they are about' if any(score.not_applicable for score in about) else ''}."
    )


def _interval(score: MetricScore) -> dict[str, Any] | None:
    """Return the ends of the axis and, in percent of it, where the interval and the value lie."""
    if score.value is None:
        return None
    points = (score.value, *(score.ci95 or ()))
    low, high = score.range
    left = low if low is not None else min(0.0, -_round_up(-min(points)))
    right = high if high is not None else max(0.0, _round_up(max(points)))
    if not (math.isfinite(right - left) and right > left):
        return None
    at = [100 * min(max((point - left) / (right - left), 0.0), 1.0) for point in points]
    band = (at[1], max(at[2] - at[1], 0.6)) if score.ci95 else None
    return {"left": left, "right": right, "open": (low is None, high is None), "at": at[0], "band": band}


def _round_up(number: float) -> float:
    """Return the next 1, 2 or 5 times a power of ten; 0 for anything that is not positive."""
    if number <= 0:
        return 0.0
    power = 10.0 ** math.floor(math.log10(number))
    return next((step * power for step in (1, 2, 5) if step * power >= number), 10 * power)


def _rows(
    card: Scorecard, shown: Sequence[str], ends: dict[str, tuple[list[int], list[int]]], picked: Collection[int]
) -> tuple[dict[int, dict[str, Any]], int]:
    """Return a row by number of the video, and how many videos have a problem.

    Of more than `SHOWN_VIDEOS` the table has those that are ``picked``, then those with a problem, then the first ones.
    """
    low = {name: set(worst) if best and _marks(card, name) else set() for name, (worst, best) in ends.items()}
    bad = [at for at, video in enumerate(card.videos) if _row(at, video, shown, low)["problem"]]
    chosen = dict.fromkeys((*picked, *bad, *range(len(card.videos))))
    kept = sorted(list(chosen)[: max(SHOWN_VIDEOS, len(set(picked)))])
    return {at: _row(at, card.videos[at], shown, low) for at in kept}, len(bad)


def _row(at: int, video: VideoScore, shown: Sequence[str], low: Mapping[str, set[int]]) -> dict[str, Any]:
    """Return one row; a cell is ``(formatted, exact, among the worst, reason)``."""
    cells = [
        (Markup(format_value(value)), Markup(repr(value)), at in low[name], None)  # noqa: S704  (digits)
        if (value := video.values.get(name)) is not None
        else ("", "", False, missing_reason(video, name))
        for name in shown
    ]
    notes = [f"{event.kind}: {event.detail}" if event.detail else event.kind for event in video.events]
    notes += dict.fromkeys(str(finding.get("rule", "finding")) for finding in video.findings)
    problem = video.verdict != "ok" or bool(notes) or any(cell[3] not in {None, NO_VALUE_EXPECTED} for cell in cells)
    more = [f"and {len(notes) - NOTES} more"] if len(notes) > NOTES else []
    notes = [escape_for_display(note, CELL_LIMIT) for note in notes[:NOTES]] + more
    return {"video": video, "cells": cells, "notes": notes, "problem": problem}


def _marks(card: Scorecard, name: str) -> bool:
    """Return whether a column has worst cells to mark: a better side, and values that differ."""
    return _better(card, name) is not None and len({video.values.get(name) for video in card.videos} - {None}) > 1
