"""How the result of all submissions shows itself in a notebook."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from evalkit.batch.outcome import Outcome
from evalkit.notebook.fragment import MOST_ROWS, Cell, Sentence, Table, Tone, fragment
from evalkit.notebook.pictures import parts
from evalkit.text import count, format_value

METRICS = 6  # columns
_TONES: dict[str, Tone] = {"refused": "error", "failed": "error", "partly scored": "warning", "not scored": "warning"}
_COLOURS = {"scored": "ok", "partly scored": "warning", "refused": "error", "failed": "error", "not scored": "missing"}


def batch_fragment(challenge: str, outcomes: Sequence[Outcome], names: Sequence[str], stopped: str | None) -> str:
    """Return the HTML of a batch: how many submissions ended how, and a row for each of the first ones.

    Args:
        challenge: its id.
        outcomes: of the submissions.
        names: ids of the metrics; the first ones are columns.
        stopped: what ended the run before all were scored.
    """
    states = Counter(one.state for one in outcomes)
    said = ", ".join(f"{number} {state}" for state, number in states.items())
    shown = names[:METRICS]
    more = f", {count(len(names) - len(shown), 'more metric')}" if len(names) > len(shown) else ""
    table = Table(
        f"Submissions{more}",
        ["team", "state", Cell("videos", number=True), *(Cell(name, number=True) for name in shown), "reasons"],
        [_cells(one, shown) for one in outcomes[:MOST_ROWS]],
        total=len(outcomes),
        what="submission",
        rest="to_pandas()",
    )
    drawn = parts([(_COLOURS[state], number) for state, number in states.items()], said or "none")
    return fragment(
        f"{count(len(outcomes), 'submission')} to {challenge}",
        Sentence(f"{said}." if said else "There was nothing to score.", drawn),
        None if stopped is None else Sentence(f"Stopped before all were scored: {stopped}", tone="error"),
        table if outcomes else None,
    )


def _cells(one: Outcome, names: Sequence[str]) -> list[Cell]:
    scored = f"{one.scored_videos} of {one.videos}" if one.videos else ""
    reasons = "; ".join(one.reasons)
    if one.board_error is not None:
        reasons += f"{'; ' if reasons else ''}not put on the board: {one.board_error.lines[0]}"
    numbers = [_number(one, name) for name in names]
    return [
        Cell(one.entry.team, f"run {one.entry.run}"),
        Cell(one.state, tone=_TONES.get(one.state, "")),
        Cell(scored, number=True),
        *numbers,
        Cell(reasons),
    ]


def _number(one: Outcome, name: str) -> Cell:
    number = one.metrics.get(name)
    if number is None:
        return Cell("", number=True)
    if number.value is None:
        return Cell(number.reason or "unknown", number=True, tone="muted")
    unit = f" {number.unit}" if number.unit else ""
    return Cell(f"{format_value(number.value)}{unit}", number=True)
