"""Which metric a name means, and what to print of it, whether it comes from a scorecard or from a log."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from evalkit.errors import InputError, UsageError, did_you_mean
from evalkit.metrics.base import metric_registry, resolve_metric
from evalkit.scoring.records import MetricScore
from evalkit.scoring.scorecard import Scorecard
from evalkit.text import count


@dataclass(frozen=True)
class About:
    """What an axis says of a metric."""

    title: str
    unit: str = ""
    higher_is_better: bool | None = None


def id_in(names: Iterable[str], metric: str) -> str:
    """Return the id in ``names`` that ``metric``, an id or a short name, stands for.

    Raises:
        UsageError: when there is none; with the nearest name.
    """
    known = list(dict.fromkeys(names))
    if metric in known:
        return metric
    try:
        found = resolve_metric(metric, metric_registry())
    except UsageError:
        found = metric
    if found in known:
        return found
    shown = ", ".join(known[:8]) + (f" and {count(len(known) - 8, 'more')}" if len(known) > 8 else "")
    raise UsageError(
        f"There is no metric '{metric}' here.{did_you_mean(metric, known)}", found=shown or "no metric at all"
    )


def about_score(name: str, score: MetricScore) -> About:
    """Return what a scorecard says of a metric."""
    return About(score.title or name, score.unit, score.higher_is_better)


def about_name(name: str) -> About:
    """Return what this evalkit knows of a metric; of an unknown one its name."""
    try:
        record = metric_registry()[resolve_metric(name, metric_registry())].record
    except UsageError:
        return About(name)
    return About(record.title, record.unit, record.higher_is_better)


def same_metric(cards: Iterable[tuple[str, Scorecard]], name: str) -> MetricScore:
    """Return the metric of the first scorecard, when all mean the same by it.

    Raises:
        InputError: when the scorecards have other protocols of it, or other backbones: such numbers are not comparable.
    """
    first: tuple[str, Scorecard, MetricScore] | None = None
    for label, card in cards:
        score = card.metrics.get(name)
        if score is None:
            continue
        if first is None:
            first = label, card, score
            continue
        mine, theirs = (score.protocol, card.backbones), (first[2].protocol, first[1].backbones)
        if mine != theirs:
            raise InputError(
                f"{name} of '{label}' and of '{first[0]}' are not comparable.",
                found=f"protocol {mine[0]} with backbones {mine[1]}, and protocol {theirs[0]} with {theirs[1]}",
                fix="Score both with the same evalkit and backbones.",
            )
    if first is None:
        raise InputError(f"No scorecard has the metric {name}.")
    return first[2]
