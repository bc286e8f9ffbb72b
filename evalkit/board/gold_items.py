"""Read items whose right answer is known: ``item_id, dimension, low, high``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from evalkit.board.model import GoldItem
from evalkit.challenges.rating_rules import Dimension
from evalkit.errors import InputError
from evalkit.ratings.cell_reader import Context, Dimensions, normalised
from evalkit.ratings.read_errors import Faults, shown
from evalkit.ratings.table import read_table

COLUMNS = {"item": ("item_id", "item"), "dimension": ("dimension",), "low": ("low",), "high": ("high",)}


def needed_columns(
    file: str, header: Sequence[str | None], wanted: Mapping[str, Sequence[str]], *, expected: str
) -> dict[str, str]:
    """Return word -> the column of a gold file that it means.

    Args:
        file: its name.
        header: its columns.
        wanted: word -> how columns are called that mean it, the usual name first.
        expected: all columns, in words.

    Raises:
        InputError: one of them is missing.
    """
    by_word = {normalised(name): name for name in header if name}
    columns = {}
    for word, usual in wanted.items():
        name = next((by_word[other] for other in usual if other in by_word), None)
        if name is None:
            raise InputError(
                f"{file}: the gold file has no column '{usual[0]}'.",
                found=f"the columns {', '.join(name for name in header if name)}",
                expected=expected,
            )
        columns[word] = name
    return columns


def read_gold(path: Path, known: Sequence[Dimension]) -> list[GoldItem]:
    """Return the items in a CSV file, in its order.

    Args:
        path: the file.
        known: the challenge's dimensions, which the file calls by their ids or titles.

    Raises:
        InputError: with every fault of the first 20: a cell that is empty, a dimension that the challenge does not
            have, ``low`` above ``high``, an answer that is off the scale or appears twice. A gold file is whole or it
            is none.
    """
    faults = Faults(path.name)
    context = Context(path.name, dimensions=Dimensions(known), faults=faults)
    scales = {dimension.id: dimension.scale for dimension in known}
    (header,), rows = read_table(path, faults, what="The gold file")
    columns = needed_columns(path.name, header, COLUMNS, expected="the columns item_id, dimension, low and high")
    found: dict[tuple[str, str], GoldItem] = {}
    for row in rows:
        before = faults.count
        item = context.name(row.number, columns["item"], row.cells[columns["item"]], "item")
        words = context.name(row.number, columns["dimension"], row.cells[columns["dimension"]], "dimension")
        low = context.number(row.number, columns["low"], row.cells[columns["low"]])
        high = context.number(row.number, columns["high"], row.cells[columns["high"]])
        if item is None or words is None or low is None or high is None or faults.count != before:
            continue
        dimension = context.dimensions.resolve(words)
        scale = scales.get(dimension)
        if scale is None:
            problem = f"the challenge has no dimension {shown(words)}; it has {', '.join(scales) or 'none'}."
            faults.add(row.number, columns["dimension"], problem)
        elif not (scale[0] <= low and high <= scale[1]):
            column = columns["high" if scale[0] <= low else "low"]
            faults.add(row.number, column, f"{low:g} to {high:g} is not on the scale from {scale[0]} to {scale[1]}.")
        elif low > high:
            faults.add(row.number, columns["low"], f"the lowest right answer {low:g} is above the highest, {high:g}.")
        elif (item, dimension) in found:
            faults.add(row.number, columns["item"], "the answer to this item and dimension appears twice.")
        else:
            found[item, dimension] = GoldItem(item, dimension, low, high)
    if faults.count:
        raise faults.error()
    return list(found.values())
