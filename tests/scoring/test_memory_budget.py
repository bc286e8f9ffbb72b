"""A run with a budget of memory: the same numbers, other limits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evalkit import api
from evalkit.errors import UsageError
from evalkit.metrics.sync import frame_store
from evalkit.scoring import engine
from evalkit.scoring.extract import Handler
from evalkit.scoring.jobs import Config
from evalkit.workers.pool import Workers

METRICS = ["psnr", "duration", "temporal.flicker"]


class Seen(Workers):
    """Notes what the workers of a run were given."""

    given: list[tuple[int, int, int | None]] = []  # noqa: RUF012 - emptied by the test

    def __init__(
        self, handler: str, config: Any, count: int, timeout: Any, limits: Any, *more: Any, **named: Any
    ) -> None:
        super().__init__(handler, config, count, timeout, limits, *more, **named)
        self.given.append((count, limits.memory_bytes, config.frame_bytes))


def test_the_numbers_don_t_depend_on_the_budget(world: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(engine, "Workers", Seen)
    Seen.given.clear()
    documents = []
    for memory in (None, "3G", "64G"):
        card = api.score(
            world.zip, "talking-head", world.testset, metrics=METRICS, cache=tmp_path / str(memory), memory=memory
        )
        assert card.complete
        documents.append(card.model_copy(update={"timing": {}}).to_json())
    assert documents[0] == documents[1] == documents[2]
    cores = engine.default_workers()
    assert set(Seen.given) == {
        (cores, 4 << 30, None),
        (1, (3 << 30) - (640 << 20), 304 << 20),
        (cores, 4 << 30, 384 << 20),
    }


def test_too_small_a_budget_ends_the_run_at_once(world: Any, tmp_path: Path) -> None:
    for run in (api.score, api.validate):
        with pytest.raises(UsageError, match=r"at least 2\.13 GiB"):
            run(world.zip, "talking-head", world.testset, cache=tmp_path, memory="1G", **_metrics(run))
    assert list(tmp_path.iterdir()) == []


def _metrics(run: Any) -> dict[str, Any]:
    return {"metrics": METRICS} if run is api.score else {}


def test_a_worker_takes_its_share_of_kept_frames(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(frame_store, "_chosen", frame_store.MEMORY)
    Handler(Config(cache=tmp_path, frame_bytes=1000))
    import numpy as np

    store = frame_store.FrameStore(tmp_path / "video.mp4")
    store.add(0, np.zeros((10, 10, 3), np.uint8))
    assert not store.overflowed
    for at in range(1, 4):
        store.add(at, np.zeros((10, 10, 3), np.uint8))
    assert store.overflowed
