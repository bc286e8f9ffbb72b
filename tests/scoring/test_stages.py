"""What a run tells while it works: no part of it is silent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from builders.runs import run

from evalkit.metrics.base import MetricRecord, SetMetric, SetValue, unscored
from evalkit.progress import Progress
from evalkit.scoring.plan import make_plan


class Heard(Progress):
    """Keeps every stage: title, steps announced, steps made, and whether another one was open when it began."""

    def __init__(self) -> None:
        self.stages: list[list[Any]] = []
        self.open = 0

    def start(self, title: str, total: int | None, done: int = 0, unit: str = "") -> None:
        assert not self.open, f"'{title}' begins within '{self.stages[-1][0]}'"
        self.open = 1
        self.stages.append([title, total, done])

    def advance(self, count: int = 1) -> None:
        assert self.open
        self.stages[-1][2] += count

    def finish(self) -> None:
        self.open = 0


class CountVideos(SetMetric):
    """The number of videos."""

    record = MetricRecord(
        id="planted.count",
        title="Videos",
        summary="The number of videos.",
        higher_is_better=True,
        features=("facts",),
        citation="test",
        blind_to="Everything.",
    )

    def score_set(self, videos: Any) -> SetValue:
        number = len(list(videos))
        return SetValue(float(number), n=number)

    def compute(self, features: Any) -> Any:
        return unscored("not_of_one_video")


def test_every_part_of_a_run_is_announced_and_counted(world: Any, tmp_path: Path, monkeypatch: Any) -> None:
    def planned(*args: Any, **options: Any) -> Any:
        made = make_plan(*args, **options)
        return replace(made, metrics={**made.metrics, "planted.count": CountVideos()})

    monkeypatch.setattr("evalkit.api.arguments.make_plan", planned)
    heard = Heard()
    run(world, tmp_path, progress=heard)
    assert heard.stages == [
        ["scoring", 4, 4],
        ["reading reference videos", 4, 4],
        ["looking for copies", 4, 4],
        ["computing planted.count", 4, 4],
        ["writing results", 3, 3],
    ]


@pytest.mark.parametrize("name", ["scoring", "looking for copies"])
def test_stages_end_when_a_run_is_stopped(world: Any, tmp_path: Path, name: str) -> None:
    class Stop(Heard):
        def start(self, title: str, total: int | None, done: int = 0, unit: str = "") -> None:
            super().start(title, total, done, unit)
            if title == name:
                raise KeyboardInterrupt

    heard = Stop()
    with pytest.raises(KeyboardInterrupt):
        run(world, tmp_path, progress=heard)
    assert heard.stages[-1][0] == name
