"""2D-FAN and its detector beside face_alignment, by hand, and as landmarks of a scored submission."""

from __future__ import annotations

import hashlib
import json
import subprocess
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from fan_checkpoint import planted_sfd, random_fan, random_sfd
from numpy.typing import NDArray
from PIL import Image

from evalkit.cli import main
from evalkit.errors import WeightsError
from evalkit.media.encode import write_video
from evalkit.metrics.features.base import Item, PairCoverage, WeightFile, feature_registry
from evalkit.metrics.landmarks.fan import FanLandmarks, centre_and_scale, crop, faces, open_fan, open_sfd, points
from evalkit.metrics.landmarks.fan_options import FanOptions
from evalkit.metrics.landmarks.features import LandmarksExtractor, make_finder
from evalkit.metrics.networks.fan import Fan, FanModel
from evalkit.metrics.networks.sfd import Sfd
from evalkit.weights.manifest import load_backbones

ORACLE = Path(__file__).parent.parent / "oracles" / "face_alignment_reference.py"
OPTIONS = FanOptions()
BOX = (25.0, 20.0, 100.0, 110.0)


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with random.pth (2D-FAN), sfd.pth (random) and planted.pth (one face in every picture)."""
    made = tmp_path_factory.mktemp("fan")
    random_fan(made / "random.pth")
    random_sfd(made / "sfd.pth")
    planted_sfd(made / "planted.pth", BOX)
    return made


def weight(role: str, path: Path) -> WeightFile:
    options = {"family": "fan"} if role == "landmarks68" else {}
    return WeightFile(role, path, hashlib.sha256(path.read_bytes()).hexdigest(), options)


def weights_in(folder: Path, detector: str) -> dict[str, WeightFile]:
    return {
        "landmarks68": weight("landmarks68", folder / "random.pth"),
        "landmarks68_detector": weight("landmarks68_detector", folder / detector),
    }


def picture(height: int, width: int, seed: int) -> NDArray[np.uint8]:
    """Return smooth colours with some noise."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (7, 5, 3), dtype=np.uint8)
    large = np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)).astype(int)
    return np.clip(large + rng.integers(-9, 10, large.shape), 0, 255).astype(np.uint8)


@pytest.mark.oracles
def test_networks_crops_points_and_the_whole_chain_equal_face_alignment(oracle_python, folder, tmp_path):
    rng = np.random.default_rng(0)
    pictures = [picture(160, 220, 1), picture(131, 97, 3)]
    corners = rng.uniform(-60, 150, (24, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(70, 260, (24, 2))], axis=1)
    heatmaps = rng.normal(size=(24, 68, 64, 64)).astype(np.float32)
    heatmaps[1, :40, 0, rng.integers(0, 64, 40)] = 9  # peaks on the border stay where they are
    heatmaps[2] = 0  # no peak at all: the first cell
    given = {f"picture_{number}": rgb for number, rgb in enumerate(pictures)}
    np.savez(tmp_path / "in.npz", boxes=boxes, heatmaps=heatmaps, **given)
    command = [oracle_python, ORACLE, folder / "random.pth", folder / "sfd.pth", tmp_path / "in.npz", tmp_path / "out"]
    subprocess.run([str(word) for word in command], check=True, timeout=600, capture_output=True)
    theirs = np.load(tmp_path / "out.npz")
    for number, box in enumerate(boxes):
        centre, scale = centre_and_scale(box, OPTIONS)
        assert np.array_equal(crop(pictures[0], centre, scale), theirs["crops"][number])
        assert np.array_equal(points(heatmaps[number], centre, scale), theirs["points"][number])
    assert len(np.unique(theirs["points"])) > 300
    ours = Fan(folder / "random.pth").heatmaps(theirs["crops"][0])
    difference = np.abs(ours - theirs["maps"]).max() / np.abs(theirs["maps"]).max()
    print("heatmaps, relative to the largest", difference)
    assert difference <= 1e-5
    detector, finder = Sfd(folder / "sfd.pth"), make_finder(weights_in(folder, "sfd.pth"), OPTIONS_OF_FEATURE)
    for number, rgb in enumerate(pictures):
        found, expected = faces(detector.raw(rgb), OPTIONS), theirs[f"boxes_{number}"]
        print("picture", number, len(found), "faces, largest difference", np.abs(found - expected).max())
        assert np.abs(found - expected).max() <= 1e-2
        landmarks, count = finder.find(rgb)
        assert 0 < count == len(expected) < 9
        assert np.array_equal(landmarks, theirs[f"landmarks_{number}"][0])


OPTIONS_OF_FEATURE = LandmarksExtractor.record.options


def test_the_crop_and_a_point_by_hand():
    """A box of 75 x 90: centre (62.5, 54.2), scale 165 / 195, so 169.23 pixels become 256."""
    centre, scale = centre_and_scale(np.array(BOX), OPTIONS)
    assert centre.tolist() == pytest.approx([62.5, 65 - 0.12 * 90])
    assert scale == pytest.approx(165 / 195)
    side = 200 * scale
    heatmaps = np.zeros((68, 64, 64), np.float32)
    heatmaps[:, 20, 30] = 1
    heatmaps[:, 20, 31] = 0.5  # to the right: a quarter of a cell
    heatmaps[0] = 0
    heatmaps[0, 0, 63] = 1  # in the corner: no quarter
    found = points(heatmaps, centre, scale)
    cell = side / 64
    left, top = centre - side / 2
    assert found[1].tolist() == [int(left + 30.75 * cell), int(top + 20.5 * cell)]
    assert found[0].tolist() == [int(left + 63.5 * cell), int(top + 0.5 * cell)]
    blank = crop(np.full((128, 128, 3), 200, np.uint8), centre, scale)
    assert blank.shape == (256, 256, 3)
    assert blank[:, 0].max() == 0  # left of the image
    assert blank[128, 128].tolist() == [200, 200, 200]


def test_boxes_of_no_size_and_out_of_proportion_have_no_crop():
    rgb = picture(64, 64, 0)
    for box in ((10, 10, 10.5, 10.5), (0, 0, 1e9, 1e9), (0, 0, np.inf, 5), (np.nan, 0, 9, 9)):
        with pytest.raises(ValueError, match="no crop"):
            crop(rgb, *centre_and_scale(np.array(box), OPTIONS))


def test_the_planted_face_is_found_and_small_pictures_have_none(folder):
    finder = make_finder(weights_in(folder, "planted.pth"), OPTIONS_OF_FEATURE)
    found = faces(Sfd(folder / "planted.pth").raw(picture(128, 128, 1)), OPTIONS)
    assert found[0, :4] == pytest.approx(BOX, abs=1e-3)
    assert found[0, 4] == pytest.approx(1 / (1 + np.exp(-9.0)))
    nothing, count = finder.find(picture(31, 200, 1))
    assert count == 0
    assert np.isnan(nothing).all()


def test_the_published_archive_is_read_by_its_pinned_digest_only(folder, tmp_path):
    """2DFAN4-cd938726ad.zip is TorchScript: a program."""
    model = FanModel().eval()
    model.load_state_dict(torch.load(folder / "random.pth", weights_only=True))
    archive = tmp_path / "2DFAN4-made.zip"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(model, torch.zeros(1, 3, 64, 64), check_trace=False).save(str(archive))
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    image = picture(256, 256, 4)
    assert np.array_equal(Fan(archive, digest).heatmaps(image), Fan(folder / "random.pth").heatmaps(image))
    with pytest.raises(WeightsError, match="pinned digest"):
        Fan(archive)
    with pytest.raises(WeightsError, match="rejected"):
        Fan(archive, "0" * 64)


def test_a_set_without_the_detector_and_other_networks_are_refused(folder):
    alone = {"landmarks68": weight("landmarks68", folder / "random.pth")}
    with pytest.raises(WeightsError, match="names no face detector") as refused:
        LandmarksExtractor(alone)
    assert "landmarks68_detector" in str(refused.value.expected)
    with pytest.raises(WeightsError, match="doesn't fit the network SfdModel"):
        LandmarksExtractor({**alone, "landmarks68_detector": weight("landmarks68_detector", folder / "random.pth")})
    with pytest.raises(WeightsError, match="doesn't fit the network FanModel"):
        LandmarksExtractor({**weights_in(folder, "sfd.pth"), "landmarks68": weight("landmarks68", folder / "sfd.pth")})


def test_dlib_is_not_needed(folder, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "dlib", None)
    extractor = LandmarksExtractor(weights_in(folder, "planted.pth"))
    session = extractor.open(Item("s", Path("v.mp4"), reference_video=Path("r.mp4")), {})
    session.begin(PairCoverage(1, 1, 0.0))
    session.pair(0, picture(128, 128, 1), picture(128, 128, 2))
    found = session.finish()
    assert np.isfinite(found["candidate"]).all()
    assert found["candidate_faces"][0] >= 1
    assert not np.array_equal(found["candidate"], found["reference"])


def test_landmark_metrics_of_a_submission_with_a_set_of_ones_own(folder, tmp_path, monkeypatch):
    """The reference's own frames score 0; another set with dlib has another digest, so the two never meet."""
    testset = tmp_path / "testset"
    (testset / "videos").mkdir(parents=True)
    speech = np.zeros(1280, np.float32)
    write_video(testset / "videos/a.mp4", [picture(128, 128, 1), picture(128, 128, 2)], 25, speech, crf=12)
    write_video(testset / "videos/b.mp4", [picture(128, 128, 3), picture(128, 128, 4)], 25, speech, crf=12)
    lines = [json.dumps({"id": sample, "reference_video": f"videos/{sample}.mp4"}) for sample in "ab"]
    (testset / "samples.jsonl").write_text("\n".join(lines) + "\n")
    with zipfile.ZipFile(tmp_path / "team.zip", "w") as archive:
        archive.write(testset / "videos/a.mp4", "a.mp4")
        archive.write(testset / "videos/a.mp4", "b.mp4")
    roles = {
        role: {"file": one.path.name, "sha256": one.sha256, "options": dict(one.options), "licence": "none"}
        for role, one in weights_in(folder, "planted.pth").items()
    }
    backbones = tmp_path / "mine.yaml"
    backbones.write_text(yaml.safe_dump({"name": "mine", "title": "mine", "roles": roles}))
    monkeypatch.setenv("EVALKIT_WEIGHTS", str(folder))
    words = ["score", tmp_path / "team.zip", "-c", "talking-head", "--testset", testset, "-b", backbones]
    words += [
        "-m",
        "landmark.m_lmd,landmark.er_lmd,landmark.missed",
        "-o",
        tmp_path / "out",
        "--quiet",
        "--workers",
        "1",
    ]
    with pytest.raises(SystemExit):
        main([str(word) for word in words])
    card = json.loads((tmp_path / "out" / "scorecard.json").read_text())
    values = {video["sample"]: video["values"] for video in card["videos"]}
    assert values["a"] == {"landmark.m_lmd": 0.0, "landmark.er_lmd": 0.0, "landmark.missed": 0.0}
    assert values["b"]["landmark.er_lmd"] > 1
    use = card["features"]["landmarks68"]
    assert use["weights"] == [roles[role]["sha256"] for role in ("landmarks68", "landmarks68_detector")]
    assert use["options"]["fan"]["reference_scale"] == 195
    assert use["options"]["dlib"] is None
    other = yaml.safe_load(backbones.read_text())
    other["roles"]["landmarks68"]["options"] = {"family": "dlib"}
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(other))
    assert load_backbones(backbones).sha256 != load_backbones(tmp_path / "other.yaml").sha256


def test_synctalks_face_is_the_last_of_the_list(folder):
    """Of several faces the one with the lowest score, which face_alignment lists last."""
    files = weights_in(folder, "planted.pth")
    options = FanOptions()
    rgb = picture(128, 128, 1)
    network, detector = open_fan(files["landmarks68"], "cpu"), open_sfd(files["landmarks68_detector"], "cpu")
    found = faces(detector.raw(rgb), options)
    assert len(found) > 1
    assert (np.diff(found[:, 4]) <= 0).all()
    for last, box in ((False, found[0]), (True, found[-1])):
        centre, scale = centre_and_scale(box, options)
        by_hand = points(network.heatmaps(crop(rgb, centre, scale)), centre, scale)
        finder = FanLandmarks(files["landmarks68_detector"], files["landmarks68"], options, last=last)
        assert np.array_equal(finder.find(rgb)[0], by_hand)
    assert feature_registry()["landmarks68_last"].record.options.last
    assert not feature_registry()["landmarks68"].record.options.last


def test_cutting_floats_to_8_bit_changes_nothing_in_what_a_file_shows():
    """SyncTalk divides 8-bit pixels by 255 in float32, multiplies by 255 and cuts: every value comes back."""
    shown = np.arange(256, dtype=np.uint8)
    assert np.array_equal(((shown / np.float32(255)).astype(np.float32) * 255).astype(np.uint8), shown)
