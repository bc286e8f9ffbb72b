"""The summary of all submissions: a CSV, and a page that needs no network."""

from __future__ import annotations

import csv
import io

from evalkit.batch.result import BatchResult
from evalkit.files import write_text
from evalkit.progress import duration_text
from evalkit.reports.page import listed, render_page, write_page
from evalkit.text import count, csv_cell

COLUMNS = (
    "team", "run", "primary", "submission", "state", "exit_code", "videos", "scored_videos", "board", "seconds",
    "reasons",
)  # fmt: skip
TAGS = {"scored": "ok", "partly scored": "warning", "refused": "error", "failed": "error", "not scored": "missing"}


def write_summary(result: BatchResult) -> None:
    """Write ``summary.csv`` and ``summary.html`` to the folder of the results; each appears whole or not at all.

    Raises:
        StorageError: when the folder can't be written.
    """
    write_text(result.out / "summary.csv", summary_csv(result))
    write_page(summary_page(result), result.out / "summary.html")


def summary_csv(result: BatchResult) -> str:
    """Return a row per submission, with a column per metric shown; no cell is a formula."""
    metrics = result.shown_metrics
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*COLUMNS, *map(csv_cell, metrics)])
    for one in result.outcomes:
        board = "refused" if one.board_error is not None else one.board or ""
        reasons = [*one.reasons, *([] if one.board_error is None else one.board_error.lines)]
        line: list[object] = [csv_cell(one.entry.team), csv_cell(one.entry.run), "yes" if one.entry.primary else "no"]
        line += [csv_cell(str(one.entry.path)), one.state, one.exit_code, one.videos, one.scored_videos, board]
        line += [f"{one.seconds:.1f}", csv_cell("; ".join(reasons))]
        numbers = [one.metrics.get(name) for name in metrics]
        line += ["" if number is None or number.value is None else repr(number.value) for number in numbers]
        writer.writerow(line)
    return stream.getvalue()


def summary_page(result: BatchResult) -> str:
    """Return the page for organizers."""
    return render_page(
        "batch",
        challenge=result.challenge,
        outcomes=result.outcomes,
        metrics=result.shown_metrics,
        tags=TAGS,
        stopped=None if result.stopped is None else " ".join(result.stopped.lines),
        time=duration_text(result.seconds),
        summary=sentence(result),
    )


def sentence(result: BatchResult) -> str:
    """Return how many submissions ended how."""
    states = [f"{number} {state}" for state, number in result.counts().items()]
    return f"{count(len(result.outcomes), 'submission')}: {listed(states)}."
