"""Simulated raters: blind ratings from a seed, most of them reliable and some unreliable.

A score is the team's quality plus a difficulty of the sample, a bias of the rater and noise, rounded and clipped to the
scale. One rater answers too quickly and at random, one gives every video the same score, and one finishes after the
window has closed. `RaterPanel` names them, so that the results of screening can be checked.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

import numpy as np

from evalkit.text import name_cell

ZONES = tuple(timezone(timedelta(hours=hours)) for hours in (-12, 0, 1, 5.5, 9))
BIAS = 0.35  # standard deviations, in points of the scale
DIFFICULTY = 0.3
OWN = 0.25
NOISE = 0.6
HEADER = ("rater_id", "item_id", "dimension", "score", "started_at", "submitted_at")


@dataclass(frozen=True)
class RaterPanel:
    """Who rates, when, and which raters are unreliable.

    Args:
        opens, closes: the rating window, with zones.
        raters: how many, at least 6.
        items: videos that each rates.
        seed: of all draws.
    """

    opens: datetime
    closes: datetime
    raters: int = 14
    items: int = 50
    seed: int = 0

    def __post_init__(self) -> None:
        if self.raters < 6 or self.items < 1 or not self.opens < self.closes:
            raise ValueError("a panel needs at least 6 raters, an item and an open window")

    @property
    def names(self) -> tuple[str, ...]:
        """Ids of the raters."""
        return tuple(f"r{number:02d}" for number in range(1, self.raters + 1))

    @property
    def speeder(self) -> str:
        """The rater who answers at random, within about a second."""
        return self.names[-2]

    @property
    def straight_liner(self) -> str:
        """The rater who gives everything the same score."""
        return self.names[-1]

    @property
    def latecomer(self) -> str:
        """The rater who rates the last third of the items after the window."""
        return self.names[-3]


@dataclass(frozen=True)
class SimulatedRatings:
    """The ratings of a simulated panel.

    Args:
        key: anonymous item -> (team, sample).
        rows: one per answer: rater, item, dimension, score, start and end with zones.
        panel: who rated.
    """

    key: Mapping[str, tuple[str, str]]
    rows: Sequence[tuple[str, str, str, int, datetime, datetime]] = field(repr=False)
    panel: RaterPanel = field(repr=False)

    def ratings_csv(self) -> str:
        """Return the ratings as a long CSV."""
        return _csv(
            HEADER, ((*row[:4], *(moment.isoformat(timespec="seconds") for moment in row[4:])) for row in self.rows)
        )

    def key_csv(self) -> str:
        """Return the key of the anonymous items."""
        return _csv(("item_id", "team", "sample_id"), ((item, *entry) for item, entry in self.key.items()))


def simulate_ratings(
    videos: Sequence[tuple[str, str]],
    quality: Mapping[str, Mapping[str, float]],
    panel: RaterPanel,
    scale: tuple[int, int] = (1, 5),
) -> SimulatedRatings:
    """Return the ratings of ``videos`` by ``panel``; the same arguments give the same ratings.

    Args:
        videos: (team, sample), each once. Every rater sees all teams' videos of the samples that are theirs.
        quality: team -> dimension -> true mean, on the scale.
        panel: who rates.
        scale: lowest and highest score.
    """
    random = np.random.default_rng(panel.seed)
    order = random.permutation(len(videos))
    key = {f"item{place + 1:03d}": videos[index] for place, index in enumerate(order)}
    item_of = {video: item for item, video in key.items()}
    samples = sorted({sample for _, sample in videos})
    dimensions = list(next(iter(quality.values())))
    hard = {sample: random.normal(0, DIFFICULTY, len(dimensions)) for sample in samples}
    own = {video: random.normal(0, OWN, len(dimensions)) for video in sorted(videos)}
    rows = []
    for number, rater in enumerate(panel.names):
        bias, zone = random.normal(0, BIAS), ZONES[number % len(ZONES)]
        chosen = _chosen(videos, samples, number, panel)
        shown = [chosen[index] for index in random.permutation(len(chosen))]
        clock = _start(panel, rater, random)
        for place, video in enumerate(shown):
            if rater == panel.latecomer and place == len(shown) - len(shown) // 3:
                clock = panel.closes + timedelta(minutes=int(random.integers(2, 30)))
            seconds = random.uniform(0.6, 1.4) if rater == panel.speeder else random.gamma(6, 2.5) + 4
            spent = timedelta(seconds=float(seconds))
            truth = np.array([quality[video[0]][dimension] for dimension in dimensions])
            perceived = truth + hard[video[1]] + own[video] + bias + random.normal(0, NOISE, len(dimensions))
            for at, dimension in enumerate(dimensions):
                score = int(np.clip(round(float(perceived[at])), *scale))
                if rater == panel.speeder:
                    score = int(random.integers(scale[0], scale[1] + 1))
                elif rater == panel.straight_liner:
                    score = scale[1] - 1
                ends = clock + spent
                rows.append((rater, item_of[video], dimension, score, clock.astimezone(zone), ends.astimezone(zone)))
            clock += spent + timedelta(seconds=float(random.uniform(1, 4)))
    return SimulatedRatings(key, rows, panel)


def _chosen(
    videos: Sequence[tuple[str, str]], samples: Sequence[str], number: int, panel: RaterPanel
) -> list[tuple[str, str]]:
    """Return the rater's videos: all of a sample, sample after sample from their own first one, up to the number."""
    turned = [samples[(number * 5 + step) % len(samples)] for step in range(len(samples))]
    return [video for sample in turned for video in sorted(videos) if video[1] == sample][: panel.items]


def _start(panel: RaterPanel, rater: str, random: np.random.Generator) -> datetime:
    """Return when the rater starts: within the window, early enough to finish, except the late one."""
    share = 0.9 if rater == panel.latecomer else float(random.uniform(0.05, 0.6))
    return panel.opens + share * (panel.closes - panel.opens)


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([name_cell(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    return stream.getvalue()
