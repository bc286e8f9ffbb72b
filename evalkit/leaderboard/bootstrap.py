"""Scores of resampled challenges: the same videos and the same raters drawn for every team, with replacement.

Videos and raters are drawn independently of each other and a rating counts as often as its video and its rater were
drawn together (the two-way bootstrap of Owen 2007, "The pigeonhole bootstrap"), so that differences between teams are
paired in both. Draws are made in blocks: memory does not grow with their number, and results do not depend on the size
of a block. How many there are: ``--draws``, `evalkit.statistics.BOOTSTRAP_DRAWS` by default.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import InputError
from evalkit.leaderboard.scoring_rules import Floats, ScoringPlan
from evalkit.leaderboard.table import Column
from evalkit.statistics import BOOTSTRAP_DRAWS
from evalkit.statistics.bootstrap import (
    FEWEST_DRAWS,
    FEWEST_UNITS,
    RatingMeans,
    block_sizes,
    independent_streams,
    multinomial_counts,
    ratio,
)

Integers = NDArray[np.int64]
KEPT_VALUES = 25_000_000  # numbers: 200 MB


@dataclass(frozen=True)
class Ratings:
    """Ratings as a long table; arrays of one length.

    Args:
        team, video, rater, column: indices from 0; ``column`` into the evidence's columns.
        value: what was answered.
    """

    team: Integers
    video: Integers
    rater: Integers
    column: Integers
    value: Floats

    def __post_init__(self) -> None:
        parts = (self.team, self.video, self.rater, self.column, self.value)
        if len({len(part) for part in parts}) > 1 or not np.isfinite(self.value).all():
            raise InputError("The columns of a table of ratings must be arrays of one length, with finite values.")
        if len(self.value) and min(int(part.min()) for part in parts[:4]) < 0:
            raise InputError("An index of the ratings is negative.")


def comparisons_as_ratings(
    first: Integers, second: Integers, outcome: Floats, *, video: Integers, rater: Integers, column: int
) -> Ratings:
    """Return head-to-head comparisons as ratings: the points of both sides; a team's mean is its share of points.

    Args:
        first, second: (n,) indices of the two teams.
        outcome: (n,) points of the first: 1, 0.5 or 0.
        video, rater: (n,) what was compared and by whom.
        column: index of the column that they feed.
    """
    return Ratings(
        np.concatenate([first, second]),
        np.concatenate([video, video]),
        np.concatenate([rater, rater]),
        np.full(2 * len(first), column),
        np.concatenate([outcome, 1.0 - np.asarray(outcome, dtype=np.float64)]),
    )


@dataclass(frozen=True)
class Evidence:
    """The videos, ratings and standard errors behind the values of a ranking.

    Args:
        teams: names, in the order of all arrays.
        columns: the columns that count.
        values: (teams, columns) the values that were ranked. Draws are spread around them by as much as a resampled
            mean differs from the plain one, so that the values may come from any estimator.
        videos: column id -> (teams, videos), NaN where unscored; the columns that are means over videos.
        ratings: the columns that are means over rated videos of the mean over raters.
        errors: column id -> (teams,) standard errors of values that are not means over videos, such as a
            distance of distributions; drawn independently for every team, which overstates the error of a difference.
    """

    teams: tuple[str, ...]
    columns: tuple[Column, ...]
    values: Floats
    videos: Mapping[str, Floats] = field(default_factory=dict)
    ratings: Ratings | None = None
    errors: Mapping[str, Floats] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shape = (len(self.teams), len(self.columns))
        if np.shape(self.values) != shape or not np.isfinite(self.values).all():
            raise InputError("The evidence needs a finite value per team and column.", expected=str(shape))
        known = [column.id for column in self.columns]
        rated = {known[i] for i in self._rated if i < len(known)}
        sources = [*self.videos, *self.errors, *rated]
        if len(set(sources)) < len(sources) or not set(sources) <= set(known):
            raise InputError(
                "Each column of the evidence must be known, and appear once: as videos, ratings or standard errors.",
                found=str(sources),
            )
        if len({np.shape(array) for array in self.videos.values()}) > 1:
            raise InputError("The values per video must have the same shape (teams, videos) in all columns.")
        for name, array in self.videos.items():
            if np.ndim(array) != 2 or len(array) != shape[0] or np.isinf(array).any():
                raise InputError(
                    f"The values of {name} per video must be an array (teams, videos) of finite or missing numbers."
                )
            if (np.isfinite(array).sum(axis=1) < 1).any():
                raise InputError(f"A team has no scored video in {name}, which ranks.")
        for name, error in self.errors.items():
            if np.shape(error) != shape[:1] or not (np.isfinite(error).all() and (np.asarray(error) >= 0).all()):
                raise InputError(f"The standard errors of {name} must be one number of at least 0 per team.")
        if self.ratings is not None:
            self._check_ratings(self.ratings)

    def _check_ratings(self, ratings: Ratings) -> None:
        if len(ratings.value) == 0:
            return
        if ratings.team.max() >= len(self.teams) or ratings.column.max() >= len(self.columns):
            raise InputError("A rating names an unknown team or column.")
        if self.videos and ratings.video.max() >= self.video_count:
            raise InputError("A rating names an unknown video.", expected=f"0 to {self.video_count - 1}")
        seen = np.zeros((len(self.teams), len(self.columns)), dtype=bool)
        seen[ratings.team, ratings.column] = True
        if (seen.any(axis=0) & ~seen.all(axis=0)).any():
            raise InputError("A team has no ratings in a dimension that ranks.")

    @property
    def video_count(self) -> int:
        """How many videos are drawn from."""
        if self.videos:
            return int(np.shape(next(iter(self.videos.values())))[1])
        return 0 if self.ratings is None or len(self.ratings.video) == 0 else int(self.ratings.video.max()) + 1

    @property
    def rater_count(self) -> int:
        """How many raters are drawn from."""
        return 0 if self.ratings is None else len(np.unique(self.ratings.rater))

    @cached_property
    def held_fixed(self) -> dict[str, str]:
        """The columns whose values count as certain, each with the reason: nothing shows how far they vary.

        A mean over one video, or of one rater's answers, counts as a number without any evidence: a resample of one
        is always that one.
        """
        found: dict[str, str] = {}
        for number, column in enumerate(self.columns):
            if column.id in self.videos:
                few = (np.isfinite(self.videos[column.id]).sum(axis=1) < FEWEST_UNITS).any()
                why = "one video" if few else None
            elif column.id in self.errors:
                why = None
            else:
                why = "no interval" if self.ratings is None else self._too_few(self.ratings, number)
            if why is not None:
                found[column.id] = why
        return found

    def _too_few(self, ratings: Ratings, number: int) -> str | None:
        """Return why the ratings of a column can't show how far its values vary."""
        here = ratings.column == number
        if not here.any():
            return "no interval"
        for why, unit in (("one video", ratings.video), ("one rater", ratings.rater)):
            pairs = np.unique(np.stack([ratings.team[here], unit[here]]), axis=1)
            if (np.bincount(pairs[0], minlength=len(self.teams)) < FEWEST_UNITS).any():
                return why
        return None

    def varying(self) -> Evidence:
        """Return the same without the videos and ratings of fixed columns, so that only what varies is resampled."""
        if not self.held_fixed.keys() & {*self.videos, *(self.columns[i].id for i in self._rated)}:
            return self
        videos = {name: array for name, array in self.videos.items() if name not in self.held_fixed}
        ratings = self.ratings
        if ratings is not None:
            kept = ~np.isin(
                ratings.column, [i for i, column in enumerate(self.columns) if column.id in self.held_fixed]
            )
            names = ("team", "video", "rater", "column", "value")
            ratings = Ratings(*(getattr(ratings, name)[kept] for name in names)) if kept.any() else None
        used = np.zeros(self.video_count, dtype=bool)
        for array in videos.values():
            used |= np.isfinite(array).any(axis=0)
        if ratings is not None:
            used[ratings.video] = True
            ratings = replace(ratings, video=(np.cumsum(used) - 1)[ratings.video])
        return replace(self, videos={name: array[:, used] for name, array in videos.items()}, ratings=ratings)

    @property
    def _rated(self) -> list[int]:
        return [] if self.ratings is None else [int(number) for number in np.unique(self.ratings.column)]


@dataclass(frozen=True)
class Draws:
    """Scores of resampled challenges.

    Args:
        scores: (draws, teams).
        point: (teams,) the scores of the values as they are.
        lower_wins: whether the lowest score is the best.
        freedom: (teams, teams) degrees of freedom of the difference of two scores; infinite where ``spread`` is not 1.
        lost: draws that were left out because a team had none of its ratings or videos in them.
        spread: factor on the deviations of the resampled values.
        values: (draws, teams, columns) the values behind the first of the scores; no draw where they weren't asked for.
    """

    scores: Floats
    point: Floats
    lower_wins: bool
    freedom: Floats
    lost: int = 0
    spread: float = 1.0
    values: Floats = field(default_factory=lambda: np.empty((0, 0, 0)))


def draw_scores(
    evidence: Evidence,
    plan: ScoringPlan,
    *,
    draws: int = BOOTSTRAP_DRAWS,
    seed: int = 0,
    spread: float = 1.0,
    keep_values: bool = False,
) -> Draws:
    """Return the scores of ``draws`` resampled challenges under ``plan``.

    The degrees of freedom of a difference follow Welch and Satterthwaite from the variances that videos and raters
    have on their own (a quarter as many draws each): with four raters who disagree, much less is certain than a
    thousand videos suggest.

    Args:
        evidence: values and what they rest on; its columns are those of ``plan``, in its order.
        plan: the rule.
        draws: how many, at least 100.
        seed: the same seed gives the same draws.
        spread: factor on the deviation of every resampled value; 1 for the bootstrap itself.
        keep_values: whether to keep the resampled values, of as many draws as fit into `KEPT_VALUES`.

    Raises:
        InputError: when the columns differ, draws are too few, or more than half of them are lost.
    """
    if [column.id for column in evidence.columns] != [column.id for column in plan.columns]:
        raise InputError("The evidence and the rule name different columns.")
    if draws < FEWEST_DRAWS:
        raise InputError("A bootstrap needs more draws.", found=str(draws), expected=f"at least {FEWEST_DRAWS}")
    evidence = evidence.varying()
    sampler = _Sampler(evidence, plan)
    keep = KEPT_VALUES // max(1, evidence.values.size) if keep_values else 0
    scores, lost, values = sampler.run(draws, seed, videos=True, raters=True, spread=spread, keep=keep)
    if len(scores) * 2 < draws:
        raise InputError(
            "Most resampled challenges leave a team without ratings.",
            found=f"{lost} of {draws}",
            fix="Collect more ratings per team; rank intervals need them.",
        )
    point = plan.scores(evidence.values)
    teams = len(evidence.teams)
    freedom = _freedom(evidence, sampler, draws, seed) if spread == 1.0 else np.full((teams, teams), np.inf)
    return Draws(scores, point, plan.lower_wins, freedom, lost, spread, values)


def _freedom(evidence: Evidence, sampler: _Sampler, draws: int, seed: int) -> Floats:
    teams = len(evidence.teams)
    videos, raters = evidence.video_count, evidence.rater_count
    counts = {"videos": videos - 1, "raters": raters - 1}
    # `Evidence.varying` keeps only what can be resampled, so there are at least two units of each kind or none.
    present = {name: count for name, count in counts.items() if count > 0}
    if not present:
        return np.full((teams, teams), np.inf)
    if len(present) == 1:
        return np.full((teams, teams), float(*present.values()))
    few = max(FEWEST_DRAWS, draws // 4)
    total, parts = np.zeros((teams, teams)), np.zeros((teams, teams))
    for name, freedom in present.items():
        scores, *_ = sampler.run(few, seed + 1, videos=name == "videos", raters=name == "raters")
        variance = difference_variance(scores)
        total += variance
        parts += variance**2 / freedom
    return ratio(total**2, parts, otherwise=float(max(present.values())))


def difference_variance(scores: Floats) -> Floats:
    """Return the variance of the difference of every two teams over the draws (teams, teams), exactly 0 where equal."""
    out = np.zeros((scores.shape[1], scores.shape[1]))
    for team in range(scores.shape[1]):
        out[team] = (scores - scores[:, team : team + 1]).var(axis=0)
    return np.where(out < 1e-20, 0.0, out)


class _Sampler:
    """Draws how often each video and rater counts, and scores the result."""

    def __init__(self, evidence: Evidence, plan: ScoringPlan) -> None:
        self._evidence, self._plan = evidence, plan
        self._index = {column.id: position for position, column in enumerate(evidence.columns)}
        self._ratings: RatingMeans | None = None
        if evidence.ratings is not None and len(evidence.ratings.value):
            ratings = evidence.ratings
            cell = ratings.team * len(evidence.columns) + ratings.column
            self._ratings = RatingMeans(cell, ratings.video, ratings.rater, ratings.value, videos=evidence.video_count)

    def run(
        self, draws: int, seed: int, *, videos: bool, raters: bool, spread: float = 1.0, keep: int = 0
    ) -> tuple[Floats, int, Floats]:
        """Return the scores of the draws that kept every team, how many did not, and values of the first ``keep``."""
        kept, held, room = [], [np.empty((0, *self._evidence.values.shape))], keep
        for shifts in self._shifts(draws, seed, videos=videos, raters=raters):
            values = self._evidence.values + spread * shifts
            whole = np.isfinite(values).all(axis=(1, 2))
            kept.append(self._plan.scores(values[whole]))
            if room > 0:
                held.append(values[whole][:room])
                room -= len(held[-1])
        scores = np.concatenate(kept)
        return scores, draws - len(scores), np.concatenate(held)

    def _shifts(self, draws: int, seed: int, *, videos: bool, raters: bool) -> Iterator[Floats]:
        """Yield the deviations of the values in blocks (some draws, teams, columns); NaN: a team without data."""
        evidence = self._evidence
        shape = (len(evidence.teams), len(evidence.columns))
        units = (evidence.video_count, evidence.rater_count)
        rows = self._ratings.rows if self._ratings else 0
        for_videos, for_raters, for_errors = independent_streams(seed, 3)
        for count in block_sizes(draws, max(shape[0] * shape[1], rows, *units)):
            video_counts = _counts(for_videos, units[0], count, draw=videos)
            rater_counts = _counts(for_raters, units[1], count, draw=raters)
            values = np.zeros((count, *shape))
            for name, array in evidence.videos.items():
                values[:, :, self._index[name]] += _shifted_means(array, video_counts)
            if self._ratings:
                values.reshape(count, -1)[:, self._ratings.cells] += self._ratings.shifts(video_counts, rater_counts)
            noise = for_errors.standard_normal((count, len(evidence.errors), len(evidence.teams)))
            if videos:
                for position, (name, error) in enumerate(evidence.errors.items()):
                    values[:, :, self._index[name]] += noise[:, position] * error
            yield values


def _counts(random: np.random.Generator, units: int, draws: int, *, draw: bool) -> Floats:
    """Return how often each unit was drawn (draws, units): once each where nothing is to be drawn."""
    return multinomial_counts(random, units, draws) if units and draw else np.ones((draws, units))


def _shifted_means(array: NDArray[Any], video_counts: Floats) -> Floats:
    """Return mean over the drawn videos minus mean over all (draws, teams); NaN where none was scored."""
    scored = np.isfinite(array)
    filled = np.where(scored, array, 0.0)
    middle = filled.sum(axis=1) / scored.sum(axis=1)
    filled = np.where(scored, array - middle[:, None], 0.0)
    weight = video_counts @ scored.T.astype(np.float64)
    return ratio(video_counts @ filled.T, weight)
