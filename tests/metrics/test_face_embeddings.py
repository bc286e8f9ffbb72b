"""Vectors of faces: how crops are cut, that nothing is detected twice, and what references say when they fail."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from evalkit.media.encode import write_video
from evalkit.media.inspect import inspect_media
from evalkit.metrics.faces import arcface, curricularface
from evalkit.metrics.faces import embeddings as face_embeddings
from evalkit.metrics.faces import features as faces
from evalkit.metrics.faces import inception as face_inception
from evalkit.metrics.faces import references as reference_faces
from evalkit.metrics.faces.align import ARCFACE_TEMPLATE, norm_crop
from evalkit.metrics.faces.features import FacesExtractor, FacesView
from evalkit.metrics.faces.policy import Detection, FacePolicy, add_margin
from evalkit.metrics.features.base import Extractor, FeatureUnavailableError, Item, WeightFile
from evalkit.metrics.features.face import Face

NETWORKS = (face_embeddings.FEATURES, curricularface.FEATURES, face_inception.FEATURES)
every_network = pytest.mark.parametrize("kinds", NETWORKS, ids=lambda kinds: kinds[0].record.name)
WEIGHTS = {
    role: WeightFile(role, Path("x"), "0" * 64)
    for role in ("face_detector", "arcface", "curricularface", "inception_torchvision")
}


def face(scale: float = 1.0, shift: tuple[float, float] = (20.0, 10.0)) -> Face:
    points = (ARCFACE_TEMPLATE * scale + shift).astype(np.float32)
    return Face(np.array([*points.min(axis=0), *points.max(axis=0)], np.float32), 0.9, points)


class PlantedDetector:
    """Finds the faces that a test wrote down, and counts how often it is asked."""

    def __init__(self, found: Sequence[Face], *, only_larger_than: int = 0) -> None:
        self.found, self.only_larger_than = list(found), only_larger_than
        self.calls = 0

    def detect(self, rgb: NDArray[np.uint8]) -> list[Face]:
        self.calls += 1
        return self.found if rgb.shape[0] > self.only_larger_than else []


class PlantedNetwork:
    """Says the mean colour of a crop, and keeps the crops."""

    dimension = 3

    def __init__(self) -> None:
        self.crops: list[NDArray[np.uint8]] = []

    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        assert crops.dtype == np.uint8
        self.crops += list(crops)
        return crops.mean(axis=(1, 2)).astype(np.float32).reshape(-1, 3)


@pytest.fixture
def planted(monkeypatch):
    """Every network and the detector planted; returns the network, and a way to choose what is found."""
    network = PlantedNetwork()
    for kind in (kind for kinds in NETWORKS for kind in kinds):
        monkeypatch.setattr(kind, "open_network", staticmethod(lambda *_: network))

    def plant(detector: PlantedDetector) -> PlantedNetwork:
        for module in (faces, reference_faces):
            monkeypatch.setattr(module, "make_policy", lambda *_: FacePolicy(detector))
        return network

    return plant


def picture(seed: int = 0, height: int = 150, width: int = 160) -> NDArray[np.uint8]:
    small = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def image(path: Path, seed: int = 0) -> Path:
    Image.fromarray(picture(seed)).save(path)
    return path


# --- crops -------------------------------------------------------------------------------------------------------


def test_arcface_cuts_from_the_margin_and_curricularface_from_the_image():
    """ArcFace's vector is taken from the padded image, the 224 crop from the image itself."""
    rgb, near_the_border = picture(), face(shift=(-30.0, 0.0))
    margin = (40, 37)  # a quarter of 160 and of 150
    detection = Detection((near_the_border,), "margin", margin)
    (arc,) = face_embeddings.ARCFACE_CROP.cut(rgb, detection)
    (cur,) = curricularface.CROP.cut(rgb, detection)
    padded, offset = add_margin(rgb, 0.25)
    assert offset == margin
    assert np.array_equal(arc, norm_crop(padded, near_the_border.keypoints + margin, 112))
    assert np.array_equal(cur, norm_crop(rgb, near_the_border.keypoints, 224))
    assert cur[:, :40].max() == 0, "outside the image it is black"
    assert set(np.unique(arc[:, :20])) == {128}, "outside it is grey"
    # Found as the picture is, both look at the picture.
    (arc,) = face_embeddings.ARCFACE_CROP.cut(rgb, Detection((near_the_border,), "as_is"))
    assert np.array_equal(arc, norm_crop(rgb, near_the_border.keypoints, 112))


def test_the_distance_of_faces_takes_the_crops_of_curricularface():
    assert face_inception.CROP is curricularface.CROP
    assert curricularface.CROP.side == 224
    for video, reference in NETWORKS:
        assert video.record.options.crop is reference.record.options.crop
        assert video.record.options == reference.record.options
        assert video.record.weights == reference.record.weights
        assert (video.record.needs, reference.record.needs) == (("faces",), ("faces_reference",))


# --- nothing twice -----------------------------------------------------------------------------------------------


def opened(kind: type[Extractor], item: Item, upstream: dict) -> object:
    return kind(WEIGHTS).open(item, upstream)


def test_three_networks_look_for_faces_once(planted, tmp_path):
    """Sixteen frames, two reference images: eighteen detections, however many networks embed what was found."""
    detector = PlantedDetector([face()])
    network = planted(detector)
    clip = tmp_path / "a.mp4"
    write_video(clip, (picture(number) for number in range(40)), 25, crf=0, preset="ultrafast")
    item = Item("s", clip, reference_images=(image(tmp_path / "1.png"), image(tmp_path / "2.png", 1)))
    detected, references = opened(FacesExtractor, item, {}), opened(reference_faces.ReferenceFacesExtractor, item, {})
    sessions = [detected, references]
    for video, reference in NETWORKS:
        sessions += [
            opened(video, item, {"faces": detected}),
            opened(reference, item, {"faces_reference": references}),
        ]
    assert inspect_media(clip, sessions).complete
    arrays = [session.finish() for session in sessions]
    assert detector.calls == 18
    assert len(network.crops) == 3 * 18
    for embedded in arrays[2::2]:
        assert embedded["embedding"].shape == (16, 3)
        assert embedded["face"].tolist() == list(range(16))
    for embedded in arrays[3::2]:
        assert embedded["embedding"].shape == (2, 3)
        assert embedded["found"].all()
        assert embedded["attempt"].tolist() == [0, 0]
        assert not np.array_equal(embedded["embedding"][0], embedded["embedding"][1])


@every_network
@pytest.mark.parametrize("margin", [False, True])
def test_from_cached_faces_the_vectors_are_the_same(planted, tmp_path, kinds, margin):
    video, reference = kinds
    network = planted(PlantedDetector([face(), face(0.5)], only_larger_than=160 if margin else 0))
    item = Item("s", Path("x"), reference_images=(image(tmp_path / "1.png"),))
    detected = opened(FacesExtractor, item, {})
    session = opened(video, item, {"faces": detected})
    times = np.arange(3) / 25
    for part in (detected, session):
        part.plan(times)
    for index in range(3):
        for part in (detected, session):
            part.frame(index, float(times[index]), picture(index))
    live, found = session.finish(), detected.finish()
    assert found["attempt"].tolist() == [1 if margin else 0] * 3
    assert live["embedding"].shape == (6, 3)
    again = opened(video, item, {"faces": FacesView(found)})
    again.plan(times)
    for index in range(3):
        again.frame(index, float(times[index]), picture(index))
    for name, array in again.finish().items():
        assert np.array_equal(array, live[name])
    references = opened(reference_faces.ReferenceFacesExtractor, item, {})
    live = opened(reference, item, {"faces_reference": references}).finish()
    view = reference_faces.ReferenceFacesExtractor(WEIGHTS).view(references.finish())
    before = len(network.crops)
    cached = opened(reference, item, {"faces_reference": view}).finish()
    assert len(network.crops) == before + 1
    for name, array in cached.items():
        assert np.array_equal(array, live[name])


@every_network
def test_a_session_starts_over(planted, kinds):
    planted(PlantedDetector([face()]))
    item = Item("s", Path("x"))
    detected = opened(FacesExtractor, item, {})
    session = opened(kinds[0], item, {"faces": detected})
    for count in (5, 2):
        for part in (detected, session):
            part.plan(np.arange(count) / 25)
        for index in range(count):
            for part in (detected, session):
                part.frame(index, index / 25, picture(index))
    assert session.finish()["embedding"].shape == (2, 3)


# --- references --------------------------------------------------------------------------------------------------


@every_network
def test_the_largest_face_of_an_image_counts(planted, tmp_path, kinds):
    network = planted(PlantedDetector([face(0.5, (5.0, 5.0)), face(0.9), face(0.4)]))
    item = Item("s", Path("x"), reference_images=(image(tmp_path / "1.png"),))
    references = opened(reference_faces.ReferenceFacesExtractor, item, {})
    opened(kinds[1], item, {"faces_reference": references}).finish()
    (crop,) = network.crops
    assert np.array_equal(crop, norm_crop(picture(0), face(0.9).keypoints, kinds[0].record.options.crop.side))


@every_network
def test_an_image_without_a_face_is_marked(planted, tmp_path, kinds):
    """A face is found in images higher than 200 pixels only: here in the second, and with its margin of a quarter."""
    planted(PlantedDetector([face()], only_larger_than=225))
    Image.fromarray(picture(1, height=300)).save(tmp_path / "2.png")
    item = Item("s", Path("x"), reference_images=(image(tmp_path / "1.png"), tmp_path / "2.png"))
    references = opened(reference_faces.ReferenceFacesExtractor, item, {})
    arrays = opened(kinds[1], item, {"faces_reference": references}).finish()
    assert arrays["found"].tolist() == [False, True]
    assert arrays["attempt"].tolist() == [-1, 0]
    assert not arrays["embedding"][0].any()
    assert arrays["embedding"][1].any()
    found = references.finish()
    assert found["attempt"].tolist() == [-1, 0]
    assert found["box"].shape == (2, 4)
    assert found["keypoints"].shape == (2, 5, 2)
    assert found["margin"].shape == (2, 2)


def test_references_that_fail_say_why(planted, tmp_path):
    planted(PlantedDetector([]))
    kind = reference_faces.ReferenceFacesExtractor
    with pytest.raises(FeatureUnavailableError) as none:
        opened(kind, Item("s", Path("x")), {})
    assert none.value.reason == "no_reference_image"
    with pytest.raises(FeatureUnavailableError) as nobody:
        opened(kind, Item("s", Path("x"), reference_images=(image(tmp_path / "1.png"),)), {}).finish()
    assert nobody.value.reason == "reference_no_face"
    broken = tmp_path / "2.png"
    broken.write_bytes(b"no image")
    with pytest.raises(FeatureUnavailableError) as unreadable:
        opened(kind, Item("s", Path("x"), reference_images=(tmp_path / "1.png", broken)), {}).finish()
    assert unreadable.value.reason == "reference_image_unreadable"
    assert "2 of 2" in unreadable.value.detail
    assert str(tmp_path) not in unreadable.value.detail


@every_network
def test_a_face_that_can_not_be_cut_out_is_no_face(planted, tmp_path, kinds):
    """All keypoints in one place admit no transform."""
    flat = Face(face().box, 0.9, np.full((5, 2), 30, np.float32))
    planted(PlantedDetector([flat]))
    item = Item("s", Path("x"), reference_images=(image(tmp_path / "1.png"),))
    references = opened(reference_faces.ReferenceFacesExtractor, item, {})
    with pytest.raises(FeatureUnavailableError) as nobody:
        opened(kinds[1], item, {"faces_reference": references}).finish()
    assert nobody.value.reason == "reference_no_face"
    detected = opened(FacesExtractor, item, {})
    session = opened(kinds[0], item, {"faces": detected})
    for part in (detected, session):
        part.plan(np.zeros(1))
        part.frame(0, 0.0, picture())
    arrays = session.finish()
    assert arrays["embedding"].shape == (0, 3)
    assert arrays["face"].shape == (0,)


# --- networks ----------------------------------------------------------------------------------------------------


def test_a_network_is_opened_once_for_video_and_references(monkeypatch):
    from evalkit.metrics.networks import ir101

    monkeypatch.setattr(ir101, "CurricularFace", lambda path, device, precision: (path, device, precision, object()))
    curricularface.open_network.cache_clear()
    weight = WEIGHTS["curricularface"]
    video, reference = curricularface.FEATURES
    first = video.open_network(WEIGHTS["curricularface"], "cpu")
    assert reference.open_network(WEIGHTS["curricularface"], "cpu") is first
    other = WeightFile("curricularface", weight.path, "1" * 64)
    assert curricularface.open_network(other, "cpu") is not first
    half = WeightFile("curricularface", weight.path, weight.sha256, {"precision": "bfloat16"})
    assert curricularface.open_network(half, "cpu")[2] != first[2]
    curricularface.open_network.cache_clear()


def test_listing_features_does_not_load_torch():
    modules = ", ".join(module.__name__ for module in (curricularface, face_inception, arcface))
    code = f"import sys; import {modules}, evalkit.metrics.embeddings.clean; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
