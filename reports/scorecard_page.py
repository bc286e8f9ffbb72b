"""The scorecard as one HTML file that needs nothing else: no network, no second file, no script to be readable.

What a submission brought in (sample names, paths, findings, events) is foreign text: every string passes
`evalkit.text.neutralise` on its way out and jinja2's escaping after it; the page's own style and script are allowed by
their digests, anything else is refused by the page's content security policy.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import importlib.resources
import io
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup
from PIL import Image

from evalkit.files import write_bytes
from evalkit.reports.tables import (
    BETTER,
    extremes,
    flatten,
    format_share,
    format_value,
    group_tables,
    video_metrics,
)
from evalkit.scoring.scorecard import MetricScore, Scorecard, VideoScore
from evalkit.text import neutralise

Filmstrips = Callable[[str], Sequence[bytes] | None]

STRIP_FRAMES = 8
STRIP_HEIGHT = 72
IMAGE_BUDGET = 3_000_000  # bytes of JPEG in one page; base64 makes a third more of them
RULE_DETAILS = 100  # findings listed under one rule
GROUP_VALUES = 50  # rows of one group's table
TEXT_LIMIT = 600
CELL_LIMIT = 100
NOTES = 6  # events and findings named in one row
REASONS = 6  # reasons counted beside one metric
ROLES = (
    ("ranked", "Ranked", "may decide the ranking"),
    ("secondary", "Secondary", "explain the ranked ones"),
    ("diagnostic", "Diagnostic", "describe, without a better side"),
)
VERDICTS = {"missing": "missing", "error": "invalid", "warning": "warning", "ok": "ok"}
SEVERITIES = ("error", "warning", "info")


@dataclass(frozen=True)
class Strip:
    """A filmstrip: the numbers of its images, where each lies, and the size of the whole, in SVG units."""

    frames: tuple[tuple[int, float, float], ...]  # image number, x, width
    width: float


def render_scorecard(card: Scorecard, filmstrips: Filmstrips) -> str:
    """Return the page; the same scorecard and frames give the same text.

    Args:
        card: what to show.
        filmstrips: called once for each sample whose frames are shown; returns small JPEG images in time order, or
            ``None`` when there are none.
    """
    shown = video_metrics(card)
    ends = {name: extremes(card, name) for name in shown}
    picked = dict.fromkeys(index for name in _by_role(card, shown) for end in ends[name] for index in end)
    images, strips = _strips([(index, card.videos[index].sample) for index in picked], filmstrips)
    style, script = _resource("style.css"), _resource("scorecard.js")
    return _template().render(
        card=card,
        style=Markup(style),  # noqa: S704  (ours, from the package)
        script=Markup(script),  # noqa: S704
        csp=f"default-src 'none'; img-src data:; style-src {_digest(style)}; script-src {_digest(script)}; "
        "base-uri 'none'; form-action 'none'",
        summary=_summary(card),
        roles=[
            (title, words, [(name, score, _interval(score), _gaps(card, name)) for name, score in members])
            for role, title, words in ROLES
            if (members := [(name, score) for name, score in card.metrics.items() if score.role == role])
        ],
        rules=_rules(card),
        rule_details=RULE_DETAILS,
        shown=[(name, _title(card, name), _better(card, name)) for name in shown],
        whole_set=[
            _title(card, name) for name, score in card.metrics.items() if name not in ends and score.value is not None
        ],
        ends=[
            (name, _title(card, name), _better(card, name), card.metrics.get(name), ends[name], _gaps(card, name))
            for name in _by_role(card, shown)
        ],
        images=images,
        strips=strips,
        strip_height=STRIP_HEIGHT,
        rows=_rows(card, shown, ends),
        group_names=sorted({name for video in card.videos for name in video.groups}),
        groups=group_tables(card),
        group_values=GROUP_VALUES,
        verdicts=VERDICTS,
        provenance=list(flatten(card.provenance)),
        timing=list(flatten(card.timing)),
    )


def write_scorecard_page(card: Scorecard, filmstrips: Filmstrips, path: Path) -> None:
    """Write the page to ``path`` in one step.

    Raises:
        StorageError: when the folder is missing, read-only or full.
    """
    write_bytes(path, render_scorecard(card, filmstrips).encode("utf-8", "backslashreplace"))


def _finalize(value: object) -> object:
    return neutralise(value, TEXT_LIMIT) if isinstance(value, str) and not isinstance(value, Markup) else value


def _resource(name: str) -> str:
    file = importlib.resources.files("evalkit.reports") / "templates" / name
    return file.read_text(encoding="utf-8").replace("\r\n", "\n")


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=jinja2.FunctionLoader(_resource),
    )
    environment.filters |= {
        "number": format_value,
        "amount": _amount,
        "short": "{:g}".format,
        "percent": format_share,
        "flat": flatten,
    }
    return environment.get_template("scorecard.html")


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _title(card: Scorecard, name: str) -> str:
    score = card.metrics.get(name)
    return score.title or name if score is not None else name


def _better(card: Scorecard, name: str) -> str | None:
    score = card.metrics.get(name)
    return BETTER[score.higher_is_better] if score is not None else None


def _by_role(card: Scorecard, names: Sequence[str]) -> list[str]:
    rank = {role: at for at, (role, _, _) in enumerate(ROLES)}
    return sorted(names, key=lambda name: rank[card.metrics[name].role] if name in card.metrics else len(rank))


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def _summary(card: Scorecard) -> str:
    verdicts = Counter(video.verdict for video in card.videos)
    warned = f" ({verdicts['warning']} of them with warnings)" if verdicts["warning"] else ""
    full = sum(score.value is not None and score.coverage >= 1 for score in card.metrics.values())
    return (
        f"{_count(len(card.videos), 'sample')}: {card.scored_videos} scored{warned}, {verdicts['error']} invalid, "
        f"{verdicts['missing']} missing. {full} of {_count(len(card.metrics), 'metric')} cover every sample."
    )


def _gaps(card: Scorecard, metric: str) -> list[tuple[str, int]]:
    """Return why videos have no value for ``metric`` and how many, the most frequent reason first, rare ones in one."""
    reasons = Counter(
        _reason(video, metric) for video in card.videos if metric in video.values and video.values[metric] is None
    )
    ranked = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    rest = sum(count for _, count in ranked[REASONS:])
    return ranked[:REASONS] + ([("other reasons", rest)] if rest else [])


def _amount(value: float) -> str:
    """Return a count as a count, anything else as a value."""
    return f"{value:,.0f}" if value == int(value) else format_value(value)


def _reason(video: VideoScore, metric: str) -> str:
    return neutralise(video.reasons.get(metric) or "not_computed", CELL_LIMIT)


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


def _rules(card: Scorecard) -> list[tuple[str, Counter[str], list[dict[str, str]]]]:
    """Return the findings by rule, the gravest and most frequent rules first; foreign values become text."""
    found = [("", finding) for finding in card.findings]
    found += [(video.sample, finding) for video in card.videos for finding in video.findings]
    rules: dict[str, list[dict[str, str]]] = {}
    for sample, finding in found:
        text = {key: str(value) for key, value in finding.items() if value is not None}
        entry = {key: text.get(key, "") for key in ("rule", "severity", "message", "found", "expected", "fix")}
        entry["sample"] = sample or text.get("sample", "")
        rules.setdefault(entry["rule"], []).append(entry)
    table = [(rule, Counter(entry["severity"] for entry in entries), entries) for rule, entries in rules.items()]
    return sorted(table, key=lambda row: (min(map(_severity, row[1])), -len(row[2]), row[0]))


def _severity(word: str) -> int:
    return SEVERITIES.index(word) if word in SEVERITIES else len(SEVERITIES)


def _rows(card: Scorecard, shown: Sequence[str], ends: dict[str, tuple[list[int], list[int]]]) -> list[dict[str, Any]]:
    """Return a row per video; a cell is ``(formatted, exact, among the worst, reason)``."""
    low = {name: set(worst) if best and _marks(card, name) else set() for name, (worst, best) in ends.items()}
    rows = []
    for at, video in enumerate(card.videos):
        cells = [
            (Markup(format_value(value)), Markup(repr(value)), at in low[name], None)  # noqa: S704  (digits)
            if (value := video.values.get(name)) is not None
            else ("", "", False, _reason(video, name))
            for name in shown
        ]
        notes = [f"{event.kind}: {event.detail}" if event.detail else event.kind for event in video.events]
        notes += dict.fromkeys(str(finding.get("rule", "finding")) for finding in video.findings)
        problem = video.verdict != "ok" or bool(notes) or any(cell[3] is not None for cell in cells)
        more = [f"and {len(notes) - NOTES} more"] if len(notes) > NOTES else []
        notes = [neutralise(note, CELL_LIMIT) for note in notes[:NOTES]] + more
        rows.append({"video": video, "cells": cells, "notes": notes, "problem": problem})
    return rows


def _marks(card: Scorecard, name: str) -> bool:
    """Return whether a column has worst cells to mark: a better side, and values that differ."""
    return _better(card, name) is not None and len({video.values.get(name) for video in card.videos} - {None}) > 1


def _strips(
    videos: Sequence[tuple[int, str]], filmstrips: Filmstrips
) -> tuple[list[tuple[Markup, float]], dict[int, Strip | str]]:
    """Return the images, each once, as ``(base64, width)``, and per video its strip, or the words why there is none."""
    numbers: dict[bytes, int] = {}
    images: list[tuple[Markup, float]] = []
    strips: dict[int, Strip | str] = {}
    spent = 0
    for at, sample in videos:
        given = filmstrips(sample) or ()
        count = min(len(given), STRIP_FRAMES)
        frames = [given[len(given) * step // count] for step in range(count)]
        widths = [_width(frame) for frame in frames]
        cost = sum(len(frame) for frame in set(frames) if frame not in numbers)
        if not frames or None in widths:
            strips[at] = "frames can't be shown" if frames else "no frames at hand"
        elif spent + cost > IMAGE_BUDGET:
            strips[at] = "frames left out, to keep the page small"
        else:
            spent += cost
            strips[at] = _lay_out(frames, [width or 0.0 for width in widths], numbers, images)
    return images, strips


def _lay_out(
    frames: Sequence[bytes], widths: Sequence[float], numbers: dict[bytes, int], images: list[tuple[Markup, float]]
) -> Strip:
    placed = []
    x = 0.0
    for frame, width in zip(frames, widths, strict=True):
        if frame not in numbers:
            numbers[frame] = len(images)
            images.append((Markup(base64.b64encode(frame).decode()), width))  # noqa: S704  (base64)
        placed.append((numbers[frame], x, width))
        x = round(x + width + 2, 1)
    return Strip(tuple(placed), round(x - 2, 1))


def _width(frame: bytes) -> float | None:
    """Return the drawn width of a JPEG at `STRIP_HEIGHT`; ``None`` when it is none."""
    try:
        with Image.open(io.BytesIO(frame), formats=["JPEG"]) as image:
            return round(min(max(STRIP_HEIGHT * image.width / image.height, 24), 160), 1)
    except (OSError, ValueError, Image.DecompressionBombError):
        return None
