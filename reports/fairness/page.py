"""The page of `evalkit fairness`: one HTML file that works offline; see `evalkit.reports.page`."""

from __future__ import annotations

from evalkit.groups.model import FairnessReport
from evalkit.reports.fairness.section import attribute_sections
from evalkit.reports.page import listed, render_page
from evalkit.text import count


def render_fairness(report: FairnessReport, title: str) -> str:
    """Return the page; the same report gives the same text.

    Args:
        report: what to show.
        title: of what it is: the challenge, or a board's.
    """
    large = sum(report.significant(table) for table in report.tables)
    some = f"{large} of {count(report.tests, 'gap')} larger than chance explains"
    found = some if report.tests else "no two groups are large enough to be compared"
    return render_page(
        "fairness",
        report=report,
        page_title=title,
        sections=attribute_sections(report),
        summary=f"{count(len(report.entries), 'submission')} by {listed(report.attributes)}: {found}.",
    )
