"""What a reader should know about groups, as sentences."""

from __future__ import annotations

import math
from collections.abc import Iterator

from evalkit.groups.model import FairnessReport, GroupLine, GroupTable
from evalkit.text import count, format_value

WORTH_SAYING = 0.1  # share of videos without a face, in a group that no test is about
NAMED = 12  # groups in one sentence; a scorecard of others may name thousands


def format_p(p: float) -> str:
    """Return a p-value; never 0."""
    return f"{p:.4f}" if p < 0.01 else f"{p:.3f}"


def findings(report: FairnessReport) -> Iterator[str]:
    """Yield the sentences of a report: detectors first, then gaps beyond chance, then what can't be said."""
    several = len(report.entries) > 1
    for table in report.tables:
        if table.measure.kind == "detection":
            yield from _detection(
                table, of=f" of {table.entry}" if several else "", significant=report.significant(table)
            )
    for table in report.tables:
        if report.significant(table) and table.measure.kind != "detection":
            yield _gap(table, of=f" of {table.entry}" if several else "")
    least = report.tests / (1 + report.rules.permutations)  # the smallest corrected p that the shuffles allow
    if least > report.rules.alpha:
        needed = math.ceil(report.tests / report.rules.alpha)
        yield (
            f"No gap can be told from chance here: {count(report.tests, 'test')} with "
            f"{report.rules.permutations:,} shuffles each can't have a corrected p below {min(1.0, least):.2g}. "
            f"Compare fewer submissions or metrics, or use 'evalkit fairness' with --permutations {needed}."
        )
    elif report.tests and not any(report.significant(table) for table in report.tables):
        yield (
            f"No gap is larger than chance explains: {count(report.tests, 'test')}, family-wise error "
            f"{report.rules.alpha:.0%}."
        )
    yield from _small(report)
    yield from _lost(report)
    if not report.identities_known:
        yield (
            "Nothing says who is in a video ('identity' in the test set), so every sample counts as another person. "
            "Where one person is in several, intervals are too narrow and p-values too small."
        )


def _detection(table: GroupTable, *, of: str, significant: bool) -> Iterator[str]:
    """Yield what the detector missed, and whether that is about the detector."""
    missed = [line for line in table.lines if line.videos and line.mean is not None and line.mean < 1]
    if not missed:
        return
    worst = min(missed, key=lambda line: line.mean if line.mean is not None else 1.0)
    if not significant and (table.p is not None or 1 - (worst.mean or 0.0) < WORTH_SAYING):
        return
    others = [line for line in table.lines if line is not worst and line.mean is not None]
    beside = "; ".join(f"{_misses(line)} of {line.value}" for line in others[:4])
    sentence = f"The face detector fails in {_misses(worst)} of {table.attribute} {worst.value}{of}"
    sentence += f" ({beside})." if beside else "."
    if significant and table.adjusted is not None:
        sentence += f" That differs between groups by more than chance (p {format_p(table.adjusted)})."
    sentence += " Numbers of this group rest on the videos in which a face was found."
    if worst.real_mean is None:
        sentence += " Whether the detector or the generated videos are at fault, the real videos' scorecard would tell."
    elif worst.real_mean < 1:
        lost = 1 - worst.real_mean
        sentence += (
            f" It also fails in {f'{lost:.0%}' if lost >= 0.01 else 'less than 1%'} of the group's real videos: "
        )
        sentence += (
            "that is a finding about the detector, not about the submission."
            if 2 * lost >= 1 - (worst.mean or 0.0)
            else "less than half of it is about the detector, the rest is about the generated videos."
        )
    else:
        sentence += " It finds a face in all of the group's real videos: the generated ones are at fault."
    yield sentence


def _misses(line: GroupLine) -> str:
    lost = round(line.videos * (1 - (line.mean if line.mean is not None else 1.0)))
    return f"{lost} of {count(line.videos, 'video')}"


def _gap(table: GroupTable, *, of: str) -> str:
    unit = f" {table.measure.unit}" if table.measure.unit and table.measure.unit != "share" else ""
    sentence = (
        f"{table.measure.title}{of} differs by {table.attribute}: {table.worst} is worst, "
        f"{format_value(table.gap)}{unit} behind {table.best} (p {format_p(table.adjusted or 0)} after correction)."
    )
    real_worst = worst_of_real(table)
    if real_worst is not None and real_worst != table.worst:
        sentence += (
            f" In the real videos {real_worst} is worst, with a gap of {format_value(table.real_gap)}{unit}: they "
            "don't explain this one."
        )
    elif table.excess is not None:
        on_top = f"{format_value(table.excess)}{unit}"
        sentence += f" In the real videos the gap is {format_value(table.real_gap)}{unit}, "
        sentence += f"so {on_top} comes on top." if table.excess > 0 else "which is no less."
    return sentence


def worst_of_real(table: GroupTable) -> str | None:
    """Return the group that is worst in the real videos; ``None`` without a gap of theirs."""
    if not table.real_gap:
        return None
    means = {line.value: line.real_mean for line in table.compared if line.real_mean is not None}
    worst = max if table.measure.higher_is_better is False else min
    return worst(means, key=lambda name: means[name])


def _small(report: FairnessReport) -> Iterator[str]:
    """Yield, by attribute, the groups that are too small in every measure."""
    for attribute in report.attributes:
        tables = [one for one in report.tables if one.attribute == attribute]
        large = {line.value for table in tables for line in table.compared}
        small = {line.value: line for table in tables for line in table.lines if line.value not in large}
        if small:
            named = ", ".join(f"{value} ({count(line.samples, 'sample')})" for value, line in [*small.items()][:NAMED])
            more = f" and {len(small) - NAMED:,} more" if len(small) > NAMED else ""
            yield f"Too few to say anything by {attribute}: {named}{more}. They are listed, and not merged with others."


def _lost(report: FairnessReport) -> Iterator[str]:
    """Yield, by submission, which groups are too small for want of values, though they have samples enough."""
    lost: dict[tuple[str, str, str], list[str]] = {}
    for table in report.tables:
        for line in table.lines:
            if line.too_few is not None and line.samples >= report.rules.min_videos:
                found = lost.setdefault((table.attribute, line.value, table.entry), [])
                found.append(f"{table.measure.title} ({line.videos} of {line.samples})")
    for (attribute, value, entry), measures in lost.items():
        whose = f" of {entry}" if len(report.entries) > 1 else ""
        more = f" and {len(measures) - 4} more" if len(measures) > 4 else ""
        yield (
            f"Too few videos{whose} by {attribute} {value} have a value, though there are samples enough: "
            f"{', '.join(measures[:4])}{more}. What these numbers say holds for the other groups only."
        )
