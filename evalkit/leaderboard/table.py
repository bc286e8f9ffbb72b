"""The table that a ranking is made of: entries x columns, where every gap says why it is one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from evalkit.challenges.model import Challenge
from evalkit.errors import ChallengeError, InputError
from evalkit.text import escape_message

Group = Literal["objective", "subjective", "speed", "diagnostic"]
PAIRS = "pairs"  # the column of a challenge that is decided by pairs and names no dimensions


@dataclass(frozen=True)
class Reason:
    """Why something does not count: a word for machines and a sentence for people."""

    code: str
    sentence: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "sentence", escape_message(self.sentence))


@dataclass(frozen=True)
class Column:
    """One number of the ranking.

    Args:
        id: metric id, dimension id, or ``pairs``.
        higher_is_better: which way is up.
        group: the group whose weight it shares.
        weight: 0 or more; a column of weight 0 decides nothing but a tie.
        range: values that become 0 and 1 in a weighted sum, as (low, high); ``None`` when none was declared.
        ranks: whether it takes part in the ranking; others may still break ties.
    """

    id: str
    higher_is_better: bool
    group: Group = "objective"
    weight: float = 1.0
    range: tuple[float, float] | None = None
    ranks: bool = True

    def __post_init__(self) -> None:
        if not (math.isfinite(self.weight) and self.weight >= 0):
            raise InputError(f"The weight of {self.id} is no weight.", found=str(self.weight), expected="0 or more")
        if self.range is not None and not (
            math.isfinite(self.range[0]) and math.isfinite(self.range[1]) and self.range[0] < self.range[1]
        ):
            raise InputError(f"The range of {self.id} is no range.", found=str(self.range), expected="(low, high)")

    @property
    def counts(self) -> bool:
        """Whether the column moves the ranking itself."""
        return self.ranks and self.weight > 0


@dataclass(frozen=True)
class Cell:
    """A value, or the reason why there is none.

    Args:
        value: the number; ``None`` with a ``reason``.
        reason: machine-readable reason of a gap.
        coverage: share of the samples that the value rests on, 0..1.
        counts: sizes that must be equal for two values to be compared, by name. Distances of distributions carry
            ``n`` and ``n_reference``, because their bias depends on them (Heusel et al. 2017; Chong and Forsyth 2020).
    """

    value: float | None
    reason: str | None = None
    coverage: float = 1.0
    counts: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.value is not None and not math.isfinite(self.value):
            raise InputError(
                "A value of the ranking is not finite.", found=str(self.value), fix="Give a reason instead."
            )
        if (self.value is None) == (self.reason is None):
            raise InputError("A cell of the ranking has either a value or a reason.", found=str(self))


@dataclass(frozen=True)
class Entry:
    """One run of one team, with a cell per column id."""

    team: str
    cells: Mapping[str, Cell]
    run: str = "1"
    primary: bool = True


def columns_of(challenge: Challenge, higher_is_better: Mapping[str, bool | None] | None = None) -> tuple[Column, ...]:
    """Return the columns that ``challenge`` declares: metrics that rank, dimensions or pairs, and what breaks ties.

    A dimension's range is its scale. The column ``pairs`` holds a share of points, 0..1. Dimensions judged in pairs
    have no range, for their strengths have no ends.

    Args:
        challenge: the challenge.
        higher_is_better: metric id -> its better side, for metrics whose direction the challenge leaves open.

    Raises:
        ChallengeError: when a metric has no better side.
    """
    known = dict(higher_is_better or {})
    breaks = challenge.ranking_rules.tie_breaks
    columns: list[Column] = []
    for entry in challenge.metrics:
        ranks = entry.rank and entry.group != "diagnostic"
        if not ranks and entry.id not in breaks:
            continue
        up = known.get(entry.id) if entry.direction is None else entry.direction == "higher"
        if up is None:
            raise ChallengeError(
                f"The metric {entry.id} can't rank: nothing says which side is better.",
                fix=f"Write 'direction: higher' or 'direction: lower' beside {entry.id} in the challenge.",
            )
        columns.append(Column(entry.id, up, entry.group, entry.weight, entry.range, ranks))
    pairs = challenge.ratings.method == "pairs"
    if challenge.ratings.method != "none":
        for dimension in challenge.ratings.dimensions:
            low, high = dimension.scale
            ends = None if pairs else (float(low), float(high))
            columns.append(Column(dimension.id, True, "subjective", dimension.weight, ends))
        if pairs and not challenge.ratings.dimensions:
            columns.append(Column(PAIRS, True, "subjective", 1.0, (0.0, 1.0)))
    return tuple(columns)


def reject_duplicate_runs(entries: Iterable[Entry], primary: int) -> None:
    """Raise when a run stands twice in the table, or a team has more than ``primary`` runs that compete."""
    seen: set[tuple[str, str]] = set()
    competing: dict[str, int] = {}
    for entry in entries:
        if (entry.team, entry.run) in seen:
            raise InputError(f"The run '{entry.run}' of team '{entry.team}' stands twice in the ranking.")
        seen.add((entry.team, entry.run))
        competing[entry.team] = competing.get(entry.team, 0) + entry.primary
    for team, count in competing.items():
        if count > primary:
            raise InputError(
                f"Team '{team}' has too many primary runs.",
                found=str(count),
                expected=f"at most {primary}",
                fix="Choose which of them competes.",
            )


def uneven_counts(column: Column, entries: Iterable[Entry]) -> Reason | None:
    """Return why ``column`` may not rank these entries: its values rest on sets of unequal size.

    Entries without a value are left out. An entry that lacks a size which others have is unequal to them.
    """
    cells = [(entry, entry.cells[column.id]) for entry in entries if column.id in entry.cells]
    sized = [(entry, dict(cell.counts)) for entry, cell in cells if cell.value is not None]
    for name in sorted({name for _, counts in sized for name in counts}):
        sizes: dict[float | None, str] = {}
        for entry, counts in sized:
            sizes.setdefault(counts.get(name), entry.team)
        if len(sizes) > 1:
            shown = ", ".join(f"{_size(size)} ({team})" for size, team in list(sizes.items())[:4])
            return Reason(
                "unequal_n",
                f"{column.id} compares sets, and its bias depends on their size: {name} differs, {shown}.",
            )
    return None


def _size(size: float | None) -> str:
    return "unknown" if size is None else f"{size:g}"
