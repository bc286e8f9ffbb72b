"""The leaderboard as CSV, JSON, LaTeX and Markdown; the same snapshot and leaderboard give the same text.

Each format escapes untrusted text by its own rules: a name can't become a formula, a LaTeX command or a Markdown link.
JSON contains the names unchanged. Each is for an audience, by default the public (`evalkit.reports.audience`).
"""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from evalkit.board.model import Snapshot
from evalkit.clock import exact_time
from evalkit.leaderboard.model import Leaderboard
from evalkit.leaderboard.serialise import as_dict
from evalkit.leaderboard.table import NO_CELL, Cell, Column, Row
from evalkit.reports.audience import Audience, leaderboard_for
from evalkit.reports.leaderboard.ranked_table import ARROWS, better, column_title, display_name, tie_lines
from evalkit.reports.leaderboard.rules import rule_rows
from evalkit.reports.leaderboard.words import (
    by_group_lines,
    consequence_lines,
    excluded_lines,
    included_line,
    summary,
    unchecked_lines,
)
from evalkit.reports.tables import format_share
from evalkit.text import NO_VALUE, csv_cell, escape_for_display, format_value, natural_key

SCHEMA = 1
NAME_LIMIT = 100  # characters of a name in LaTeX and Markdown
GROUP_LIMIT = 600  # characters of a tie group there
_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\char34{}",
    "`": r"\char96{}",
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    "-": "{-}",
    "\u2026": r"\ldots{}",
}
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+.!|~<>&@:$^=-])")


def leaderboard_csv(snapshot: Snapshot, leaderboard: Leaderboard, audience: Audience = "public") -> str:
    """Return one line per run, best first: place, names, score, and per column value, interval, n, coverage, reason.

    Numbers have all their digits; an empty cell is a gap, with its reason beside it. Which samples are excluded, and
    which columns still include them, is the same in every line.
    """
    snapshot, leaderboard = leaderboard_for(audience, snapshot, leaderboard)
    parts = ("", ".lo", ".hi", ".n", ".coverage", ".reason")
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    head = ["rank", "rank_low", "rank_high", "team", "run", "primary", "score", "finalist", "shortlist_rank"]
    head += ["shortlist_score", "tied_with", "phase", "reasons", "excluded_samples", "includes_excluded"]
    writer.writerow([*head, *(csv_cell(column.id) + part for column in leaderboard.columns for part in parts)])
    excluded = "; ".join(f"{one.sample}: {one.reason}" for one in leaderboard.excluded_samples)
    included = "; ".join(column.id for column in leaderboard.columns if column.includes_excluded)
    for row in leaderboard.rows:
        low, high = row.interval or (None, None)
        tied = "; ".join(leaderboard.tied_with(row.label)) if row.rank is not None else ""
        reasons = " ".join(reason.sentence for reason in row.reasons)
        line = [row.rank, low, high, csv_cell(row.team), csv_cell(row.run), _yes(row.primary), _exact(row.score)]
        line += [_yes(row.finalist), row.shortlist_rank, _exact(row.shortlist_score), csv_cell(tied)]
        line += [_phase(leaderboard, row), csv_cell(reasons), csv_cell(excluded), csv_cell(included)]
        for column in leaderboard.columns:
            cell = row.cells.get(column.id, NO_CELL)
            ends = cell.ci or (None, None)
            line += [_exact(cell.value), *map(_exact, ends), cell.n, _exact(cell.coverage), csv_cell(cell.reason or "")]
        writer.writerow(line)
    return stream.getvalue()


def leaderboard_json(snapshot: Snapshot, leaderboard: Leaderboard, audience: Audience = "public") -> str:
    """Return everything that the page shows as JSON (schema 1): finite numbers, gaps ``null``, names unchanged."""
    snapshot, leaderboard = leaderboard_for(audience, snapshot, leaderboard)
    challenge = snapshot.challenge
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "audience": audience,
        "challenge": {"id": challenge.id, "title": challenge.title, "sha256": challenge.sha256},
        "board": {
            "number": snapshot.number,
            "at": snapshot.at.isoformat(),
            "as_of": snapshot.as_of.isoformat() if snapshot.as_of else None,
            "digest": snapshot.digest,
        },
        "backbones": sorted({run.card.backbones for run in snapshot.runs}),
        "summary": summary(snapshot, leaderboard),
        "leaderboard": as_dict(leaderboard),
        "runs": [
            {
                "team": run.team,
                "run": run.name,
                "primary": run.primary,
                "submission_sha256": run.card.submission.sha256,
                "scorecard_sha256": run.card_sha256,
            }
            for run in snapshot.runs
        ],
        "rules": [
            {"name": name, "value": value, "evalkit_default": default} for name, value, default in rule_rows(challenge)
        ],
        "decisions": [
            {
                "number": one.number,
                "about": one.subject,
                "code": one.code,
                "reason": one.reason,
                "by": one.by,
                "at": one.at.isoformat(),
                "holds": one.holds,
            }
            for one in snapshot.decisions
        ],
    }
    return json.dumps(document, indent=1, ensure_ascii=True, allow_nan=False) + "\n"


def leaderboard_latex(snapshot: Snapshot, leaderboard: Leaderboard, audience: Audience = "public") -> str:
    """Return the ranked teams as a table for booktabs, and the tie groups below it: values with 95 % intervals.

    Where nobody is ranked it has the values of all competing runs, without ranks and scores. Of names, only the
    characters that have a meaning in TeX are escaped. Letters outside ASCII stay, for engines that read UTF-8.
    """
    snapshot, leaderboard = leaderboard_for(audience, snapshot, leaderboard)
    columns, rows, ranked = shown_columns(leaderboard), listed_rows(leaderboard), is_ranked(leaderboard)
    score = r"Score " + _latex_arrow("lower" if leaderboard.lower_wins else "higher")
    first = ["Rank", "Team", score] if ranked else ["Team"]
    marks = [r"$^{\dagger}$" if column.includes_excluded else "" for column in columns]
    heads = [
        f"{latex_text(column_title(column))}{mark} {_latex_arrow(better(column))}".strip()
        for column, mark in zip(columns, marks, strict=True)
    ]
    lines = [
        f"% {_comment(snapshot)}",
        r"% \usepackage{booktabs}",
        r"\begin{tabular}{" + ("rlr" if ranked else "l") + "r" * len(columns) + "}",
        r"\toprule",
        " & ".join([*first, *heads]) + r" \\",
        r"\midrule",
    ]
    for row in rows:
        values = [_latex_value(row.cells.get(column.id, NO_CELL)) for column in columns]
        total = f"${_latex_number(row.score)}$" if row.score is not None else "--"
        name = latex_text(display_name(row, leaderboard))
        lines.append(" & ".join([*([_latex_rank(row), name, total] if ranked else [name]), *values]) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}"]
    lines += [rf"\par {latex_text(line, GROUP_LIMIT)}" for line in _lines_below(leaderboard, columns)]
    if included := included_line(leaderboard, only=columns):
        lines.append(rf"\par $^{{\dagger}}$ {latex_text(included, GROUP_LIMIT)}")
    return "\n".join(lines) + "\n"


def leaderboard_markdown(snapshot: Snapshot, leaderboard: Leaderboard, audience: Audience = "public") -> str:
    """Return the ranked teams as a Markdown table, the best in bold; below it tie groups and who is not ranked.

    Where nobody is ranked the table has the values of all competing runs by name, without ranks and scores.
    """
    snapshot, leaderboard = leaderboard_for(audience, snapshot, leaderboard)
    columns, rows, ranked = shown_columns(leaderboard), listed_rows(leaderboard), is_ranked(leaderboard)
    marks = ["\u2020" if column.includes_excluded else "" for column in columns]
    heads = [
        f"{markdown_text(column_title(column))}{mark} {ARROWS[better(column)]}".strip()
        for column, mark in zip(columns, marks, strict=True)
    ]
    score = f"Score {ARROWS['lower' if leaderboard.lower_wins else 'higher']}"
    lines = [
        f"**{markdown_text(snapshot.challenge.title)}**, {markdown_text(summary(snapshot, leaderboard), 400)}",
        "",
        _line(["Rank", "Rank interval", "Team", score, *heads] if ranked else ["Team", *heads]),
        _line([*(["---:", ":---:", ":---", "---:"] if ranked else [":---"]), *["---:"] * len(columns)]),
    ]
    for row in rows:
        values = [_markdown_value(row.cells.get(column.id, NO_CELL)) for column in columns]
        name = markdown_text(display_name(row, leaderboard))
        place = [str(row.rank), _span(row) or NO_VALUE, name, format_value(row.score)] if ranked else [name]
        lines.append(_line([*place, *values]))
    if any(row.cells.get(column.id, NO_CELL).coverage < 1 for row in rows for column in columns):
        lines += ["", "A share behind a value says on how many of the samples it rests; without one it is all of them."]
    for line in _lines_below(leaderboard, columns):
        lines += ["", markdown_text(line, GROUP_LIMIT)]
    if included := included_line(leaderboard, only=columns):
        lines += ["", f"\u2020 {markdown_text(included, GROUP_LIMIT)}"]
    others = [row for row in leaderboard.rows if row.rank is None and row.primary]
    if others and leaderboard.rule != "none":
        lines += ["", "Not ranked:", ""]
        lines += [
            f"- {markdown_text(display_name(row, leaderboard))}: "
            + markdown_text(" ".join(one.sentence for one in row.reasons), 600)
            for row in others
        ]
    state = f"State after log entry {snapshot.number}, {exact_time(snapshot.as_of or snapshot.at)}"
    lines += ["", f"{state}, digest `{escape_for_display(snapshot.digest[:12]).replace('`', '')}`."]
    return "\n".join(lines) + "\n"


def _lines_below(leaderboard: Leaderboard, columns: Sequence[Column]) -> list[str]:
    """Return what a reader must know of the table's ranks and numbers, a sentence or two each."""
    return [
        *tie_lines(leaderboard),
        *by_group_lines(leaderboard, columns),
        *excluded_lines(leaderboard),
        *consequence_lines(leaderboard),
        *unchecked_lines(leaderboard.unchecked),
    ]


def latex_text(text: str, limit: int = NAME_LIMIT) -> str:
    """Return untrusted ``text`` for LaTeX: nothing in it is a command, braces balance; combining marks are composed."""
    shown = escape_for_display(unicodedata.normalize("NFC", text), limit)
    return "".join(_LATEX.get(char, char) for char in shown)


def markdown_text(text: str, limit: int = NAME_LIMIT) -> str:
    """Return untrusted ``text`` for Markdown: no link, no code, no HTML, no new cell comes from it."""
    return _MARKDOWN.sub(_escaped, escape_for_display(text, limit))


def _escaped(found: re.Match[str]) -> str:
    # Character references for what GitHub acts on even after a backslash: HTML, mentions, bare addresses, cells.
    char = found.group()
    return f"&#{ord(char)};" if char in "<>&@:|$^~`" else f"\\{char}"


def _phase(leaderboard: Leaderboard, row: Row) -> str:
    """Return the phase that made the rank of ``row``; empty without a rank."""
    phase = leaderboard.deciding_phase(row) if row.rank is not None else None
    return phase.name if phase is not None else ""


def is_ranked(leaderboard: Leaderboard) -> bool:
    """Return whether anybody has a rank."""
    return any(row.rank is not None for row in leaderboard.rows)


def listed_rows(leaderboard: Leaderboard) -> list[Row]:
    """Return the rows of a table of the best: the ranked ones or, where nobody is ranked, all that compete, by name."""
    if is_ranked(leaderboard):
        return [row for row in leaderboard.rows if row.rank is not None]
    return sorted((row for row in leaderboard.rows if row.primary), key=lambda row: natural_key(row.label))


def shown_columns(leaderboard: Leaderboard) -> list[Column]:
    """Return the columns of such a table: those that rank or, without a ranking, all but diagnostics."""
    if leaderboard.rule != "none":
        return [column for column in leaderboard.columns if column.ranks]
    return [column for column in leaderboard.columns if column.group != "diagnostic"] or list(leaderboard.columns)


def _span(row: Row) -> str:
    """Return the rank interval as ``1 to 3``, or as one rank; empty without one."""
    if row.interval is None:
        return ""
    low, high = row.interval
    return str(low) if low == high else f"{low} to {high}"


def _latex_rank(row: Row) -> str:
    span = _span(row)
    return f"{row.rank}" + (f" {{\\scriptsize [{span.replace(' to ', ', ')}]}}" if " " in span else "")


def _latex_value(cell: Cell) -> str:
    if cell.value is None:
        return "--"
    value = _latex_number(cell.value)
    shown = rf"$\mathbf{{{value}}}$" if cell.best else f"${value}$"
    interval = rf" {{\scriptsize [${_latex_number(cell.ci[0])}$, ${_latex_number(cell.ci[1])}$]}}" if cell.ci else ""
    return shown + interval


def _latex_number(value: float) -> str:
    digits, power, exponent = format_value(value).partition("e")
    return rf"{digits} \times 10^{{{int(exponent)}}}" if power else digits


def _latex_arrow(side: str | None) -> str:
    return {"higher": r"$\uparrow$", "lower": r"$\downarrow$", None: ""}[side]


def _comment(snapshot: Snapshot) -> str:
    """Return a line for a comment: escaped text has no line break that could end it."""
    state = f"state after log entry {snapshot.number}, {exact_time(snapshot.as_of or snapshot.at)}"
    return escape_for_display(f"{snapshot.challenge.id}, {state}, digest {snapshot.digest[:12]}")


def _markdown_value(cell: Cell) -> str:
    if cell.value is None:
        return f"{NO_VALUE} {markdown_text(cell.reason or 'unknown')}"
    value = f"**{format_value(cell.value)}**" if cell.best else format_value(cell.value)
    value += f" ({format_value(cell.ci[0])} to {format_value(cell.ci[1])})" if cell.ci else ""
    return value + (f" on {format_share(cell.coverage)}" if cell.coverage < 1 else "")


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _yes(flag: bool | None) -> str:
    return "" if flag is None else "yes" if flag else "no"


def _exact(number: float | None) -> str:
    return "" if number is None else repr(float(number))
