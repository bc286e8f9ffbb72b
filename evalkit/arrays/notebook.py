"""How a measurement of arrays shows itself in a notebook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evalkit.notebook.fragment import MOST_ROWS, Cell, Sentence, Table, fragment
from evalkit.scoring.notebook import Values, metrics_table
from evalkit.scoring.scorecard import MetricScore, gap_text
from evalkit.text import format_value


def measurement_fragment(
    metric: str,
    score: MetricScore,
    *,
    detail: str,
    values: Sequence[float | None],
    reasons: Sequence[str | None],
    provenance: Mapping[str, Any],
) -> str:
    """Return the HTML of a measurement: the number, why there is none, and the value of each video.

    Args:
        metric: its id.
        score: the number of all videos together.
        detail: a sentence on the reason.
        values, reasons: of each video; empty for a distance between two sets.
        provenance: of which the name of the backbones is shown.
    """
    backbones = provenance.get("backbones")
    name = backbones.get("name", "") if isinstance(backbones, Mapping) else ""
    own = [
        Values({metric: value}, {} if reason is None else {metric: reason})
        for value, reason in zip(values, reasons, strict=True)
    ]
    title = f"{score.title or metric}, backbones {name}" if name else score.title or metric
    return fragment(
        title,
        Sentence(detail, tone="error") if detail and score.value is None else None,
        *(Sentence(f"{note.kind}: {note.detail}", tone="warning") for note in score.notes[:4]),
        metrics_table("The number of all videos", {metric: score}, own, "as_dict()"),
        _each(values, reasons) if len(values) > 1 else None,
    )


def _each(values: Sequence[float | None], reasons: Sequence[str | None]) -> Table:
    rows: list[list[Cell | str]] = [
        [str(at), Cell(gap_text(reason) if value is None else format_value(value), number=True)]
        for at, (value, reason) in enumerate(zip(values[:MOST_ROWS], reasons[:MOST_ROWS], strict=True))
    ]
    heads: list[Cell | str] = ["video", Cell("value", number=True)]
    return Table("The value of each video", heads, rows, total=len(values), what="video", rest="values", folded=True)
