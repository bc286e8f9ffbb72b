"""The page of `evalkit distance`: one HTML file that works offline; see `evalkit.reports.page`."""

from __future__ import annotations

from evalkit.folders.model import DistanceResult
from evalkit.reports.page import render_page
from evalkit.reports.tables import flatten
from evalkit.text import count

SHOWN_FILES = 2000  # rows of a table; with more of them browsers are slow


def render_distance(result: DistanceResult) -> str:
    """Return the page; the same result gives the same text."""
    names = list(result.files[0].values) if result.files else []
    full = sum(score.value is not None for score in result.metrics.values())
    return render_page(
        "distance",
        result=result,
        sides=[("real", result.real), ("generated", result.generated)],
        names=names,
        files=result.files[:SHOWN_FILES],
        hidden=max(0, len(result.files) - SHOWN_FILES),
        unread=[("real", file) for file in result.real.unread]
        + [("generated", file) for file in result.generated.unread],
        most=SHOWN_FILES,
        networks=any(use.weights for use in result.features.values()),
        summary=f"{count(result.generated.read, 'generated file')} against {count(result.real.read, 'real file')}; "
        f"{full} of {count(len(result.metrics), 'metric')} have a value.",
        provenance=list(flatten(result.provenance)),
    )
