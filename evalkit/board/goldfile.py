"""Read items whose right answer is known: ``item_id, dimension, low, high``."""

from __future__ import annotations

from pathlib import Path

from evalkit.board.model import GoldItem
from evalkit.errors import InputError
from evalkit.ratings.cells import Context, normalised
from evalkit.ratings.faults import Faults
from evalkit.ratings.table import read_table
from evalkit.text import neutralise

COLUMNS = {"item": ("item_id", "item"), "dimension": ("dimension",), "low": ("low",), "high": ("high",)}


def read_gold(path: Path) -> list[GoldItem]:
    """Return the items in a CSV file, in its order.

    Raises:
        InputError: with every fault of the first 20: a cell that is empty, ``low`` above ``high``, an answer that
            stands twice. A gold file is whole or it is none.
    """
    faults = Faults(path.name)
    context = Context(path.name, faults=faults)
    (header,), rows = read_table(path, faults, what="The gold file")
    by_word = {normalised(name): name for name in header if name}
    columns = {}
    for word, usual in COLUMNS.items():
        name = next((by_word[other] for other in usual if other in by_word), None)
        if name is None:
            raise InputError(
                f"{neutralise(path.name)}: the gold file has no column '{usual[0]}'.",
                found=f"the columns {neutralise(', '.join(name for name in header if name), limit=300)}",
                expected="the columns item_id, dimension, low and high",
            )
        columns[word] = name
    found: dict[tuple[str, str], GoldItem] = {}
    for row in rows:
        before = faults.count
        item = context.name(row.number, columns["item"], row.cells[columns["item"]], "item")
        dimension = context.name(row.number, columns["dimension"], row.cells[columns["dimension"]], "dimension")
        low = context.number(row.number, columns["low"], row.cells[columns["low"]])
        high = context.number(row.number, columns["high"], row.cells[columns["high"]])
        if item is None or dimension is None or low is None or high is None or faults.count != before:
            continue
        if low > high:
            faults.add(row.number, columns["low"], f"the lowest right answer {low:g} is above the highest, {high:g}.")
        elif (item, dimension) in found:
            faults.add(row.number, columns["item"], "the answer to this item and dimension stands twice.")
        else:
            found[item, dimension] = GoldItem(item, dimension, low, high)
    if faults.count:
        raise faults.error()
    return list(found.values())
