"""Read comparisons whose right answer is known: ``sample, first, second, answer``, and ``dimension``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal, get_args

from evalkit.board.gold_items import needed_columns
from evalkit.board.model import GoldPair
from evalkit.challenges.rating_rules import Dimension
from evalkit.ratings.cell_reader import Context, Dimensions, normalised
from evalkit.ratings.read_errors import Faults, shown
from evalkit.ratings.table import read_table

KnownAnswer = Literal["first", "second", "equal", "different"]
# answer -> fewest and most points of the first that are right, and whether a draw between them is.
POINTS: Mapping[KnownAnswer, tuple[float, float, bool]] = MappingProxyType(
    {
        "first": (1.0, 1.0, True),
        "second": (0.0, 0.0, True),
        "equal": (0.5, 0.5, True),
        "different": (0.0, 1.0, False),
    }
)
_NEEDED = {
    "sample": ("sample", "sample_id"),
    "first": ("first", "left"),
    "second": ("second", "right"),
    "answer": ("answer", "winner"),
}
_DIMENSION = "dimension"


@dataclass(frozen=True)
class GoldPairRow:
    """A row of such a file.

    Args:
        row: its number.
        sample: of both videos.
        sides: the first and the second, as the file calls them.
        dimensions: that it is about; all of the challenge's where the file names none.
        answer: the right one.
    """

    row: int
    sample: str
    sides: tuple[str, str]
    dimensions: tuple[str, ...]
    answer: KnownAnswer


def read_gold_pairs(path: Path, known: Sequence[Dimension]) -> list[GoldPair]:
    """Return the comparisons of a CSV file, in its order; sides are called as in comparisons.

    Args:
        path: the file.
        known: the challenge's dimensions, which the file calls by their ids or titles.

    Raises:
        InputError: with every fault of the first 20. A gold file is whole or it is none.
    """
    faults = Faults(path.name)
    found: dict[tuple[str, str, frozenset[str]], GoldPair] = {}
    for row in gold_pair_rows(path, known, faults):
        low, high, draw = POINTS[row.answer]
        for dimension in row.dimensions:
            place = (row.sample, dimension, frozenset(row.sides))
            if place in found:
                faults.add(row.row, None, "the answer to this comparison appears twice.")
            found[place] = GoldPair(row.sample, dimension, row.sides, low, high, draw)
    if faults.count:
        raise faults.error()
    return list(found.values())


def gold_pair_rows(path: Path, known: Sequence[Dimension], faults: Faults) -> list[GoldPairRow]:
    """Return the rows of such a file that can be read; what is wrong with the others goes into ``faults``.

    Raises:
        InputError: it is no such file.
    """
    context = Context(path.name, dimensions=Dimensions(known), faults=faults)
    (header,), rows = read_table(path, faults, what="The gold file")
    by_word = {normalised(name): name for name in header if name}
    expected = "the columns sample, first, second, answer and, where there are several, dimension"
    columns = needed_columns(path.name, header, _NEEDED, expected=expected)
    found = []
    for row in rows:
        before = faults.count
        cells = {word: context.name(row.number, name, row.cells[name], word) for word, name in columns.items()}
        sample, first, second, words = (cells[word] for word in _NEEDED)
        if sample is None or first is None or second is None or words is None or faults.count != before:
            continue
        answer = _answer(words)
        dimensions = _asked(row.cells.get(by_word.get(_DIMENSION, ""), ""), context, known)
        if first.casefold() == second.casefold():
            faults.add(row.number, columns["second"], f"{shown(first)} is compared with itself.")
        elif answer is None:
            faults.add(row.number, columns["answer"], f"{shown(words)} is none of {', '.join(get_args(KnownAnswer))}.")
        elif dimensions is None:
            cell = row.cells[by_word[_DIMENSION]]
            faults.add(row.number, by_word[_DIMENSION], f"the challenge has no dimension {shown(cell)}.")
        else:
            found.append(GoldPairRow(row.number, sample, (first, second), dimensions, answer))
    return found


def _answer(words: str) -> KnownAnswer | None:
    return next((one for one in get_args(KnownAnswer) if one == normalised(words)), None)


def _asked(cell: str, context: Context, known: Sequence[Dimension]) -> tuple[str, ...] | None:
    every = tuple(one.id for one in known)
    if not cell:
        return every or ("",)
    dimension = context.dimensions.resolve(cell)
    return (dimension,) if dimension in every else None
