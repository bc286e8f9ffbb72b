"""Groups of people on a page: a table per attribute and measure, its colours, and where its intervals are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evalkit.groups.model import FairnessReport, GroupLine, GroupTable, Influence
from evalkit.groups.names import in_order
from evalkit.groups.words import format_p, worst_of_real
from evalkit.reports.fairness.plot import GroupPlot, make_plot
from evalkit.text import NO_VALUE, format_value

SHADES = 4  # steps from the best group to the worst one
SHOWN_GROUPS = 60  # of one attribute; combinations can have more


@dataclass(frozen=True)
class GroupCell:
    """A group's number of one submission.

    Args:
        line: with all of it; ``None`` where the submission has none.
        shade: 0 for the best group to `SHADES` for the worst; ``None`` for one that is not compared.
        worst: whether it is the worst group.
    """

    line: GroupLine | None
    shade: int | None = None
    worst: bool = False


@dataclass(frozen=True)
class MeasureSection:
    """One measure by one attribute.

    Args:
        table: of the first submission, for the names.
        entries: the submissions that have it.
        rows: group -> a cell for each of them.
        gaps: submission -> its gap in words.
        plot: the groups' means with their intervals.
        influence: how much of the order of submissions a group decides.
    """

    table: GroupTable
    entries: tuple[str, ...]
    rows: tuple[tuple[str, tuple[GroupCell, ...]], ...]
    gaps: tuple[tuple[str, str], ...]
    plot: GroupPlot | None
    influence: Influence | None


@dataclass(frozen=True)
class GapRow:
    """A line of the overview: one measure of one submission."""

    table: GroupTable
    gap: str
    ratio: str
    real: str
    p: str
    significant: bool
    worst: str
    best: str


@dataclass(frozen=True)
class AttributeSection:
    """One attribute: the overview, and its measures."""

    name: str
    overview: tuple[GapRow, ...]
    small: tuple[tuple[str, str], ...]
    measures: tuple[MeasureSection, ...]
    ranking: Influence | None


def attribute_sections(report: FairnessReport) -> list[AttributeSection]:
    """Return the sections of a report, in its order."""
    return [_attribute(report, name) for name in report.attributes]


def _attribute(report: FairnessReport, name: str) -> AttributeSection:
    tables = [one for one in report.tables if one.attribute == name]
    measures = list(dict.fromkeys(one.measure.id for one in tables))
    decided = {one.order_of: one for one in report.influence if one.attribute == name}
    sections = [
        _measure([one for one in tables if one.measure.id == measure], decided.get(measure)) for measure in measures
    ]
    large = {line.value for table in tables for line in table.compared}
    small = {
        line.value: line.too_few for table in tables for line in table.lines if line.too_few and line.value not in large
    }
    return AttributeSection(
        name,
        tuple(_gap_row(report, table) for table in tables if table.gap is not None),
        tuple((value, why or "") for value, why in small.items()),
        tuple(sections),
        decided.get("ranking"),
    )


def _gap_row(report: FairnessReport, table: GroupTable) -> GapRow:
    return GapRow(
        table,
        gap=format_value(table.gap),
        ratio=format_value(table.ratio) if table.ratio is not None else NO_VALUE,
        real=f"{format_value(table.real_gap)}" if table.real_gap is not None else NO_VALUE,
        p=format_p(table.adjusted) if table.adjusted is not None else NO_VALUE,
        significant=report.significant(table),
        worst=_with_mean(table, table.worst),
        best=_with_mean(table, table.best),
    )


def _with_mean(table: GroupTable, name: str | None) -> str:
    line = next((one for one in table.lines if one.value == name), None)
    return NO_VALUE if line is None else f"{line.value} {format_value(line.mean)}"


def _measure(tables: Sequence[GroupTable], influence: Influence | None) -> MeasureSection:
    groups = in_order(line.value for table in tables for line in table.lines)[:SHOWN_GROUPS]
    rows = tuple((group, tuple(_cell(table, group) for table in tables)) for group in groups)
    return MeasureSection(
        table=tables[0],
        entries=tuple(table.entry for table in tables),
        rows=rows,
        gaps=tuple((table.entry, _gap_words(table)) for table in tables),
        plot=make_plot(tables, groups),
        influence=influence,
    )


def _cell(table: GroupTable, group: str) -> GroupCell:
    line = next((one for one in table.lines if one.value == group), None)
    if line is None or line.too_few is not None or line.mean is None or table.worst is None:
        return GroupCell(line)
    means = [one.mean for one in table.compared if one.mean is not None]
    low, high = min(means), max(means)
    if high <= low:
        return GroupCell(line, 0)
    behind = (high - line.mean) / (high - low)
    behind = behind if table.measure.higher_is_better is not False else 1 - behind
    return GroupCell(line, round(SHADES * behind), group == table.worst)


def _gap_words(table: GroupTable) -> str:
    if table.gap is None:
        return table.untested or ""
    unit = f" {table.measure.unit}" if table.measure.unit and table.measure.unit != "share" else ""
    words = f"gap {format_value(table.gap)}{unit}"
    if table.ratio is not None:
        words += f", ratio {format_value(table.ratio)}"
    if table.macro is not None:
        words += f", mean of groups {format_value(table.macro)}{unit}"
    if table.real_gap is not None:
        words += f"; in the real videos {format_value(table.real_gap)}{unit}, "
        other = worst_of_real(table)  # then their gap is no part of this one
        words += (
            f"where {other} is worst"
            if other not in {None, table.worst}
            else f"excess {format_value(table.excess)}{unit}"
        )
    elif table.no_real is not None:
        words += f"; no gap of the real videos: {table.no_real.rstrip('.')}"
    if table.adjusted is not None and table.p is not None:
        words += f"; p {format_p(table.p)}, corrected {format_p(table.adjusted)}"
    elif table.untested:
        words += f"; not tested: {table.untested.rstrip('.')}"
    return words
