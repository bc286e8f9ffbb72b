"""The table that a leaderboard shows and ranks: one record per column, per cell and per run; gaps have reasons."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from evalkit.board.model import Origin
from evalkit.errors import InputError
from evalkit.metrics.base import Aggregate
from evalkit.text import escape_message

Group = Literal["objective", "subjective", "speed", "diagnostic"]
Kind = Literal["metric", "dimension", "pairs"]
RunKey = tuple[str, str]  # team and run
PAIRS = "pairs"  # the column of a challenge that is decided by comparisons and names no dimensions


@dataclass(frozen=True)
class CodedReason:
    """Why something does not count: a code for programs and a sentence for readers."""

    code: str
    sentence: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "sentence", escape_message(self.sentence))


@dataclass(frozen=True)
class Column:
    """One column of the leaderboard.

    Args:
        id: metric id, dimension id, or ``pairs``.
        higher_is_better: ``None`` for a diagnostic, which has no better side.
        group: the group whose weight it shares.
        weight: as the challenge declares it, 0 or more; a column of weight 0 only breaks ties.
        range: values that become 0 and 1 in a weighted sum, as (low, high); ``None`` when none was declared.
        ranks: whether it takes part in the ranking; others may still break ties.
        title: name of the metric or dimension.
        published_as: what the organizers call it, when that differs.
        kind: where its values come from.
        unit: of the values.
        share: of the score of its phase, 0..1, group weights included; 0 for a column that does not rank.
        refused: why it ranks nobody here although the challenge says that it ranks.
        protocol: version of the metric's definition.
        aggregate: how a run's number follows from its videos'; ``None`` for a metric of the whole set.
        notes: sentences for the reader.
        includes_excluded: excluded samples that the value of some run still includes, because it is a number of the
            whole set.
        min_samples: samples that a value must rest on, in place of the challenge's coverage; ``None`` for that.
        not_comparable: labels of runs whose own report is of other hardware than most runs: only they are not ranked.
        by_group: how its values follow from groups of people, as `evalkit.challenges.fairness_rules.GroupRules.rule`;
            empty for means over all videos.
    """

    id: str
    higher_is_better: bool | None
    group: Group = "objective"
    weight: float = 1.0
    range: tuple[float, float] | None = None
    ranks: bool = True
    title: str = ""
    published_as: str | None = None
    kind: Kind = "metric"
    unit: str = ""
    share: float = 0.0
    refused: CodedReason | None = None
    protocol: int | None = None
    aggregate: Aggregate | None = "mean"
    notes: tuple[str, ...] = ()
    includes_excluded: tuple[str, ...] = ()
    min_samples: int | None = None
    not_comparable: tuple[str, ...] = ()
    by_group: str = ""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.weight) and self.weight >= 0):
            raise InputError(f"The weight of {self.id} must be a finite number of at least 0.", found=str(self.weight))
        if self.range is not None and not (
            math.isfinite(self.range[0]) and math.isfinite(self.range[1]) and self.range[0] < self.range[1]
        ):
            raise InputError(
                f"The range of {self.id} must be two finite numbers, the lower one first.", found=str(self.range)
            )

    @property
    def counts(self) -> bool:
        """Whether the column changes the ranking itself."""
        return self.ranks and self.weight > 0


@dataclass(frozen=True)
class Cell:
    """The value of a run in a column, or the reason why there is none.

    Args:
        value: the number; ``None`` with a ``reason``.
        ci: 95 % interval.
        reason: machine-readable reason of a gap.
        n: videos, ratings or comparisons behind the value.
        coverage: share of the samples that the value rests on, 0..1.
        points: the column's part of the score, before weights; ``None`` when the column does not count.
        best: whether no ranked run has a better value.
        set_sizes: sizes that must be equal for two values to be compared, by name. Distances of distributions carry
            ``n`` and ``n_reference``, because their bias depends on them (Heusel et al. 2017; Chong and Forsyth 2020).
        mode, share_at_mode: beside a median, the commonest value over the videos and the share of videos that have it.
        source: whose measurement a value of speed is, as in `evalkit.speed.model.SOURCES`.
        hardware: what it was measured on.
        at_worst: videos that count with the worst value in it, for findings about gaming.
    """

    value: float | None
    ci: tuple[float, float] | None = None
    reason: str | None = None
    n: int = 0
    coverage: float = 1.0
    points: float | None = None
    best: bool = False
    set_sizes: Mapping[str, float] = field(default_factory=dict)
    mode: float | None = None
    share_at_mode: float | None = None
    source: str | None = None
    hardware: str | None = None
    at_worst: int = 0

    def __post_init__(self) -> None:
        if self.value is not None and not math.isfinite(self.value):
            raise InputError(
                "A value of the leaderboard is not finite.", found=str(self.value), fix="Give a reason instead."
            )
        if (self.value is None) == (self.reason is None):
            raise InputError("A cell of the leaderboard needs either a value or a reason.", found=str(self))


NO_CELL = Cell(None, reason="not_scored", coverage=0.0)


@dataclass(frozen=True)
class Row:
    """One run of one team: its values, and its place in the ranking.

    Args:
        team, run: whose.
        cells: column id -> value.
        primary: whether it competes.
        rank: 1 is best, equal runs share the better one; ``None`` when not ranked.
        score: in the unit of the rule (`evalkit.leaderboard.scoring_rules.ScoringPlan`); once there is a final phase,
            that of finalists alone.
        interval: best and worst rank that the data allow, for all runs together.
        probability: probability of rank 1, 2, ...; empty without uncertainty.
        reasons: why it is not ranked; empty when it is.
        tie_break: the column that separated it from a run with the same score.
        finalist: whether it was in the final phase; ``None`` when there is none.
        shortlist_rank, shortlist_score: of the objective phase of a two-phase ranking.
        label: its name in uncertainty, sensitivity and samples: the team where one run of it competes.
        origin: whether the organizer scored it, as the board knows (`evalkit.board.model.Run`).
    """

    team: str
    run: str
    cells: Mapping[str, Cell]
    primary: bool = True
    rank: int | None = None
    score: float | None = None
    interval: tuple[int, int] | None = None
    probability: tuple[float, ...] = ()
    reasons: tuple[CodedReason, ...] = ()
    tie_break: str | None = None
    finalist: bool | None = None
    shortlist_rank: int | None = None
    shortlist_score: float | None = None
    label: str = ""
    origin: Origin = "handed-in"

    def __post_init__(self) -> None:
        if not self.label:
            object.__setattr__(self, "label", self.team)

    @property
    def key(self) -> RunKey:
        """Team and run."""
        return self.team, self.run


def value_matrix(rows: Sequence[Row], columns: Sequence[Column]) -> NDArray[np.float64]:
    """Return the values (rows, columns) of rows that have them all."""
    values: list[list[Any]] = [[row.cells[column.id].value for column in columns] for row in rows]
    return np.array(values, dtype=np.float64).reshape(len(rows), len(columns))


def reject_duplicate_runs(rows: Iterable[Row], primary: int) -> None:
    """Raise when a run appears twice in the table, or a team has more than ``primary`` runs that compete."""
    seen: set[tuple[str, str]] = set()
    competing: dict[str, int] = {}
    for row in rows:
        if (row.team, row.run) in seen:
            raise InputError(f"The run '{row.run}' of team '{row.team}' appears twice in the ranking.")
        seen.add((row.team, row.run))
        competing[row.team] = competing.get(row.team, 0) + row.primary
    for team, count in competing.items():
        if count > primary:
            raise InputError(
                f"Team '{team}' has too many primary runs.",
                found=str(count),
                expected=f"at most {primary}",
                fix="Choose which of them competes.",
            )


def odd_sizes(columns: Iterable[Column], rows: Sequence[Row]) -> dict[RunKey, tuple[CodedReason, ...]]:
    """Return the runs whose sets have other sizes than those of most, with the reasons why they can't be compared.

    So that one scorecard with a wrong size costs itself only. The runs that the organizer scored decide alone where
    there are any and they agree; otherwise more than half of all. Without such sizes nobody is odd, and
    `uneven_counts` refuses the column.
    """
    found: dict[RunKey, tuple[CodedReason, ...]] = {}
    for column in columns:
        sized = [(row, _sizes(row.cells[column.id])) for row in rows if column.id in row.cells]
        sized = [(row, sizes) for row, sizes in sized if row.cells[column.id].value is not None]
        usual = _usual([sizes for row, sizes in sized if row.origin != "handed-in"], all_of_them=True)
        usual = usual if usual is not None else _usual([sizes for _, sizes in sized], all_of_them=False)
        for row, sizes in sized:
            if usual is not None and sizes != usual:
                sentence = (
                    f"{column.id} compares sets, and its bias depends on their size: "
                    f"{_shown_sizes(sizes)} here, {_shown_sizes(usual)} in the other runs."
                )
                found[row.key] = (*found.get(row.key, ()), CodedReason("unequal_n", sentence))
    return found


_Sizes = tuple[tuple[str, float], ...]


def _sizes(cell: Cell) -> _Sizes:
    return tuple(sorted(cell.set_sizes.items()))


def _usual(sizes: Sequence[_Sizes], *, all_of_them: bool) -> _Sizes | None:
    """Return the sizes that all, or more than half, have."""
    most = Counter(sizes).most_common(1)
    needed = len(sizes) if all_of_them else len(sizes) // 2 + 1
    return most[0][0] if most and most[0][1] >= needed else None


def _shown_sizes(sizes: _Sizes) -> str:
    return ", ".join(f"{name} {size:g}" for name, size in sizes) or "no size"


def uneven_counts(column: Column, rows: Iterable[Row]) -> CodedReason | None:
    """Return why ``column`` may not rank these rows: its values rest on sets of unequal size.

    Rows without a value are left out. A row that lacks a size which others have is unequal to them.
    """
    cells = [(row, row.cells[column.id]) for row in rows if column.id in row.cells]
    sized = [(row, dict(cell.set_sizes)) for row, cell in cells if cell.value is not None]
    for name in sorted({name for _, counts in sized for name in counts}):
        sizes: dict[float | None, str] = {}
        for row, counts in sized:
            sizes.setdefault(counts.get(name), row.team)
        if len(sizes) > 1:
            shown = ", ".join(f"{_size(size)} ({team})" for size, team in list(sizes.items())[:4])
            return CodedReason(
                "unequal_n",
                f"{column.id} compares sets, and its bias depends on their size: {name} differs, {shown}.",
            )
    return None


def _size(size: float | None) -> str:
    return "unknown" if size is None else f"{size:g}"
