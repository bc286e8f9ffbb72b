"""Read the comparisons with known answers that an organizer gives a plan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from evalkit.board.gold_pairs import POINTS, gold_pair_rows
from evalkit.challenges.rating_rules import Dimension
from evalkit.errors import InputError
from evalkit.ratings.read_errors import Faults
from evalkit.studio.plan_model import PAIR, Medium
from evalkit.studio.request import GoldPairVideos, KnownPoints

_Place = tuple[str | None, str, str]


def read_gold_pair_videos(
    path: Path, dimensions: Sequence[Dimension], find: Callable[[str, str], Medium]
) -> tuple[GoldPairVideos, ...]:
    """Return the comparisons of a CSV file: ``sample, first, second, answer`` and, for one question, ``dimension``.

    Args:
        path: the file.
        dimensions: the challenge's.
        find: (word, sample) -> the video that the file calls so; raises `InputError` where there is none.

    Raises:
        InputError: with every fault of the first 20.
    """
    faults = Faults(path.name)
    media: dict[frozenset[_Place], tuple[Medium, Medium]] = {}
    answers: dict[frozenset[_Place], dict[str, KnownPoints]] = {}
    for row in gold_pair_rows(path, dimensions, faults):
        try:
            first, second = (find(word, row.sample) for word in row.sides)
        except InputError as error:
            faults.add(row.row, None, error.what)
            continue
        about = frozenset((_place(first), _place(second)))
        if len(about) == 1:
            faults.add(row.row, None, "both sides are the same video.")
            continue
        known = media.setdefault(about, (first, second))
        low, high, draw = POINTS[row.answer]
        if _place(known[0]) != _place(first):
            low, high = 1 - high, 1 - low
        for dimension in row.dimensions:
            if (dimension or PAIR) in answers.setdefault(about, {}):
                faults.add(row.row, None, "the answer to this comparison appears twice.")
            answers[about][dimension or PAIR] = KnownPoints(low, high, draw)
    if faults.count:
        raise faults.error()
    return tuple(GoldPairVideos(*found, answers[about]) for about, found in media.items())


def _place(medium: Medium) -> _Place:
    return medium.submission, medium.file, medium.sample
