"""One file in one worker: decoded at most once, cached by feature, and nobody pays for somebody else's fault."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapes
from PIL import Image

from evalkit.errors import EvalkitError, StorageError
from evalkit.media.encode import write_video
from evalkit.media.inspect import Inspection, inspect_media
from evalkit.metrics.base import FeatureData
from evalkit.metrics.features.base import (
    Extractor,
    FeatureRecord,
    FeatureUnavailableError,
    Item,
    PairSession,
    Session,
    WeightFile,
)
from evalkit.scoring import extract
from evalkit.scoring.cache import FeatureCache
from evalkit.scoring.extract import Handler
from evalkit.scoring.jobs import Config, Extraction, Job
from evalkit.submission.model import Submission

BUILT_IN = ("paired_pixels", "filmstrip")


class Planted:
    """A third party's extractors: what they do is said by a table that a test changes."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.act: dict[str, Callable[[], None]] = {}

    def step(self, name: str) -> None:
        self.log.append(name)
        self.act.get(name, lambda: None)()

    def extractor(self, feature: str, **record: Any) -> type[Extractor]:
        """Return an extractor of the mean grey level; if it needs another, its values are added."""
        planted = self

        class MeanSession(Session):
            def __init__(self, upstream: Mapping[str, Any]) -> None:
                self.upstream = upstream
                self.levels: list[float] = []

            def plan(self, times):
                self.levels = []
                planted.step(f"{feature}.plan")
                return np.ones(len(times), dtype=bool)

            def frame(self, index, time, rgb):
                planted.step(f"{feature}.frame")
                self.levels.append(float(rgb.mean()))

            def mean(self):
                return float(np.mean(self.levels))

            def finish(self):
                planted.step(f"{feature}.finish")
                return {"mean": np.array(self.mean() + sum(view.mean() for view in self.upstream.values()))}

        class View:
            def __init__(self, arrays):
                self.arrays = arrays

            def mean(self):
                return float(self.arrays["mean"])

        class MeanExtractor(Extractor):
            def open(self, item, upstream):
                planted.step(f"{feature}.open")
                return MeanSession(upstream)

            def view(self, arrays):
                return View(arrays)

        MeanExtractor.record = FeatureRecord(feature, 1, f"mean grey level as {feature}", **record)
        return MeanExtractor


@pytest.fixture
def planted(monkeypatch):
    """Register the extractors a, b (which needs a) and c beside the built-in ones."""
    planted = Planted()
    registry = extract.feature_registry()
    mine = [planted.extractor("a"), planted.extractor("b", needs=("a",)), planted.extractor("c")]
    both = {**registry, **{kind.record.name: kind for kind in mine}}
    monkeypatch.setattr(extract, "feature_registry", lambda: both)
    return planted


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """Whatever happens in a test, the folder for temporary files is empty afterwards."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


@pytest.fixture
def config(tmp_path, world):
    def make(*features: str, **changes: Any) -> Config:
        return Config(cache=tmp_path / "cache", features=features, **{"rules": world.challenge().submission, **changes})

    return make


def jobs(submission: Submission, testset: Any) -> list[Job]:
    return [
        Job(
            sample.id,
            submission.ref(f"{sample.id}.mp4"),
            Item(
                sample.id,
                Path(),
                reference_images=tuple(testset.path(image) for image in sample.reference_images),
                reference_video=testset.path(sample.reference_video) if sample.reference_video else None,
            ),
        )
        for sample in testset
    ]


@pytest.fixture
def job(world):
    return jobs(world.submission(), world.samples())[0]


def own_job(tmp_path: Path, video: Path | bytes, **item: Any) -> Job:
    """Return a job for a video that a test made itself."""
    archive = tmp_path / "own.zip"
    data = video if isinstance(video, bytes) else video.read_bytes()
    with zipfile.ZipFile(archive, "w") as target:
        target.writestr("v.mp4", data)
    return Job("v", Submission.open(archive).ref("v.mp4"), Item("v", Path(), **item))


def stored(config: Config, extraction: Extraction) -> dict[str, FeatureData | None]:
    cache = FeatureCache(config.cache)
    return {name: cache.load(name, key) for name, key in extraction.keys.items()}


def same(first: FeatureData, second: FeatureData) -> None:
    assert (first.reason, first.detail) == (second.reason, second.detail)
    assert (first.arrays is None) == (second.arrays is None)
    for name, array in (first.arrays or {}).items():
        np.testing.assert_array_equal(array, second.arrays[name])
        assert array.dtype == second.arrays[name].dtype


def entries(config: Config, feature: str) -> list[Path]:
    return sorted(path for path in (config.cache / feature).rglob("*.npz"))


def test_the_second_time_nothing_is_decoded(config, job, planted):
    settings = config(*BUILT_IN, "a", "b")
    first = Handler(settings)(job)
    assert (first.decodes, sorted(first.computed), dict(first.errors), first.notes, first.problem) == (
        1,
        ["a", "b", "filmstrip", "paired_pixels"],
        {},
        (),
        None,
    )
    assert set(first.keys) == {*BUILT_IN, "a", "b"}
    planted.log.clear()
    second = Handler(settings)(job)
    assert (second.decodes, second.computed, planted.log) == (0, (), [])
    assert (second.keys, second.facts, second.sha256) == (first.keys, first.facts, first.sha256)


def test_the_second_time_within_one_worker(config, job):
    handler = Handler(config(*BUILT_IN))
    assert [handler(job).decodes for _ in range(3)] == [1, 0, 0]


def test_only_what_is_missing_is_made_again(config, job):
    settings = config(*BUILT_IN)
    first = Handler(settings)(job)
    before = stored(settings, first)
    (path,) = entries(settings, "paired_pixels")
    path.unlink()
    second = Handler(settings)(job)
    assert (second.decodes, second.computed, second.notes, second.keys) == (1, ("paired_pixels",), (), first.keys)
    for name, data in stored(settings, second).items():
        same(data, before[name])


def test_fresh_makes_everything_again(config, job):
    first = Handler(config(*BUILT_IN))(job)
    again = Handler(config(*BUILT_IN, fresh=True))(job)
    assert (again.decodes, sorted(again.computed), again.keys) == (1, sorted(BUILT_IN), first.keys)


def test_only_the_facts_are_asked_for(config, job):
    settings = config()
    first = Handler(settings)(job)
    assert (first.decodes, first.keys, first.facts.video.frames) == (1, {}, 25)
    assert Handler(settings)(job).decodes == 0
    # What a validation has read, scoring reads again only for the features.
    assert Handler(config("filmstrip"))(job).decodes == 1


@pytest.mark.parametrize("feature", ["paired_pixels", "filmstrip", "facts"])
def test_a_corrupt_entry_is_made_again_with_a_note(config, job, feature):
    settings = config(*BUILT_IN)
    first = Handler(settings)(job)
    before = stored(settings, first)
    (path,) = entries(settings, feature)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    second = Handler(settings)(job)
    assert second.decodes == 1
    assert second.computed == (() if feature == "facts" else (feature,))
    assert len(second.notes) == 1
    assert str(path) in second.notes[0]
    assert second.facts == first.facts
    for name, data in stored(settings, second).items():
        same(data, before[name])
    assert Handler(settings)(job).notes == ()


def test_facts_of_another_version_are_made_again(config, job):
    settings = config("filmstrip")
    first = Handler(settings)(job)
    (path,) = entries(settings, "facts")
    FeatureCache(settings.cache).store(
        "facts", path.stem, FeatureData({"facts": np.array('{"of": "another version"}')})
    )
    second = Handler(settings)(job)
    assert (second.decodes, second.facts) == (1, first.facts)
    assert "facts" in second.notes[0]
    assert Handler(settings)(job).decodes == 0


STEPS = ["open", "plan", "frame", "finish"]


def fault() -> None:
    raise RuntimeError("a planted fault")


@pytest.mark.parametrize("step", STEPS)
def test_an_extractor_that_raises_costs_only_its_own_feature(config, job, planted, step):
    settings = config(*BUILT_IN, "a", "c")
    planted.act[f"c.{step}"] = fault
    first = Handler(settings)(job)
    assert list(first.errors) == ["c"]
    assert first.errors["c"].rstrip().endswith("RuntimeError: a planted fault")
    assert set(first.keys) == {*BUILT_IN, "a"}
    assert sorted(first.computed) == ["a", "filmstrip", "paired_pixels"]
    assert entries(settings, "c") == []  # a bug is not cached
    planted.act.clear()
    second = Handler(settings)(job)
    assert (second.decodes, second.computed, dict(second.errors)) == (1, ("c",), {})


@pytest.mark.parametrize("step", STEPS)
def test_what_needs_a_failed_feature_fails_and_is_not_cached(config, job, planted, step):
    settings = config("a", "b", "c")
    planted.act[f"a.{step}"] = fault
    first = Handler(settings)(job)
    assert sorted(first.errors) == ["a", "b"]
    assert "'a'" in first.errors["b"].strip().splitlines()[-1]
    assert set(first.keys) == {"c"}
    assert entries(settings, "b") == []
    planted.act.clear()
    second = Handler(settings)(job)
    assert (sorted(second.computed), dict(second.errors)) == (["a", "b"], {})


def unavailable() -> None:
    raise FeatureUnavailableError("no_such_thing", "the item lacks it")


@pytest.mark.parametrize("step", STEPS)
def test_a_feature_that_cannot_be_had_is_cached_with_its_reason(config, job, planted, step):
    settings = config("c", "filmstrip")
    planted.act[f"c.{step}"] = unavailable
    first = Handler(settings)(job)
    assert (dict(first.errors), stored(settings, first)["c"]) == (
        {},
        FeatureData(None, "no_such_thing", "the item lacks it"),
    )
    assert stored(settings, first)["filmstrip"].arrays is not None
    planted.log.clear()
    assert Handler(settings)(job).decodes == 0
    assert planted.log == []


@pytest.mark.parametrize("step", STEPS)
def test_what_needs_an_unavailable_feature_has_the_same_reason_live_and_from_the_cache(config, job, planted, step):
    planted.act[f"a.{step}"] = unavailable
    live = config("a", "b")
    together = stored(live, Handler(live)(job))
    assert together["b"] == FeatureData(None, "no_such_thing", "the item lacks it")
    for path in entries(live, "b"):
        path.unlink()
    later = Handler(live)(job)
    assert later.computed == ("b",)
    same(stored(live, later)["b"], together["b"])


def test_a_dependent_feature_is_the_same_live_and_from_the_cache(config, job, planted):
    settings = config("a", "b")
    live = stored(settings, Handler(settings)(job))["b"]
    for path in entries(settings, "b"):
        path.unlink()
    planted.log.clear()
    again = Handler(settings)(job)
    assert (again.computed, again.decodes) == (("b",), 1)
    assert "a.open" not in planted.log
    same(stored(settings, again)["b"], live)


def test_an_upstream_entry_that_goes_during_the_run_is_no_lasting_reason(config, job, planted):
    settings = config("a", "b")
    before = stored(settings, Handler(settings)(job))["b"]
    (kept,), (own,) = entries(settings, "a"), entries(settings, "b")
    own.unlink()
    handler = Handler(settings)
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
    again = Handler(settings)(job)
    assert (sorted(again.computed), dict(again.errors)) == (["a", "b"], {})
    same(stored(settings, again)["b"], before)


def test_an_upstream_of_another_version_changes_the_key(config, job, planted, monkeypatch):
    first = Handler(config("a", "b"))(job)
    kind = extract.feature_registry()["a"]
    monkeypatch.setattr(kind, "record", FeatureRecord("a", 2, "another"))
    second = Handler(config("a", "b"))(job)
    assert second.keys["b"] != first.keys["b"]
    assert sorted(second.computed) == ["a", "b"]


def test_a_mask_of_the_wrong_form_is_the_extractors_fault(config, job, planted, monkeypatch):
    handler = Handler(config("c", "filmstrip"))
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
        Handler(config("c"))(job)


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
    found = Handler(settings)(job)
    assert list(found.errors) == ["p"]
    assert stored(settings, found)["paired_pixels"].arrays["psnr"].shape == (25,)


def test_a_reference_too_small_to_compare_is_a_reason(config, world, tmp_path):
    tiny = tmp_path / "tiny.mp4"
    write_video(tiny, [np.full((8, 8, 3), 90, np.uint8)] * 5, 25)
    settings = config(*BUILT_IN)
    submission, samples = world.submission(), world.samples()
    job = jobs(submission, samples)[0]
    small = Job(job.sample, job.member, Item(job.sample, Path(), reference_video=tiny))
    found = Handler(settings)(small)
    data = stored(settings, found)
    assert data["paired_pixels"].reason == "reference_video_too_small"
    assert data["filmstrip"].arrays is not None
    assert dict(found.errors) == {}


def test_no_reference_and_a_broken_one_are_reasons(config, job, tmp_path):
    settings = config("paired_pixels")
    alone = Job(job.sample, job.member, Item(job.sample, Path()))
    assert stored(settings, Handler(settings)(alone))["paired_pixels"].reason == "no_reference_video"
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    damaged = Job(job.sample, job.member, Item(job.sample, Path(), reference_video=broken))
    assert stored(settings, Handler(settings)(damaged))["paired_pixels"].reason == "reference_video_unreadable"


def test_when_the_index_is_wrong_the_second_pass_counts_alone(config, job, planted, monkeypatch):
    """The first pass plans on 25 packets; here the decoder's count is made to differ, as with a damaged index."""
    settings = config(*BUILT_IN, "a", "b")
    straight = stored(settings, Handler(settings)(job))
    calls = []

    def twice(path: Path, sinks: Any = ()) -> Inspection:
        inspect_media(path, sinks)  # plans, sends all frames ...
        calls.append(planted.log.count("a.frame"))
        inspection = inspect_media(path, sinks)  # ... and starts all over
        inspection.passes = 2
        return inspection

    monkeypatch.setattr(extract, "inspect_media", twice)
    planted.log.clear()
    again = Handler(config(*BUILT_IN, "a", "b", fresh=True))(job)
    assert (again.decodes, calls, dict(again.errors)) == (2, [25], {})
    for name, data in stored(settings, again).items():
        same(data, straight[name])
    assert len(stored(settings, again)["paired_pixels"].arrays["psnr"]) == 25


def test_a_fault_of_the_first_pass_is_forgotten_in_the_second(config, job, planted, monkeypatch):
    planted.act["a.frame"] = fault

    def twice(path: Path, sinks: Any = ()) -> Inspection:
        inspect_media(path, sinks)
        planted.act.clear()
        return inspect_media(path, sinks)

    monkeypatch.setattr(extract, "inspect_media", twice)
    found = Handler(config("a", "b"))(job)
    assert (dict(found.errors), set(found.keys)) == ({}, {"a", "b"})


def silent_video(path: Path) -> Path:
    write_video(path, shapes.shape_frames(1, 25, 96), 25)
    return path


def test_a_refused_file_stores_no_feature(config, tmp_path, planted):
    settings = config(*BUILT_IN, "a")
    job = own_job(tmp_path, silent_video(tmp_path / "silent.mp4"))
    first = Handler(settings)(job)
    assert (first.decodes, first.keys, first.computed) == (1, {}, ())
    assert first.facts.audio is None
    assert "a.finish" not in planted.log
    assert [path.name for path in settings.cache.iterdir()] == ["facts"]
    planted.log.clear()
    second = Handler(settings)(job)  # known to be refused: not even opened
    assert (second.decodes, second.keys, planted.log) == (0, {}, [])


def test_a_file_that_is_no_video_is_refused(config, tmp_path, planted):
    settings = config(*BUILT_IN, "a")
    job = own_job(tmp_path, b"this is no video")
    first = Handler(settings)(job)
    assert (first.decodes, first.keys, first.problem) == (0, {}, None)
    assert first.facts.open_error
    assert Handler(settings)(job).facts == first.facts
    assert "a.frame" not in planted.log


def test_a_file_that_cannot_be_copied_has_a_problem(config, world, job):
    limit = world.challenge().submission.model_copy(
        update={"archive": world.challenge().submission.archive.model_copy(update={"max_file_bytes": 10})}
    )
    found = Handler(config(*BUILT_IN, rules=limit))(job)
    assert (found.sha256, found.facts, found.keys) == (None, None, {})
    assert "too large" in found.problem


def test_a_disk_without_room_for_the_copy_stops_the_run(config, job, temporary, monkeypatch):
    (temporary / "file").touch()
    monkeypatch.setattr("tempfile.tempdir", str(temporary / "file"))
    with pytest.raises(EvalkitError, match="can't be written"):
        Handler(config("filmstrip"))(job)
    (temporary / "file").unlink()


def test_an_extractor_that_cannot_be_built_fails_at_the_start(config, monkeypatch, planted):
    def broken(self, weights, device="cpu"):
        raise OSError("no such network")

    monkeypatch.setattr(extract.feature_registry()["c"], "__init__", broken)
    with pytest.raises(OSError, match="no such network"):
        Handler(config("c"))


def test_neither_order_nor_company_changes_a_result(config, world, tmp_path):
    """Each sample alone in a fresh worker, all forwards in one, all backwards in one: the same bytes."""
    todo = jobs(world.submission(), world.samples())
    caches = []
    for number, orders in enumerate(([[job] for job in todo], [todo], [todo[::-1]])):
        settings = config(*BUILT_IN)
        settings = Config(**{**settings.__dict__, "cache": tmp_path / f"cache-{number}"})
        for order in orders:
            handler = Handler(settings)
            for job in order:
                handler(job)
        caches.append({path.relative_to(settings.cache): path for path in sorted(settings.cache.rglob("*.npz"))})
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
    handler = Handler(settings)
    assert [handler(job).decodes for job in (*first, *second)] == [1] * len(first) + [0] * len(second)


def test_the_same_video_against_another_reference_is_compared_again(config, job, world):
    settings = config(*BUILT_IN)
    Handler(settings)(job)
    other = world.samples().path(world.samples().samples[1].reference_video)
    found = Handler(settings)(Job(job.sample, job.member, Item(job.sample, Path(), reference_video=other)))
    assert (found.decodes, found.computed) == (1, ("paired_pixels",))


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
    first = Handler(settings)(job)
    assert dict(first.errors) == {}
    live = stored(settings, first)
    assert len(live["arcface"].arrays["embedding"]) >= 10
    for path in entries(settings, "arcface"):
        path.unlink()
    second = Handler(settings)(job)
    assert (second.computed, second.decodes) == (("arcface",), 1)
    same(stored(settings, second)["arcface"], live["arcface"])


@pytest.mark.shared
def test_a_reference_image_that_is_no_image_is_a_reason(shared, tmp_path, face_weights):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    clip = shared / "data" / "talking-heads" / "testset" / "videos" / "s01.mp4"
    settings = Config(tmp_path / "cache", ("faces_reference", "arcface_reference"), face_weights)
    found = Handler(settings)(own_job(tmp_path, clip, reference_images=(broken,)))
    assert dict(found.errors) == {}
    assert stored(settings, found)["arcface_reference"].reason == "reference_image_unreadable"
    grey = tmp_path / "grey.png"
    Image.new("RGB", (64, 64), (128, 128, 128)).save(grey)
    for images, reason in (((), "no_reference_image"), ((grey, grey), "reference_no_face")):
        found = Handler(settings)(own_job(tmp_path, clip, reference_images=images))
        assert stored(settings, found)["arcface_reference"].reason == reason
