"""The bootstrap: resampling with replacement, seeded, in blocks, and percentile intervals.

The draws of all bootstrap intervals of evalkit are made here: of means and medians over videos, rankings (videos and
raters together), correlations, distances of sets, agreement of raters. A draw is one resample: as many units (videos,
raters) as there are, chosen with replacement. The functions that make draws take a seeded generator:

- `resample_indices`: the units of each draw, for statistics that need the rows themselves;
- `resample_counts`: how often each unit is in a draw, for statistics with weights;
- `multinomial_counts`: the same counts, many draws in one array. It uses the generator in another way than
  `resample_counts`, so that the same seed gives different draws.

Results depend on the seed and the number of draws, not on the size of blocks. A draw without a result (a constant
column, a team without ratings) is NaN and counts as lost in `percentile_interval`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import ArrayLike

from evalkit.statistics.arrays import Index, Matrix, Vector

BLOCK = 1_000_000  # numbers in the largest array of a block of draws
TAIL = 0.025  # of a 95 % interval, at either end
FEWEST_DRAWS = 100
FEWEST_UNITS = 2  # videos or raters: one alone shows no variation
DECIMALS = 12  # to which results of the two-way bootstrap are rounded, as all scores of a ranking are


def independent_streams(seed: int, count: int) -> list[np.random.Generator]:
    """Return ``count`` generators whose numbers are independent of each other."""
    return [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(count)]


def block_sizes(draws: int, width: int) -> Iterator[int]:
    """Yield how many draws each block has, for arrays of ``width`` numbers per draw."""
    block = max(1, BLOCK // max(1, width))
    for start in range(0, draws, block):
        yield min(block, draws - start)


def resample_indices(rng: np.random.Generator, units: int, draws: int, *, width: int) -> Iterator[Index]:
    """Yield blocks (some draws, units) of unit numbers from 0; the caller makes ``width`` numbers of each draw."""
    for count in block_sizes(draws, width):
        yield rng.integers(0, units, size=(count, units))


def resample_counts(rng: np.random.Generator, units: int, draws: int) -> Iterator[Vector]:
    """Yield, for each draw, how often each unit is in it (units,)."""
    for _ in range(draws):
        yield np.bincount(rng.integers(0, units, units), minlength=units).astype(np.float64)


def multinomial_counts(rng: np.random.Generator, units: int, draws: int) -> Vector:
    """Return how often each unit is in each draw (draws, units)."""
    return rng.multinomial(units, np.full(units, 1.0 / units), size=draws).astype(np.float64)


def percentile_interval(
    values: ArrayLike, *, draws: int | None = None, tail: float = TAIL, least: float = 0.5
) -> tuple[float, float] | None:
    """Return the percentiles ``tail`` and ``1 - tail`` of a statistic over draws.

    Args:
        values: one number per draw; NaN for a lost draw.
        draws: how many there were, where ``values`` has no entry for lost ones.
        tail: share of the draws beyond either end.
        least: share of the draws that must have a value; below it there is no interval (``None``).
    """
    drawn = np.asarray(values, dtype=np.float64)
    kept = drawn[np.isfinite(drawn)]
    if not len(kept) or len(kept) < least * (len(drawn) if draws is None else draws):
        return None
    low, high = np.quantile(kept, (tail, 1.0 - tail))
    return float(low), float(high)


def percentile_bootstrap(
    values: Vector, statistic: Callable[[Matrix], Vector], rng: np.random.Generator, *, draws: int, level: float
) -> tuple[float, float]:
    """Return the percentile interval of a statistic of ``values`` (n,), n at least 1.

    ``statistic`` gives a number (draws,) for every row of (draws, n).

    The percentiles are interpolated as ``(1 - g) * a + g * b``, as `scipy.stats.bootstrap` does; `np.quantile`, which
    `percentile_interval` uses, differs by rounding and would change the last digit of published intervals.
    """
    blocks = resample_indices(rng, len(values), draws, width=len(values))
    drawn = np.sort(np.concatenate([statistic(values[rows]) for rows in blocks]))
    tail = (1.0 - level) / 2.0
    ends = []
    for share in (tail, 1.0 - tail):
        place = share * draws + (1.0 - share) - 1.0
        at, g = int(place // 1), place % 1
        ends.append((1.0 - g) * drawn[at] + g * drawn[min(at + 1, draws - 1)])
    return float(ends[0]), float(ends[1])


class RatingMeans:
    """Means of ratings per cell (a team in a dimension): over its rated videos, of the mean over each video's raters.

    Built once, evaluated for many draws. In a draw a rating counts as often as its video and its rater were drawn
    together (the two-way bootstrap of Owen 2007, "The pigeonhole bootstrap").

    Args:
        cell, video, rater: (n,) indices from 0.
        value: (n,) the ratings.
        videos: how many videos there are to draw from.

    Attributes:
        cells: (c,) the cells that have ratings, ascending.
        rows: rated videos, summed over cells: how many numbers one draw needs.
        raters: how many raters have ratings.
    """

    def __init__(self, cell: Index, video: Index, rater: Index, value: Vector, *, videos: int) -> None:
        from scipy.sparse import csr_array

        known, column = np.unique(rater, return_inverse=True)
        items, row = np.unique(cell * videos + video, return_inverse=True)
        self.rows, self.raters = len(items), len(known)
        self._video = items % videos
        self.cells, self._starts = np.unique(items // videos, return_index=True)
        shape = (self.rows, self.raters)
        self._sums = csr_array((value, (row, column)), shape=shape)
        self._numbers = csr_array((np.ones(len(row)), (row, column)), shape=shape)
        self._plain = self._means(np.ones((1, videos)), np.ones((1, self.raters)))

    def shifts(self, video_counts: Vector, rater_counts: Vector) -> Vector:
        """Return each drawn mean minus the plain one (draws, c); NaN where a cell lost all of its ratings.

        Args:
            video_counts: (draws, videos) how often each video was drawn.
            rater_counts: (draws, raters) how often each rater was.
        """
        return self._means(video_counts, rater_counts) - self._plain

    def _means(self, video_counts: Vector, rater_counts: Vector) -> Vector:
        number = self._numbers @ rater_counts.T
        mean = ratio(self._sums @ rater_counts.T, number, otherwise=0.0)
        weight = video_counts.T[self._video] * (number > 0)
        total = np.add.reduceat(weight, self._starts, axis=0)
        summed = np.add.reduceat(weight * mean, self._starts, axis=0)
        return ratio(summed, total).T


def two_way_interval(
    video: Index, rater: Index, value: Vector, point: float, *, draws: int, seed: int
) -> tuple[float, float] | None:
    """Return the 95 % interval of a score that is a mean over videos of the mean over raters.

    Videos and raters are drawn independently of each other; the interval lies around ``point``, which may come from any
    estimator, and is rounded as scores of a ranking are.

    Args:
        video, rater: (n,) indices of what was rated and by whom.
        value: (n,) the ratings.
        point: the score.
        draws: resamples; fewer than 100 make no interval.
        seed: the same seed draws the same videos and raters as the bootstrap of a ranking does.

    Returns:
        ``None`` with fewer than two videos or two raters, which show no variation, and where most draws have no
        rating.
    """
    videos, place = np.unique(video, return_inverse=True)
    if draws < FEWEST_DRAWS or len(videos) < FEWEST_UNITS or len(np.unique(rater)) < FEWEST_UNITS:
        return None
    means = RatingMeans(np.zeros(len(value), dtype=np.int64), place, rater, value, videos=len(videos))
    for_videos, for_raters = independent_streams(seed, 2)
    drawn = [
        point
        + means.shifts(
            multinomial_counts(for_videos, len(videos), count), multinomial_counts(for_raters, means.raters, count)
        )[:, 0]
        for count in block_sizes(draws, max(means.rows, len(videos), means.raters))
    ]
    return percentile_interval(np.round(np.concatenate(drawn), DECIMALS))


def ratio(above: Vector, below: Vector, otherwise: float = np.nan) -> Vector:
    """Return ``above / below``, ``otherwise`` where ``below`` is 0."""
    out = np.full(below.shape, otherwise, dtype=np.float64)
    np.divide(above, below, out=out, where=below > 0)
    return out
