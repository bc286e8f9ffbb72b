"""A number of a detector over a whole test set: pooled or by generator, with failures left out or counted."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.base import Event, MetricRecord, SetMetric, SetValue, VideoInputs, VideoValue, unscored
from evalkit.metrics.detectors.cells import Cell, cells_of, everything
from evalkit.metrics.detectors.videos import NOT_OF_SCORES, ScoredSet, read_videos
from evalkit.statistics.arrays import Index, Matrix, Vector
from evalkit.statistics.cluster_bootstrap import FEW_CLUSTERS, ClusterInterval, cluster_interval

Statistic = Callable[[Matrix | None], Vector]  # from weights (draws, k), or each video once, to (draws,)
Prepare = Callable[[Vector, Vector], Statistic]  # from labels and scores (k,), sorted once
NotesOf = Callable[[Sequence[Cell]], tuple[Event, ...]]
MACRO = ", mean over generators"  # in the title of a number that is their mean
OF = "of "  # before the name of a cell, in details


@dataclass(frozen=True)
class Outcome:
    """The videos that count, and what they are scored by.

    Args:
        used: places in the `ScoredSet`.
        values: (n,) score or probability of every video; those that are not used are NaN.
        filled: videos without a value that got the worst one.
    """

    used: Index
    values: Vector
    filled: int


class DetectorMetric(SetMetric):
    """A number of a whole set of scored videos.

    Args:
        record: what it means.
        prepare: the statistic.
        strict: whether a video without a score counts with the worst one for its label; else it is left out.
        probability: whether the team's probabilities are read instead of its scores.
        notes_of: what a reader should know of the number, by the videos that are compared.
    """

    def __init__(
        self,
        record: MetricRecord,
        prepare: Prepare,
        *,
        strict: bool = False,
        probability: bool = False,
        notes_of: NotesOf | None = None,
    ) -> None:
        self.record = record
        self._prepare, self._strict, self._probability = prepare, strict, probability
        self._notes_of = notes_of

    def compute(self, features: Mapping[str, Mapping[str, NDArray[Any]]]) -> VideoValue:
        """Return the reason why a single video has no value."""
        return unscored("number_of_the_set")

    def score_set(self, videos: Iterable[VideoInputs]) -> SetValue:
        """Return the number of all videos, whatever their order."""
        table = read_videos(videos)
        if not len(table):
            return SetValue(None, 0, NOT_OF_SCORES)
        outcome = self._outcome(table)
        if self._probability and not np.isfinite(table.probabilities).any():
            return SetValue(None, 0, "no_probability")
        if not len(outcome.used):
            return SetValue(None, 0, "no_score")
        fault = self._fault(table)
        cells = self._cells(table, outcome.used)
        if fault is None and not (cells and all(cell.whole for cell in cells)):
            fault = "no_fake" if not cells else "one_class_only"
        if fault is not None:
            lacking = [cell.name for cell in cells if not cell.whole]
            notes = (Event(fault, f"No real or no fake video with a score: {_listed(lacking)}."),) if lacking else ()
            return SetValue(None, len(outcome.used), fault, notes=notes)
        return self._value(table, outcome, cells)

    def _outcome(self, table: ScoredSet) -> Outcome:
        values = (table.probabilities if self._probability else table.scores).copy()
        lacking = np.isnan(values)
        if not self._strict:
            return Outcome(np.flatnonzero(~lacking), values, 0)
        fake = table.labels == 1
        worst = 1.0 - table.labels if self._probability else np.where(fake, -np.inf, np.inf)
        values[lacking] = worst[lacking]
        return Outcome(np.arange(len(values)), values, int(lacking.sum()))

    @abstractmethod
    def _cells(self, table: ScoredSet, used: Index) -> Sequence[Cell]:
        """Return the sets of videos that are compared."""

    def _fault(self, table: ScoredSet) -> str | None:
        """Return why the set has no such number."""
        return None

    def _combine(self, table: ScoredSet, cells: Sequence[Cell], found: Sequence[Vector]) -> Vector:
        """Return one number per draw of those of the cells: their mean."""
        return np.asarray(np.mean(found, axis=0))

    def _more(self, table: ScoredSet, cells: Sequence[Cell], found: Sequence[Vector]) -> dict[str, float]:
        """Return further numbers of the details, by name."""
        return {}

    def _value(self, table: ScoredSet, outcome: Outcome, cells: Sequence[Cell]) -> SetValue:
        ready = [self._prepare(table.labels[cell.rows], outcome.values[cell.rows]) for cell in cells]
        place = np.full(len(table), -1)
        place[outcome.used] = np.arange(len(outcome.used))
        local = [place[cell.rows] for cell in cells]

        def drawn(weights: Matrix) -> Vector:
            each = [one(weights[:, rows]) for one, rows in zip(ready, local, strict=True)]
            return self._combine(table, cells, each)

        single = [one(None) for one in ready]
        value = float(self._combine(table, cells, single)[0])
        if not np.isfinite(value):
            return SetValue(None, len(outcome.used), "undefined")
        found = cluster_interval(drawn, *(names[outcome.used] for names in table.groupings), seed=self._seed)
        labels = table.labels[outcome.used]
        details: dict[str, float] = {
            "n_real": float((labels == 0).sum()),
            "n_fake": float((labels == 1).sum()),
            "clusters": float(found.clusters),
        }
        details |= {"draws_lost": float(found.lost)} if found.lost else {}
        details |= {"worst_assumed": float(outcome.filled)} if outcome.filled else {}
        if len(cells) > 1 or cells[0].generator:
            details |= {f"{OF}{cell.name}": float(one[0]) for cell, one in zip(cells, single, strict=True)}
        details |= self._more(table, cells, single)
        notes = (*_about_clusters(found), *_constant(outcome), *(self._notes_of(cells) if self._notes_of else ()))
        return SetValue(value, len(outcome.used), ci95=found.ends, details=details, notes=notes)

    @property
    def _seed(self) -> int:
        return int.from_bytes(hashlib.sha256(self.record.id.removesuffix(".strict").encode()).digest()[:8], "big")


class PooledNumber(DetectorMetric):
    """The number of all videos together. Scores of several detectors have no common scale: then there is none."""

    def _cells(self, table: ScoredSet, used: Index) -> Sequence[Cell]:
        return everything(table, used)

    def _fault(self, table: ScoredSet) -> str | None:
        return "scores_of_several_runs" if len(set(table.runs)) > 1 else None


class MacroNumber(DetectorMetric):
    """The mean over generators of the number of each: its fakes against the real videos."""

    def _cells(self, table: ScoredSet, used: Index) -> Sequence[Cell]:
        return cells_of(table, used)


def _about_clusters(found: ClusterInterval) -> tuple[Event, ...]:
    if found.ends is None or not found.descriptive:
        return ()
    return (
        Event(
            "descriptive",
            f"The interval is of {found.clusters} people, fewer than {FEW_CLUSTERS}: it describes this test set and "
            "says little about other people.",
        ),
    )


def _constant(outcome: Outcome) -> tuple[Event, ...]:
    values = outcome.values[outcome.used]
    if len(values) < 2 or np.isinf(values).any() or np.ptp(values) > 0:
        return ()
    return (Event("constant_scores", f"All {len(values)} videos have the score {values[0]:g}: nothing is detected."),)


def _listed(names: Sequence[str]) -> str:
    more = len(names) - 5
    return ", ".join(names[:5]) + (f" and {more} more" if more > 0 else "")
