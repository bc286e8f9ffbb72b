"""How the comparison of two folders shows itself in a notebook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evalkit.notebook.fragment import Sentence, fragment
from evalkit.scoring.notebook import Valued, metrics_table
from evalkit.scoring.scorecard import MetricScore, ScoreEvent

WARNINGS = 8


def distance_fragment(
    title: str,
    sides: Sequence[str],
    metrics: Mapping[str, MetricScore],
    files: Sequence[Valued],
    warnings: Sequence[ScoreEvent],
) -> str:
    """Return the HTML of a comparison: both sides in a line each, warnings, and the metrics.

    Args:
        title: what was compared.
        sides: a sentence on each side.
        metrics: of the whole side.
        files: values of each generated file.
        warnings: what a reader should know before using a number; the first ones are shown.
    """
    said = [Sentence(f"{one.kind}: {one.detail}", tone="warning") for one in warnings[:WARNINGS]]
    more = len(warnings) - WARNINGS
    said += [Sentence(f"{more} more in warnings.", tone="muted")] if more > 0 else []
    table = metrics_table("Metrics of the generated files", metrics, files, "to_pandas()", "file")
    return fragment(title, *(Sentence(one) for one in sides), *said, table)
