"""The features that FID and KID read, from file to arrays, with a planted network."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evalkit.media.encode import write_video
from evalkit.media.inspect import inspect_media
from evalkit.metrics.distances import fid
from evalkit.metrics.distances import kid as kernel_distances
from evalkit.metrics.embeddings.inception import FEATURES, open_network
from evalkit.metrics.features.base import FeatureUnavailableError, Item, WeightFile

EVERY = (*fid.METRICS, *kernel_distances.METRICS)
METRICS = {metric.record.id: metric for metric in EVERY}
FID, KID = METRICS["fid.pytorch"], METRICS["kid.torchfidelity"]
D = 6


class PlantedNetwork:
    """Says the mean grey of a frame, and keeps account of its batches."""

    def __init__(self):
        self.batches = []

    def prepare(self, rgb):
        return rgb.mean(dtype=np.float32)

    def embed(self, frames):
        self.batches.append(len(frames))
        return np.array([[grey, 2 * grey] for grey in frames], dtype=np.float32)


@pytest.fixture
def network(monkeypatch):
    planted = PlantedNetwork()
    for kind in FEATURES:
        monkeypatch.setattr(kind, "open_network", staticmethod(lambda *_: planted))
    return planted


def extractor(name):
    kind = next(kind for kind in FEATURES if kind.record.name == name)
    return kind({"inception": WeightFile("inception", Path("x.pth"), "0" * 64)})


def clip(path: Path, count: int, fps: float) -> Path:
    """Write a video whose frames grow brighter."""
    frames = (np.full((32, 48, 3), 40 + 3 * number, dtype=np.uint8) for number in range(count))
    write_video(path, frames, fps, crf=0, preset="ultrafast")
    return path


def read(name, path, reference=None):
    session = extractor(name).open(Item("s", path, reference_video=reference), {})
    assert inspect_media(path, [session]).complete
    return session.finish()


def test_every_frame_at_25_a_second(network, tmp_path):
    arrays = read("inception", clip(tmp_path / "a.mp4", 40, 25))
    assert arrays["activation"].shape == (40, 2)
    assert arrays["activation"].dtype == np.float32
    assert arrays["row"].tolist() == list(range(40))
    assert (np.diff(arrays["activation"][:, 0]) > 0).all()
    assert network.batches == [16, 16, 8]


@pytest.mark.parametrize(("fps", "count", "frames", "samples"), [(50, 40, 20, 20), (12.5, 20, 20, 40)])
def test_other_rates_are_brought_to_25(network, tmp_path, fps, count, frames, samples):
    """Frames left out are not looked at; frames shown twice are looked at once."""
    arrays = read("inception", clip(tmp_path / "a.mp4", count, fps))
    assert arrays["activation"].shape == (frames, 2)
    assert len(arrays["row"]) == samples
    assert (np.diff(arrays["row"]) >= 0).all()
    assert sum(network.batches) == frames


@pytest.mark.parametrize(("count", "frames"), [(40, 16), (10, 10)])
def test_sixteen_frames(network, tmp_path, count, frames):
    arrays = read("inception_uniform", clip(tmp_path / "a.mp4", count, 25))
    assert arrays["activation"].shape == (frames, 2)
    assert len(arrays["row"]) == 16
    expected = np.round(np.linspace(0, count - 1, 16))
    assert np.unique(expected, return_inverse=True)[1].tolist() == arrays["row"].tolist()
    assert network.batches == [frames]


@pytest.mark.parametrize("suffix", ["", "_uniform"])
def test_the_reference_is_read_like_the_video(network, tmp_path, suffix):
    video, reference = clip(tmp_path / "a.mp4", 30, 25), clip(tmp_path / "b.mp4", 35, 30)
    own = read(f"inception{suffix}", reference)
    arrays = read(f"inception{suffix}_reference", video, reference)
    assert set(arrays) == set(own)
    for name, array in own.items():
        assert np.array_equal(arrays[name], array)


def test_references_that_are_not_there_or_broken(network, tmp_path):
    kind = extractor("inception_reference")
    with pytest.raises(FeatureUnavailableError) as missing:
        kind.open(Item("s", tmp_path / "a.mp4"), {})
    assert missing.value.reason == "no_reference_video"
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(clip(tmp_path / "b.mp4", 30, 25).read_bytes()[:900])
    for path in (broken, tmp_path / "none.mp4"):
        with pytest.raises(FeatureUnavailableError) as unreadable:
            kind.open(Item("s", tmp_path / "a.mp4", reference_video=path), {}).finish()
        assert unreadable.value.reason == "reference_video_unreadable"


def test_a_session_starts_over_and_an_empty_one_says_so(network):
    session = extractor("inception").open(Item("s", Path("x")), {})
    times = np.arange(3) / 25
    frame = np.full((4, 4, 3), 9, dtype=np.uint8)
    session.plan(times)
    session.frame(0, 0.0, frame)
    session.plan(times[:2])
    session.frame(0, 0.0, frame)
    session.frame(1, 0.04, frame)
    assert len(session.finish()["activation"]) == 2
    session.plan(np.empty(0))
    with pytest.raises(FeatureUnavailableError) as empty:
        session.finish()
    assert empty.value.reason == "no_frame"


def test_the_network_is_opened_once(monkeypatch):
    open_network.cache_clear()
    from evalkit.metrics.networks import fid_inception

    monkeypatch.setattr(fid_inception, "FidInception", lambda *arguments: (*arguments, object()))
    file = WeightFile("inception", Path("a"), "0" * 64)
    first = open_network(file, "cpu")
    assert open_network(file, "cpu") is first
    assert open_network(replace(file, sha256="1" * 64), "cpu") is not first
    open_network.cache_clear()


def test_records_know_what_they_read():
    by_name = {kind.record.name: kind.record for kind in FEATURES}
    on_the_same_network = [metric for metric in EVERY if not metric.record.id.startswith("fid.clean")]
    assert len(on_the_same_network) >= 4
    for metric in on_the_same_network:
        video, reference = (by_name[name] for name in metric.record.features)
        assert video.inputs == {"video"}
        assert reference.inputs == {"reference_video"}
        assert video.options == reference.options
        assert video.weights == reference.weights == ("inception",)


def test_listing_metrics_does_not_load_torch():
    code = (
        "import sys; import evalkit.metrics.distances.fid, evalkit.metrics.embeddings.inception; "
        "sys.exit(any(name in sys.modules for name in ('torch', 'scipy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
