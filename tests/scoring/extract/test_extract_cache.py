"""One file in one worker: decoded at most once, cached by feature, and independent of order and company."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from builders.extraction import Extracting, entries, jobs, same, stored

from evalkit.metrics.base import FeatureData
from evalkit.metrics.features.base import (
    Item,
)
from evalkit.scoring.cache import FeatureCache
from evalkit.scoring.jobs import Config, Job
from evalkit.submission.model import Submission

BUILT_IN = ("paired_pixels", "filmstrip")


def test_the_second_time_nothing_is_decoded(config, job, planted):
    settings = config(*BUILT_IN, "a", "b")
    first = Extracting(settings)(job)
    assert (first.decodes, sorted(first.computed), dict(first.errors), first.notes, first.problem) == (
        1,
        ["a", "b", "filmstrip", "paired_pixels"],
        {},
        (),
        None,
    )
    assert set(first.keys) == {*BUILT_IN, "a", "b"}
    planted.log.clear()
    second = Extracting(settings)(job)
    assert (second.decodes, second.computed, planted.log) == (0, (), [])
    assert (second.keys, second.facts, second.sha256) == (first.keys, first.facts, first.sha256)


def test_the_second_time_within_one_worker(config, job):
    handler = Extracting(config(*BUILT_IN))
    assert [handler(job).decodes for _ in range(3)] == [1, 0, 0]


def test_only_what_is_missing_is_made_again(config, job):
    settings = config(*BUILT_IN)
    first = Extracting(settings)(job)
    before = stored(settings, first)
    (path,) = entries(settings, "paired_pixels")
    path.unlink()
    second = Extracting(settings)(job)
    assert (second.decodes, second.computed, second.notes, second.keys) == (1, ("paired_pixels",), (), first.keys)
    for name, data in stored(settings, second).items():
        same(data, before[name])


def test_fresh_makes_everything_again(config, job):
    first = Extracting(config(*BUILT_IN))(job)
    again = Extracting(config(*BUILT_IN, fresh=True))(job)
    assert (again.decodes, sorted(again.computed), again.keys) == (1, sorted(BUILT_IN), first.keys)


def test_only_the_facts_are_asked_for(config, job):
    settings = config()
    first = Extracting(settings)(job)
    assert (first.decodes, first.keys, first.facts.video.frames) == (1, {}, 25)
    assert Extracting(settings)(job).decodes == 0
    # What a validation has read, scoring reads again only for the features.
    assert Extracting(config("filmstrip"))(job).decodes == 1


@pytest.mark.parametrize("feature", ["paired_pixels", "filmstrip", "facts"])
def test_a_corrupt_entry_is_made_again_with_a_note(config, job, feature):
    settings = config(*BUILT_IN)
    first = Extracting(settings)(job)
    before = stored(settings, first)
    (path,) = entries(settings, feature)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    second = Extracting(settings)(job)
    assert second.decodes == 1
    assert second.computed == (() if feature == "facts" else (feature,))
    assert len(second.notes) == 1
    assert str(path) in second.notes[0]
    assert second.facts == first.facts
    for name, data in stored(settings, second).items():
        same(data, before[name])
    assert Extracting(settings)(job).notes == ()


def test_facts_of_another_version_are_made_again(config, job):
    settings = config("filmstrip")
    first = Extracting(settings)(job)
    (path,) = entries(settings, "facts")
    FeatureCache(settings.cache).store(
        "facts", path.stem, FeatureData({"facts": np.array('{"of": "another version"}')})
    )
    second = Extracting(settings)(job)
    assert (second.decodes, second.facts) == (1, first.facts)
    assert "facts" in second.notes[0]
    assert Extracting(settings)(job).decodes == 0


def test_neither_order_nor_company_changes_a_result(config, world, tmp_path):
    """Each sample alone in a fresh worker, all forwards in one, all backwards in one: the same bytes."""
    todo = jobs(world.submission(), world.samples())
    caches = []
    for number, orders in enumerate(([[job] for job in todo], [todo], [todo[::-1]])):
        settings = config(*BUILT_IN)
        settings = Config(**{**settings.__dict__, "cache": tmp_path / f"cache-{number}"})
        for order in orders:
            handler = Extracting(settings)
            for job in order:
                handler(job)
        entries = sorted(path for path in settings.cache.rglob("*.npz") if "timings" not in path.parts)
        caches.append({path.relative_to(settings.cache): path for path in entries})
    assert len(caches[0]) == len(todo) * 3
    for other in caches[1:]:
        assert list(other) == list(caches[0])
        for name, path in other.items():
            with np.load(path) as left, np.load(caches[0][name]) as right:
                assert left.files == right.files
                for key in left.files:
                    assert left[key].tobytes() == right[key].tobytes()


def test_equal_videos_of_two_teams_are_decoded_once(config, world, tmp_path):
    settings = config(*BUILT_IN)
    copied = tmp_path / "copy.zip"
    with zipfile.ZipFile(world.zip) as source, zipfile.ZipFile(copied, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
    first = jobs(world.submission(), world.samples())
    second = jobs(Submission.open(copied), world.samples())
    handler = Extracting(settings)
    assert [handler(job).decodes for job in (*first, *second)] == [1] * len(first) + [0] * len(second)


def test_the_same_video_against_another_reference_is_compared_again(config, job, world):
    settings = config(*BUILT_IN)
    Extracting(settings)(job)
    other = world.samples().path(world.samples().samples[1].reference_video)
    found = Extracting(settings)(Job(job.sample, job.member, Item(job.sample, Path(), reference_video=other)))
    assert (found.decodes, found.computed) == (1, ("paired_pixels",))
