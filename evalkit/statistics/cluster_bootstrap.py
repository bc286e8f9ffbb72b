"""Bootstrap over clusters: videos of one person are drawn together, since they are not independent of each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evalkit.errors import InputError
from evalkit.statistics import BOOTSTRAP_DRAWS
from evalkit.statistics.arrays import Index, Matrix, Vector
from evalkit.statistics.bootstrap import block_sizes, independent_streams, multinomial_counts, percentile_interval

FEW_CLUSTERS = 20  # below this number an interval only describes the data


@dataclass(frozen=True)
class ClusterInterval:
    """A 95 % interval from draws of whole clusters.

    Args:
        ends: of the interval; ``None`` where fewer than half of the draws have a value, or there is one cluster.
        clusters: how many there are.
        lost: draws without a value, such as those with one class only.
        deviation: standard deviation of the statistic over the other draws; NaN for fewer than two.
    """

    ends: tuple[float, float] | None
    clusters: int
    lost: int
    deviation: float

    @property
    def descriptive(self) -> bool:
        """Whether there are too few clusters to conclude anything about other people."""
        return self.clusters < FEW_CLUSTERS

    @property
    def width(self) -> float:
        """Length of the interval; -1 without one."""
        return self.ends[1] - self.ends[0] if self.ends is not None else -1.0


def interval_of_draws(statistic: Callable[[Matrix], Vector], member: Index, counts: Matrix) -> ClusterInterval:
    """Return the interval of a statistic under given draws.

    Args:
        statistic: gives a number (d,) for every row of weights (d, n); NaN where it has none.
        member: (n,) the cluster of each video, from 0.
        counts: (draws, clusters) how often each cluster is in each draw.
    """
    if member.ndim != 1 or counts.ndim != 2 or (len(member) and int(member.max()) >= counts.shape[1]):
        raise InputError("Every video must belong to a cluster that is drawn.")
    drawn = []
    each_once = len(member) == counts.shape[1] and bool((member == np.arange(len(member))).all())
    at = 0
    for size in block_sizes(len(counts), len(member)):
        block = counts[at : at + size]
        drawn.append(statistic(block if each_once else block[:, member]))
        at += size
    values = np.concatenate(drawn) if drawn else np.empty(0)
    kept = values[np.isfinite(values)]
    deviation = float(kept.std(ddof=1)) if len(kept) > 1 else float("nan")
    ends = percentile_interval(values) if counts.shape[1] > 1 else None
    return ClusterInterval(ends, counts.shape[1], len(values) - len(kept), deviation)


def intervals_of_means(sums: Matrix, videos: Matrix, counts: Matrix) -> list[ClusterInterval]:
    """Return the intervals of several means under the same draws, as `interval_of_draws` does for each of them.

    Args:
        sums: (clusters, m) sum of each cluster's values.
        videos: (clusters, m) how many values it has, at least one.
        counts: (draws, clusters) how often each cluster is in each draw.
    """
    drawn = np.empty((len(counts), sums.shape[1]))
    at = 0
    for size in block_sizes(sums.shape[1], len(counts)):
        some = slice(at, at + size)
        drawn[:, some] = (counts @ sums[:, some]) / (counts @ videos[:, some])
        at += size
    deviation = drawn.std(axis=0, ddof=1) if len(drawn) > 1 else np.full(sums.shape[1], np.nan)
    return [
        ClusterInterval(
            percentile_interval(drawn[:, one]) if len(sums) > 1 else None, len(sums), 0, float(deviation[one])
        )
        for one in range(sums.shape[1])
    ]


def cluster_interval(
    statistic: Callable[[Matrix], Vector], *groupings: ArrayLike, seed: int, draws: int = BOOTSTRAP_DRAWS
) -> ClusterInterval:
    """Return the widest interval over one or more ways of grouping the same videos.

    Args:
        statistic: as in `interval_of_draws`.
        groupings: (n,) names of the clusters, such as the person in the image, and the person whose motion drives it.
        seed: the same seed gives the same interval.
        draws: resamples of as many clusters as there are.
    """
    if not groupings:
        raise InputError("A bootstrap over clusters needs to know the clusters.")
    found = []
    for names, rng in zip(groupings, independent_streams(seed, len(groupings)), strict=True):
        member = np.unique(np.asarray(names), return_inverse=True)[1].astype(np.int64)
        clusters = int(member.max()) + 1 if len(member) else 0
        found.append(interval_of_draws(statistic, member, multinomial_counts(rng, max(clusters, 1), draws)))
    return max(found, key=lambda one: one.width)
