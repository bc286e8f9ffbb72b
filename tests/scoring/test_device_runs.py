"""Whole runs whose networks are in a device process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from builders.runs import run, without_timing

from evalkit.challenges.submission_rules import SubmissionRules
from evalkit.metrics.features.base import WeightFile
from evalkit.metrics.features.stopwatch import WAITING
from evalkit.scoring.devices import VARIABLE
from evalkit.scoring.engine import LocalEngine
from evalkit.scoring.jobs import Config, Job
from evalkit.workers.pool import JobResult, Pool, Workers

METRICS = ["fid", "kvd", "identity"]


def test_scores_are_those_of_workers_with_networks_whatever_their_number(
    world, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def card(name: str, asked: str, workers: int) -> Any:
        monkeypatch.setenv(VARIABLE, asked)
        return run(world, tmp_path / name, metrics=METRICS, backbones="bundled", workers=workers, limit=3)

    plain, one, two = card("plain", "0", 1), card("one", "1", 1), card("two", "1", 2)
    assert without_timing(tmp_path / "one") == without_timing(tmp_path / "two")
    assert WAITING in two.timing["networks"]
    assert WAITING not in plain.timing["networks"]
    assert {"inception", "i3d"} <= set(two.timing["networks"])
    whole = [{name: score.value for name, score in card.metrics.items()} for card in (plain, one)]
    assert_near(*whole)
    assert whole[0]["fid.pytorch"] is not None
    for mine, theirs in zip(plain.videos, one.videos, strict=True):
        assert theirs.reasons == mine.reasons
        assert_near(mine.values, theirs.values)


def assert_near(wanted: Mapping[str, float | None], found: Mapping[str, float | None]) -> None:
    assert list(found) == list(wanted)
    for name, value in wanted.items():
        assert found[name] == (None if value is None else pytest.approx(value, rel=1e-6)), name


class Noting(LocalEngine):
    """Notes what workers would be started with, and starts none."""

    def _results(
        self, pool: Pool | None, work: Workers, jobs: Sequence[Job], after: Mapping[int, int]
    ) -> Iterator[JobResult]:
        self.noted = work
        return iter(())


@pytest.mark.parametrize(
    ("device", "with_networks", "places", "graphics"),
    [
        ("cpu", True, None, False),
        ("cuda:0,cuda:2", True, ("cuda:0", "cuda:2"), False),
        ("cuda:0", False, None, True),  # nothing to run there
    ],
)
def test_workers_of_a_device_process_have_no_driver(
    tmp_path: Path, device: str, with_networks: bool, places: tuple[str, ...] | None, graphics: bool
) -> None:
    weights = {"inception": WeightFile("inception", tmp_path / "w", "0" * 64)} if with_networks else {}
    engine = Noting(1)
    config = Config(tmp_path, ("inception",), weights, device, rules=SubmissionRules())
    list(engine.run(config, [Job("s", None, None)], lambda index, answer: answer))  # type: ignore[arg-type]
    assert (engine.noted.devices.places if engine.noted.devices else None) == places
    limits = engine.noted.start[2]
    assert limits is not None
    assert limits.graphics is graphics
