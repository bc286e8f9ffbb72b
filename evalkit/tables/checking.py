"""Whether a paper's published figures agree with each other and with what is said of them.

What is found without being told: rows that agree digit by digit with others, single cells that do, columns that rank
the rows alike. What the file says (sums, best rows, totals) is computed again from the printed digits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path

from evalkit.tables.claims import judged_claims
from evalkit.tables.figures import CheckFinding, FigureIndex, Place, RankCorrelation, TableCheck, spearman
from evalkit.tables.published import PublishedTable
from evalkit.tables.reading import load_figures

LEAST_DIGITS = 4  # a single cell of fewer significant digits agrees with another by chance too often to be told
LEAST_CELLS = 2  # of two rows that agree
SAME_SIGNAL = 0.95  # two columns that rank the rows so much alike say one thing
MOST_NOTES = 100


def check_figures(path: Path) -> TableCheck:
    """Return what can be said of the figures in a file of `docs/yaml-files.md`, or in a CSV file.

    Raises:
        InputError: it can't be read, or names a table, row or column that is not there; with the line.
    """
    figures, document = load_figures(path)
    index = FigureIndex(figures, document)
    correlations = tuple(_correlations(figures.tables))
    findings = [*_duplicates(index), *_one_signal(correlations)]
    hidden = [one for one in findings if one.verdict == "note"][MOST_NOTES:]
    findings = [one for one in findings if one not in hidden]
    if hidden:
        findings.append(CheckFinding("duplicate-cell", "note", f"And {len(hidden)} more of these."))
    return TableCheck(
        title=figures.title,
        source=figures.source,
        tables=len(figures.tables),
        cells=sum(value is not None for table in figures.tables for row in table.rows for value in row.numbers()),
        findings=(*findings, *judged_claims(index)),
        correlations=correlations,
    )


def _duplicates(index: FigureIndex) -> Iterator[CheckFinding]:
    """Yield rows and cells that agree digit by digit, rows first."""
    figures = index.figures
    same = {
        frozenset({(claim.table, claim.row), (claim.other_table or claim.table, claim.other)}) for claim in figures.same
    }
    cells: list[CheckFinding] = []
    for (one, numbers), (other, others) in combinations(index.numbers.items(), 2):
        if frozenset({one, other}) in same:
            continue
        shared = [c for c in numbers if c in others and numbers[c] is not None and others[c] is not None]
        equal = [column for column in shared if numbers[column] == others[column]]
        if not equal:
            continue
        places = [place for c in equal for place in (index.place(*one, c), index.place(*other, c))]
        between = f"'{one[1]}' in '{one[0]}' and '{other[1]}' in '{other[0]}'"
        if len(equal) >= LEAST_CELLS and len(equal) == len(shared):
            shown = ", ".join(f"{column} {index.printed[one][column]}" for column in equal)
            yield CheckFinding(
                "duplicate-row",
                "suspicious",
                f"{between} agree digit by digit in all {len(equal)} columns that both have: {shown}.",
                tuple(places),
            )
            continue
        for column in equal:
            number = numbers[column]
            if number is not None and len(number.as_tuple().digits) >= LEAST_DIGITS and number != 0:
                cells.append(
                    CheckFinding(
                        "duplicate-cell",
                        "note",
                        f"{between} have the same {column}, digit by digit: {index.printed[one][column]}.",
                        (index.place(*one, column), index.place(*other, column)),
                    )
                )
    yield from cells


def _correlations(tables: Sequence[PublishedTable]) -> Iterator[RankCorrelation]:
    for table in tables:
        columns = [column.name for column in table.columns]
        rows = [row.numbers() for row in table.rows]
        for a, b in combinations(range(len(columns)), 2):
            pairs = [(row[a], row[b]) for row in rows]
            count, value = spearman(pairs)
            yield RankCorrelation(table.name, (columns[a], columns[b]), count, value)


def _one_signal(correlations: Sequence[RankCorrelation]) -> Iterator[CheckFinding]:
    for one in correlations:
        if one.spearman is not None and abs(one.spearman) >= SAME_SIGNAL:
            a, b = one.columns
            yield CheckFinding(
                "one-signal",
                "note",
                f"{a} and {b} of '{one.table}' rank the {one.rows} rows almost alike (Spearman {one.spearman:.3f}): "
                "two columns, one signal.",
                (Place(one.table, None, a), Place(one.table, None, b)),
            )
