"""What a formula's terms are in one row of a table: plain numbers of the file, or numbers of the row's run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evalkit.scoring.scorecard import MetricScore
from evalkit.tables.formulas import Formula
from evalkit.tables.model import RowSpec
from evalkit.tables.runs import Run


@dataclass(frozen=True)
class RowTerm:
    """One term of a formula in one row.

    Args:
        value: its number; ``None`` where there is none.
        metric: id of the run's metric that it is; ``None`` for a plain number.
        score: of that metric.
        source: where a plain number is from.
    """

    value: float | None = None
    metric: str | None = None
    score: MetricScore | None = None
    source: str | None = None


def row_terms(formula: Formula, row: RowSpec, run: Run | None, dataset: str | None) -> dict[str, RowTerm]:
    """Return term -> what it is in the row: a plain number of the same data set, else a number of the run."""
    found: dict[str, RowTerm] = {}
    for term in formula.terms:
        plain = next((one for one in row.values if one.dataset == dataset and term.is_called(one.metric)), None)
        name = next((name for name in term.names if run is not None and name in run.metrics), None)
        if plain is not None:
            found[term.name] = RowTerm(plain.value, source=plain.source or row.source)
        elif run is not None and name is not None:
            score = run.metrics[name]
            found[term.name] = RowTerm(score.value, name, score)
        else:
            found[term.name] = RowTerm()
    return found


def values_of(terms: Mapping[str, RowTerm]) -> dict[str, float | None]:
    """Return term -> number."""
    return {name: term.value for name, term in terms.items()}


def notes_of(terms: Mapping[str, RowTerm]) -> list[str]:
    """Return the footnotes of a number that follows from these: where they are from, which rest on a part."""
    sources = dict.fromkeys(term.source for term in terms.values() if term.source is not None)
    partial = [name for name, term in terms.items() if term.score is not None and term.score.coverage < 1]
    notes = [f"Computed from numbers of {source}." for source in sources]
    if partial:
        notes.append(f"Of a part of the files or samples: {', '.join(partial)}.")
    return notes
