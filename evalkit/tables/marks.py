"""Which cells are best and second, and which rows no other one beats."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace

from evalkit.tables.record import Mark, TableCell

Cells = list[tuple[TableCell, list[str]]]  # of a column, with the texts of their footnotes


def marked(cells: Cells, groups: Sequence[Hashable], better: str | None) -> Cells:
    """Return the cells with the best and the second of each group marked, by the numbers as they are printed.

    Args:
        cells: of a column.
        groups: the group of each row.
        better: ``higher`` or ``lower``; ``None`` marks nothing.
    """
    found = list(cells)
    if better is None:
        return found
    members: dict[Hashable, list[int]] = {}
    for at, group in enumerate(groups):
        members.setdefault(group, []).append(at)
    for rows in members.values():
        numbers = {at: float(cells[at][0].text) for at in rows if cells[at][0].value is not None}
        levels = sorted(set(numbers.values()), reverse=better == "higher")
        if len(levels) < 2:
            continue  # alone or all equal: nothing is better
        first = [at for at, value in numbers.items() if value == levels[0]]
        second = [at for at, value in numbers.items() if value == levels[1]] if len(first) == 1 else []
        marks: tuple[tuple[list[int], Mark], ...] = ((first, "best"), (second, "second"))
        for places, mark in marks:
            for at in places:
                found[at] = (replace(found[at][0], mark=mark), found[at][1])
    return found


def pareto_set(points: Sequence[Sequence[float | None]], higher: Sequence[bool]) -> list[bool | None]:
    """Return which points no other one beats: as good in every coordinate, and better in one.

    Args:
        points: coordinates; a point that lacks one is in no comparison and gives ``None``.
        higher: for each coordinate, whether higher is better.
    """
    turned = {
        at: [value if up else -value for value, up in zip(point, higher, strict=True) if value is not None]
        for at, point in enumerate(points)
    }
    whole = {at: point for at, point in turned.items() if len(point) == len(higher)}
    found: list[bool | None] = [None] * len(points)
    for at, point in whole.items():
        found[at] = not any(
            other != point and all(a >= b for a, b in zip(other, point, strict=True)) for other in whole.values()
        )
    return found
