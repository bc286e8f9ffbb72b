"""Verdicts on ratings as tables of opinions: by anonymous item for the screening, by video for the estimates."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from evalkit.board.model import Snapshot
from evalkit.leaderboard.mos_columns import run_of
from evalkit.leaderboard.runs import Entrant, read_runs
from evalkit.ratings.model import Verdict
from evalkit.statistics.opinion_table import OpinionTable, opinion_table


@dataclass(frozen=True, order=True)
class Video:
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
    videos: tuple[Video, ...]
    raters: tuple[str, ...]
    spans: dict[tuple[str, Video], float]


Thing = TypeVar("Thing", str, Video)


def video_finder(snapshot: Snapshot) -> Callable[[Verdict], Video]:
    """Return the function that says which video a rating is of, by the rule of the leaderboard where runs are there.

    An item whose key names no run is of the team's primary run, if the board has exactly one.
    """
    field = read_runs(snapshot)
    runs: dict[tuple[str, str | None], str] = {}

    def find(verdict: Verdict) -> Video:
        entry = verdict.entry
        if entry is None:
            return Video("", "", verdict.rating.item)
        whose = (entry.team, entry.run)
        if whose not in runs:
            found = run_of(field, *whose)
            runs[whose] = found.run.name if isinstance(found, Entrant) else entry.run or ""
        return Video(entry.team, runs[whose], entry.sample)

    return find


def by_video(verdicts: Iterable[Verdict], find: Callable[[Verdict], Video]) -> VideoTable:
    """Return the table of ``verdicts``, all of one dimension."""
    answers: dict[tuple[str, Video], list[float]] = {}
    for verdict in verdicts:
        answers.setdefault((verdict.rating.rater, find(verdict)), []).append(verdict.rating.value)
    raters = tuple(sorted({rater for rater, _ in answers}))
    videos = tuple(sorted({video for _, video in answers}))
    means = {place: math.fsum(given) / len(given) for place, given in answers.items()}
    table = _table(means, raters, videos, [f"{video.team} {video.sample}".strip() for video in videos])
    spans = {place: max(given) - min(given) for place, given in answers.items() if len(given) > 1}
    return VideoTable(table, videos, raters, spans)


def by_item(verdicts: Iterable[Verdict], raters: Sequence[str]) -> tuple[OpinionTable, tuple[str, ...]]:
    """Return the table by anonymous item, and the items; of a rater's several answers to one, the first is taken."""
    answers: dict[tuple[str, str], float] = {}
    for verdict in verdicts:
        answers.setdefault((verdict.rating.rater, verdict.rating.item), verdict.rating.value)
    items = tuple(sorted({item for _, item in answers}))
    return _table(answers, raters, items, items), items


def _table(
    answers: dict[tuple[str, Thing], float],
    raters: Sequence[str],
    things: Sequence[Thing],
    names: Sequence[str],
) -> OpinionTable:
    rater_number = {rater: number for number, rater in enumerate(raters)}
    number = {thing: at for at, thing in enumerate(things)}
    return opinion_table(
        np.array([rater_number[rater] for rater, _ in answers], dtype=np.int64),
        np.array([number[thing] for _, thing in answers], dtype=np.int64),
        np.array(list(answers.values()), dtype=np.float64),
        raters=len(raters),
        items=len(things),
        rater_names=raters,
        item_names=names,
    )
