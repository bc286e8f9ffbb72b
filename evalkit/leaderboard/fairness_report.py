"""The report on groups of people over all runs of a board that compete."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from evalkit.groups.computing import compare_groups
from evalkit.groups.inputs import Entry
from evalkit.groups.model import FairnessReport, FairnessRules
from evalkit.leaderboard.answers import RatedColumns
from evalkit.leaderboard.groups import board_entries, board_groups
from evalkit.leaderboard.runs import Runs
from evalkit.leaderboard.table import Column


def fairness_of_runs(
    columns: Sequence[Column],
    runs: Runs,
    rated: RatedColumns,
    rules: FairnessRules | None = None,
    truth: Entry | None = None,
) -> FairnessReport | None:
    """Return the report on the runs that compete; ``None`` where no sample has groups or nobody competes.

    A run whose scorecard contradicts the others about who is in a sample is left out, and the report says so.
    """
    groups = board_groups(runs)
    entries = board_entries(columns, runs, rated.by_id, groups)
    if not groups.people.groups or not entries:
        return None
    report = compare_groups(entries, groups.people, rules, truth)
    odd = [one.label for one in runs.entrants if one.key in groups.contradicting]
    said = f"Left out, since the scorecard contradicts the others about who is in a sample: {', '.join(odd)}."
    return replace(report, findings=(*report.findings, said)) if odd else report
