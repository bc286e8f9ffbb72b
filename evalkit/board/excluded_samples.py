"""A board without the samples that decisions exclude: what rankings and pages are made from.

Means over videos are computed again from the scorecards' values. Numbers of the whole set (FID) can't be: they keep
their value, and `numbers_with_excluded` names them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from evalkit.board.model import Run, Snapshot
from evalkit.scoring.aggregate import follows_from_videos, score_again
from evalkit.scoring.scorecard import MetricScore, Scorecard


def without_excluded_samples(snapshot: Snapshot, *, intervals: bool = True) -> Snapshot:
    """Return the board as if the excluded samples were not in the test set; without any, ``snapshot`` itself.

    Without ``intervals``, numbers that are computed again have none: for who asks for the order alone.

    Answers stay: which of them count is for `evalkit.board.filtering.filter_answers` to say.
    """
    gone = snapshot.excluded("sample")
    if not gone:
        return snapshot
    pictures = {sample: images for sample, images in snapshot.reference.items() if sample not in gone}
    runs = tuple(_run(run, gone, intervals=intervals) for run in snapshot.runs)
    return replace(snapshot, runs=runs, reference=pictures)


def numbers_with_excluded(snapshot: Snapshot) -> dict[str, tuple[str, ...]]:
    """Return metric -> the excluded samples that the number of some run still includes, in the order of decisions."""
    gone = snapshot.excluded("sample")
    found: dict[str, set[str]] = {}
    for run in snapshot.runs if gone else ():
        for name, score in run.card.metrics.items():
            if score.value is not None and not follows_from_videos(run.card, name):
                found.setdefault(name, set()).update(_included(run.card, name, gone))
    return {name: tuple(one for one in gone if one in samples) for name, samples in found.items() if samples}


def _run(run: Run, gone: Collection[str], *, intervals: bool) -> Run:
    card = run.card
    videos = tuple(video for video in card.videos if video.sample not in gone)
    if len(videos) == len(card.videos):
        return run
    metrics = {
        name: score_again(name, score, videos, interval=intervals)
        if follows_from_videos(card, name)
        else _of_the_set(card, name, score, gone)
        for name, score in card.metrics.items()
    }
    strips = {sample: images for sample, images in run.strips.items() if sample not in gone}
    return replace(run, card=card.model_copy(update={"videos": videos, "metrics": metrics}), strips=strips)


def _of_the_set(card: Scorecard, name: str, score: MetricScore, gone: Collection[str]) -> MetricScore:
    """Return a number of the whole set: its value stays, and excluded samples that it lacks are no gaps any more."""
    outside = sum(video.sample in gone for video in card.videos) - len(_included(card, name, gone))
    asked = len(card.videos) - outside
    return score.model_copy(update={"coverage": min(1.0, score.n / asked) if asked else 0.0})


def _included(card: Scorecard, name: str, gone: Collection[str]) -> list[str]:
    """Return the excluded samples that a number of the whole set includes, as far as the scorecard says it.

    A video that could not be read, or has a reason instead of a value of this metric, is not in it.
    """
    return [
        video.sample
        for video in card.videos
        if video.sample in gone and video.verdict in {"ok", "warning"} and video.values.get(name, 0.0) is not None
    ]
