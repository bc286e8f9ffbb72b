"""Which fakes are compared with which real videos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evalkit.metrics.detectors.videos import ScoredSet
from evalkit.statistics.arrays import Index

UNNAMED = "unnamed generator"


@dataclass(frozen=True)
class Cell:
    """The fakes of one generator, and the real videos of the same detector and, say, quality.

    Args:
        name: for tables: the generator, with what tells it from the other cells.
        generator, within: of the fakes.
        rows: (k,) places in the `ScoredSet`.
        reals, fakes: how many of each.
    """

    name: str
    generator: str
    within: str
    rows: Index
    reals: int
    fakes: int

    @property
    def whole(self) -> bool:
        """Whether there are both real and fake videos."""
        return self.reals > 0 and self.fakes > 0


def cells_of(videos: ScoredSet, used: Index) -> list[Cell]:
    """Return a cell for every generator (by run and by what fakes and reals must share), by name.

    Args:
        videos: the whole set: a generator none of whose videos is used has a cell too.
        used: places of the videos that count.
    """
    fake = videos.labels == 1
    keys = sorted(
        {(str(videos.generators[at]), str(videos.runs[at]), str(videos.within[at])) for at in np.flatnonzero(fake)}
    )
    several_runs = {generator: len({key[1] for key in keys if key[0] == generator}) > 1 for generator, _, _ in keys}
    cells = []
    for generator, run, within in keys:
        same = (videos.runs[used] == run) & (videos.within[used] == within)
        ours = same & (~fake[used] | (videos.generators[used] == generator))
        rows = used[ours]
        parts = [generator or UNNAMED, within, f"run {run}" if several_runs[generator] else ""]
        fakes = int(videos.labels[rows].sum())
        name = ", ".join(part for part in parts if part)
        cells.append(Cell(name, generator, within, rows, len(rows) - fakes, fakes))
    return cells


def everything(videos: ScoredSet, used: Index) -> Sequence[Cell]:
    """Return one cell of all videos that count, whoever made them."""
    fakes = int(videos.labels[used].sum())
    return [Cell("all", "", "", used, len(used) - fakes, fakes)]
