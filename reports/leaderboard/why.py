"""Why one run is above another: the words and numbers of a contrast, for the page, its script and the terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from evalkit.leaderboard.contrasts import ColumnContrast, Contrast
from evalkit.leaderboard.model import Leaderboard
from evalkit.leaderboard.table import Column
from evalkit.reports.leaderboard.ranked_table import ARROWS, better, column_title
from evalkit.reports.page import listed
from evalkit.reports.tables import format_share
from evalkit.text import NO_VALUE, escape_for_display, format_signed, format_value

NEIGHBOURS = 40  # pairs of neighbours that the page has as tables
NAMED = 3  # columns named in a sentence
PHASES = {"ranking": "", "shortlist": "objective phase", "final": "final phase"}
HEADS = ("Difference", "95 % interval", "Better in", "Adds to the lead")


@dataclass(frozen=True)
class WhyRow:
    """One column of a contrast as text.

    Args:
        title: of the column, with an arrow to its better side.
        first, second: values.
        difference: of these, in the column's unit, with its sign.
        interval: of the difference, or why there is none.
        ahead: share of the draws in which the first is better.
        gain: what the column adds to the lead.
    """

    title: str
    first: str
    second: str
    difference: str
    interval: str
    ahead: str
    gain: str


@dataclass(frozen=True)
class Why:
    """A contrast as text: the labels, the phase where there are two, a summary, sentences, a row per column."""

    first: str
    second: str
    phase: str
    short: str
    sentences: tuple[str, ...]
    rows: tuple[WhyRow, ...]


def explain(leaderboard: Leaderboard, contrast: Contrast) -> Why:
    """Return a contrast in words and numbers."""
    known = {column.id: column for column in leaderboard.columns}
    return Why(
        contrast.first,
        contrast.second,
        PHASES.get(contrast.phase, ""),
        _short(contrast),
        _sentences(leaderboard, contrast, known),
        tuple(_row(one, known) for one in contrast.columns),
    )


def neighbours(leaderboard: Leaderboard) -> tuple[list[Why], int]:
    """Return the contrasts of runs next to each other in the ranking, and how many more there are."""
    order = [row.label for row in leaderboard.rows if row.rank is not None]
    pairs = [leaderboard.contrast(order[at], order[at + 1]) for at in range(len(order) - 1)]
    found = [explain(leaderboard, pair) for pair in pairs if pair is not None]
    return found[:NEIGHBOURS], len(found[NEIGHBOURS:])


def script_data(leaderboard: Leaderboard) -> tuple[list[str], Markup]:
    """Return the labels that can be chosen, and the contrasts as JSON for an attribute, for the page's script.

    ``phases`` have the titles of their columns; ``values`` the values of a label in a phase; ``pairs`` are
    ``[first, second, phase, sentences, rows]``: a sentence a line, a row a line with difference, interval, share ahead
    and gain between tabs. Lists of texts would be longer by a half, as every quote in an attribute is escaped.
    """
    order = [row.label for row in leaderboard.rows if row.rank is not None]
    deciding = [one for one in leaderboard.contrasts if leaderboard.contrast(one.first, one.second) is one]
    labels = [label for label in order if any(label in {one.first, one.second} for one in deciding)]
    at = {label: number for number, label in enumerate(labels)}
    phases = list(dict.fromkeys(one.phase for one in deciding))
    columns: list[list[str]] = [[] for _ in phases]
    values: list[dict[int, list[str]]] = [{} for _ in phases]
    pairs = []
    for one in deciding:
        told, phase = explain(leaderboard, one), phases.index(one.phase)
        columns[phase] = [row.title for row in told.rows]
        values[phase][at[one.first]] = [row.first for row in told.rows]
        values[phase][at[one.second]] = [row.second for row in told.rows]
        rows = ["\t".join((row.difference, row.interval, row.ahead, row.gain)) for row in told.rows]
        pairs.append([at[one.first], at[one.second], phase, "\n".join(told.sentences), "\n".join(rows)])
    document = {
        "names": [escape_for_display(label, 100) for label in labels],
        "phases": [{"title": PHASES.get(name, ""), "columns": columns[n]} for n, name in enumerate(phases)],
        "values": values,
        "pairs": pairs,
    }
    return labels, Markup(escape(json.dumps(document, separators=(",", ":"), ensure_ascii=False)))  # noqa: S704


def _row(one: ColumnContrast, known: Mapping[str, Column]) -> WhyRow:
    column = known.get(one.column)
    title = one.column if column is None else f"{column_title(column)} {ARROWS[better(column)]}".strip()
    interval = NO_VALUE if one.certain is None else f"taken as certain: {one.certain}"
    if one.ci is not None:
        interval = _interval(one.ci)
    return WhyRow(
        escape_for_display(title, 100),
        format_value(one.first),
        format_value(one.second),
        format_signed(one.difference),
        interval,
        NO_VALUE if one.ahead is None else format_share(one.ahead),
        format_signed(one.gain),
    )


def _interval(ends: tuple[float, float]) -> str:
    return f"{format_signed(ends[0])} to {format_signed(ends[1])}"


def _sentences(leaderboard: Leaderboard, one: Contrast, known: Mapping[str, Column]) -> tuple[str, ...]:
    first, second = (escape_for_display(label, 100) for label in (one.first, one.second))
    if one.lead == 0:
        rows = {row.label: row for row in leaderboard.rows}
        same = one.first in rows and one.second in rows and rows[one.first].rank == rows[one.second].rank
        said = [f"{first} and {second} have the same score" + (" and share a rank." if same else ".")]
        if not same:
            said.append("A tie break decided the order.")
    else:
        said = [f"{first} is above {second} by {format_value(one.lead)} of the score" + _drawn(one) + "."]
    helping = sorted((c for c in one.columns if c.gain > 0), key=lambda c: -c.gain)
    against = sorted((c for c in one.columns if c.gain < 0), key=lambda c: c.gain)
    if helping:
        said.append(f"For {first}: {_named(helping, known)}.")
    if against:
        said.append(f"For {second}: {_named(against, known)}.")
    said.append(_verdict(leaderboard, one))
    return tuple(said)


def _short(one: Contrast) -> str:
    share = "" if one.ahead is None else f"in {format_share(one.ahead)} of the draws, "
    return f"{share}{'separated' if one.significant else 'not separated'}"


def _drawn(one: Contrast) -> str:
    parts = [] if one.ci is None else [f"95 % interval {_interval(one.ci)}"]
    parts += [] if one.ahead is None else [f"above in {format_share(one.ahead)} of {one.draws:,} draws"]
    return f" ({', '.join(parts)})" if parts else ""


def _named(columns: Sequence[ColumnContrast], known: Mapping[str, Column]) -> str:
    titles = [column_title(known[one.column]) if one.column in known else one.column for one in columns]
    gains = [format_value(abs(one.gain)) for one in columns]
    return listed([f"{escape_for_display(t, 60)} ({gain})" for t, gain in zip(titles, gains, strict=True)], NAMED)


def _verdict(leaderboard: Leaderboard, one: Contrast) -> str:
    if one.significant is None:
        return "How certain that is can't be computed."
    tied = one.second in leaderboard.tied_with(one.first)
    if not one.significant and one.ci is not None and one.ci[0] > 0:
        return (
            "The ranking doesn't separate the two: it decides about all pairs at once and allows for few raters and "
            "videos, which asks for more than the interval of a single pair."
        )
    if not one.significant:
        return "The ranking doesn't separate the two: the difference is no larger than chance explains."
    if tied:
        return (
            "The difference of these two is significant, though a bracket joins them: runs around them can't be "
            "separated."
        )
    return "The ranking separates the two: the difference is significant among all pairs at once."
