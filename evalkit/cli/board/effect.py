"""What ``evalkit board exclude`` and ``include`` say about their effect on the ranking."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from evalkit.text import count, escape_for_display

if TYPE_CHECKING:
    from evalkit.board.model import Snapshot
    from evalkit.leaderboard.effect import BoardChange, ChangedNumber, ChangedRun
    from evalkit.leaderboard.table import Row
    from evalkit.ratings.model import AnswerKind


def effect_document(change: BoardChange) -> dict[str, Any]:
    """Return the effect as plain data."""
    return {
        "samples": _pair(*change.samples),
        "ratings": _pair(*change.ratings),
        "comparisons": _pair(*change.comparisons),
        "problem": _pair(*change.problem),
        "teams": [
            {
                "team": run.team,
                "run": run.run,
                "rank": _pair(*(row.rank if row else None for row in (run.before, run.after))),
                "score": _pair(*(row.score if row else None for row in (run.before, run.after))),
                "not_ranked": _pair(_reasons(run.before), _reasons(run.after)),
                "numbers": [
                    {
                        "id": number.id,
                        "title": number.title,
                        "value": _pair(number.before.value, number.after.value),
                        "coverage": _pair(number.before.coverage, number.after.coverage),
                        "reason": _pair(number.before.reason, number.after.reason),
                        "still_includes": list(number.still_included),
                    }
                    for number in run.numbers
                ],
            }
            for run in change.runs
        ],
    }


def print_effect(change: BoardChange) -> None:
    """Print which ranks change, a line per number that does, and in sentences who is not ranked any more."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False, emoji=False)
    samples = f"Samples that count: {_arrow(*map(str, change.samples))}"
    answers = [(change.ratings, "ratings"), (change.comparisons, "comparisons")]
    parts = [f"{name}: {_arrow(*map(str, pair))}" for pair, name in answers if any(pair)]
    console.print(escape(f"{'; '.join([samples, *parts])}."), soft_wrap=True)
    console.print(escape(escape_for_display(_ranks(change), 500)), soft_wrap=True)
    table = Table(header_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for title in ("team", "number", "before", "after", "coverage"):
        left = title in {"team", "number"}
        table.add_column(title, justify="left" if left else "right", overflow="fold", no_wrap=title == "coverage")
    names = _names(change)
    for run, name in zip(change.runs, names, strict=True):
        for at, cells in enumerate(_lines(run)):
            table.add_row(*(escape(escape_for_display(cell)) for cell in ("" if at else name, *cells)))
    if table.rows:
        console.print(table)
    for line in _sentences(change):
        console.print(escape(escape_for_display(line, 500)), soft_wrap=True)


def rules_effect(before: Snapshot, after: Snapshot) -> list[str]:
    """Return what other rules of the challenge change: answers that count, and runs scored by earlier rules."""
    from evalkit.board.filtering import filter_answers

    lines = []
    filtered = filter_answers(before), filter_answers(after)
    kinds: tuple[AnswerKind, ...] = ("rating", "comparison")
    for kind in kinds:
        counts = [len(one.counted(kind)) for one in filtered]
        if filtered[1].of(kind):
            lines.append(
                f"{kind.capitalize()}s that count: {_arrow(*map(str, counts))} of {len(filtered[1].of(kind))}."
            )
    digest = after.challenge.scoring_sha256
    earlier = [f"{run.team}/{run.name}" for run in after.runs if run.card.challenge.sha256 != digest]
    if earlier:
        shown = named(earlier[:5]) + (" ..." if len(earlier) > 5 else "")
        lines.append(
            f"{count(len(earlier), 'run was', 'runs were')} scored by earlier rules for files, metrics or test set: "
            f"{shown}. Score them again if the change matters to them."
        )
    return lines


def _names(change: BoardChange) -> list[str]:
    """Return how each run is called: by its team, or by team/run where a team has several."""
    teams = [run.team for run in change.runs]
    return [f"{run.team}/{run.run}" if teams.count(run.team) > 1 else run.team for run in change.runs]


def _ranks(change: BoardChange) -> str:
    """Return in a sentence which ranks change."""
    moved = [
        f"{name} {_arrow(*ranks)}"
        for name, ranks in zip(_names(change), map(_rank_pair, change.runs), strict=True)
        if ranks[0] != ranks[1]
    ]
    return f"Ranks that change: {'; '.join(moved)}." if moved else "No rank changes."


def _rank_pair(run: ChangedRun) -> tuple[str, str]:
    before, after = (
        "not ranked" if row is None or row.rank is None else str(row.rank) for row in (run.before, run.after)
    )
    return before, after


def _lines(run: ChangedRun) -> list[tuple[str, str, str, str]]:
    """Return (number, before, after, coverage) of all that looks different in a table."""
    from evalkit.text import format_value

    score = [format_value(row.score if row is not None else None) for row in (run.before, run.after)]
    lines = [("rank", *_rank_pair(run), ""), ("score", score[0], score[1], ""), *map(_line, run.numbers)]
    return [line for line in lines if line[1] != line[2] or " -> " in line[3]]


def _line(number: ChangedNumber) -> tuple[str, str, str, str]:
    from evalkit.reports.tables import format_short_share
    from evalkit.text import format_value

    values = [cell.reason if cell.value is None else format_value(cell.value) for cell in (number.before, number.after)]
    shares = [format_short_share(cell.coverage) for cell in (number.before, number.after)]
    return (number.title, values[0] or "", values[1] or "", _arrow(*shares))


def _sentences(change: BoardChange) -> list[str]:
    lines = [f"Nobody can be ranked: {change.problem[1]}"] if change.problem[1] else []
    for run in change.runs:
        before, after = (row is not None and row.rank is not None for row in (run.before, run.after))
        if before and not after:
            lines.append(f"{run.team} is no longer ranked: {' '.join(_reasons(run.after)) or 'it does not compete.'}")
        elif after and not before:
            lines.append(f"{run.team} is ranked now.")
    kept = {
        number.title: number.still_included for run in change.runs for number in run.numbers if number.still_included
    }
    for title, samples in kept.items():
        what = count(len(samples), "excluded sample")
        lines.append(f"{title} keeps its values, which still include {what}: it is a number of the whole set.")
    return lines


def _reasons(row: Row | None) -> list[str]:
    return [] if row is None else [one.sentence for one in row.reasons]


def _pair(before: Any, after: Any) -> dict[str, Any]:
    return {"before": before, "after": after}


def _arrow(before: str, after: str) -> str:
    return before if before == after else f"{before} -> {after}"


def named(subjects: Sequence[str]) -> str:
    """Return subjects in a row, escaped."""
    return ", ".join(escape_for_display(subject, 60) for subject in subjects)
