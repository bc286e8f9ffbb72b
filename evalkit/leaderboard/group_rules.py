"""A ranking that looks at groups: the worst group's mean, or a value that a gap makes worse.

Every group that counts must be large enough in the test set; otherwise the column ranks nobody, and never by the mean
in its place. A run that lacks values of a group has no value in the column: leaving a group out must not pay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from evalkit.challenges.fairness_rules import GroupRules
from evalkit.groups.inputs import GroupedSamples
from evalkit.groups.names import in_order
from evalkit.leaderboard.answers import RatedColumn, RatedColumns
from evalkit.leaderboard.groups import board_groups, sample_scores
from evalkit.leaderboard.runs import Entrant, Runs
from evalkit.leaderboard.table import Cell, CodedReason, Column, Row
from evalkit.metrics.base import is_not_applicable
from evalkit.scoring.aggregate import follows_from_videos
from evalkit.statistics import BOOTSTRAP_DRAWS
from evalkit.statistics.arrays import Matrix, Vector
from evalkit.statistics.bootstrap import multinomial_counts
from evalkit.statistics.cluster_bootstrap import interval_of_draws
from evalkit.text import count

OTHER_GROUPS = "other_groups"  # reason of a run whose scorecard contradicts the others about who is in a sample
TOO_FEW = "too_few_of_group"
NAMED = 12  # groups in one sentence


def columns_by_group(rules: GroupRules, columns: Sequence[Column], runs: Runs) -> tuple[Column, ...]:
    """Return the columns, those that rank by groups marked; refused where a group is too small."""
    if rules.rule == "none":
        return tuple(columns)
    groups = board_groups(runs)
    small = too_small(rules, groups.people)
    out = []
    for column in columns:
        named = rules.columns is not None and column.id in rules.columns
        if not column.ranks or (rules.columns is not None and not named):
            out.append(column)
        elif not _has_values_of_videos(column, runs):
            out.append(_of_the_set(column, refused=named))
        elif small is not None:
            out.append(replace(column, refused=column.refused or CodedReason("groups", f"{column.id}: {small}")))
        else:
            out.append(replace(column, by_group=rules.rule, notes=(*column.notes, _note(rules))))
    return tuple(out)


def _of_the_set(column: Column, *, refused: bool) -> Column:
    sentence = f"{column.id} is a number of the whole set, a median, or of comparisons: no mean by group makes it."
    if refused:
        return replace(column, refused=column.refused or CodedReason("groups", sentence))
    return replace(column, notes=(*column.notes, sentence))


def _has_values_of_videos(column: Column, runs: Runs) -> bool:
    if column.kind == "pairs" or column.aggregate == "median":
        return False
    if column.kind == "dimension":
        return column.range is not None  # dimensions of comparisons have none, and no number of a single video
    scored = [one for one in runs.competing if (score := one.score(column.id)) is not None and score.value is not None]
    return all(follows_from_videos(one.run.card, column.id) for one in scored)


def _note(rules: GroupRules) -> str:
    if rules.rule == "worst-group":
        return f"Ranks by the worst group of {rules.attribute}: its mean stands here, not that of all videos."
    return (
        f"Ranks by the value made worse by {rules.penalty:g} times the gap between the groups of {rules.attribute}: "
        "that stands here, not the mean of all videos."
    )


def counting_groups(rules: GroupRules, people: GroupedSamples) -> tuple[str, ...]:
    """Return the names of the groups that count."""
    labels = people.groups.get(rules.attribute or "", {})
    return rules.groups if rules.groups is not None else tuple(in_order(labels.values()))


def too_small(rules: GroupRules, people: GroupedSamples) -> str | None:
    """Return why the test set's groups can't rank, as a sentence; ``None`` where they can."""
    labels = people.groups.get(rules.attribute or "", {})
    if not labels:
        return f"no sample says its {rules.attribute}, so no group can rank."
    names = counting_groups(rules, people)
    if len(names) < 2:
        return f"all samples are of one {rules.attribute}, so there is nothing to compare."
    small = []
    for name in names:
        samples = [sample for sample, value in labels.items() if value == name]
        persons = len({people.identity[sample] for sample in samples})
        if len(samples) < rules.min_videos:
            small.append(f"{name} has {count(len(samples), 'sample')}, {rules.min_videos} are needed")
        elif persons < rules.min_identities:
            small.append(f"{name} shows {count(persons, 'person', 'people')}, {rules.min_identities} are needed")
    if not small:
        return None
    more = f"; and {len(small) - NAMED:,} more" if len(small) > NAMED else ""
    return f"too few to rank by {rules.attribute}: {'; '.join(small[:NAMED])}{more}."


def rows_by_group(
    rules: GroupRules,
    rows: Sequence[Row],
    runs: Runs,
    rated: RatedColumns,
    columns: Sequence[Column],
    *,
    draws: int = BOOTSTRAP_DRAWS,
    seed: int,
) -> list[Row]:
    """Return the rows with the values of columns that rank by groups in place of the means over all videos."""
    chosen = [column for column in columns if column.by_group and column.refused is None]
    if not chosen:
        return list(rows)
    groups = board_groups(runs)
    out = []
    for row in rows:
        one = runs.entrants[runs.position[row.key]]
        cells = dict(row.cells)
        for column in chosen:
            if cells[column.id].value is not None:
                values = _values(one, column, rated.by_id)
                cells[column.id] = (
                    replace(cells[column.id], value=None, ci=None, reason=OTHER_GROUPS)
                    if one.key in groups.contradicting
                    else _cell(rules, column, cells[column.id], values, groups.people, draws=draws, seed=seed)
                )
        out.append(replace(row, cells=cells))
    return out


def _cell(
    rules: GroupRules,
    column: Column,
    cell: Cell,
    values: Mapping[str, float],
    people: GroupedSamples,
    *,
    draws: int,
    seed: int,
) -> Cell:
    names = counting_groups(rules, people)
    labels = people.groups[rules.attribute or ""]
    samples = [sample for sample in people.samples if sample in values and labels.get(sample) in names]
    for name in names:
        own = [sample for sample in samples if labels[sample] == name]
        persons = {people.identity[sample] for sample in own}
        if len(own) < rules.min_videos or len(persons) < rules.min_identities:
            return replace(cell, value=None, ci=None, reason=f"{TOO_FEW}:{name}", mode=None, share_at_mode=None)
    numbers = np.array([values[sample] for sample in samples], dtype=np.float64)
    label = np.array([names.index(labels[sample]) for sample in samples])
    who = np.unique([people.identity[sample] for sample in samples], return_inverse=True)[1].astype(np.int64)
    sign = -1.0 if column.higher_is_better is False else 1.0

    def number(weights: Matrix) -> Vector:
        means = np.full((len(weights), len(names)), np.nan)
        for group in range(len(names)):
            part = weights * (label == group)
            np.divide(part @ numbers, part.sum(axis=1), out=means[:, group], where=part.sum(axis=1) > 0)
        if rules.rule == "worst-group":
            return np.asarray(sign * (sign * means).min(axis=1))
        gap = means.max(axis=1) - means.min(axis=1)
        return np.asarray(weights @ numbers / weights.sum(axis=1) - sign * rules.penalty * gap)

    value = float(number(np.ones((1, len(samples))))[0])
    counts = multinomial_counts(np.random.default_rng([seed, 20]), int(who.max()) + 1, draws)
    found = interval_of_draws(number, who, counts)
    return replace(cell, value=value, ci=found.ends, mode=None, share_at_mode=None)


def _values(one: Entrant, column: Column, rated: Mapping[str, RatedColumn]) -> dict[str, float]:
    if column.kind == "dimension":
        return sample_scores(one, rated[column.id]) if column.id in rated else {}
    return {
        video.sample: value
        for video in one.run.card.videos
        if (value := video.values.get(column.id)) is not None and not is_not_applicable(video.reasons.get(column.id))
    }
