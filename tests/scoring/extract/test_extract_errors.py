"""An extractor that fails costs only its own feature and those that need it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders.extraction import Extracting, entries, same, stored

from evalkit.errors import StorageError
from evalkit.media import inspect
from evalkit.media.inspect import Inspection, inspect_media
from evalkit.metrics.base import FeatureData
from evalkit.metrics.features.base import (
    Extractor,
    FeatureRecord,
    FeatureUnavailableError,
    PairSession,
)
from evalkit.scoring import extract

BUILT_IN = ("paired_pixels", "filmstrip")


STEPS = ["open", "plan", "frame", "finish"]


def fault() -> None:
    raise RuntimeError("a planted fault")


@pytest.mark.parametrize("step", STEPS)
def test_an_extractor_that_raises_costs_only_its_own_feature(config, job, planted, step):
    settings = config(*BUILT_IN, "a", "c")
    planted.act[f"c.{step}"] = fault
    first = Extracting(settings)(job)
    assert list(first.errors) == ["c"]
    assert first.errors["c"].rstrip().endswith("RuntimeError: a planted fault")
    assert set(first.keys) == {*BUILT_IN, "a"}
    assert sorted(first.computed) == ["a", "filmstrip", "paired_pixels"]
    assert entries(settings, "c") == []  # a bug is not cached
    planted.act.clear()
    second = Extracting(settings)(job)
    assert (second.decodes, second.computed, dict(second.errors)) == (1, ("c",), {})


@pytest.mark.parametrize("step", STEPS)
def test_what_needs_a_failed_feature_fails_and_is_not_cached(config, job, planted, step):
    settings = config("a", "b", "c")
    planted.act[f"a.{step}"] = fault
    first = Extracting(settings)(job)
    assert sorted(first.errors) == ["a", "b"]
    assert "'a'" in first.errors["b"].strip().splitlines()[-1]
    assert set(first.keys) == {"c"}
    assert entries(settings, "b") == []
    planted.act.clear()
    second = Extracting(settings)(job)
    assert (sorted(second.computed), dict(second.errors)) == (["a", "b"], {})


def unavailable() -> None:
    raise FeatureUnavailableError("no_such_thing", "the item lacks it")


@pytest.mark.parametrize("step", STEPS)
def test_a_feature_that_cannot_be_had_is_cached_with_its_reason(config, job, planted, step):
    settings = config("c", "filmstrip")
    planted.act[f"c.{step}"] = unavailable
    first = Extracting(settings)(job)
    assert (dict(first.errors), stored(settings, first)["c"]) == (
        {},
        FeatureData(None, "no_such_thing", "the item lacks it"),
    )
    assert stored(settings, first)["filmstrip"].arrays is not None
    planted.log.clear()
    assert Extracting(settings)(job).decodes == 0
    assert planted.log == []


@pytest.mark.parametrize("step", STEPS)
def test_what_needs_an_unavailable_feature_has_the_same_reason_live_and_from_the_cache(config, job, planted, step):
    planted.act[f"a.{step}"] = unavailable
    live = config("a", "b")
    together = stored(live, Extracting(live)(job))
    assert together["b"] == FeatureData(None, "no_such_thing", "the item lacks it")
    for path in entries(live, "b"):
        path.unlink()
    later = Extracting(live)(job)
    assert later.computed == ("b",)
    same(stored(live, later)["b"], together["b"])


def test_a_dependent_feature_is_the_same_live_and_from_the_cache(config, job, planted):
    settings = config("a", "b")
    live = stored(settings, Extracting(settings)(job))["b"]
    for path in entries(settings, "b"):
        path.unlink()
    planted.log.clear()
    again = Extracting(settings)(job)
    assert (again.computed, again.decodes) == (("b",), 1)
    assert "a.open" not in planted.log
    same(stored(settings, again)["b"], live)


def test_an_upstream_entry_that_goes_during_the_run_is_no_lasting_reason(config, job, planted):
    settings = config("a", "b")
    before = stored(settings, Extracting(settings)(job))["b"]
    (kept,), (own,) = entries(settings, "a"), entries(settings, "b")
    own.unlink()
    handler = Extracting(settings)
    load = handler.lookup.cache.load

    def load_and_lose(name, key):
        found = load(name, key)
        if name == "a":  # somebody tidies the cache right after it was looked at
            kept.unlink(missing_ok=True)
        return found

    handler.lookup.cache.load = load_and_lose
    lost = handler(job)
    assert (list(lost.errors), lost.computed, entries(settings, "b")) == (["b"], (), [])
    assert "'a'" in lost.errors["b"].strip().splitlines()[-1]
    again = Extracting(settings)(job)
    assert (sorted(again.computed), dict(again.errors)) == (["a", "b"], {})
    same(stored(settings, again)["b"], before)


def test_an_upstream_of_another_version_changes_the_key(config, job, planted, monkeypatch):
    first = Extracting(config("a", "b"))(job)
    kind = extract.feature_registry()["a"]
    monkeypatch.setattr(kind, "record", FeatureRecord("a", 2, "another"))
    second = Extracting(config("a", "b"))(job)
    assert second.keys["b"] != first.keys["b"]
    assert sorted(second.computed) == ["a", "b"]


def test_a_mask_of_the_wrong_form_is_the_extractors_fault(config, job, planted, monkeypatch):
    handler = Extracting(config("c", "filmstrip"))
    opened = handler.extractors["c"].open

    def open_odd(item, upstream):
        session = opened(item, upstream)
        session.plan = lambda times: np.arange(3)
        return session

    monkeypatch.setattr(handler.extractors["c"], "open", open_odd)
    found = handler(job)
    assert list(found.errors) == ["c"]
    assert "mask" in found.errors["c"]
    assert set(found.keys) == {"filmstrip"}


def test_an_evalkit_error_that_says_the_disk_is_full_stops_the_run(config, job, planted):
    def full() -> None:
        raise StorageError("There is no space left.")

    planted.act["c.frame"] = full
    with pytest.raises(StorageError):
        Extracting(config("c"))(job)


def test_a_pair_session_that_raises_costs_only_its_own_feature(config, job, monkeypatch):
    class Pairs(PairSession):
        def restart(self):
            pass

        def pair(self, index, candidate, reference):
            if index == 3:
                fault()

        def finish(self):
            return {"never": np.zeros(1)}

    class PairExtractor(Extractor):
        record = FeatureRecord("p", 1, "pairs", inputs=frozenset({"video", "reference_video"}))

        def open(self, item, upstream):
            return Pairs()

    registry = {**extract.feature_registry(), "p": PairExtractor}
    monkeypatch.setattr(extract, "feature_registry", lambda: registry)
    settings = config(*BUILT_IN, "p")
    found = Extracting(settings)(job)
    assert list(found.errors) == ["p"]
    assert stored(settings, found)["paired_pixels"].arrays["psnr"].shape == (25,)


def test_when_the_index_is_wrong_the_second_pass_counts_alone(config, job, planted, monkeypatch):
    """The first pass plans on 25 packets; here the decoder's count is made to differ, as with a damaged index."""
    settings = config(*BUILT_IN, "a", "b")
    straight = stored(settings, Extracting(settings)(job))
    calls = []

    def twice(path: Path, sinks: Any = (), limits: Any = None) -> Inspection:
        inspect_media(path, sinks)  # plans, sends all frames ...
        calls.append(planted.log.count("a.frame"))
        inspection = inspect_media(path, sinks)  # ... and starts all over
        inspection.passes = 2
        return inspection

    monkeypatch.setattr(inspect, "inspect_media", twice)
    planted.log.clear()
    again = Extracting(config(*BUILT_IN, "a", "b", fresh=True))(job)
    assert (again.decodes, calls, dict(again.errors)) == (2, [25], {})
    for name, data in stored(settings, again).items():
        same(data, straight[name])
    assert len(stored(settings, again)["paired_pixels"].arrays["psnr"]) == 25


def test_a_fault_of_the_first_pass_is_forgotten_in_the_second(config, job, planted, monkeypatch):
    planted.act["a.frame"] = fault

    def twice(path: Path, sinks: Any = (), limits: Any = None) -> Inspection:
        inspect_media(path, sinks)
        planted.act.clear()
        return inspect_media(path, sinks)

    monkeypatch.setattr(inspect, "inspect_media", twice)
    found = Extracting(config("a", "b"))(job)
    assert (dict(found.errors), set(found.keys)) == ({}, {"a", "b"})


def test_an_extractor_that_cannot_be_built_fails_at_the_start(config, monkeypatch, planted):
    def broken(self, weights, device="cpu"):
        raise OSError("no such network")

    monkeypatch.setattr(extract.feature_registry()["c"], "__init__", broken)
    with pytest.raises(OSError, match="no such network"):
        Extracting(config("c"))
