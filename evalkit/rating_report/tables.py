"""Ratings as tables by video, for the estimates."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from evalkit.board.filtering import rated_run
from evalkit.board.model import Run, Snapshot
from evalkit.ratings.model import Answer, AnswerVerdict
from evalkit.statistics.opinion_table import OpinionTable, opinion_table


@dataclass(frozen=True, order=True)
class RatedVideo:
    """What was rated; without a key only ``sample`` is known, which is then the item's id."""

    team: str
    run: str
    sample: str


@dataclass(frozen=True, eq=False)
class VideoTable:
    """The ratings of one dimension by video.

    Args:
        table: a rater's answers about one video are averaged; items are ``videos``, raters ``raters``.
        videos: sorted.
        raters: sorted ids.
        spans: per rater and video that was answered several times, the largest answer minus the smallest.
    """

    table: OpinionTable
    videos: tuple[RatedVideo, ...]
    raters: tuple[str, ...]
    spans: dict[tuple[str, RatedVideo], float]


Rated = TypeVar("Rated", str, RatedVideo)


def video_finder(snapshot: Snapshot) -> Callable[[AnswerVerdict], RatedVideo]:
    """Return the function that finds the video of a rating, with the same run as the leaderboard takes."""
    runs: dict[tuple[str, str | None], str] = {}

    def find(verdict: AnswerVerdict) -> RatedVideo:
        entry = verdict.entry
        if entry is None:
            return RatedVideo("", "", verdict.answer.item)
        whose = (entry.team, entry.run)
        if whose not in runs:
            found = rated_run(snapshot.runs, *whose)
            runs[whose] = found.name if isinstance(found, Run) else entry.run or ""
        return RatedVideo(entry.team, runs[whose], entry.sample)

    return find


def by_video(verdicts: Iterable[AnswerVerdict], find: Callable[[AnswerVerdict], RatedVideo]) -> VideoTable:
    """Return the table of ``verdicts``, all of one dimension."""
    answers: dict[tuple[str, RatedVideo], list[float]] = {}
    for verdict in verdicts:
        answers.setdefault((verdict.answer.rater, find(verdict)), []).append(verdict.answer.value)
    raters = tuple(sorted({rater for rater, _ in answers}))
    videos = tuple(sorted({video for _, video in answers}))
    means = {place: math.fsum(given) / len(given) for place, given in answers.items()}
    table = _table(means, raters, videos, [f"{video.team} {video.sample}".strip() for video in videos])
    spans = {place: max(given) - min(given) for place, given in answers.items() if len(given) > 1}
    return VideoTable(table, videos, raters, spans)


def shown_item(answer: Answer) -> str:
    """Return what a rater saw: the anonymous item, or the left and the right side of a sample."""
    return shown_name(answer.item, *answer.teams)


def shown_name(item: str, *sides: str) -> str:
    """Return how an item, or the two sides of a sample, is called."""
    return f"{item}: {sides[0]} | {sides[1]}" if sides else item


def _table(
    answers: dict[tuple[str, Rated], float],
    raters: Sequence[str],
    rated: Sequence[Rated],
    names: Sequence[str],
) -> OpinionTable:
    rater_number = {rater: number for number, rater in enumerate(raters)}
    number = {one: at for at, one in enumerate(rated)}
    return opinion_table(
        np.array([rater_number[rater] for rater, _ in answers], dtype=np.int64),
        np.array([number[one] for _, one in answers], dtype=np.int64),
        np.array(list(answers.values()), dtype=np.float64),
        raters=len(raters),
        items=len(rated),
        rater_names=raters,
        item_names=names,
    )
