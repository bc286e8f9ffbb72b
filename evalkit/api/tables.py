"""`table`: a paper's table from many runs; `table_check`: whether published figures agree."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evalkit.tables.figures import TableCheck
    from evalkit.tables.record import PaperTable


def table(file: str | Path, *, mixed: bool = False) -> PaperTable:
    """Return the table that a YAML file describes (docs/yaml-files.md).

    Args:
        file: the file; paths of runs in it are relative to it.
        mixed: whether columns may mix numbers of different backbones, protocols, versions or real files.

    Returns:
        The table; `evalkit.reports.paper_table` writes it as CSV, LaTeX, Markdown and JSON.

    Raises:
        InputError: the file or a run can't be read, or a column mixes what can't be compared; with the line.
    """
    from evalkit.tables.making import make_table
    from evalkit.tables.model import load_table

    path = Path(file)
    spec, document = load_table(path)
    return make_table(spec, document, path.parent, mixed=mixed)


def table_check(file: str | Path) -> TableCheck:
    """Check the figures that a paper or a leaderboard publishes: duplicates, sums, claims, totals, correlations.

    Args:
        file: a YAML file of figures (docs/yaml-files.md), or the CSV file of one table.

    Returns:
        What was found: ``clean`` where everything agrees, ``complete`` where everything could be judged.

    Raises:
        InputError: the file can't be read, or names a table, row or column that is not there; with the line.
    """
    from evalkit.tables.checking import check_figures

    return check_figures(Path(file))
