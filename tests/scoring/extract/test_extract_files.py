"""Files that can't be read, are refused, or have no usable reference; faces from the cache."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import shapes
from builders.extraction import Extracting, entries, jobs, own_job, same, stored
from PIL import Image

from evalkit.errors import EvalkitError
from evalkit.media.encode import write_video
from evalkit.metrics.features.base import (
    Item,
    WeightFile,
)
from evalkit.scoring.jobs import Config, Job

BUILT_IN = ("paired_pixels", "filmstrip")


def test_a_reference_too_small_to_compare_is_a_reason(config, world, tmp_path):
    tiny = tmp_path / "tiny.mp4"
    write_video(tiny, [np.full((8, 8, 3), 90, np.uint8)] * 5, 25)
    settings = config(*BUILT_IN)
    submission, samples = world.submission(), world.samples()
    job = jobs(submission, samples)[0]
    small = Job(job.sample, job.member, Item(job.sample, Path(), reference_video=tiny))
    found = Extracting(settings)(small)
    data = stored(settings, found)
    assert data["paired_pixels"].reason == "reference_video_too_small"
    assert data["filmstrip"].arrays is not None
    assert dict(found.errors) == {}


def test_no_reference_and_a_broken_one_are_reasons(config, job, tmp_path):
    settings = config("paired_pixels")
    alone = Job(job.sample, job.member, Item(job.sample, Path()))
    assert stored(settings, Extracting(settings)(alone))["paired_pixels"].reason == "no_reference_video"
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    damaged = Job(job.sample, job.member, Item(job.sample, Path(), reference_video=broken))
    assert stored(settings, Extracting(settings)(damaged))["paired_pixels"].reason == "reference_video_unreadable"


def silent_video(path: Path) -> Path:
    write_video(path, shapes.shape_frames(1, 25, 96), 25)
    return path


def test_a_refused_file_stores_no_feature(config, tmp_path, planted):
    settings = config(*BUILT_IN, "a")
    job = own_job(tmp_path, silent_video(tmp_path / "silent.mp4"))
    first = Extracting(settings)(job)
    assert (first.decodes, first.keys, first.computed) == (1, {}, ())
    assert first.facts.audio is None
    assert "a.finish" not in planted.log
    assert [path.name for path in settings.cache.iterdir()] == ["facts"]
    planted.log.clear()
    second = Extracting(settings)(job)  # known to be refused: not even opened
    assert (second.decodes, second.keys, planted.log) == (0, {}, [])


def test_a_file_that_is_no_video_is_refused(config, tmp_path, planted):
    settings = config(*BUILT_IN, "a")
    job = own_job(tmp_path, b"this is no video")
    first = Extracting(settings)(job)
    assert (first.decodes, first.keys, first.problem) == (0, {}, None)
    assert first.facts.open_error
    assert Extracting(settings)(job).facts == first.facts
    assert "a.frame" not in planted.log


def test_a_file_that_cannot_be_copied_has_a_problem(config, world, job):
    limit = world.challenge().submission.model_copy(
        update={"archive": world.challenge().submission.archive.model_copy(update={"max_file_bytes": 10})}
    )
    found = Extracting(config(*BUILT_IN, rules=limit))(job)
    assert (found.sha256, found.facts, found.keys) == (None, None, {})
    assert "too large" in found.problem


def test_a_disk_without_room_for_the_copy_stops_the_run(config, job, temporary, monkeypatch):
    (temporary / "file").touch()
    monkeypatch.setattr("tempfile.tempdir", str(temporary / "file"))
    with pytest.raises(EvalkitError, match="can't be written"):
        Extracting(config("filmstrip"))(job)
    (temporary / "file").unlink()


@pytest.fixture
def face_weights(weights, backbones) -> dict[str, WeightFile]:
    from evalkit.weights.manifest import load_backbones
    from evalkit.weights.store import find_weights

    names = load_backbones(backbones)
    roles = ("face_detector", "face_detector_second", "arcface")
    return {
        role: WeightFile(role, find_weights(names, role).path, names.roles[role].sha256, names.roles[role].options)
        for role in roles
    }


@pytest.mark.shared
@pytest.mark.parametrize("clip", ["s01", "s06"])  # s06 needs the grey margin
def test_embeddings_from_cached_faces_equal_the_live_ones(shared, tmp_path, face_weights, clip):
    folder = shared / "data" / "talking-heads" / "testset"
    job = own_job(tmp_path, folder / "videos" / f"{clip}.mp4", reference_images=(folder / "images" / f"{clip}.png",))
    settings = Config(tmp_path / "cache", ("faces", "arcface", "faces_reference", "arcface_reference"), face_weights)
    first = Extracting(settings)(job)
    assert dict(first.errors) == {}
    live = stored(settings, first)
    assert len(live["arcface"].arrays["embedding"]) >= 10
    for path in entries(settings, "arcface"):
        path.unlink()
    second = Extracting(settings)(job)
    assert (second.computed, second.decodes) == (("arcface",), 1)
    same(stored(settings, second)["arcface"], live["arcface"])


@pytest.mark.shared
def test_a_reference_image_that_is_no_image_is_a_reason(shared, tmp_path, face_weights):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    clip = shared / "data" / "talking-heads" / "testset" / "videos" / "s01.mp4"
    settings = Config(tmp_path / "cache", ("faces_reference", "arcface_reference"), face_weights)
    found = Extracting(settings)(own_job(tmp_path, clip, reference_images=(broken,)))
    assert dict(found.errors) == {}
    assert stored(settings, found)["arcface_reference"].reason == "reference_image_unreadable"
    grey = tmp_path / "grey.png"
    Image.new("RGB", (64, 64), (128, 128, 128)).save(grey)
    for images, reason in (((), "no_reference_image"), ((grey, grey), "reference_no_face")):
        found = Extracting(settings)(own_job(tmp_path, clip, reference_images=images))
        assert stored(settings, found)["arcface_reference"].reason == reason
